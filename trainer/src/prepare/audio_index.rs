//! Finds the files that a list names: by their paths, or where these differ from the disk by how they are written.

use crate::error::Result;
use crate::files;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use unicode_normalization::UnicodeNormalization as _;

/// How a path of a list differs from that of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Difference {
    /// Not at all, or in separators and in how accents are encoded.
    None,
    /// In upper and lower case.
    Case,
    /// In the extension.
    Extension,
    /// In the folders that it starts with.
    Folders,
}

/// The file for a path of a list.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Match {
    /// This file.
    Found(PathBuf, Difference),
    /// Any of several files.
    Ambiguous(Vec<String>),
    /// No file.
    Missing,
}

/// The files below a folder.
pub(super) struct AudioIndex<'a> {
    folder: &'a Path,
    /// Read when a path is not found as it is.
    found: OnceCell<Found>,
}

/// The audio files below a folder, by several forms of their names.
struct Found {
    paths: Vec<PathBuf>,
    by_form: [HashMap<String, Vec<usize>>; 4],
}

/// The path in a list as the name of a recording: its parts joined by `/`. A path below `folder` loses it.
pub(super) fn clean(listed: &str, folder: &Path) -> String {
    let relative = Path::new(listed).strip_prefix(folder).ok();
    let text = relative.and_then(Path::to_str).unwrap_or(listed).replace('\\', "/");
    let root = if text.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("{root}{}", parts.join("/"))
}

/// A name as it is compared: in one Unicode form, and without case or without its extension where asked.
fn form(name: &str, without_case: bool, without_extension: bool) -> String {
    let composed: String = name.nfc().collect();
    let cut = if without_extension && files::is_audio(Path::new(&composed)) {
        let stem = composed.rsplit_once('.').map_or(composed.as_str(), |(stem, _)| stem);
        // The small files of MTG-Jamendo, whose lists name the large ones.
        stem.strip_suffix(".low").unwrap_or(stem)
    } else {
        &composed
    };
    if without_case { cut.to_lowercase() } else { cut.to_owned() }
}

/// The forms of a name, from exact to loose: whether they are without case and without the extension.
const FORMS: [(bool, bool, Difference); 4] = [
    (false, false, Difference::None),
    (true, false, Difference::Case),
    (false, true, Difference::Extension),
    (true, true, Difference::Extension),
];

impl<'a> AudioIndex<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder, found: OnceCell::new() }
    }

    /// The file for a path of a list, whose cleaned form is `name`.
    ///
    /// # Errors
    /// [`TrainerError::File`](crate::TrainerError) where the folder cannot be read.
    pub(super) fn find(&self, listed: &str, name: &str) -> Result<Match> {
        for text in [name, listed] {
            let path = self.folder.join(text);
            if path.is_file() {
                return Ok(Match::Found(path, Difference::None));
            }
        }
        let found = match self.found.get() {
            Some(found) => found,
            None => {
                let found = Found::below(self.folder)?;
                self.found.get_or_init(|| found)
            }
        };
        let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty()).collect();
        for start in 0..parts.len() {
            let candidate = found.find(&parts[start..].join("/"));
            match candidate {
                Match::Missing => {}
                Match::Found(path, difference) if start > 0 => {
                    return Ok(Match::Found(path, difference.max(Difference::Folders)));
                }
                other => return Ok(other),
            }
        }
        Ok(Match::Missing)
    }
}

impl Found {
    fn below(folder: &Path) -> Result<Self> {
        let paths = files::find_audio(folder)?;
        let mut by_form: [HashMap<String, Vec<usize>>; 4] = Default::default();
        for (index, path) in paths.iter().enumerate() {
            let name = files::relative_name(path, folder);
            for (map, (without_case, without_extension, _)) in by_form.iter_mut().zip(FORMS) {
                map.entry(form(&name, without_case, without_extension)).or_default().push(index);
            }
        }
        Ok(Self { paths, by_form })
    }

    fn find(&self, name: &str) -> Match {
        for (map, (without_case, without_extension, difference)) in self.by_form.iter().zip(FORMS) {
            match map.get(&form(name, without_case, without_extension)).map(Vec::as_slice) {
                None => {}
                Some([only]) => return Match::Found(self.paths[*only].clone(), difference),
                Some(several) => {
                    let names = several.iter().map(|index| self.paths[*index].display().to_string());
                    return Match::Ambiguous(names.collect());
                }
            }
        }
        Match::Missing
    }
}
