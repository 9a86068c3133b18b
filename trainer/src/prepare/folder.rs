//! A folder of one's own recordings, tagged by a CSV file or by its folders' names.

use super::{Source, find_audio, some};
use crate::error::{Result, TrainerError};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

/// Parts of all recordings that are held out.
#[derive(Debug, Clone, Copy)]
pub struct HoldOut {
    /// For validation, 0 to 1.
    pub validation: f64,
    /// For the test, 0 to 1.
    pub test: f64,
}

impl HoldOut {
    /// The group of a recording, by its folder: an album is held out as a whole, and
    /// is so each time.
    fn group(&self, name: &str) -> &'static str {
        let folder = name.rsplit_once('/').map_or(name, |(folder, _)| folder);
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        let place = hasher.finish() as f64 / u64::MAX as f64;
        if place < self.test {
            "test"
        } else if place < self.test + self.validation {
            "validation"
        } else {
            "training"
        }
    }
}

/// The recordings of a CSV file with a line each: the path below `audio`, then its
/// tags, in as many columns as it takes or separated by `;`. A header line `path,...`
/// may come first; a column `group` in it says training, validation or test. Gives the
/// tags as well, the most frequent first.
///
/// # Errors
/// [`TrainerError`] where the file cannot be read or makes no sense.
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
        let name = record.get(0).unwrap_or_default().trim();
        if name.is_empty() {
            return Err(TrainerError::content(list, format!("line {} has no path in its first column", row + 1)));
        }
        let group = group_column.and_then(|column| record.get(column)).map(|group| group.trim().to_owned());
        let columns = record.iter().enumerate().skip(1).filter(|(column, _)| Some(*column) != group_column);
        let tags: BTreeSet<String> = columns
            .flat_map(|(_, text)| text.split(';'))
            .map(|tag| tag.trim().to_owned())
            .filter(|tag| !tag.is_empty())
            .collect();
        tagged.push((name.to_owned(), group, tags));
    }
    sources(tagged, audio, hold_out, list)
}

/// The recordings below a folder; the names of the folders that a recording is in,
/// below `audio`, are its tags.
///
/// # Errors
/// [`TrainerError`] where the folder cannot be read or no recording is in a folder of
/// its own.
pub fn from_folders(audio: &Path, hold_out: HoldOut) -> Result<(Vec<String>, Vec<Source>)> {
    let mut tagged = Vec::new();
    for path in find_audio(audio)? {
        let inside = path.strip_prefix(audio).unwrap_or(&path);
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let tags: BTreeSet<String> = parts[..parts.len() - 1].iter().cloned().collect();
        let name = parts.join("/");
        // A folder is a tag here, so what is held out is chosen by recording.
        let group = hold_out.group(&format!("{name}/")).to_owned();
        tagged.push((name, Some(group), tags));
    }
    sources(tagged, audio, hold_out, audio)
}

type Tagged = (String, Option<String>, BTreeSet<String>);

fn sources(
    tagged: Vec<Tagged>,
    audio: &Path,
    hold_out: HoldOut,
    where_from: &Path,
) -> Result<(Vec<String>, Vec<Source>)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, _, tags) in &tagged {
        tags.iter().for_each(|tag| *counts.entry(tag).or_default() += 1);
    }
    let mut names: Vec<(&str, usize)> = counts.into_iter().collect();
    names.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let names: Vec<String> = names.into_iter().map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Err(TrainerError::content(where_from, "no recording here has a tag"));
    }
    let source = |(name, group, tags): &Tagged| Source {
        name: name.clone(),
        path: audio.join(name),
        group: group.clone().unwrap_or_else(|| hold_out.group(name).to_owned()),
        labels: names.iter().map(|tag| f32::from(tags.contains(tag))).collect(),
    };
    let sources = some(tagged.iter().map(source).collect(), where_from)?;
    Ok((names, sources))
}
