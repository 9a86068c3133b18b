//! MagnaTagATune as it is distributed: `annotations_final.csv` and folders of mp3s.

use super::{Source, some};
use crate::data::vocabularies::MAGNATAGATUNE;
use crate::error::{Result, TrainerError};
use std::path::Path;

/// The length that the paper takes of every clip, in seconds; shorter ones are left
/// out.
pub const SECONDS: f64 = 29.1;

/// The split of a folder: 0 to b are for training, c for validation, d to f for the
/// test.
fn group(folder: &str) -> Option<&'static str> {
    match folder {
        "c" => Some("validation"),
        "d" | "e" | "f" => Some("test"),
        "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "a" | "b" => Some("training"),
        _ => None,
    }
}

/// The clips of an annotation file, with the fifty most used tags, in the usual split.
/// Clips without any of them are left out, as in the paper, unless `untagged` are
/// wanted; `audio` is the folder of the folders 0 to f.
///
/// # Errors
/// [`TrainerError`] where the file cannot be read, a tag's column is missing, or a row
/// is not as it should be.
pub fn sources(annotations: &Path, audio: &Path, untagged: bool) -> Result<Vec<Source>> {
    let failed = |error: csv::Error| TrainerError::content(annotations, error.to_string());
    let mut reader = csv::ReaderBuilder::new().delimiter(b'\t').from_path(annotations).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    let column = |name: &str| {
        header.iter().position(|other| other == name).ok_or_else(|| {
            let what = format!("there is no column \"{name}\"; this should be annotations_final.csv, with tabs");
            TrainerError::content(annotations, what)
        })
    };
    // By name: files exist whose columns are in another order.
    let tags = MAGNATAGATUNE.iter().map(|tag| column(tag)).collect::<Result<Vec<_>>>()?;
    let path = column("mp3_path")?;
    let mut sources = Vec::new();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(failed)?;
        let wrong = |what: String| TrainerError::content(annotations, format!("row {}: {what}", row + 2));
        let name = record.get(path).unwrap_or_default();
        let Some(group) = name.split_once('/').and_then(|(folder, _)| group(folder)) else {
            return Err(wrong(format!("\"{name}\" is not in one of the folders 0 to f")));
        };
        let label = |column: &usize| match record.get(*column) {
            Some("0") => Ok(0.0),
            Some("1") => Ok(1.0),
            other => Err(wrong(format!("\"{}\" is neither 0 nor 1", other.unwrap_or_default()))),
        };
        let labels = tags.iter().map(label).collect::<Result<Vec<f32>>>()?;
        if untagged || labels.contains(&1.0) {
            sources.push(Source { name: name.into(), path: audio.join(name), group: group.into(), labels });
        }
    }
    some(sources, annotations)
}
