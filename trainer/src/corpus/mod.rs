//! `corpus`: a corpus of free music from Debian packages.
//!
//! A corpus is a folder with `packages` (the downloaded .deb files), `music` (their unpacked recordings),
//! `fingerprints` (those of the recordings of each package), `recordings.json` (all recordings, and why some are
//! excluded) and `render` (sound fonts and scores). Each step resumes after an interruption.

pub mod fill;
pub mod packages;
pub mod recipe;
mod select;
mod unpack;

use crate::error::{Result, TrainerError};
use crate::files;
use crate::progress::progress_bar;
use packages::{Package, PackageList};
use select::Fingerprinted;
use std::collections::HashSet;
use std::path::Path;

pub use select::CorpusRecording;

/// File name of the list of recordings in the folder of a corpus.
pub const RECORDINGS: &str = "recordings.json";

/// Folder name of the unpacked recordings.
const MUSIC: &str = "music";

/// The paths of the recordings in the file `list` that are not excluded.
///
/// # Errors
/// [`TrainerError`] where the file cannot be read or has another format.
pub fn included_paths(list: &Path) -> Result<HashSet<String>> {
    let recordings: Vec<CorpusRecording> = files::read_json(list)?;
    let included = recordings.into_iter().filter(|recording| recording.excluded.is_none());
    Ok(included.map(|recording| recording.path).collect())
}

/// Downloads and unpacks the packages of a list into the corpus at `folder`, and lists their recordings.
///
/// # Errors
/// [`TrainerError`] where a package cannot be downloaded or unpacked, or the folder cannot be written. A repeated call
/// resumes.
pub fn collect_recordings(list: &PackageList, folder: &Path, jobs: usize) -> Result<Vec<CorpusRecording>> {
    let music = folder.join(MUSIC);
    let fingerprints = folder.join("fingerprints");
    std::fs::create_dir_all(&fingerprints).map_err(TrainerError::file(&fingerprints))?;
    let packages: Vec<&Package> = list.packages.iter().filter(|package| !package.is_render_source).collect();
    let bar = progress_bar(packages.len(), 0, "packages");
    let mut all: Vec<Fingerprinted> = Vec::new();
    for package in packages {
        let result = fingerprints.join(select::file_name(package, list.min_seconds));
        if !result.exists() {
            let file = package.fetch(&folder.join("packages"))?;
            unpack::unpack(&file, &music.join(&package.name))?;
            files::write_json(&result, &select::fingerprint_package(package, &music, list.min_seconds, jobs)?)?;
        }
        all.extend(files::read_json::<Vec<Fingerprinted>>(&result)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    select::exclude_duplicates(&mut all, jobs)?;
    let recordings: Vec<CorpusRecording> = all.into_iter().map(|fingerprinted| fingerprinted.recording).collect();
    files::write_json(&folder.join(RECORDINGS), &recordings)?;
    Ok(recordings)
}
