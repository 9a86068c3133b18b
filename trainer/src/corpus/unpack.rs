//! Audio, sound fonts and scores out of packages, and out of the archives inside them.

use crate::error::{Result, TrainerError};
use crate::files;
use crate::prepare::AUDIO;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use zip::ZipArchive;

/// Sound fonts and scores.
const RENDERS: [&str; 2] = ["sf2", "mid"];

/// Archives by another name: Quake's .pk3 are zip files.
const ARCHIVES: [&str; 2] = ["pk3", "zip"];

/// Unpacks what is wanted of a Debian package into `to`, unless that is there. What is in an
/// archive goes into a folder with the archive's name and `.d`.
///
/// # Errors
/// [`TrainerError`] where the package cannot be read, or a file not be written; `to` is
/// not there then.
pub(super) fn unpack(package: &Path, to: &Path) -> Result<()> {
    if to.is_dir() {
        return Ok(());
    }
    let partial = files::with_suffix(to, ".partial");
    if partial.exists() {
        fs::remove_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    }
    fs::create_dir_all(&partial).map_err(TrainerError::file(&partial))?;
    let mut tool = Command::new("dpkg-deb");
    tool.arg("--fsys-tarfile").arg(package).stdout(Stdio::piped()).stderr(Stdio::null());
    let missing =
        |error| TrainerError::Request(format!("dpkg-deb, which reads Debian's packages, cannot run: {error}"));
    let mut tool = tool.spawn().map_err(missing)?;
    let broken = || TrainerError::content(package, "this is no Debian package, or not a whole one; delete it");
    if let Some(content) = tool.stdout.take() {
        let mut archive = tar::Archive::new(content);
        for entry in archive.entries().map_err(|_| broken())? {
            let mut entry = entry.map_err(|_| broken())?;
            let path = entry.path().map_err(|_| broken())?.into_owned();
            if entry.header().entry_type().is_file()
                && let Some(inside) = inside(&path)
            {
                keep(&mut entry, &partial.join(inside))?;
            }
        }
    }
    if !tool.wait().is_ok_and(|status| status.success()) {
        return Err(broken());
    }
    fs::rename(&partial, to).map_err(TrainerError::file(to))
}

/// A path that stays inside the folder it is joined to; `None` where it would not.
fn inside(path: &Path) -> Option<PathBuf> {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::RootDir | Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(inside)
}

/// Writes a file if it is wanted, and what is wanted in it if it is an archive.
fn keep(content: &mut impl Read, to: &Path) -> Result<()> {
    let wanted = |path: &Path| files::ends_with(path, &AUDIO) || files::ends_with(path, &RENDERS);
    if wanted(to) {
        return write(content, to);
    }
    if !files::ends_with(to, &ARCHIVES) {
        return Ok(());
    }
    write(content, to)?;
    let broken = |error: zip::result::ZipError| TrainerError::content(to, format!("this archive is broken: {error}"));
    let mut archive = ZipArchive::new(File::open(to).map_err(TrainerError::file(to))?).map_err(broken)?;
    let folder = files::with_suffix(to, ".d");
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).map_err(broken)?;
        if let Some(inside) = file.enclosed_name().filter(|inside| wanted(inside)) {
            write(&mut file, &folder.join(inside))?;
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
