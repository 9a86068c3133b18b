//! The local copies of listed recordings, for `corpus` and `prepare phrases`.

use std::path::Path;
use tagvane_trainer::Result;
use tagvane_trainer::corpus::copies::RecordingCopies;
use tagvane_trainer::corpus::recordings::ListedRecording;

/// Finds the local copies in `folder`, and names the recordings that are missing and the files that are none of them.
pub(super) fn find_copies(listed: &[ListedRecording], folder: &Path) -> Result<RecordingCopies> {
    let copies = RecordingCopies::find(listed, folder)?;
    for recording in &copies.missing {
        eprintln!("{} has no copy of {} ({})", folder.display(), recording.place, recording.attribution.licence);
    }
    for path in &copies.unknown {
        eprintln!("{} is no copy of a listed recording: its SHA-256 is another one", path.display());
    }
    println!("{} of {} listed recordings and single notes are there", copies.found.len(), listed.len());
    Ok(copies)
}
