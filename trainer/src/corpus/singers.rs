//! Singers made of speech, as `trainer/singers/sing.py` writes them: solo voices, choirs and raps without accompaniment,
//! of which it is known who sings.

use crate::data::Source;
use crate::error::{Result, TrainerError};
use crate::render::truth::{Sounding, Truth};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The list in the folder of the singers.
pub const SINGERS: &str = "singers.csv";

/// The group of the singers in a cache.
const GROUP: &str = "singers";

/// A recording of one or more singers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Singer {
    path: PathBuf,
    /// Who sings, such as `female voice`.
    voices: Vec<String>,
}

/// A row of the list.
#[derive(Deserialize)]
struct Row {
    file: String,
    singer: String,
    form: String,
}

impl Singer {
    /// Reads the list in a folder.
    ///
    /// # Errors
    /// [`TrainerError`] where there is no such list, or a row of it names no file beside it, no singer or no form.
    pub fn read_folder(folder: &Path) -> Result<Vec<Self>> {
        let list = folder.join(SINGERS);
        let wrong = |what: String| TrainerError::content(&list, what);
        let mut reader = csv::Reader::from_path(&list).map_err(|error| {
            wrong(format!("this list cannot be read: {error}; make the singers with trainer/singers/sing.py"))
        })?;
        let mut singers = Vec::new();
        for (index, row) in reader.deserialize().enumerate() {
            let in_row = |what: &str| wrong(format!("row {}: {what}; make the list again", index + 1));
            let Row { file, singer, form } = row.map_err(|error| in_row(&error.to_string()))?;
            let path = folder.join(&file);
            // Nothing outside of the folder.
            if Path::new(&file).file_name().is_none_or(|name| name != file.as_str()) || !path.is_file() {
                return Err(in_row(&format!("{file:?} is no file in the same folder")));
            }
            let mut voices: Vec<String> = match singer.as_str() {
                "female" => vec!["female voice".into()],
                "male" => vec!["male voice".into()],
                "both" => vec!["female voice".into(), "male voice".into()],
                other => return Err(in_row(&format!("{other:?} is neither female, male nor both"))),
            };
            match form.as_str() {
                "solo" | "harmony" => voices.push("singing".into()),
                "choir" => voices.extend(["singing".into(), "choir".into()]),
                "rap" => voices.push("rapping".into()),
                other => return Err(in_row(&format!("{other:?} is neither solo, harmony, choir nor rap"))),
            }
            singers.push(Self { path, voices });
        }
        if singers.is_empty() { Err(wrong("it has no rows; make the list again".into())) } else { Ok(singers) }
    }

    /// Its source.
    pub(super) fn source(&self) -> Source {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Source { name: format!("{GROUP}/{name}"), path: Some(self.path.clone()), group: GROUP.into(), labels: None }
    }

    /// What is known of `length` samples in which it sings.
    pub(super) fn truth(&self, length: usize) -> Truth {
        let soundings = vec![Sounding { instruments: self.voices.clone(), from: 0, to: length }];
        Truth { soundings, is_complete: false }
    }
}
