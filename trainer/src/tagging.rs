//! Tags recordings with a model: mean probabilities per recording, and a timeline of windows.

use crate::error::{Result, TrainerError};
use crate::files::{self, find_audio};
use serde::{Serialize, Serializer};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tagvane_engine::Model;
use tagvane_engine::resample::Resampler;

/// The prediction for one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowPrediction {
    /// Start of the window in seconds.
    pub start: f64,
    /// End of the window in seconds, at most the end of the recording.
    pub end: f64,
    /// The probability of each tag.
    pub probabilities: Vec<f32>,
}

/// The predictions for one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct TaggedRecording {
    /// The audio file.
    pub file: PathBuf,
    /// Length in seconds.
    pub seconds: f64,
    /// The tags, in the order of the probabilities; unique.
    pub tags: Vec<String>,
    /// Mean probability of each tag over the windows.
    pub mean: Vec<f32>,
    /// The windows in order of time.
    pub timeline: Vec<WindowPrediction>,
}

/// Runs a model over the windows of recordings.
pub struct Tagger {
    model: Model,
    tags: Vec<String>,
    /// Hop between windows in samples.
    hop: usize,
}

impl Tagger {
    /// Uses a hop of `hop` seconds, or of half a window if it is `None`.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the hop is shorter than a sample or not finite.
    pub fn new(model: Model, hop: Option<f64>) -> Result<Self> {
        let rate = f64::from(model.sample_rate());
        let samples = hop.map_or(model.window() as f64 / 2.0, |seconds| seconds * rate).round();
        if !(1.0..f64::INFINITY).contains(&samples) {
            let what =
                format!("a hop of {} s is not possible; give seconds above zero, such as 1.5", hop.unwrap_or_default());
            return Err(TrainerError::Request(what));
        }
        let tags = make_unique(model.tags().iter().cloned(), str::to_owned);
        Ok(Self { model, tags, hop: samples as usize })
    }

    /// Decodes a recording, resamples it to the sample rate of the model and predicts its windows.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file, where it cannot be decoded or inference fails.
    pub fn tag(&self, file: &Path) -> Result<TaggedRecording> {
        let wrong = |what: String| TrainerError::content(file, what);
        // The message already names the file.
        let recording = tagvane_audio::read(file).map_err(|error| TrainerError::Request(error.to_string()))?;
        let (rate, window) = (f64::from(self.model.sample_rate()), self.model.window());
        let resampler = Resampler::new(f64::from(recording.sample_rate), rate);
        let samples = resampler.map_err(|error| wrong(error.to_string()))?.resample_all(&recording.mono());
        if samples.iter().any(|sample| !sample.is_finite()) {
            return Err(wrong("it has samples that are not finite numbers; export it again".into()));
        }
        let seconds = recording.seconds();
        let mut timeline = Vec::new();
        for start in window_starts(samples.len(), window, self.hop) {
            let mut input = samples[start..samples.len().min(start + window)].to_vec();
            input.resize(window, 0.0);
            let probabilities = self.model.predict(&input).map_err(|error| wrong(error.to_string()))?;
            let end = ((start + window) as f64 / rate).min(seconds);
            timeline.push(WindowPrediction { start: start as f64 / rate, end, probabilities });
        }
        let sum = |tag: usize| timeline.iter().map(|window| f64::from(window.probabilities[tag])).sum::<f64>();
        let mean = (0..self.tags.len()).map(|tag| (sum(tag) / timeline.len() as f64) as f32).collect();
        Ok(TaggedRecording { file: file.to_owned(), seconds, tags: self.tags.clone(), mean, timeline })
    }
}

/// First samples of the windows of a recording: one window every hop, and a last one that ends with the recording. A
/// recording shorter than a window has one window.
fn window_starts(samples: usize, window: usize, hop: usize) -> Vec<usize> {
    let last = samples.saturating_sub(window);
    (0..last).step_by(hop).chain([last]).collect()
}

impl TaggedRecording {
    /// The tags and their mean probabilities, highest first.
    pub fn ranked_tags(&self) -> Vec<(&str, f32)> {
        let mut tags: Vec<(&str, f32)> = self.tags.iter().map(String::as_str).zip(self.mean.iter().copied()).collect();
        tags.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        tags
    }

    /// The regions (start, end, tag) in seconds where a tag reaches `threshold`, in order of time; consecutive windows
    /// are merged.
    fn regions(&self, threshold: f32) -> Vec<(f64, f64, &str)> {
        let mut regions = Vec::new();
        for (index, tag) in self.tags.iter().enumerate() {
            let is_active = |window: &WindowPrediction| window.probabilities[index] >= threshold;
            for run in self.timeline.chunk_by(|before, after| is_active(before) == is_active(after)) {
                if is_active(&run[0]) {
                    regions.push((run[0].start, run[run.len() - 1].end, tag.as_str()));
                }
            }
        }
        regions.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
        regions
    }

    fn file_name(&self) -> String {
        self.file.to_string_lossy().into_owned()
    }
}

/// Lists recordings without duplicates: each given file with any extension, and all audio files below each given folder.
///
/// # Errors
/// [`TrainerError`] where a folder cannot be read or there are no recordings.
pub fn find_recordings(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(find_audio(path)?);
        } else {
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let what = format!("no recordings are in {}; give wav, flac, mp3, ogg or opus files", folders.join(", "));
        return Err(TrainerError::Request(what));
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

/// The names of the label files of recordings, numbered where two would be equal on a case-insensitive file system.
pub fn label_names(recordings: &[PathBuf]) -> Vec<String> {
    let stems = recordings.iter().map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    make_unique(stems, str::to_lowercase).into_iter().map(|stem| format!("{stem}.txt")).collect()
}

/// Numbers each name whose key equals that of an earlier one.
fn make_unique(names: impl Iterator<Item = String>, key: impl Fn(&str) -> String) -> Vec<String> {
    let mut taken = HashSet::new();
    let numbered = |name: String| {
        let (mut unique, mut number) = (name.clone(), 1);
        while !taken.insert(key(&unique)) {
            number += 1;
            unique = format!("{name} ({number})");
        }
        unique
    };
    names.map(numbered).collect()
}

/// Pairs that are serialised as a map in this order.
struct OrderedMap<'a>(Vec<(&'a str, f32)>);

impl Serialize for OrderedMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// The JSON format of a recording; the probabilities of the timeline are in the order of `tags`.
#[derive(Serialize)]
struct JsonRecording<'a> {
    file: String,
    seconds: f64,
    mean: OrderedMap<'a>,
    tags: &'a [String],
    timeline: &'a [WindowPrediction],
}

impl<'a> JsonRecording<'a> {
    fn new(tagged: &'a TaggedRecording) -> Self {
        let TaggedRecording { seconds, tags, timeline, .. } = tagged;
        Self { file: tagged.file_name(), seconds: *seconds, mean: OrderedMap(tagged.ranked_tags()), tags, timeline }
    }
}

/// Writes the recordings as a JSON array.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_json(path: &Path, tagged: &[TaggedRecording]) -> Result<()> {
    files::write_json(path, &tagged.iter().map(JsonRecording::new).collect::<Vec<_>>())
}

/// Writes the mean probabilities as CSV, one row per recording, in the format of `evaluate --predictions`.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_csv(path: &Path, tagged: &[TaggedRecording]) -> Result<()> {
    let rows = tagged.iter().map(|recording| (vec![recording.file_name()], recording.mean.as_slice()));
    write_table(path, &["file"], tagged, rows)
}

/// Writes the timelines as CSV, one row per window.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_timeline_csv(path: &Path, tagged: &[TaggedRecording]) -> Result<()> {
    let rows = tagged.iter().flat_map(|recording| {
        recording.timeline.iter().map(move |window| {
            let keys = vec![recording.file_name(), format!("{:.6}", window.start), format!("{:.6}", window.end)];
            (keys, window.probabilities.as_slice())
        })
    });
    write_table(path, &["file", "start", "end"], tagged, rows)
}

/// Writes a CSV table whose columns are keys, named by `key_names`, and the probability of each tag.
fn write_table<'a>(
    path: &Path,
    key_names: &[&str],
    tagged: &[TaggedRecording],
    rows: impl Iterator<Item = (Vec<String>, &'a [f32])>,
) -> Result<()> {
    let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
    let tags = tagged.first().map(|recording| recording.tags.as_slice()).unwrap_or_default();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(key_names.iter().copied().chain(tags.iter().map(String::as_str))).map_err(failed)?;
    for (keys, probabilities) in rows {
        writer.write_record(keys.into_iter().chain(probabilities.iter().map(f32::to_string))).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| TrainerError::content(path, error.to_string()))?;
    files::write(path, &bytes)
}

/// Writes a label track for Audacity, one line per region where a tag reaches `threshold`.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_label_track(path: &Path, tagged: &TaggedRecording, threshold: f32) -> Result<()> {
    files::write(path, label_track(tagged, threshold).as_bytes())
}

/// The lines of a label track. Control characters in a tag become spaces, because Audacity has no escape for tabs and
/// newlines.
fn label_track(tagged: &TaggedRecording, threshold: f32) -> String {
    let line =
        |(start, end, tag): (f64, f64, &str)| format!("{start:.6}\t{end:.6}\t{}\n", tag.replace(char::is_control, " "));
    tagged.regions(threshold).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording with windows of two seconds and a hop of one second.
    fn tagged(tags: &[&str], windows: &[&[f32]]) -> TaggedRecording {
        let window = |(index, probabilities): (usize, &&[f32])| WindowPrediction {
            start: index as f64,
            end: index as f64 + 2.0,
            probabilities: probabilities.to_vec(),
        };
        TaggedRecording {
            file: "a, b.wav".into(),
            seconds: windows.len() as f64 + 1.0,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            mean: windows[0].to_vec(),
            timeline: windows.iter().enumerate().map(window).collect(),
        }
    }

    #[test]
    fn a_window_starts_every_hop_and_the_last_ends_with_the_recording() {
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
            assert_eq!(window_starts(samples, 300, hop), expected, "{samples} samples, hop {hop}");
        }
    }

    #[test]
    fn consecutive_windows_are_merged_into_one_region() {
        let tagged = tagged(&["one", "two"], &[&[0.3, 0.1], &[0.9, 0.8], &[0.29, 0.8], &[0.4, 0.0], &[0.5, 0.2]]);
        assert_eq!(tagged.regions(0.3), [(0.0, 3.0, "one"), (1.0, 4.0, "two"), (3.0, 6.0, "one")]);
        assert_eq!(tagged.regions(0.0), [(0.0, 6.0, "one"), (0.0, 6.0, "two")]);
        assert!(tagged.regions(0.95).is_empty());
    }

    #[test]
    fn control_characters_in_a_tag_become_spaces_in_a_label_track() {
        let tagged = tagged(&["slow\tand\r\nsad", "männlich"], &[&[0.5, 0.6]]);
        assert_eq!(label_track(&tagged, 0.5), "0.000000\t2.000000\tslow and  sad\n0.000000\t2.000000\tmännlich\n");
        assert_eq!(label_track(&tagged, 0.7), "");
    }

    #[test]
    fn recordings_with_equal_names_get_different_label_files() {
        let paths = ["x/song.wav", "y/Song.mp3", "song (2).ogg", "y/song.flac", "v1.2.wav"].map(PathBuf::from);
        let names = label_names(&paths);
        assert_eq!(names, ["song.txt", "Song (2).txt", "song (2) (2).txt", "song (3).txt", "v1.2.txt"]);
        let tags = ["rock", "Rock", "rock"].map(str::to_owned);
        assert_eq!(make_unique(tags.into_iter(), str::to_owned), ["rock", "Rock", "rock (2)"]);
    }

    #[test]
    fn json_lists_tags_by_descending_mean() {
        let tagged = tagged(&["a", "b", "c"], &[&[0.1, 0.9, 0.3]]);
        let expected = "{\"file\":\"a, b.wav\",\"seconds\":2.0,\"mean\":{\"b\":0.9,\"c\":0.3,\"a\":0.1},\
             \"tags\":[\"a\",\"b\",\"c\"],\
             \"timeline\":[{\"start\":0.0,\"end\":2.0,\"probabilities\":[0.1,0.9,0.3]}]}";
        assert_eq!(serde_json::to_string(&JsonRecording::new(&tagged)).unwrap(), expected);
    }
}
