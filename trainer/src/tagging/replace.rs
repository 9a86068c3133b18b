//! Replaces a file by an edited copy of it, without a moment at which it is damaged.

use crate::error::{Result, TrainerError};
use crate::files;
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// The end of the names of copies that are being edited. It is no extension of an audio file.
const SUFFIX: &str = ".tagvane-partial";

/// Copies the file at `path` to a temporary file beside it, calls `edit` with that copy, and puts the copy in its place.
/// Permissions, owner and extended attributes stay. Wherever this is interrupted, `path` has either the old or the new
/// content.
///
/// # Errors
/// That of `edit`, or [`TrainerError`] where the copy cannot be written or the file changed meanwhile; `path` is as
/// before then.
pub(super) fn replace_file(path: &Path, edit: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let failed = || TrainerError::file(path);
    let before = fs::metadata(path).map_err(failed())?;
    let folder = files::folder_of(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let copy = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .suffix(SUFFIX)
        .tempfile_in(folder)
        .map_err(TrainerError::file(folder))?;
    // Another process that looks for abandoned copies sees the lock. It is advisory on Unix, so others can write.
    #[cfg(unix)]
    copy.as_file().lock().map_err(failed())?;
    fs::copy(path, copy.path()).map_err(failed())?;
    let (lock, copy): (File, TempPath) = NamedTempFile::into_parts(copy);
    copy_attributes(path, &copy, &before);
    edit(&copy)?;
    OpenOptions::new().write(true).open(&copy).and_then(|file| file.sync_all()).map_err(failed())?;
    let now = fs::metadata(path).map_err(failed())?;
    if now.len() != before.len() || now.modified().ok() != before.modified().ok() {
        return Err(TrainerError::content(path, "another program changed it meanwhile; repeat the command"));
    }
    copy.persist(path).map_err(|error| failed()(error.error))?;
    drop(lock);
    // Without this the old content may return after a power failure, which does no harm.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// Copies the owner and the extended attributes, as far as this user may; [`fs::copy`] copied the permissions.
#[cfg(unix)]
fn copy_attributes(from: &Path, to: &Path, metadata: &Metadata) {
    use std::os::unix::fs::MetadataExt as _;
    let _ = std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()));
    // A change of the owner clears some permissions.
    let _ = fs::set_permissions(to, metadata.permissions());
    for name in xattr::list(from).into_iter().flatten() {
        if let Ok(Some(value)) = xattr::get(from, &name) {
            let _ = xattr::set(to, &name, &value);
        }
    }
}

#[cfg(not(unix))]
fn copy_attributes(_from: &Path, _to: &Path, _metadata: &Metadata) {}

/// Removes the copies that interrupted processes left beside `files`.
pub fn remove_abandoned_copies<'a>(files: impl Iterator<Item = &'a Path>) {
    let folders: BTreeSet<PathBuf> = files.filter_map(Path::parent).map(Path::to_owned).collect();
    for folder in folders {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        // A folder that cannot be read has no files to write either.
        for path in files::sorted_entries(folder).unwrap_or_default() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') && name.ends_with(SUFFIX) && files::is_abandoned(&path) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = files::sorted_entries(folder).unwrap();
        entries.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_failed_edit_leaves_the_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("song.mp3");
        fs::write(&path, b"old").unwrap();
        let failed = replace_file(&path, |copy| {
            fs::write(copy, b"half").unwrap();
            Err(TrainerError::Request("no".into()))
        });
        assert!(failed.is_err());
        let changed = replace_file(&path, |_| {
            fs::write(&path, b"changed by another program").unwrap();
            Ok(())
        });
        assert!(changed.unwrap_err().to_string().contains("another program"));
        assert_eq!(
            (fs::read(&path).unwrap(), names(folder.path())),
            (b"changed by another program".to_vec(), vec!["song.mp3".into()])
        );
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_extended_attributes_stay() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("song.mp3");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Not every file system has them.
        let has_attributes = xattr::set(&path, "user.rating", b"5").is_ok();
        replace_file(&path, |copy| {
            fs::write(copy, b"new").unwrap();
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        if has_attributes {
            assert_eq!(xattr::get(&path, "user.rating").unwrap().as_deref(), Some(&b"5"[..]));
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_copies_that_nobody_writes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("song.mp3");
        fs::write(&path, b"old").unwrap();
        fs::write(folder.path().join(".song.mp3.abc.tagvane-partial"), b"half").unwrap();
        replace_file(&path, |copy| {
            remove_abandoned_copies([path.as_path()].into_iter());
            let copy = copy.file_name().unwrap().to_string_lossy().into_owned();
            assert_eq!(names(folder.path()), [copy, "song.mp3".into()]);
            Ok(())
        })
        .unwrap();
        assert_eq!(names(folder.path()), ["song.mp3"]);
    }
}
