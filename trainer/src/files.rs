//! Atomic writes, reading of JSON and TOML, hashes, and finding files.

use crate::error::{Result, TrainerError};
use crate::renamed;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::{NamedTempFile, PersistError};

/// The end of the names of temporary files, and the number of letters before it.
const PARTIAL: &str = ".partial";
const RANDOM_LETTERS: usize = 12;

/// How often a file is written that other processes take away.
const ATTEMPTS: usize = 10;

/// A temporary file of this age is nobody's, on systems where its lock does not tell.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// The extensions of audio files, of which some can be decoded only where ffmpeg is installed.
const AUDIO_EXTENSIONS: [&str; 27] = [
    "aac", "ac3", "aif", "aifc", "aiff", "amr", "ape", "au", "caf", "flac", "m4a", "m4b", "mka", "mp2", "mp3", "mp4",
    "mpc", "oga", "ogg", "opus", "tta", "wav", "wave", "webm", "wma", "wv", "w64",
];

/// Writes `bytes` to `path` atomically: to a temporary file beside it, which is then renamed. `path` has either its
/// previous content or all of `bytes`, also where several processes write it at once.
///
/// # Errors
/// [`TrainerError::File`], with nothing changed at `path`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    persist(path, bytes, |partial| partial.persist(path).map(drop))
}

/// Removes what killed processes have left of `path`.
fn remove_abandoned(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A folder that cannot be read is not written either.
    for entry in std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        let other = entry.file_name();
        let rest =
            other.to_str().and_then(|other| other.strip_prefix(&*name)?.strip_prefix('.')?.strip_suffix(PARTIAL));
        // Nothing else has a name with so many letters in between.
        if rest.is_some_and(|rest| rest.len() == RANDOM_LETTERS) && is_abandoned(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether no process writes a temporary file any more. Those that do hold a lock on it.
pub(crate) fn is_abandoned(path: &Path) -> bool {
    if cfg!(unix) {
        File::open(path).is_ok_and(|file| file.try_lock().is_ok())
    } else {
        let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > ABANDONED))
    }
}

/// The folder of a file; that of a bare file name is the current one.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes `bytes` to `path` atomically, unless there is a file already. Returns whether there was none.
///
/// # Errors
/// [`TrainerError::File`], with nothing changed at `path`.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<bool> {
    persist(path, bytes, |partial| match partial.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    })
}

/// Writes `bytes` to a temporary file beside `path`, and gives it to `finish`; again, if another process took it for
/// abandoned before it was locked.
fn persist<T>(
    path: &Path,
    bytes: &[u8],
    finish: impl Fn(NamedTempFile) -> std::result::Result<T, PersistError>,
) -> Result<T> {
    for _ in 0..ATTEMPTS {
        remove_abandoned(path);
        match write_partial(path, bytes).and_then(|partial| Ok(finish(partial)?)) {
            Err(error) if error.kind() == ErrorKind::NotFound && folder_of(path).is_dir() => {}
            done => return done.map_err(TrainerError::file(path)),
        }
    }
    Err(TrainerError::content(path, "other processes keep removing what is written here; repeat the command"))
}

/// Writes `bytes` to a file beside `path` that no other process writes. It is removed where it is dropped, as on a full disk.
fn write_partial(path: &Path, bytes: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(PARTIAL).rand_bytes(RANDOM_LETTERS);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut partial = builder.tempfile_in(folder_of(path))?;
    // Not every file system knows locks.
    #[cfg(unix)]
    let _ = partial.as_file().lock();
    partial.write_all(bytes)?;
    // A crash after the rename must not leave an empty file.
    partial.as_file().sync_all()?;
    Ok(partial)
}

/// Appends `suffix` to the file name of `path`.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// The SHA-256 of `bytes`, as 64 hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// The SHA-256 of the file at `path`, as 64 hexadecimal digits; the file is streamed.
///
/// # Errors
/// [`TrainerError::File`].
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(TrainerError::file(path))?;
    std::io::copy(&mut file, &mut hasher).map_err(TrainerError::file(path))?;
    Ok(format!("{:x}", hasher.finalize()))
}

/// Whether `text` is a SHA-256 as 64 hexadecimal digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Reads the JSON file at `path`.
///
/// # Errors
/// [`TrainerError`] where it cannot be read or is not a `T`.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    from_json(path, &std::fs::read(path).map_err(TrainerError::file(path))?)
}

/// Parses `bytes` as JSON; `path` is the file they come from, for the error.
///
/// # Errors
/// [`TrainerError::Content`] where they are not a `T`.
pub fn from_json<T: serde::de::DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        TrainerError::content(path, format!("this is not the expected JSON; restore or regenerate the file: {error}"))
    })
}

/// Reads the TOML file at `path`. `overrides` are assignments of the form `section.key=value` that replace values of
/// the file.
///
/// # Errors
/// [`TrainerError`], which names the file and the line or value.
pub fn read_toml<T: serde::de::DeserializeOwned>(path: &Path, overrides: &[String]) -> Result<T> {
    let wrong = |error: toml::de::Error| TrainerError::content(path, error.to_string());
    let text = std::fs::read_to_string(path).map_err(TrainerError::file(path))?;
    let mut table: toml::Table = toml::from_str(&text).map_err(wrong)?;
    for text in overrides {
        apply_override(&mut table, text)?;
    }
    if let Some(what) = renamed::renamed_key_message(&table) {
        return Err(TrainerError::content(path, what));
    }
    // Parsed from text, because errors then show the line.
    let text = if overrides.is_empty() { text } else { table.to_string() };
    toml::from_str(&text).map_err(wrong)
}

/// Applies one `path.to.key=value` to a table; a value that is not TOML is a string.
fn apply_override(table: &mut toml::Table, text: &str) -> Result<()> {
    let refuse = |what: &str| TrainerError::Request(format!("--set {text}: {what}"));
    let (path, value) = text.split_once('=').ok_or_else(|| refuse("this must have the form section.key=value"))?;
    let parsed = toml::from_str::<toml::Table>(&format!("value = {value}")).ok();
    let value = parsed.and_then(|mut table| table.remove("value")).unwrap_or_else(|| value.into());
    let (sections, key) = path.rsplit_once('.').map_or((None, path), |(sections, key)| (Some(sections), key));
    let mut table = table;
    for section in sections.into_iter().flat_map(|sections| sections.split('.')) {
        let entry = table.entry(section).or_insert_with(|| toml::Table::new().into());
        table =
            entry.as_table_mut().ok_or_else(|| refuse("there is a value where a section should be; check the key"))?;
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

/// The entries of a folder, sorted by name.
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

/// Every file below a folder that has one of `extensions`, sorted by path. Symbolic links are not followed.
///
/// # Errors
/// [`TrainerError::File`].
pub fn find_files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    find_files_where(folder, &|path| has_extension(path, extensions))
}

/// Every file below a folder that `is_wanted`, sorted by path. Symbolic links are not followed.
///
/// # Errors
/// [`TrainerError::File`].
pub(crate) fn find_files_where(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in sorted_entries(folder)? {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            found.extend(find_files_where(&path, is_wanted)?);
        } else if is_wanted(&path) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Every audio file below a folder, sorted by path. Symbolic links are not followed.
///
/// # Errors
/// [`TrainerError::File`].
pub(crate) fn find_audio(folder: &Path) -> Result<Vec<PathBuf>> {
    find_files(folder, &AUDIO_EXTENSIONS)
}

/// Whether the extension of `path` is one of an audio file.
pub(crate) fn is_audio(path: &Path) -> bool {
    has_extension(path, &AUDIO_EXTENSIONS)
}

/// The path of a file below `folder` as a name that is the same on every system: its parts, joined by `/`.
pub(crate) fn relative_name(path: &Path, folder: &Path) -> String {
    let relative = path.strip_prefix(folder).unwrap_or(path);
    relative.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Whether `path` has one of `extensions`, ignoring case.
pub fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let own = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extensions.iter().any(|extension| own.eq_ignore_ascii_case(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: processes that wrote a file at once shared a temporary file, and one of them found it gone.
    #[test]
    fn a_file_that_several_write_at_once_has_the_bytes_of_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.json");
        let texts: Vec<Vec<u8>> = (1..=4).map(|index: u8| vec![index; 100_000 * usize::from(index)]).collect();
        let created: usize = std::thread::scope(|scope| {
            let write = |text: &Vec<u8>| {
                let created = create(&path, text).unwrap();
                (0..50).for_each(|_| write(&path, text).unwrap());
                usize::from(created)
            };
            let threads: Vec<_> = texts.iter().map(|text| scope.spawn(move || write(text))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(created, 1);
        assert!(texts.contains(&std::fs::read(&path).unwrap()));
        // What a killed process leaves is removed by the next one, and other files stay.
        std::fs::write(folder.path().join("cache.json.123456789abc.partial"), "half").unwrap();
        std::fs::write(folder.path().join("cache.json.partial"), "mine").unwrap();
        write(&path, b"whole").unwrap();
        let names: Vec<PathBuf> = sorted_entries(folder.path()).unwrap();
        let names: Vec<String> = names.iter().map(|path| relative_name(path, folder.path())).collect();
        assert_eq!(names, ["cache.json", "cache.json.partial"]);
    }
}
