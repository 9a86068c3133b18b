//! The files of predictions: JSON, CSV and label tracks for Audacity.

use super::tagger::{TaggedRecording, WindowPrediction, make_unique};
use crate::error::{Result, TrainerError};
use crate::files;
use serde::{Serialize, Serializer};
use std::path::Path;
use tagvane_outputs::{PredictionSpan, Region, audacity_labels, find_regions};

/// The names of the label files of recordings, numbered where two would be equal on a case-insensitive file system.
pub fn label_file_names<'a>(recordings: impl IntoIterator<Item = &'a Path>) -> Vec<String> {
    let stems = recordings.into_iter().map(|path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned());
    make_unique(stems, str::to_lowercase).into_iter().map(|stem| format!("{stem}.txt")).collect()
}

/// The audio file of a recording, as all formats name it.
fn file_name(tagged: &TaggedRecording) -> String {
    tagged.file.to_string_lossy().into_owned()
}

/// Pairs that are serialised as a map in this order.
pub(crate) struct OrderedMap<'a>(pub(crate) Vec<(&'a str, f32)>);

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
        Self { file: file_name(tagged), seconds: *seconds, mean: OrderedMap(tagged.ranked_tags()), tags, timeline }
    }
}

/// Writes the recordings as a JSON array.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_json(path: &Path, tagged: &[TaggedRecording]) -> Result<()> {
    files::write_json(path, &tagged.iter().map(JsonRecording::new).collect::<Vec<_>>())
}

/// Writes the mean probabilities as CSV, one row per recording, in the format of `evaluate --predictions`. `tags` are
/// those of all recordings.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_csv(path: &Path, tags: &[String], tagged: &[TaggedRecording]) -> Result<()> {
    let rows = tagged.iter().map(|recording| (vec![file_name(recording)], recording.mean.as_slice()));
    write_table(path, &["file"], tags, rows)
}

/// Writes the timelines as CSV, one row per window. `tags` are those of all recordings.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_timeline_csv(path: &Path, tags: &[String], tagged: &[TaggedRecording]) -> Result<()> {
    let rows = tagged.iter().flat_map(|recording| {
        recording.timeline.iter().map(move |window| {
            let keys = vec![file_name(recording), format!("{:.6}", window.start), format!("{:.6}", window.end)];
            (keys, window.probabilities.as_slice())
        })
    });
    write_table(path, &["file", "start", "end"], tags, rows)
}

/// Writes a CSV table whose columns are keys, named by `key_names`, and the probability of each tag.
fn write_table<'a>(
    path: &Path,
    key_names: &[&str],
    tags: &[String],
    rows: impl Iterator<Item = (Vec<String>, &'a [f32])>,
) -> Result<()> {
    let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
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

/// The lines of a label track.
fn label_track(tagged: &TaggedRecording, threshold: f32) -> String {
    audacity_labels(regions(tagged, threshold), &tagged.tags)
}

/// The regions in seconds where a tag reaches `threshold`, in order of time.
fn regions(tagged: &TaggedRecording, threshold: f32) -> Vec<Region> {
    let span = |window: &WindowPrediction| {
        Some(PredictionSpan { start: window.start, end: window.end, is_discontinuity: false })
    };
    let spans: Vec<_> = tagged.timeline.iter().map(span).collect();
    find_regions(tagged.tags.len(), &spans, |index, tag| tagged.timeline[index].probabilities[tag] >= threshold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A recording with windows of two seconds and a hop of one second.
    fn tagged(tags: &[&str], windows: &[&[f32]]) -> TaggedRecording {
        let window = |(index, probabilities): (usize, &&[f32])| WindowPrediction {
            start: index as f64,
            end: index as f64 + 2.0,
            probabilities: probabilities.to_vec(),
            embedding: Vec::new(),
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
    fn consecutive_windows_are_merged_into_one_region() {
        let tagged = tagged(&["one", "two"], &[&[0.3, 0.1], &[0.9, 0.8], &[0.29, 0.8], &[0.4, 0.0], &[0.5, 0.2]]);
        let regions = |threshold: f32| -> Vec<(f64, f64, &str)> {
            let named = |region: Region| (region.start, region.end, tagged.tags[region.tag].as_str());
            regions(&tagged, threshold).into_iter().map(named).collect()
        };
        assert_eq!(regions(0.3), [(0.0, 3.0, "one"), (1.0, 4.0, "two"), (3.0, 6.0, "one")]);
        assert_eq!(regions(0.0), [(0.0, 6.0, "one"), (0.0, 6.0, "two")]);
        assert!(regions(0.95).is_empty());
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
        let names = label_file_names(paths.iter().map(PathBuf::as_path));
        assert_eq!(names, ["song.txt", "Song (2).txt", "song (2) (2).txt", "song (3).txt", "v1.2.txt"]);
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
