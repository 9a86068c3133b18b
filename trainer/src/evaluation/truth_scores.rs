//! ROC-AUC of models on recordings whose truth is known in part.

use super::metrics::roc_auc;
use super::tag_match::{TagMatch, list};
use super::truth::TruthSet;
use crate::data::vocabularies;
use crate::error::{Result, TrainerError};
use crate::parallel;
use crate::progress::RecordingBars;
use crate::tagging::Tagger;
use serde::Serialize;
use std::path::Path;
use tagvane_engine::Model;

/// A model's figures for one tag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthTagScore {
    /// The tag, as the truth spells it.
    pub tag: String,
    /// Recordings that have the tag.
    pub positives: usize,
    /// Recordings that do not have it.
    pub negatives: usize,
    /// Area under the ROC curve over the recordings for which the tag is known; `None` without positives or negatives.
    pub roc_auc: Option<f64>,
}

impl TruthTagScore {
    /// Whether so much is known of the tag that it enters the mean.
    pub fn is_averaged(&self, min_known: usize) -> bool {
        self.positives >= min_known && self.negatives >= min_known && self.roc_auc.is_some()
    }
}

/// The figures of one vocabulary of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthScores {
    /// The name of the model, and of the vocabulary if the model has several.
    pub model: String,
    /// The tags that the model predicts and of which something is known, in the order of the truth.
    pub tags: Vec<TruthTagScore>,
}

impl TruthScores {
    /// The figures of the tags with at least `min_known` positives and as many negatives, lowest ROC-AUC first.
    pub fn averaged_tags(&self, min_known: usize) -> Vec<&TruthTagScore> {
        let mut tags: Vec<&TruthTagScore> = self.tags.iter().filter(|tag| tag.is_averaged(min_known)).collect();
        tags.sort_by(|a, b| a.roc_auc.unwrap_or(0.0).total_cmp(&b.roc_auc.unwrap_or(0.0)).then(a.tag.cmp(&b.tag)));
        tags
    }

    /// Macro-averaged ROC-AUC over [`averaged_tags`](Self::averaged_tags) that `is_wanted` accepts, and their number;
    /// `None` where there is none.
    pub fn macro_roc_auc(&self, min_known: usize, is_wanted: impl Fn(&str) -> bool) -> Option<(f64, usize)> {
        let tags = self.averaged_tags(min_known);
        let areas: Vec<f64> = tags.iter().filter(|tag| is_wanted(&tag.tag)).filter_map(|tag| tag.roc_auc).collect();
        (!areas.is_empty()).then(|| (areas.iter().sum::<f64>() / areas.len() as f64, areas.len()))
    }

    /// The figures for a tag.
    pub fn tag(&self, tag: &str) -> Option<&TruthTagScore> {
        self.tags.iter().find(|score| score.tag == tag)
    }
}

/// A vocabulary of a model, and its tags of which the truth knows something: at least one.
pub(super) struct MatchedVocabulary {
    /// The name of the model, and of the vocabulary if the model has several.
    pub(super) model: String,
    /// The model's output for its first tag.
    pub(super) first: usize,
    pub(super) tags: TagMatch,
}

/// Matches the vocabularies of a model, which is called `name`, with the tags of a truth.
///
/// # Errors
/// [`TrainerError`] where no tag of the model is known, or two of them fit one equally well.
pub(super) fn match_vocabularies(name: &str, model: &Model, truth: &TruthSet) -> Result<Vec<MatchedVocabulary>> {
    let tags = model.tags();
    let parts = vocabularies::split(tags);
    let has_several = parts.len() > 1;
    let mut matched = Vec::new();
    for (range, names) in parts {
        let vocabulary = vocabularies::name(tags, &range).filter(|_| has_several);
        let model = vocabulary.map_or_else(|| name.to_owned(), |vocabulary| format!("{name}: {vocabulary}"));
        let tags = TagMatch::ignoring_spelling(&names, &truth.tags)
            .map_err(|error| TrainerError::content(Path::new(name), error.to_string()))?;
        if !tags.columns.is_empty() {
            matched.push(MatchedVocabulary { model, first: range.start, tags });
        }
    }
    if matched.is_empty() {
        let what = format!(
            "the model and the truth have no tag in common: the model predicts {}, and the truth knows {}; {}",
            list(tags),
            list(&truth.tags),
            if tags.iter().enumerate().all(|(index, tag)| *tag == tagvane_engine::unnamed_tag(index)) {
                "name the model's tags in a file NAME.json beside it or in the folder of --sidecars \
                 (docs/model-file.md tells how)"
            } else {
                "give a model with its tags"
            }
        );
        return Err(TrainerError::content(Path::new(name), what));
    }
    Ok(matched)
}

/// Runs a model over the recordings of a truth, on `jobs` threads. The prediction for a recording is the mean over its
/// windows. A model of several vocabularies has figures for each of them; `name` is how they call the model.
///
/// # Errors
/// [`TrainerError`] where no tag of the model is known, a recording cannot be decoded, or inference fails.
pub fn evaluate_truth(name: &str, tagger: &Tagger, truth: &TruthSet, jobs: usize) -> Result<Vec<TruthScores>> {
    let matched = match_vocabularies(name, tagger.model(), truth)?;
    let bars = RecordingBars::new(truth.clips.len());
    let means = parallel::map(&truth.clips, jobs, |clip| {
        let mut progress = bars.file(&clip.file);
        let tagged = tagger.tag(&clip.file, |seconds, stated| progress.update(seconds, stated))?;
        bars.inc();
        Ok(tagged.mean)
    })?;
    bars.finish();
    let scores = |MatchedVocabulary { model, first, tags: TagMatch { columns, outputs, .. } }: MatchedVocabulary| {
        let score = |(column, output): (&usize, &usize)| {
            let known = truth.clips.iter().zip(&means).filter_map(|(clip, mean)| {
                let is_positive = clip.known.get(column)?;
                Some((mean[first + output], *is_positive))
            });
            tag_score(&truth.tags[*column], known)
        };
        TruthScores { model, tags: columns.iter().zip(&outputs).map(score).collect() }
    };
    Ok(matched.into_iter().map(scores).collect())
}

/// The figures for a tag from the predictions of the recordings for which it is known.
fn tag_score(tag: &str, known: impl Iterator<Item = (f32, bool)>) -> TruthTagScore {
    let (predicted, positive): (Vec<f32>, Vec<bool>) = known.unzip();
    let positives = positive.iter().filter(|is_positive| **is_positive).count();
    TruthTagScore {
        tag: tag.to_owned(),
        positives,
        negatives: positive.len() - positives,
        roc_auc: roc_auc(&predicted, &positive),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_with_few_known_recordings_are_left_out_of_the_mean() {
        let scores = |tag: &str, positives: usize, negatives: usize| {
            // One positive ranks last, the others first.
            let known = (0..positives).map(|index| (if index == 0 { 0.0 } else { 1.0 }, true));
            tag_score(tag, known.chain((0..negatives).map(|_| (0.5, false))))
        };
        let tags = vec![scores("rock", 4, 3), scores("jazz", 2, 9), scores("harp", 9, 2), scores("solo", 3, 0)];
        let scores = TruthScores { model: "model".into(), tags };
        assert_eq!(
            scores.tags.iter().map(|tag| tag.roc_auc).collect::<Vec<_>>()[..3],
            [Some(0.75), Some(0.5), Some(8.0 / 9.0)]
        );
        assert_eq!(scores.macro_roc_auc(3, |_| true), Some((0.75, 1)));
        assert_eq!(scores.macro_roc_auc(2, |_| true), Some(((0.75 + 0.5 + 8.0 / 9.0) / 3.0, 3)));
        assert_eq!(scores.macro_roc_auc(2, |tag| tag != "rock"), Some(((0.5 + 8.0 / 9.0) / 2.0, 2)));
        assert_eq!(scores.macro_roc_auc(5, |_| true), None);
        // A tag without negatives has no area, whatever is asked for.
        assert_eq!(scores.macro_roc_auc(0, |_| true).unwrap().1, 3);
        assert_eq!(
            scores.averaged_tags(2).iter().map(|tag| tag.tag.as_str()).collect::<Vec<_>>(),
            ["jazz", "rock", "harp"]
        );
    }
}
