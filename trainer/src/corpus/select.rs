//! Selects the recordings of a corpus: decodable, long enough and without duplicates.

use super::packages::Package;
use crate::error::{Result, TrainerError};
use crate::{files, parallel};
use rusty_chromaprint::{Configuration, Fingerprinter, match_fingerprints};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A recording of a corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Path below the folder `music` of the corpus: the package, then the path in the package.
    pub path: String,
    /// Length in seconds; 0 where it cannot be decoded or its path is left out.
    pub seconds: f64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The reason why it is left out; `None` where it is included.
    pub left_out: Option<String>,
}

/// A recording and its acoustic fingerprint, which detects duplicates in other encodings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fingerprinted {
    pub(super) recording: Recording,
    pub(super) fingerprint: Vec<u32>,
}

/// Recordings are duplicates where they match over this fraction of the shorter one.
const DUPLICATE_FRACTION: f64 = 0.5;

/// Decodes and fingerprints every recording of an unpacked package on `jobs` threads. Recordings that cannot be decoded
/// or are shorter than `min_seconds` are left out.
///
/// # Errors
/// [`TrainerError`] where a file cannot be read.
pub(super) fn fingerprint_package(
    package: &Package,
    music: &Path,
    min_seconds: f64,
    jobs: usize,
) -> Result<Vec<Fingerprinted>> {
    let paths = files::find_audio(&music.join(&package.name))?;
    parallel::map(&paths, jobs, |path| {
        let inside = path.strip_prefix(music).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let mut fingerprinted = Fingerprinted {
            recording: Recording { sha256: files::sha256_file(path)?, path: inside, seconds: 0.0, left_out: None },
            fingerprint: Vec::new(),
        };
        let recording = &mut fingerprinted.recording;
        if let Some(word) = package.exclude.iter().find(|word| recording.path.contains(word.as_str())) {
            recording.left_out = Some(format!("the list leaves out {word}"));
            return Ok(fingerprinted);
        }
        match tagvane_audio::read(path) {
            Ok(audio) => {
                recording.seconds = audio.seconds();
                if recording.seconds < min_seconds {
                    recording.left_out = Some(format!("shorter than {min_seconds} s"));
                } else {
                    fingerprinted.fingerprint = fingerprint(&audio);
                }
            }
            Err(error) => recording.left_out = Some(error.to_string()),
        }
        Ok::<_, TrainerError>(fingerprinted)
    })
}

/// The Chromaprint fingerprint of a recording; empty where it cannot be computed.
fn fingerprint(audio: &tagvane_audio::Recording) -> Vec<u32> {
    let mut fingerprinter = Fingerprinter::new(&Configuration::default());
    if fingerprinter.start(audio.sample_rate, 1).is_err() {
        return Vec::new();
    }
    let samples: Vec<i16> = audio.mono().iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16).collect();
    fingerprinter.consume(&samples);
    fingerprinter.finish();
    fingerprinter.fingerprint().to_vec()
}

/// Leaves out duplicates: the longest recording is kept, or the first one of equal length.
pub(super) fn leave_out_duplicates(all: &mut [Fingerprinted], jobs: usize) {
    let mut included: Vec<usize> = (0..all.len()).filter(|index| all[*index].recording.left_out.is_none()).collect();
    included.sort_by(|a, b| all[*b].recording.seconds.total_cmp(&all[*a].recording.seconds).then(a.cmp(b)));
    // Each recording is compared with the longer ones, which come before it.
    let ranks: Vec<usize> = (0..included.len()).collect();
    let originals = parallel::map(&ranks, jobs, |rank| {
        let recording = &all[included[*rank]];
        let original = included[..*rank].iter().find(|other| is_duplicate(recording, &all[**other]));
        Ok::<_, TrainerError>(original.map(|other| all[*other].recording.path.clone()))
    });
    for (rank, original) in originals.unwrap_or_default().into_iter().enumerate() {
        all[included[rank]].recording.left_out = original.map(|path| format!("the same as {path}"));
    }
}

/// Whether at least [`DUPLICATE_FRACTION`] of the shorter recording matches the longer one.
fn is_duplicate(shorter: &Fingerprinted, longer: &Fingerprinted) -> bool {
    if shorter.recording.sha256 == longer.recording.sha256 {
        return true;
    }
    let configuration = Configuration::default();
    let matched = match_fingerprints(&shorter.fingerprint, &longer.fingerprint, &configuration);
    let seconds: f32 = matched.unwrap_or_default().iter().map(|segment| segment.duration(&configuration)).sum();
    f64::from(seconds) >= DUPLICATE_FRACTION * shorter.recording.seconds
}
