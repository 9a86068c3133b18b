//! The credits of a corpus: the attribution of its listed recordings as a text for the card of a model.

use super::copies::RecordingCopies;
use super::recordings::{Kind, ListedRecording};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

/// A Markdown list of the recordings, voices and single notes of which there are copies, except those whose names are
/// `excluded`: a line for each artist, repository and licence.
pub(super) fn credits(copies: &RecordingCopies, excluded: &HashSet<&str>) -> String {
    let mut lines: BTreeMap<(&str, &str, &str), Vec<&ListedRecording>> = BTreeMap::new();
    let used = copies.found.iter().map(|copy| &copy.recording);
    for recording in used.filter(|recording| !excluded.contains(recording.place.name().as_str())) {
        let (attribution, place) = (&recording.attribution, &recording.place);
        lines.entry((&attribution.artist, &place.repository, &attribution.licence)).or_default().push(recording);
    }
    let mut text = String::from("# Recordings beyond Debian's packages\n\n");
    for ((artist, repository, licence), recordings) in lines {
        let titles: Vec<&str> = recordings
            .iter()
            .filter(|recording| !matches!(recording.kind, Kind::Note { .. }))
            .map(|recording| recording.attribution.title.as_str())
            .collect();
        let mut what = titles.join("; ");
        let notes = recordings.len() - titles.len();
        if notes > 0 {
            let separator = if titles.is_empty() { "" } else { "; " };
            let _ = write!(what, "{separator}{notes} single notes");
        }
        let commit = &recordings[0].place.commit;
        let _ = writeln!(text, "* {artist}: {what} ({licence}, <https://github.com/{repository}/tree/{commit}>)");
    }
    text
}
