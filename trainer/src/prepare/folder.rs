//! A data set of the user's own recordings, with tags from a CSV file or from folder names.

use super::{line_of, require_any};
use crate::data::Source;
use crate::error::{Result, TrainerError};
use crate::files;
use crate::reproducible;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The groups of the split.
const GROUPS: [&str; 3] = ["training", "validation", "test"];

/// The fractions of the recordings that are held out.
#[derive(Debug, Clone, Copy)]
pub struct HoldOut {
    /// Fraction for validation, 0 to 1.
    pub validation: f64,
    /// Fraction for the test, 0 to 1.
    pub test: f64,
}

impl HoldOut {
    /// Assigns a recording to a group by a hash of its folder, so that an album stays in one group and the split is
    /// reproducible.
    fn group(&self, name: &str) -> &'static str {
        let folder = name.rsplit_once('/').map_or(name, |(folder, _)| folder);
        let position = reproducible::hash(&[folder.as_bytes()]) as f64 / u64::MAX as f64;
        if position < self.test {
            "test"
        } else if position < self.test + self.validation {
            "validation"
        } else {
            "training"
        }
    }
}

/// A recording, its tags and its group.
struct TaggedFile {
    name: String,
    path: PathBuf,
    group: String,
    tags: BTreeSet<String>,
}

/// Reads recordings from a CSV file with one row per recording: the path below `audio`, then the tags, in one or more
/// columns or separated by `;`. An optional header `path,...` may name a column `group` with the values training,
/// validation or test; where it is empty, the group is drawn. Returns the tags, most frequent first, and the recordings.
///
/// # Errors
/// [`TrainerError`] where the file cannot be read, a row has no path or another group, or no recording has a tag.
pub fn from_csv(list: &Path, audio: &Path, hold_out: HoldOut) -> Result<(Vec<String>, Vec<Source>)> {
    let failed = |error: csv::Error| TrainerError::content(list, error.to_string());
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(list).map_err(failed)?;
    let mut tagged = Vec::new();
    let mut group_column = None;
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(failed)?;
        if row == 0 && record.get(0).is_some_and(|first| first.eq_ignore_ascii_case("path")) {
            group_column = record.iter().position(|name| name.eq_ignore_ascii_case("group"));
            continue;
        }
        let line = line_of(&record);
        let wrong = |what: String| TrainerError::content(list, format!("line {line}: {what}"));
        let name = record.get(0).unwrap_or_default().trim();
        if name.is_empty() {
            return Err(wrong("there is no path in the first column; add it".into()));
        }
        let group = match group_column.and_then(|column| record.get(column)).unwrap_or_default().trim() {
            "" => hold_out.group(name),
            group if GROUPS.contains(&group) => group,
            other => {
                let groups = GROUPS.join(", ");
                return Err(wrong(format!("the group \"{other}\" is none of {groups}; correct it or leave it empty")));
            }
        };
        let columns = record.iter().enumerate().skip(1).filter(|(column, _)| Some(*column) != group_column);
        let tags: BTreeSet<String> = columns
            .flat_map(|(_, text)| text.split(';'))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect();
        tagged.push(TaggedFile { name: name.to_owned(), path: audio.join(name), group: group.to_owned(), tags });
    }
    sources(tagged, list)
}

/// Finds the recordings below `audio`; the names of the folders between `audio` and a recording are its tags. Returns
/// the tags, most frequent first, and the recordings.
///
/// # Errors
/// [`TrainerError`] where the folder cannot be read, or no recording is in a subfolder.
pub fn from_folders(audio: &Path, hold_out: HoldOut) -> Result<(Vec<String>, Vec<Source>)> {
    let tagged_by_folders = |path: PathBuf| {
        let name = files::relative_name(&path, audio);
        let folders = name.rsplit_once('/').map_or("", |(folders, _)| folders);
        let tags = folders.split('/').filter(|folder| !folder.is_empty()).map(str::to_owned).collect();
        // Folders are tags here, so the split is by recording.
        let group = hold_out.group(&format!("{name}/")).to_owned();
        TaggedFile { name, path, group, tags }
    };
    sources(files::find_audio(audio)?.into_iter().map(tagged_by_folders).collect(), audio)
}

/// The tags of recordings, most frequent first, and the recordings as sources; `origin` lists them.
fn sources(tagged: Vec<TaggedFile>, origin: &Path) -> Result<(Vec<String>, Vec<Source>)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in tagged.iter().flat_map(|recording| &recording.tags) {
        *counts.entry(tag).or_default() += 1;
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let names: Vec<String> = names.into_iter().map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Err(TrainerError::content(origin, "no recording here has a tag; add tags"));
    }
    let source = |TaggedFile { name, path, group, tags }| {
        let labels = names.iter().map(|tag| f32::from(tags.contains(tag))).collect();
        Source { name, path: Some(path), group, labels: Some(labels) }
    };
    let sources = require_any(tagged.into_iter().map(source).collect(), origin)?;
    Ok((names, sources))
}
