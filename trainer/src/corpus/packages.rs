//! The list of packages, and getting them: exactly these versions, checked by their hash.

use super::fill::Recipe;
use crate::error::{Result, TrainerError};
use crate::files;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a corpus is made of, a TOML file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Shorter recordings are effects and jingles, in seconds.
    pub shortest: f64,
    /// What a cache is filled with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The packages.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// A Debian package with music in it, or with sound fonts or scores.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Debian's name of it; recordings of a package are held out together.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file.
    pub sha256: String,
    /// Files whose path in it holds one of these are left out: stems, ambience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<String>,
    /// It has no recordings, but sound fonts or scores.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renders: bool,
}

impl List {
    /// Reads a list. `overrides` are values in the form `recipe.copies=2`, which stand in for the
    /// file's.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be read, or is none.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        files::read_toml(path, overrides)
    }
}

impl Package {
    /// The package's file in `folder`, which it is downloaded into unless it is there.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be had, or is another file than the list says.
    pub fn fetch(&self, folder: &Path) -> Result<PathBuf> {
        if let Some(path) = self.find(folder)? {
            return Ok(path);
        }
        std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
        let wanted = format!("{}={}", self.name, self.version);
        let done = Command::new("apt-get").args(["download", "--quiet", &wanted]).current_dir(folder).output();
        let failed = |why: String| {
            TrainerError::Request(format!(
                "{wanted} cannot be downloaded: {why} (on a Debian 12 with its usual sources `apt-get update` may help; \
                 or put the .deb file into {})",
                folder.display()
            ))
        };
        let output = done.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")));
        }
        self.find(folder)?.ok_or_else(|| failed("apt-get left no file".into()))
    }

    /// The package's file in `folder`, if it is there, whole.
    fn find(&self, folder: &Path) -> Result<Option<PathBuf>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        // As apt-get names files: an epoch's colon is written as %3a.
        let start = format!("{}_{}_", self.name, self.version.replace(':', "%3a"));
        for path in crate::files::sorted_entries(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with(&start) || !name.ends_with(".deb") {
                continue;
            }
            let found = sha256(&path)?;
            if found == self.sha256 {
                return Ok(Some(path));
            }
            let what = format!("its SHA-256 is {found}, the list says {}; delete it and try again", self.sha256);
            return Err(TrainerError::content(&path, what));
        }
        Ok(None)
    }
}

/// The SHA-256 of a file, in hexadecimal digits.
///
/// # Errors
/// [`TrainerError::File`].
pub fn sha256(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(TrainerError::file(path))?;
    std::io::copy(&mut file, &mut hasher).map_err(TrainerError::file(path))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
