//! Writing files so that a half-written one is never taken for a whole one.

use crate::error::{Result, TrainerError};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Writes `bytes` to `path` under a temporary name beside it and renames it, so
/// that `path` holds either what it held before or all of `bytes`.
///
/// # Errors
/// [`TrainerError::File`], with nothing changed at `path`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let partial = with_suffix(path, ".partial");
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        // On the disk before it has its name: a machine may go down between the two.
        file.sync_all()
    });
    if let Err(error) = written {
        // A full disk is not to be fuller for it.
        let _ = std::fs::remove_file(&partial);
        return Err(TrainerError::file(&partial)(error));
    }
    std::fs::rename(&partial, path).map_err(TrainerError::file(path))
}

/// A path beside `path`, its name longer by a suffix.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Reads the JSON file at `path`.
///
/// # Errors
/// [`TrainerError`] where it cannot be read or is not of the form of `T`.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| TrainerError::content(path, format!("this is not the JSON it should be: {error}")))
}

/// Writes `value` as JSON, like [`write()`].
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|error| TrainerError::content(path, error.to_string()))?;
    write(path, &bytes)
}

/// The entries of a folder, in the order of their names.
///
/// # Errors
/// [`TrainerError::File`].
pub fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(TrainerError::file(folder))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .map_err(TrainerError::file(folder))?;
    paths.sort();
    Ok(paths)
}

/// Every file below a folder with one of these endings, in the order of their paths. Links are
/// not followed.
///
/// # Errors
/// [`TrainerError::File`].
pub fn below(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in sorted_entries(folder)? {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(below(&path, endings)?);
        } else if ends_with(&path, endings) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether a file's name ends with a dot and one of these, be it in capitals.
pub fn ends_with(path: &Path, endings: &[&str]) -> bool {
    let own = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    endings.iter().any(|ending| own.eq_ignore_ascii_case(ending))
}
