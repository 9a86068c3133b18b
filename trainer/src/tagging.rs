//! What a model says of recordings: on the whole, and window by window.

use crate::error::{Result, TrainerError};
use crate::files;
use crate::prepare::find_audio;
use serde::{Serialize, Serializer};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tagvane_engine::Model;
use tagvane_engine::resample::Resampler;

/// What a model says of one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moment {
    /// Where the window starts, in seconds.
    pub start: f64,
    /// Where the window ends, or the recording where that is shorter, in seconds.
    pub end: f64,
    /// The probability of each tag.
    pub probabilities: Vec<f32>,
}

/// What a model says of one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Tagged {
    /// The audio file.
    pub file: PathBuf,
    /// Its length, in seconds.
    pub seconds: f64,
    /// The tags, in the order of every probability; no two are the same.
    pub tags: Vec<String>,
    /// The mean of each tag over the windows.
    pub mean: Vec<f32>,
    /// The windows, one after another.
    pub timeline: Vec<Moment>,
}

/// A model and how far apart its windows start.
pub struct Tagger {
    model: Model,
    tags: Vec<String>,
    /// In samples.
    hop: usize,
}

impl Tagger {
    /// Judges a window every `hop` seconds, or every half window where none is told.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the hop is shorter than a sample or no number.
    pub fn new(model: Model, hop: Option<f64>) -> Result<Self> {
        let rate = f64::from(model.sample_rate());
        let samples = hop.map_or(model.window() as f64 / 2.0, |seconds| seconds * rate).round();
        if !(1.0..f64::INFINITY).contains(&samples) {
            let what = format!("a hop of {} s is none: give seconds above zero, such as 1.5", hop.unwrap_or_default());
            return Err(TrainerError::Request(what));
        }
        let tags = distinct(model.tags().iter().cloned(), str::to_owned);
        Ok(Self { model, tags, hop: samples as usize })
    }

    /// Decodes a recording, resamples it to the model's rate and judges its windows.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file, where it cannot be read or the model fails.
    pub fn judge(&self, file: &Path) -> Result<Tagged> {
        let wrong = |what: String| TrainerError::content(file, what);
        // The text names the file already.
        let recording = tagvane_audio::read(file).map_err(|error| TrainerError::Request(error.to_string()))?;
        let (rate, window) = (f64::from(self.model.sample_rate()), self.model.window());
        let resampler = Resampler::new(f64::from(recording.sample_rate), rate);
        let samples = resampler.map_err(|error| wrong(error.to_string()))?.resample_all(&recording.mono());
        if samples.iter().any(|sample| !sample.is_finite()) {
            return Err(wrong("it holds samples that are not finite numbers".into()));
        }
        let seconds = recording.seconds();
        let mut timeline = Vec::new();
        for start in starts(samples.len(), window, self.hop) {
            let mut heard = samples[start..samples.len().min(start + window)].to_vec();
            heard.resize(window, 0.0);
            let probabilities = self.model.probabilities(&heard).map_err(|error| wrong(error.to_string()))?;
            let end = ((start + window) as f64 / rate).min(seconds);
            timeline.push(Moment { start: start as f64 / rate, end, probabilities });
        }
        let sum = |tag: usize| timeline.iter().map(|moment| f64::from(moment.probabilities[tag])).sum::<f64>();
        let mean = (0..self.tags.len()).map(|tag| (sum(tag) / timeline.len() as f64) as f32).collect();
        Ok(Tagged { file: file.to_owned(), seconds, tags: self.tags.clone(), mean, timeline })
    }
}

/// Where the windows of a recording start, in samples: every hop, and the last so that
/// it ends with the recording. One shorter than a window has a single one.
fn starts(samples: usize, window: usize, hop: usize) -> Vec<usize> {
    let last = samples.saturating_sub(window);
    (0..last).step_by(hop).chain([last]).collect()
}

impl Tagged {
    /// Each tag and its mean, the strongest first.
    pub fn strongest(&self) -> Vec<(&str, f32)> {
        let mut tags: Vec<(&str, f32)> = self.tags.iter().map(String::as_str).zip(self.mean.iter().copied()).collect();
        tags.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        tags
    }

    /// Where each tag is at or above a threshold, from second to second, in the order of
    /// time; windows that follow one another are one region.
    fn regions(&self, threshold: f32) -> Vec<(f64, f64, &str)> {
        let mut regions = Vec::new();
        for (index, tag) in self.tags.iter().enumerate() {
            let has = |moment: &Moment| moment.probabilities[index] >= threshold;
            for run in self.timeline.chunk_by(|before, after| has(before) == has(after)) {
                if has(&run[0]) {
                    regions.push((run[0].start, run[run.len() - 1].end, tag.as_str()));
                }
            }
        }
        regions.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        regions
    }

    fn name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}

/// The recordings among files and folders, each once: a file is taken whatever it is
/// called, of a folder every audio file below it.
///
/// # Errors
/// [`TrainerError`] where a folder cannot be read or there is no recording at all.
pub fn recordings(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in given {
        if path.is_dir() {
            found.extend(find_audio(path)?);
        } else {
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        let folders: Vec<String> = given.iter().map(|path| path.display().to_string()).collect();
        let what = format!("no recordings are in {}: give wav, flac, mp3, ogg or opus files", folders.join(", "));
        return Err(TrainerError::Request(what));
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

/// A name for each recording's label file: its own with another ending, and numbered
/// where an earlier one has it, be it in capitals, which some systems do not tell apart.
pub fn label_names(recordings: &[PathBuf]) -> Vec<String> {
    let stems = recordings.iter().map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    distinct(stems, str::to_lowercase).into_iter().map(|stem| format!("{stem}.txt")).collect()
}

/// The same names, numbered where an earlier one has the same key.
fn distinct(names: impl Iterator<Item = String>, key: impl Fn(&str) -> String) -> Vec<String> {
    let mut taken = HashSet::new();
    let numbered = |name: String| {
        let (mut free, mut number) = (name.clone(), 1);
        while !taken.insert(key(&free)) {
            number += 1;
            free = format!("{name} ({number})");
        }
        free
    };
    names.map(numbered).collect()
}

/// Pairs that JSON tells as an object, in this order.
struct Object<'a>(Vec<(&'a str, f32)>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// A recording as JSON tells it; the timeline's probabilities are in the order of `tags`.
#[derive(Serialize)]
struct Document<'a> {
    file: String,
    seconds: f64,
    mean: Object<'a>,
    tags: &'a [String],
    timeline: &'a [Moment],
}

impl<'a> Document<'a> {
    fn of(tagged: &'a Tagged) -> Self {
        let Tagged { seconds, tags, timeline, .. } = tagged;
        Self { file: tagged.name(), seconds: *seconds, mean: Object(tagged.strongest()), tags, timeline }
    }
}

/// Writes a list of all recordings as JSON.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_json(path: &Path, tagged: &[Tagged]) -> Result<()> {
    files::write_json(path, &tagged.iter().map(Document::of).collect::<Vec<_>>())
}

/// Writes a row a recording, with the means: what `evaluate --predictions` reads.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_csv(path: &Path, tagged: &[Tagged]) -> Result<()> {
    let rows = tagged.iter().map(|one| (vec![one.name()], one.mean.as_slice()));
    write_table(path, &["file"], tagged, rows)
}

/// Writes a row a window.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_timeline_csv(path: &Path, tagged: &[Tagged]) -> Result<()> {
    let rows = tagged.iter().flat_map(|one| {
        one.timeline.iter().map(move |moment| {
            let place = vec![one.name(), format!("{:.6}", moment.start), format!("{:.6}", moment.end)];
            (place, moment.probabilities.as_slice())
        })
    });
    write_table(path, &["file", "start", "end"], tagged, rows)
}

/// Writes rows of a place and the probabilities there, below the names of both.
fn write_table<'a>(
    path: &Path,
    place: &[&str],
    tagged: &[Tagged],
    rows: impl Iterator<Item = (Vec<String>, &'a [f32])>,
) -> Result<()> {
    let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
    let tags = tagged.first().map(|one| one.tags.as_slice()).unwrap_or_default();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(place.iter().copied().chain(tags.iter().map(String::as_str))).map_err(failed)?;
    for (place, probabilities) in rows {
        writer.write_record(place.into_iter().chain(probabilities.iter().map(f32::to_string))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| TrainerError::content(path, error.to_string()))?;
    files::write(path, &bytes)
}

/// Writes a label track that Audacity imports: a line for each region where a tag is at
/// or above `threshold`.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_labels(path: &Path, tagged: &Tagged, threshold: f32) -> Result<()> {
    files::write(path, labels(tagged, threshold).as_bytes())
}

/// The lines of a label track. A tab or a line's end in a tag would be read as one of
/// the track, and Audacity knows no way to write it otherwise: it becomes a space.
fn labels(tagged: &Tagged, threshold: f32) -> String {
    let line =
        |(start, end, tag): (f64, f64, &str)| format!("{start:.6}\t{end:.6}\t{}\n", tag.replace(char::is_control, " "));
    tagged.regions(threshold).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording with windows of two seconds, one a second.
    fn tagged(tags: &[&str], windows: &[&[f32]]) -> Tagged {
        let moment = |(index, probabilities): (usize, &&[f32])| Moment {
            start: index as f64,
            end: index as f64 + 2.0,
            probabilities: probabilities.to_vec(),
        };
        Tagged {
            file: "a, b.wav".into(),
            seconds: windows.len() as f64 + 1.0,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            mean: windows[0].to_vec(),
            timeline: windows.iter().enumerate().map(moment).collect(),
        }
    }

    #[test]
    fn windows_start_every_hop_and_the_last_ends_with_the_recording() {
        for (samples, hop, expected) in [
            (1, 150, &[0][..]),
            (299, 150, &[0]),
            (300, 150, &[0]),
            (301, 150, &[0, 1]),
            (600, 150, &[0, 150, 300]),
            (700, 150, &[0, 150, 300, 400]),
            (600, 300, &[0, 300]),
            (1_000, 600, &[0, 600, 700]),
            (600, usize::MAX, &[0, 300]),
        ] {
            assert_eq!(starts(samples, 300, hop), expected, "{samples} samples, {hop} apart");
        }
    }

    #[test]
    fn windows_that_follow_one_another_are_one_region() {
        let tagged = tagged(&["one", "two"], &[&[0.3, 0.1], &[0.9, 0.8], &[0.29, 0.8], &[0.4, 0.0], &[0.5, 0.2]]);
        assert_eq!(tagged.regions(0.3), [(0.0, 3.0, "one"), (1.0, 4.0, "two"), (3.0, 6.0, "one")]);
        assert_eq!(tagged.regions(0.0), [(0.0, 6.0, "one"), (0.0, 6.0, "two")]);
        assert!(tagged.regions(0.95).is_empty());
    }

    #[test]
    fn a_label_stays_on_its_line() {
        let tagged = tagged(&["slow\tand\r\nsad", "männlich"], &[&[0.5, 0.6]]);
        assert_eq!(labels(&tagged, 0.5), "0.000000\t2.000000\tslow and  sad\n0.000000\t2.000000\tmännlich\n");
        assert_eq!(labels(&tagged, 0.7), "");
    }

    #[test]
    fn recordings_of_one_name_have_label_files_of_their_own() {
        let paths = ["x/song.wav", "y/Song.mp3", "song (2).ogg", "y/song.flac", "v1.2.wav"].map(PathBuf::from);
        let names = label_names(&paths);
        assert_eq!(names, ["song.txt", "Song (2).txt", "song (2) (2).txt", "song (3).txt", "v1.2.txt"]);
        let tags = ["rock", "Rock", "rock"].map(str::to_owned);
        assert_eq!(distinct(tags.into_iter(), str::to_owned), ["rock", "Rock", "rock (2)"]);
    }

    #[test]
    fn json_tells_the_strongest_first() {
        let tagged = tagged(&["a", "b", "c"], &[&[0.1, 0.9, 0.3]]);
        let expected = "{\"file\":\"a, b.wav\",\"seconds\":2.0,\"mean\":{\"b\":0.9,\"c\":0.3,\"a\":0.1},\
             \"tags\":[\"a\",\"b\",\"c\"],\
             \"timeline\":[{\"start\":0.0,\"end\":2.0,\"probabilities\":[0.1,0.9,0.3]}]}";
        assert_eq!(serde_json::to_string(&Document::of(&tagged)).unwrap(), expected);
    }
}
