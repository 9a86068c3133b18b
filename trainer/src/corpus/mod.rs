//! `corpus`: free music to learn from, out of Debian's packages.
//!
//! A corpus is a folder: `packages` as they were downloaded, `music` that was unpacked,
//! `looked` with what was found in each package, and `recordings.json`, the recordings that
//! are learnt from and why the others are not; with `render`, fonts and scores, for what the music lacks. Every stage
//! goes on where it was.

pub mod fill;
pub mod packages;
mod select;
mod unpack;

use crate::error::Result;
use crate::files;
use indicatif::ProgressBar;
use packages::List;
use select::Looked;
use std::collections::HashSet;
use std::path::Path;

pub use select::Recording;

/// The name of the list of recordings in a corpus's folder.
pub const RECORDINGS: &str = "recordings.json";

/// The folder of what was unpacked.
const MUSIC: &str = "music";

/// The paths of the recordings that a corpus's list does not leave out.
///
/// # Errors
/// [`TrainerError`](crate::TrainerError) where it is no such list.
pub fn kept(list: &Path) -> Result<HashSet<String>> {
    let recordings: Vec<Recording> = files::read_json(list)?;
    let kept = recordings.into_iter().filter(|recording| recording.left_out.is_none());
    Ok(kept.map(|recording| recording.path).collect())
}

/// Downloads, unpacks and looks through the packages of a list; `folder` is the corpus.
///
/// # Errors
/// [`TrainerError`](crate::TrainerError) where a package cannot be had, or the folder not be
/// written; what is done stays done.
pub fn gather(list: &List, folder: &Path, jobs: usize) -> Result<Vec<Recording>> {
    let music = folder.join(MUSIC);
    let looked_at = folder.join("looked");
    std::fs::create_dir_all(&looked_at).map_err(crate::TrainerError::file(&looked_at))?;
    let packages = || list.packages.iter().filter(|package| !package.renders);
    let bar = ProgressBar::new(packages().count() as u64).with_style(crate::prepare::style("packages"));
    let mut all: Vec<Looked> = Vec::new();
    for package in packages() {
        let note = looked_at.join(format!("{}-{}.json", package.name, &package.sha256[..12.min(package.sha256.len())]));
        if !note.exists() {
            let file = package.fetch(&folder.join("packages"))?;
            unpack::unpack(&file, &music.join(&package.name))?;
            files::write_json(&note, &select::look(package, &music, list.shortest, jobs)?)?;
        }
        all.extend(files::read_json::<Vec<Looked>>(&note)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    select::leave_out_copies(&mut all, jobs);
    let recordings: Vec<Recording> = all.into_iter().map(|looked| looked.recording).collect();
    files::write_json(&folder.join(RECORDINGS), &recordings)?;
    Ok(recordings)
}
