//! The package list of a corpus, and the download of packages by exact version and SHA-256.

use super::recipe::Recipe;
use super::recordings::{self, ListedRecording};
use crate::error::{Result, TrainerError};
use crate::files;
use crate::prepare::ensemble::Ensemble;
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
    /// A CSV file beside this one with recordings that no registry carries; `None` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recordings: Option<PathBuf>,
    /// What is in that file.
    #[serde(skip)]
    pub listed: Vec<ListedRecording>,
    /// What is in the file that the recipe names as its ensemble.
    #[serde(skip)]
    pub ensemble: Ensemble,
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
    /// SHA-256 of the .deb file, as 64 hexadecimal digits.
    pub sha256: String,
    /// Recordings whose path contains one of these are excluded, for example stems and ambience.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Whether the package has sound fonts or scores, from which pieces are rendered, instead of recordings.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_render_source: bool,
}

impl PackageList {
    /// Reads a package list. `overrides` are assignments such as `recipe.pieces=2000` that replace values of the file.
    ///
    /// # Errors
    /// [`TrainerError`] where the file, or the list of recordings or the ensemble that it names, cannot be read or is
    /// invalid, for example where the recipe holds out a package that is not in the list.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let mut list: Self = files::read_toml(path, overrides)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        if let Some(recordings) = &list.recordings {
            list.listed = recordings::read(&folder.join(recordings))?;
        }
        if let Some(ensemble) = list.recipe.as_ref().and_then(|recipe| recipe.ensemble.as_ref()) {
            list.ensemble = Ensemble::read(&folder.join(ensemble))?;
        }
        list.check().map_err(|what| TrainerError::content(path, what))?;
        Ok(list)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if let Some(package) = self.packages.iter().find(|package| !files::is_sha256(&package.sha256)) {
            return Err(format!("the sha256 of {} is not 64 hexadecimal digits; correct it", package.name));
        }
        let share = self.recipe.as_ref().map_or(0.0, |recipe| recipe.known_share);
        if !(0.0..=1.0).contains(&share) {
            return Err(format!("in [recipe], known_share is {share}; give a number from 0 to 1"));
        }
        let is_listed = |name: &str| {
            self.packages.iter().any(|package| package.name == name)
                || self.listed.iter().any(|recording| recording.place.repository == name)
        };
        let mut held_out = self.recipe.iter().flat_map(|recipe| &recipe.held_out);
        match held_out.find(|name| !is_listed(name)) {
            Some(name) => Err(format!(
                "in [recipe], held_out has {name}, which is no package and no repository of recordings here; correct the name"
            )),
            None => Ok(()),
        }
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
            if found.eq_ignore_ascii_case(&self.sha256) {
                return Ok(Some(path));
            }
            let what = format!("its SHA-256 is {found} instead of {}; delete it and try again", self.sha256);
            return Err(TrainerError::content(&path, what));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "
min_seconds = 20.0
[recipe]
max_segments = 40
augmented_copies = 1
voices = true
pieces = 1800
piece_seconds = 20.0
seed = 1
held_out = [\"music\"]
[[package]]
name = \"music\"
version = \"1\"
sha256 = \"0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF\"
";

    fn read(text: &str) -> Result<PackageList> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("corpus.toml");
        std::fs::write(&path, text).unwrap();
        PackageList::read(&path, &[])
    }

    /// Regression: a SHA-256 with other characters caused a panic, and a misspelt name in `held_out` held out nothing.
    #[test]
    fn invalid_hashes_and_unknown_held_out_packages_are_refused() {
        assert_eq!(read(LIST).unwrap().recipe.unwrap().held_out, ["music"]);
        for (part, replacement, word) in [
            ("sha256 = \"0123", "sha256 = \"", "sha256 of music"),
            ("sha256 = \"0123", "sha256 = \"01ä", "sha256 of music"),
            ("sha256 = \"0123", "sha256 = \"012g", "sha256 of music"),
            ("[\"music\"]", "[\"music\", \"musik\"]", "musik"),
            ("seed = 1", "seed = 1\nknown_share = 1.5", "known_share"),
            ("seed = 1", "seed = 1\nknown_share = nan", "known_share"),
        ] {
            assert!(LIST.contains(part));
            let message = read(&LIST.replace(part, replacement)).unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("corpus.toml"), "{message}");
        }
    }
}
