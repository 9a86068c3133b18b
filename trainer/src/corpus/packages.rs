//! The package list of a corpus, and the download of packages by exact version and SHA-256.

use super::recipe::Recipe;
use crate::error::{Result, TrainerError};
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages of a corpus, read from a TOML file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PackageList {
    /// Minimum length of a recording in seconds; shorter ones are effects and jingles.
    pub min_seconds: f64,
    /// How to fill a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipe: Option<Recipe>,
    /// The packages.
    #[serde(rename = "package")]
    pub packages: Vec<Package>,
}

/// A Debian package with music, or with sound fonts or scores.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name of the package, and group of its recordings.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// SHA-256 of the .deb file.
    pub sha256: String,
    /// Recordings whose path contains one of these are left out, for example stems and ambience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether the package has sound fonts or scores instead of recordings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub renders: bool,
}

impl PackageList {
    /// Reads a package list. `overrides` are assignments such as `recipe.copies=2` that replace values of the file.
    ///
    /// # Errors
    /// [`TrainerError`] where the file cannot be read or is invalid.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        files::read_toml(path, overrides)
    }
}

impl Package {
    /// The path of the .deb file in `folder`; downloads it if it is not there.
    ///
    /// # Errors
    /// [`TrainerError`] where the download fails, or the file has another SHA-256.
    pub fn fetch(&self, folder: &Path) -> Result<PathBuf> {
        if let Some(path) = self.find(folder)? {
            return Ok(path);
        }
        std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
        let wanted = format!("{}={}", self.name, self.version);
        let download = Command::new("apt-get").args(["download", "--quiet", &wanted]).current_dir(folder).output();
        let failed = |reason: String| {
            TrainerError::Request(format!(
                "{wanted} cannot be downloaded: {reason}; on Debian 12 try `apt-get update`, or put the .deb file into {}",
                folder.display()
            ))
        };
        let output = download.map_err(|error| failed(error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")));
        }
        self.find(folder)?.ok_or_else(|| failed("apt-get wrote no file".into()))
    }

    /// The path of the .deb file in `folder`, if it is there.
    fn find(&self, folder: &Path) -> Result<Option<PathBuf>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        // apt-get writes the colon of an epoch as %3a.
        let prefix = format!("{}_{}_", self.name, self.version.replace(':', "%3a"));
        for path in files::sorted_entries(folder)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with(&prefix) || !name.ends_with(".deb") {
                continue;
            }
            let found = files::sha256_file(&path)?;
            if found == self.sha256 {
                return Ok(Some(path));
            }
            let what = format!("its SHA-256 is {found} instead of {}; delete it and try again", self.sha256);
            return Err(TrainerError::content(&path, what));
        }
        Ok(None)
    }
}
