//! Local copies of the listed recordings, found by their checksums.

use super::recordings::{Kind, ListedRecording};
use crate::data::Source;
use crate::error::{Result, TrainerError};
use crate::files;
use crate::local_copies::LocalCopies;
use crate::render::notes::NoteFile;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// A listed recording and a copy of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingCopy {
    /// The recording.
    pub recording: ListedRecording,
    /// The copy: the published file or a transcoding.
    pub path: PathBuf,
}

/// The copies of listed recordings below a folder.
#[derive(Debug, Default, PartialEq)]
pub struct RecordingCopies {
    /// The recordings of which there is a copy, in the order of the list.
    pub found: Vec<RecordingCopy>,
    /// Those without, in the order of the list.
    pub missing: Vec<ListedRecording>,
    /// Audio files that are no copies of listed recordings.
    pub unknown: Vec<PathBuf>,
}

impl RecordingCopies {
    /// Looks for copies below `folder`, whatever their names are.
    ///
    /// # Errors
    /// [`TrainerError`] where there is none, or a file cannot be read.
    pub fn find(list: &[ListedRecording], folder: &Path) -> Result<Self> {
        let wanted: HashSet<&str> = list.iter().flat_map(|recording| recording.place.accepted()).collect();
        // Some of the published files have no extension.
        let is_candidate = |path: &Path| files::is_audio(path) || path.extension().is_none();
        let copies = LocalCopies::find(folder, &wanted, is_candidate)?;
        if copies.is_empty() {
            let what = "none of the listed recordings is in this folder; the list says where they are published";
            return Err(TrainerError::content(folder, what));
        }
        let mut found = Self::default();
        for recording in list {
            match recording.place.accepted().find_map(|sha256| copies.path(sha256)) {
                Some(path) => {
                    found.found.push(RecordingCopy { recording: recording.clone(), path: path.to_owned() });
                }
                None => found.missing.push(recording.clone()),
            }
        }
        found.unknown = copies.unknown().iter().filter(|path| files::is_audio(path)).cloned().collect();
        Ok(found)
    }

    /// The sources of the recordings of the given kind; each repository is a group.
    pub(super) fn sources(&self, kind: &Kind) -> Vec<Source> {
        let source = |copy: &RecordingCopy| Source {
            name: copy.recording.place.name(),
            path: Some(copy.path.clone()),
            group: copy.recording.place.repository.clone(),
            labels: None,
        };
        self.found.iter().filter(|copy| copy.recording.kind == *kind).map(source).collect()
    }

    /// The single notes, except those of the repositories `held_out`.
    pub fn notes(&self, held_out: &[String]) -> Vec<NoteFile> {
        let is_used = |copy: &&RecordingCopy| !held_out.contains(&copy.recording.place.repository);
        self.found.iter().filter(is_used).filter_map(|copy| copy.recording.note(&copy.path)).collect()
    }

    /// The files of the recordings that are neither voices nor single notes, for backings.
    pub fn music(&self) -> Vec<PathBuf> {
        self.sources(&Kind::Recording).into_iter().filter_map(|source| source.path).collect()
    }
}
