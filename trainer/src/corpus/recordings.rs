//! The list of recordings that no package registry carries: a CSV file with their places, checksums and licences.

use crate::error::{Result, TrainerError};
use crate::files;
use crate::render::notes::NoteFile;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// Shorter recordings of the list are excluded, in seconds: a labelled segment is 2.7 s long. They are chosen by hand, so
/// a short one is no effect or jingle as in a package.
pub(super) const MIN_SECONDS: f64 = 3.0;

/// Separates the values of a cell with several.
const SEPARATOR: char = ';';

/// The licences of recordings: those that allow changes and use for any purpose, also commercial.
const OPEN_LICENCES: [&str; 15] = [
    "CC0-1.0",
    "public domain",
    "Unlicense",
    "MIT",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
    "GPL",
    "GPL-2.0",
    "GPL-3.0",
    "LGPL-2.1",
    "LGPL-3.0",
    "Open Audio License",
    "Free Art License",
];

/// What an entry of the list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A piece of music.
    Recording,
    /// A piece of music with voices, which are laid over other music, too.
    Voice,
    /// A single note, or a single sound without pitch.
    Note {
        /// The instrument, which is what is played in phrases with all notes of this name.
        instrument: String,
        /// MIDI note number of the pitch; `None` where it has none or it is unknown.
        pitch: Option<u8>,
    },
}

/// Where a recording is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The repository, by owner and name on GitHub.
    pub repository: String,
    /// The commit, as 40 hexadecimal digits.
    pub commit: String,
    /// The path in the repository. A local copy may have any name.
    pub path: String,
    /// SHA-256 of the file, as 64 hexadecimal digits.
    pub sha256: String,
    /// SHA-256 of each transcoding that is accepted in its place.
    pub transcodings: Vec<String>,
}

impl Place {
    /// The name of the recording in a corpus, which is unique.
    pub fn name(&self) -> String {
        format!("{}/{}", self.repository, self.path)
    }

    /// The checksums of the copies that are accepted, that of the published file first.
    pub fn accepted(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.sha256).chain(&self.transcodings).map(String::as_str)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { repository, commit, path, sha256, .. } = self;
        write!(f, "github.com/{repository} at {commit}, {path}, SHA-256 {sha256}")
    }
}

/// Whom a recording is by, and under which licence: what a card of a model trained with it has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribution {
    /// The artist.
    pub artist: String,
    /// The title.
    pub title: String,
    /// The licence.
    pub licence: String,
    /// Where the licence is stated, in the repository or in the file.
    pub evidence: String,
    /// The repository, the commit and the path.
    pub source: String,
}

/// A recording of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRecording {
    /// What it is.
    pub kind: Kind,
    /// Where it is published.
    pub place: Place,
    /// Whom it is by, and its licence.
    pub attribution: Attribution,
    /// The instruments and voices in it.
    pub instruments: Vec<String>,
}

impl ListedRecording {
    /// The single note in the file at `path`, a copy; `None` where this is another recording.
    pub fn note(&self, path: &Path) -> Option<NoteFile> {
        let Kind::Note { instrument, pitch } = &self.kind else { return None };
        let (instrument, words) = (instrument.clone(), self.instruments.clone());
        Some(NoteFile { instrument, words, pitch: *pitch, path: path.to_owned() })
    }
}

/// A line of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    repository: String,
    commit: String,
    path: String,
    sha256: String,
    transcodings: String,
    licence: String,
    evidence: String,
    artist: String,
    title: String,
    instruments: String,
    note: String,
    pitch: Option<u8>,
}

/// Reads the list at `path`.
///
/// # Errors
/// [`TrainerError`] where it cannot be read, a line is invalid or is there twice, or a licence is not open.
pub fn read(path: &Path) -> Result<Vec<ListedRecording>> {
    let wrong = |what: String| TrainerError::content(path, what);
    let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
    let mut reader = csv::Reader::from_reader(bytes.as_slice());
    let headers = reader.headers().map_err(|error| wrong(error.to_string()))?.clone();
    let (mut recordings, mut names, mut hashes) = (Vec::new(), HashSet::new(), HashSet::new());
    for record in reader.records() {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let row: Row = record.deserialize(Some(&headers)).map_err(|error| wrong(error.to_string()))?;
        let recording = row.check().map_err(|what| wrong(format!("line {line}: {what}")))?;
        let is_new = recording.place.accepted().all(|sha256| hashes.insert(sha256.to_owned()));
        if !is_new || !names.insert(recording.place.name()) {
            let what = format!("line {line}: {} is there twice; remove one of them", recording.place.name());
            return Err(wrong(what));
        }
        recordings.push(recording);
    }
    Ok(recordings)
}

impl Row {
    fn check(self) -> std::result::Result<ListedRecording, String> {
        let list = |text: &str| -> Vec<String> {
            text.split(SEPARATOR).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
        };
        let Self { repository, commit, path, sha256, .. } = self;
        let [sha256, transcodings] = [sha256, self.transcodings].map(|text| text.to_ascii_lowercase());
        let place = Place { repository, commit, path, sha256, transcodings: list(&transcodings) };
        if let Some(sha256) = place.accepted().find(|sha256| !files::is_sha256(sha256)) {
            return Err(format!("the SHA-256 {sha256:?} is not 64 hexadecimal digits; correct it"));
        }
        if place.commit.len() != 40 || !place.commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("the commit {:?} is not 40 hexadecimal digits; correct it", place.commit));
        }
        if place.repository.split('/').filter(|part| !part.is_empty()).count() != 2 || place.path.is_empty() {
            return Err(format!("{} is no owner/name with a path in it; correct it", place.name()));
        }
        if !is_open(&self.licence) {
            return Err(format!(
                "the licence {:?} is not known to be open, so that {} cannot be used; remove the line, or correct the \
                 licence to Creative Commons without NC and ND or to one of: {}",
                self.licence,
                place.name(),
                OPEN_LICENCES.join(", ")
            ));
        }
        if self.evidence.is_empty() || self.artist.is_empty() || self.title.is_empty() {
            return Err(format!("{} needs an artist, a title and where its licence is stated; add them", place.name()));
        }
        let kind = match (self.kind.as_str(), self.note) {
            ("recording", _) => Kind::Recording,
            ("voice", _) => Kind::Voice,
            ("note", instrument) if !instrument.is_empty() => Kind::Note { instrument, pitch: self.pitch },
            ("note", _) => return Err("the column note has to name the instrument; add it".into()),
            (other, _) => return Err(format!("the kind {other:?} is none of recording, voice, note; correct it")),
        };
        if self.pitch.is_some_and(|pitch| pitch > 127) {
            return Err("the pitch is no MIDI note number, 0 to 127; correct it".into());
        }
        let attribution = Attribution {
            artist: self.artist,
            title: self.title,
            licence: self.licence,
            evidence: self.evidence,
            source: format!("github.com/{} at {}, {}", place.repository, place.commit, place.path),
        };
        Ok(ListedRecording { kind, place, attribution, instruments: list(&self.instruments) })
    }
}

/// Whether a licence is one of [`OPEN_LICENCES`], or CC BY or CC BY-SA in any version.
fn is_open(licence: &str) -> bool {
    let is_number = |text: &str| text.parse::<f32>().is_ok() && !text.contains(|letter: char| letter.is_alphabetic());
    let is_version = |text: &str| text.is_empty() || text.strip_prefix('-').is_some_and(is_number);
    let versioned = ["CC-BY", "CC-BY-SA"];
    OPEN_LICENCES.contains(&licence) || versioned.iter().any(|name| licence.strip_prefix(name).is_some_and(is_version))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "kind,repository,commit,path,sha256,transcodings,licence,evidence,artist,title,instruments,note,pitch\n";

    fn row(number: usize, licence: &str) -> String {
        format!("note,owner/name,{number:040},a {number}.wav,{number:064},,{licence},README,Ann,One,violin,violin,60\n")
    }

    fn read_text(text: &str) -> Result<Vec<ListedRecording>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn the_list_of_the_corpus_has_open_licences_checksums_and_evidence_only() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/recordings.csv");
        let list = read(&path).unwrap();
        assert!(list.len() > 1_600, "{} recordings", list.len());
        let count = |is_kind: fn(&Kind) -> bool| list.iter().filter(|recording| is_kind(&recording.kind)).count();
        assert_eq!(count(|kind| *kind == Kind::Voice), 9);
        assert!(count(|kind| *kind == Kind::Recording) > 150);
        for ListedRecording { place, attribution, .. } in &list {
            assert!(place.accepted().count() >= 2 && place.accepted().all(files::is_sha256), "{place}");
            assert!(is_open(&attribution.licence) && !attribution.evidence.is_empty(), "{place}");
            assert!(attribution.source.contains(&place.repository), "{place}");
        }
        let instruments: HashSet<&str> = list
            .iter()
            .filter_map(|recording| match &recording.kind {
                Kind::Note { instrument, .. } => Some(instrument.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(instruments.len(), 71);
    }

    #[test]
    fn licences_that_are_not_open_are_refused_by_name() {
        for licence in ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA", "CC-BY-SA-3.0", "MIT", "GPL", "public domain"] {
            assert_eq!(read_text(&format!("{HEADER}{}", row(1, licence))).unwrap().len(), 1, "{licence}");
        }
        for licence in [
            "",
            "unstated",
            "CC-BY-NC-4.0",
            "CC-BY-ND-4.0",
            "CC-BY-NC-SA-3.0",
            "CC-BY-NC-ND",
            "CC-BY-SA-NC",
            "CC-BY-inf",
            "all rights reserved",
            "mit",
        ] {
            let error = read_text(&format!("{HEADER}{}{}", row(1, "MIT"), row(2, licence))).unwrap_err().to_string();
            let is_named = ["list.csv", "line 3", "owner/name/a 2.wav", "licence"].iter().all(|it| error.contains(it));
            assert!(is_named, "{licence}: {error}");
        }
    }

    #[test]
    fn invalid_lines_are_refused_with_their_number() {
        let good = row(1, "MIT");
        let list = read_text(&format!("{HEADER}{good}")).unwrap();
        assert_eq!(list[0].place.name(), "owner/name/a 1.wav");
        assert_eq!(list[0].kind, Kind::Note { instrument: "violin".into(), pitch: Some(60) });
        for (part, replacement, word) in [
            (format!("{:064}", 1), format!("{:063}", 1), "64 hexadecimal"),
            (format!("{:064},", 1), format!("{:064},abc", 1), "64 hexadecimal"),
            (format!("{:040}", 1), "main".into(), "40 hexadecimal"),
            ("owner/name".into(), "name".into(), "owner/name"),
            ("README".into(), String::new(), "stated"),
            ("note,".into(), "noise,".into(), "noise"),
            ("violin,60".into(), ",60".into(), "instrument"),
            ("violin,60".into(), "violin,128".into(), "0 to 127"),
            ("violin,60".into(), "violin,high".into(), "line: 2"),
        ] {
            assert!(good.contains(&part), "{part}");
            let error =
                read_text(&format!("{HEADER}{}", good.replacen(&part, &replacement, 1))).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("list.csv") && error.contains('2'), "{error}");
        }
        let error = read_text(&format!("{HEADER}{good}{good}")).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("twice"), "{error}");
    }
}
