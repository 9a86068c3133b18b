//! `corpus`: a corpus of free music from Debian packages, and from local copies of listed recordings.
//!
//! A corpus is a folder with `packages` (the downloaded .deb files), `music` (their unpacked recordings),
//! `fingerprints` (those of the recordings of each package, and of the copies), `recordings.json` (all recordings, why
//! some are excluded, and the attribution of those from copies), `credits.md` (that attribution as a text) and `render`
//! (sound fonts and scores). Each step resumes after an interruption.

pub mod copies;
mod credits;
pub mod fill;
pub mod packages;
pub mod recipe;
pub mod recordings;
mod select;
pub mod singers;
mod unpack;

use crate::error::{Result, TrainerError};
use crate::files;
use crate::progress::progress_bar;
use copies::RecordingCopies;
use packages::{Package, PackageList};
use select::Fingerprinted;
use std::collections::HashSet;
use std::path::Path;

pub use select::CorpusRecording;

/// File name of the list of recordings in the folder of a corpus.
pub const RECORDINGS: &str = "recordings.json";

/// File name of the attribution of the listed recordings in the folder of a corpus.
pub const CREDITS: &str = "credits.md";

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

/// Downloads and unpacks the packages of a list into the corpus at `folder`, and lists their recordings, and those of
/// which there are `copies`. A copy of a recording in a package is excluded.
///
/// # Errors
/// [`TrainerError`] where a package cannot be downloaded or unpacked, or the folder cannot be written. A repeated call
/// resumes.
pub fn collect_recordings(
    list: &PackageList,
    folder: &Path,
    copies: Option<&RecordingCopies>,
    jobs: usize,
) -> Result<Vec<CorpusRecording>> {
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
    if let Some(copies) = copies {
        let result = fingerprints.join(select::copies_file_name(copies));
        if !result.exists() {
            files::write_json(&result, &select::fingerprint_copies(copies, jobs)?)?;
        }
        all.extend(files::read_json::<Vec<Fingerprinted>>(&result)?);
    }
    select::exclude_duplicates(&mut all, jobs)?;
    let recordings: Vec<CorpusRecording> = all.into_iter().map(|fingerprinted| fingerprinted.recording).collect();
    files::write_json(&folder.join(RECORDINGS), &recordings)?;
    if let Some(copies) = copies {
        let excluded = recordings.iter().filter(|recording| recording.excluded.is_some());
        let excluded: HashSet<&str> = excluded.map(|recording| recording.path.as_str()).collect();
        files::write(&folder.join(CREDITS), credits::credits(copies, &excluded).as_bytes())?;
    }
    Ok(recordings)
}
