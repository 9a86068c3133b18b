//! Writing files so that a half-written one is never taken for a whole one.

use crate::error::{Result, TrainerError};
use sha2::{Digest as _, Sha256};
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

/// The SHA-256 of `bytes`, as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the JSON file at `path`.
///
/// # Errors
/// [`TrainerError`] where it cannot be read or is not of the form of `T`.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    from_json(path, &std::fs::read(path).map_err(TrainerError::file(path))?)
}

/// What the JSON in `bytes`, which were read from `path`, says.
///
/// # Errors
/// [`TrainerError`] where they are not of the form of `T`.
pub fn from_json<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| TrainerError::content(path, format!("this is not the JSON it should be: {error}")))
}

/// Reads the TOML file at `path`. `overrides` are values in the form `section.key=value`, which
/// stand in for the file's.
///
/// # Errors
/// [`TrainerError`], which names the file and the line or value.
pub fn read_toml<T: serde::de::DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T> {
    let wrong = |error: toml::de::Error| TrainerError::content(path, error.to_string());
    let text = std::fs::read_to_string(path).map_err(TrainerError::file(path))?;
    let mut table: toml::Table = toml::from_str(&text).map_err(wrong)?;
    for text in overrides {
        set(&mut table, text)?;
    }
    // Through text again, so that what is wrong is shown with its line.
    let text = if overrides.is_empty() { text } else { table.to_string() };
    toml::from_str(&text).map_err(wrong)
}

/// Puts one `path.to.key=value` into a table; what is not TOML is a string.
fn set(table: &mut toml::Table, text: &str) -> Result<()> {
    let refuse = |what: &str| TrainerError::Request(format!("--set {text}: {what}"));
    let (path, value) = text.split_once('=').ok_or_else(|| refuse("this is not of the form section.key=value"))?;
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
    let value = parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| value.into());
    let (sections, key) = path.rsplit_once('.').map_or((None, path), |(sections, key)| (Some(sections), key));
    let mut table = table;
    for section in sections.into_iter().flat_map(|sections| sections.split('.')) {
        let entry = table.entry(section).or_insert_with(|| toml::Table::new().into());
        table = entry.as_table_mut().ok_or_else(|| refuse("there is a value where a section should be"))?;
    }
    table.insert(key.trim().into(), value);
    Ok(())
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
