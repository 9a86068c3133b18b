//! Unpacks audio, sound fonts and scores from Debian packages and from the archives inside them.

use crate::error::{Result, TrainerError};
use crate::files;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use zip::ZipArchive;

/// The extensions of the recordings in packages. Others would change the corpus.
const RECORDING_EXTENSIONS: [&str; 6] = ["ogg", "oga", "opus", "mp3", "flac", "wav"];

/// The extensions of sound fonts and scores.
const RENDER_EXTENSIONS: [&str; 2] = ["sf2", "mid"];

/// The extensions of zip archives; .pk3 is Quake's.
const ARCHIVE_EXTENSIONS: [&str; 2] = ["pk3", "zip"];

/// Unpacks the audio, sound fonts and scores of a Debian package into the folder `to`, unless it exists. The files of
/// an archive go into a folder with the name of the archive and the suffix `.d`.
///
/// # Errors
/// [`TrainerError`] where the package cannot be read or a file cannot be written; `to` does not exist then.
pub(super) fn unpack(package: &Path, to: &Path) -> Result<()> {
    if to.is_dir() {
        return Ok(());
    }
    let partial = files::with_suffix(to, ".partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    }
    fs::create_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    let mut command = Command::new("dpkg-deb");
    command.arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).stderr(Stdio::null());
    let missing = |error| {
        TrainerError::Request(format!("dpkg-deb, which reads Debian packages, cannot be run: {error}; install it"))
    };
    let mut child = command.spawn().map_err(missing)?;
    let broken = || TrainerError::content(package, "this is not a complete Debian package; delete it and try again");
    if let Some(content) = child.stdout.take() {
        let mut archive = tar::Archive::new(content);
        for entry in archive.entries().map_err(|_| broken())? {
            let mut entry = entry.map_err(|_| broken())?;
            let path = entry.path().map_err(|_| broken())?.into_owned();
            if entry.header().entry_type().is_file()
                && let Some(relative) = relative_path(&path)
            {
                unpack_file(&mut entry, &partial.join(relative))?;
            }
        }
    }
    if !child.wait().is_ok_and(|status| status.success()) {
        return Err(broken());
    }
    fs::rename(&partial, to).map_err(TrainerError::file(to))
}

/// `path` relative to the folder to unpack into; `None` where it would point outside that folder.
fn relative_path(path: &Path) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => relative.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(relative)
}

/// Writes audio, sound fonts and scores to `to`, and those of an archive to a folder beside it; ignores other files.
fn unpack_file(content: &mut impl Read, to: &Path) -> Result<()> {
    let is_wanted = |path: &Path| {
        files::has_extension(path, &RECORDING_EXTENSIONS) || files::has_extension(path, &RENDER_EXTENSIONS)
    };
    if is_wanted(to) {
        return write(content, to);
    }
    if !files::has_extension(to, &ARCHIVE_EXTENSIONS) {
        return Ok(());
    }
    write(content, to)?;
    let broken = |error: zip::result::ZipError| {
        TrainerError::content(to, format!("this archive is damaged; delete its package and try again: {error}"))
    };
    let mut archive = ZipArchive::new(File::open(to).map_err(TrainerError::file(to))?).map_err(broken)?;
    let folder = files::with_suffix(to, ".d");
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(broken)?;
        if let Some(relative) = file.enclosed_name().filter(|relative| is_wanted(relative)) {
            write(&mut file, &folder.join(relative))?;
        }
    }
    fs::remove_file(to).map_err(TrainerError::file(to))
}

fn write(content: &mut impl Read, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
    }
    let mut file = File::create(to).map_err(TrainerError::file(to))?;
    std::io::copy(content, &mut file).map_err(TrainerError::file(to))?;
    Ok(())
}
