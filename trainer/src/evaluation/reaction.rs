//! How soon models show a tag that enters: recordings that do not have it, each followed by one that does.

use super::tag_match::spelling_key;
use super::truth::TruthSet;
use super::truth_scores::{MatchedVocabulary, match_vocabularies};
use crate::audio::decode_mono;
use crate::error::{Result, TrainerError};
use crate::mixing::active_rms;
use crate::parallel;
use serde::Serialize;
use std::path::Path;
use tagvane_engine::Model;

/// Length of the part before the change, in seconds.
const BEFORE: f64 = 4.0;

/// Length of the part after the change, in seconds; two windows have to fit into it.
const AFTER: f64 = 8.0;

/// Level of both parts, so that no jump of the level gives the change away.
const RMS: f32 = 0.1;

/// Most changes that are measured for a tag.
const MAX_CHANGES: usize = 48;

/// A tag whose probability rises by less does not show.
const MIN_RISE: f32 = 0.05;

/// How soon a model shows a tag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reaction {
    /// The tag, as the truth spells it.
    pub tag: String,
    /// Number of changes.
    pub changes: usize,
    /// Number of changes that the model shows at all.
    pub shown: usize,
    /// Median of the reaction times of these, in seconds; `None` where there are none.
    pub median_seconds: Option<f64>,
}

/// The reactions of one vocabulary of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelReactions {
    /// The name of the model, and of the vocabulary if the model has several.
    pub model: String,
    /// The wanted tags that the model predicts, in the order of the truth.
    pub tags: Vec<Reaction>,
}

/// Measures how soon a model shows each of `tags`, on `jobs` threads. For each of up to 48 pairs, the last 4 s of a recording
/// that does not have the tag are followed by the first 8 s of one that has it, at the same level. The reaction time is that
/// from the change to the end of the first window, on the model's hop, whose probability is at least midway between the
/// medians of the windows before the change and of those that lie behind it. A change of less than 0.05 is not shown.
///
/// # Errors
/// [`TrainerError`] where the truth does not know a tag with and without recordings that have it, the model has none of its
/// tags or a window of more than 4 s, a recording cannot be decoded, or inference fails.
pub fn measure_reactions(
    name: &str,
    model: &Model,
    truth: &TruthSet,
    tags: &[String],
    jobs: usize,
) -> Result<Vec<ModelReactions>> {
    let window = model.window() as f64 / f64::from(model.sample_rate());
    if window > BEFORE {
        let what = format!("its windows of {window:.1} s are too long to measure reactions; {BEFORE} s are possible");
        return Err(TrainerError::content(Path::new(name), what));
    }
    let columns = find_tags(truth, tags)?;
    let mut all = Vec::new();
    for MatchedVocabulary { model: label, first, tags } in match_vocabularies(name, model, truth)? {
        let mut reactions = Vec::new();
        for (column, output) in tags.columns.iter().zip(&tags.outputs).filter(|(column, _)| columns.contains(column)) {
            let changes = changes(truth, *column);
            let times = parallel::map(&changes, jobs, |change| {
                let samples = change.samples(model.sample_rate())?;
                samples.map_or(Ok(None), |samples| reaction_time(model, &samples, first + output))
            })?;
            reactions.push(summarise(truth.tags[*column].clone(), times));
        }
        all.push(ModelReactions { model: label, tags: reactions });
    }
    Ok(all)
}

/// The indices of tags in the truth, which has recordings with and without each of them.
fn find_tags(truth: &TruthSet, tags: &[String]) -> Result<Vec<usize>> {
    let find = |tag: &String| {
        let column = truth.tags.iter().position(|other| spelling_key(other) == spelling_key(tag));
        column.filter(|column| !changes(truth, *column).is_empty()).ok_or_else(|| {
            let what =
                format!("the truth has no recordings with and without the tag \"{tag}\"; give another --reaction");
            TrainerError::Request(what)
        })
    };
    tags.iter().map(find).collect()
}

/// A recording without a tag, and one with it.
struct Change<'a> {
    before: &'a Path,
    after: &'a Path,
}

impl Change<'_> {
    /// The audio of the change; `None` where one of the recordings is silent there.
    fn samples(&self, rate: u32) -> Result<Option<Vec<f32>>> {
        let length = |seconds: f64| (seconds * f64::from(rate)) as usize;
        // The ends of recordings that are shorter are repeated.
        let mut before: Vec<f32> = decode_mono(self.before, rate)?.into_iter().rev().collect();
        before = before.iter().copied().cycle().take(length(BEFORE)).collect();
        before.reverse();
        let after = decode_mono(self.after, rate)?;
        let after: Vec<f32> = after.iter().copied().cycle().take(length(AFTER)).collect();
        let mut samples = Vec::with_capacity(before.len() + after.len());
        for part in [before, after] {
            let level = active_rms(&part);
            if level == 0.0 {
                return Ok(None);
            }
            samples.extend(part.iter().map(|sample| sample * RMS / level));
        }
        Ok(Some(samples))
    }
}

/// The changes to a tag.
fn changes(truth: &TruthSet, column: usize) -> Vec<Change<'_>> {
    let with = |known: bool| -> Vec<&Path> {
        let clips = truth.clips.iter().filter(|clip| clip.known.get(&column) == Some(&known));
        clips.map(|clip| clip.file.as_path()).collect()
    };
    let (positives, negatives) = (with(true), with(false));
    let count = if positives.is_empty() || negatives.is_empty() { 0 } else { positives.len().max(negatives.len()) };
    let change =
        |index: usize| Change { before: negatives[index % negatives.len()], after: positives[index % positives.len()] };
    (0..count.min(MAX_CHANGES)).map(change).collect()
}

/// The reaction time in seconds of an output to the change [`BEFORE`] seconds after the start; `None` where it does not show.
fn reaction_time(model: &Model, samples: &[f32], output: usize) -> Result<Option<f64>> {
    let (rate, window) = (f64::from(model.sample_rate()), model.window());
    let mut predictions = Vec::new();
    for end in (window..=samples.len()).step_by(model.hop()) {
        predictions.push((end, model.predict(&samples[end - window..end])?[output]));
    }
    let change = (BEFORE * rate) as usize;
    Ok(samples_to_show(&predictions, window, change).map(|samples| samples as f64 / rate))
}

/// How many samples after `change` the first window ends that shows it; `None` where none does. `predictions` has the end
/// of each window and its probability.
fn samples_to_show(predictions: &[(usize, f32)], window: usize, change: usize) -> Option<usize> {
    let probabilities = |is_wanted: &dyn Fn(usize) -> bool| -> Vec<f64> {
        predictions.iter().filter(|(end, _)| is_wanted(*end)).map(|(_, value)| f64::from(*value)).collect()
    };
    let before = median(probabilities(&|end| end <= change));
    let after = median(probabilities(&|end| end - window >= change));
    let (before, after) = before.zip(after).filter(|(before, after)| after - before >= f64::from(MIN_RISE))?;
    let is_shown = |(end, value): &&(usize, f32)| *end >= change && f64::from(*value) >= f64::midpoint(before, after);
    predictions.iter().find(is_shown).map(|(end, _)| end - change)
}

fn summarise(tag: String, times: Vec<Option<f64>>) -> Reaction {
    let changes = times.len();
    let times: Vec<f64> = times.into_iter().flatten().collect();
    Reaction { tag, changes, shown: times.len(), median_seconds: median(times) }
}

/// The median; that of an even number of values is the upper one. `None` of nothing.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The reactions as a table, a row for each tag and model.
pub(super) fn reactions_to_text(models: &[ModelReactions]) -> String {
    let width = models.iter().map(|model| model.model.chars().count()).max().unwrap_or(0).max(8);
    let rows = models.iter().flat_map(|model| model.tags.iter().map(move |reaction| (model, reaction)));
    let row = |(model, reaction): (&ModelReactions, &Reaction)| {
        let Reaction { tag, changes, shown, median_seconds } = reaction;
        let median = median_seconds.map_or("-".into(), |seconds| format!("{seconds:.2} s"));
        format!("{tag:<22} {:<width$}  {median:>8}  {shown} of {changes}\n", model.model)
    };
    let head = format!("{:<22} {:<width$}  {:>8}  changes shown\n", "reaction to the tag", "", "median");
    rows.map(row).fold(head, |text, row| text + &row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::truth::TruthClip;
    use std::collections::BTreeMap;

    #[test]
    fn a_change_shows_with_the_first_window_midway_between_the_medians() {
        // Windows of 10 samples, the change at 40; the probability follows the part of the window behind it.
        let behind = |end: usize| (end.saturating_sub(40) as f32 / 10.0).min(1.0);
        let predictions = |low: f32, high: f32| -> Vec<(usize, f32)> {
            (10..100).map(|end| (end, low + (high - low) * behind(end))).collect()
        };
        assert_eq!(samples_to_show(&predictions(0.25, 0.75), 10, 40), Some(5));
        assert_eq!(samples_to_show(&predictions(0.1, 0.14), 10, 40), None);
        assert_eq!(samples_to_show(&predictions(0.9, 0.1), 10, 40), None);
        // What is as high before the change is none of it.
        let mut noisy = predictions(0.0, 1.0);
        noisy[3].1 = 1.0;
        assert_eq!(samples_to_show(&noisy, 10, 40), Some(5));
        assert_eq!(samples_to_show(&noisy, 10, 100), None);
    }

    #[test]
    fn each_change_goes_from_a_recording_without_the_tag_to_one_with_it() {
        let clip = |name: &str, known: Option<bool>| TruthClip {
            file: name.into(),
            known: known.map(|known| (0, known)).into_iter().collect::<BTreeMap<_, _>>(),
        };
        let clips = vec![clip("a", Some(true)), clip("b", Some(false)), clip("c", None), clip("d", Some(false))];
        let truth = TruthSet { tags: vec!["Hip-Hop".into()], clips };
        let pairs: Vec<_> = changes(&truth, 0).iter().map(|change| (change.before, change.after)).collect();
        assert_eq!(pairs, [("b", "a"), ("d", "a")].map(|(before, after)| (Path::new(before), Path::new(after))));
        assert_eq!(find_tags(&truth, &["hip hop".into()]).unwrap(), [0]);
        let only = TruthSet { clips: truth.clips[..1].to_vec(), ..truth.clone() };
        for (truth, tag) in [(&truth, "rock"), (&only, "Hip-Hop")] {
            let message = find_tags(truth, &[tag.into()]).unwrap_err().to_string();
            assert!(message.contains(tag) && message.contains("give another --reaction"), "{message}");
        }
    }

    #[test]
    fn medians_and_counts_are_over_the_changes_that_show() {
        let of = |times: &[Option<f64>]| summarise("voice".into(), times.to_vec());
        let reaction = of(&[Some(0.5), None, Some(0.1), Some(0.9)]);
        assert_eq!((reaction.changes, reaction.shown, reaction.median_seconds), (4, 3, Some(0.5)));
        assert_eq!(of(&[None]).median_seconds, None);
        let text = reactions_to_text(&[ModelReactions { model: "quick".into(), tags: vec![reaction, of(&[None])] }]);
        assert!(text.contains("0.50 s  3 of 4\n") && text.ends_with("-  0 of 1\n"), "{text}");
    }
}
