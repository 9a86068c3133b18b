//! Local copies of published files, which are found by their SHA-256, whatever their names are.

use crate::error::Result;
use crate::files;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// The copies below a folder.
pub(crate) struct LocalCopies {
    /// The first copy of each file that is wanted, by its SHA-256.
    paths: HashMap<String, PathBuf>,
    /// The candidates that are copies of none.
    unknown: Vec<PathBuf>,
}

impl LocalCopies {
    /// Looks for files whose SHA-256 is `wanted`, among those below `folder` that are candidates. The others are not
    /// read.
    ///
    /// # Errors
    /// [`TrainerError::File`](crate::TrainerError::File).
    pub(crate) fn find(folder: &Path, wanted: &HashSet<&str>, is_candidate: impl Fn(&Path) -> bool) -> Result<Self> {
        let mut copies = Self { paths: HashMap::new(), unknown: Vec::new() };
        for path in files::find_files_where(folder, &is_candidate)? {
            let sha256 = files::sha256_file(&path)?;
            if wanted.contains(sha256.as_str()) {
                copies.paths.entry(sha256).or_insert(path);
            } else {
                copies.unknown.push(path);
            }
        }
        Ok(copies)
    }

    /// The copy of the file with this SHA-256.
    pub(crate) fn path(&self, sha256: &str) -> Option<&Path> {
        self.paths.get(sha256).map(PathBuf::as_path)
    }

    /// Whether there is no copy of any file.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The candidates that are copies of no file that is wanted, sorted by path.
    pub(crate) fn unknown(&self) -> &[PathBuf] {
        &self.unknown
    }
}
