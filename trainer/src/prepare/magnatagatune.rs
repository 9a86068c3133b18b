//! The MagnaTagATune data set as distributed: `annotations_final.csv` and folders of MP3 files.

use super::{line_of, require_any};
use crate::data::Source;
use crate::data::vocabularies::MAGNATAGATUNE;
use crate::error::{Result, TrainerError};
use std::path::Path;

/// Length of the clips in the paper, in seconds; longer clips are truncated, shorter ones are skipped.
pub const SECONDS: f64 = 29.1;

/// The usual split by folder: 0 to b training, c validation, d to f test.
fn group(folder: &str) -> Option<&'static str> {
    match folder {
        "c" => Some("validation"),
        "d" | "e" | "f" => Some("test"),
        "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "a" | "b" => Some("training"),
        _ => None,
    }
}

/// The clips of an annotation file with the fifty most frequent tags, in the usual split. Clips without any of these
/// tags are left out, as in the paper, unless `keep_untagged` is set. `audio` has the folders 0 to f.
///
/// # Errors
/// [`TrainerError`] where the file cannot be read, the column of a tag is missing, or a row is invalid.
pub fn sources(annotations: &Path, audio: &Path, keep_untagged: bool) -> Result<Vec<Source>> {
    let failed = |error: csv::Error| TrainerError::content(annotations, error.to_string());
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').from_path(annotations).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| {
        header.iter().position(|other| other == name).ok_or_else(|| {
            let what = format!(
                "there is no column \"{name}\"; give annotations_final.csv, whose columns are separated by tabs"
            );
            TrainerError::content(annotations, what)
        })
    };
    // By name, because some copies of the file have another column order.
    let tags = MAGNATAGATUNE.iter().map(|tag| column(tag)).collect::<Result<Vec<_>>>()?;
    let path = column("mp3_path")?;
    let mut sources = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = line_of(&record);
        let wrong = |what: String| TrainerError::content(annotations, format!("line {line}: {what}"));
        let name = record.get(path).unwrap_or_default();
        let Some(group) = name.split_once('/').and_then(|(folder, _)| group(folder)) else {
            return Err(wrong(format!("\"{name}\" is not in one of the folders 0 to f; correct the path")));
        };
        let label = |column: &usize| match record.get(*column) {
            Some("0") => Ok(0.0),
            Some("1") => Ok(1.0),
            other => Err(wrong(format!("the label \"{}\" is neither 0 nor 1; correct it", other.unwrap_or_default()))),
        };
        let labels = tags.iter().map(label).collect::<Result<Vec<f32>>>()?;
        if keep_untagged || labels.contains(&1.0) {
            sources.push(Source {
                name: name.into(),
                path: Some(audio.join(name)),
                group: group.into(),
                labels: Some(labels),
            });
        }
    }
    require_any(sources, annotations)
}
