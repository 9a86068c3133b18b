//! A data set of the user's own recordings, with tags from a CSV file or from folder names.

use super::list::{Separator, TagList};
use super::located::locate;
use super::require_any;
use crate::data::Source;
use crate::error::{Result, TrainerError};
use crate::files;
use crate::reproducible;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

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

/// A recording, the label of each of its tags, and its group.
struct TaggedFile {
    name: String,
    path: PathBuf,
    group: String,
    labels: BTreeMap<String, f32>,
}

/// The recordings of a list.
#[derive(Debug)]
pub struct ListedSources {
    /// The tags, most frequent first.
    pub tags: Vec<String>,
    /// The recordings.
    pub sources: Vec<Source>,
    /// How the list was understood, and what differs from the disk, in sentences.
    pub notes: Vec<String>,
}

/// Reads recordings from a list, whose paths start below `audio`. [`TagList`] says which forms it may have. The lines
/// about one file are merged: each tag gets its largest label. Where the list states no group, it is drawn. A file that
/// is not found is a source all the same, which is skipped when it is decoded.
///
/// # Errors
/// [`TrainerError`] where the list cannot be read or is not clear, states two groups for a file, no recording has a tag,
/// or none of the files exists.
pub fn from_csv(list: &Path, audio: &Path, separator: Option<Separator>, hold_out: HoldOut) -> Result<ListedSources> {
    let TagList { recordings, description } = TagList::read(list, separator)?;
    let located = locate(&recordings, audio)?;
    let mut tagged: Vec<TaggedFile> = Vec::new();
    let mut known: HashMap<&Path, usize> = HashMap::new();
    // The group that the list states for each file, and the line.
    let mut stated: Vec<Option<(&str, u64)>> = Vec::new();
    for (recording, (name, path)) in recordings.iter().zip(&located.files) {
        let index = *known.entry(path).or_insert_with(|| {
            let group = hold_out.group(name).to_owned();
            tagged.push(TaggedFile { name: name.clone(), path: path.clone(), group, labels: BTreeMap::new() });
            stated.push(None);
            tagged.len() - 1
        });
        let file = &mut tagged[index];
        match (recording.group, stated[index]) {
            (Some(group), Some((other, line))) if group != other => {
                let what = format!(
                    "line {}: {name} is in the group {group}, but in {other} in line {line}; correct one of the lines",
                    recording.line
                );
                return Err(TrainerError::content(list, what));
            }
            (Some(group), _) => {
                group.clone_into(&mut file.group);
                stated[index] = Some((group, recording.line));
            }
            (None, _) => {}
        }
        for (tag, label) in &recording.labels {
            let known = file.labels.entry(tag.clone()).or_default();
            *known = known.max(*label);
        }
    }
    let count = tagged.len();
    let mut notes = vec![format!("{}: {description}", list.display())];
    if count < recordings.len() {
        let what = if count == 1 { "recording" } else { "recordings" };
        notes.push(format!("lines about the same file are merged: {} lines, {count} {what}", recordings.len()));
    }
    let named: BTreeSet<&str> =
        recordings.iter().flat_map(|recording| recording.labels.keys().map(String::as_str)).collect();
    let (tags, sources) = sources(tagged, list)?;
    let unused: Vec<&str> = named.into_iter().filter(|name| !tags.iter().any(|tag| tag == name)).collect();
    if !unused.is_empty() {
        notes.push(format!("no recording has the tags {}, so they are left out", unused.join(", ")));
    }
    if let Some(first) = located.missing.first().filter(|_| located.missing.len() == count) {
        let what = format!(
            "none of the {count} recordings is in {}, such as {first}; give with --audio the folder that the paths start \
             from",
            audio.display()
        );
        return Err(TrainerError::content(list, what));
    }
    notes.extend(located.notes);
    Ok(ListedSources { tags, sources, notes })
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
        let tags = folders.split('/').filter(|folder| !folder.is_empty());
        let labels = tags.map(|tag| (tag.to_owned(), 1.0)).collect();
        // Folders are tags here, so the split is by recording.
        let group = hold_out.group(&format!("{name}/")).to_owned();
        TaggedFile { name, path, group, labels }
    };
    sources(files::find_audio(audio)?.into_iter().map(tagged_by_folders).collect(), audio)
}

/// The tags of recordings, most frequent first, and the recordings as sources; `origin` lists them.
fn sources(tagged: Vec<TaggedFile>, origin: &Path) -> Result<(Vec<String>, Vec<Source>)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for (tag, label) in tagged.iter().flat_map(|recording| &recording.labels).filter(|(_, label)| **label > 0.0) {
        *sums.entry(tag).or_default() += f64::from(*label);
    }
    let mut names: Vec<(&str, f64)> = sums.into_iter().collect();
    names.sort_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
    let names: Vec<String> = names.into_iter().map(|(name, _)| name.to_owned()).collect();
    if names.is_empty() {
        return Err(TrainerError::content(origin, "no recording here has a tag; add tags"));
    }
    let source = |TaggedFile { name, path, group, labels }: TaggedFile| {
        let labels = names.iter().map(|tag| labels.get(tag).copied().unwrap_or(0.0)).collect();
        Source { name, path: Some(path), group, labels: Some(labels) }
    };
    let sources = require_any(tagged.into_iter().map(source).collect(), origin)?;
    Ok((names, sources))
}
