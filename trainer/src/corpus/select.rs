//! Which recordings are music, whole, and not there twice.

use super::packages::{Package, sha256};
use crate::error::{Result, TrainerError};
use crate::prepare::find_audio;
use rusty_chromaprint::{Configuration, Fingerprinter, match_fingerprints};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tagvane_audio::Recording as Audio;

/// A recording that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Its path below the corpus's folder of music: the package, then the path in it.
    pub path: String,
    /// How long it is, in seconds; 0 where it cannot be decoded.
    pub seconds: f64,
    /// The file's SHA-256.
    pub sha256: String,
    /// Why it is left out, if it is.
    pub left_out: Option<String>,
}

/// A recording and its acoustic fingerprint, by which copies at other qualities are known.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Looked {
    pub(super) recording: Recording,
    pub(super) fingerprint: Vec<u32>,
}

/// Recordings that match over so much of the shorter one are the same.
const SAME: f64 = 0.5;

/// Decodes every recording of an unpacked package, several at a time.
///
/// # Errors
/// [`TrainerError`] where a file cannot be read; one that cannot be decoded is left out.
pub(super) fn look(package: &Package, music: &Path, shortest: f64, jobs: usize) -> Result<Vec<Looked>> {
    let paths = find_audio(&music.join(&package.name))?;
    crate::parallel::map(&paths, jobs, |path| {
        let inside = path.strip_prefix(music).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let mut looked = Looked {
            recording: Recording { sha256: sha256(path)?, path: inside, seconds: 0.0, left_out: None },
            fingerprint: Vec::new(),
        };
        let recording = &mut looked.recording;
        if let Some(word) = package.leave_out.iter().find(|word| recording.path.contains(word.as_str())) {
            recording.left_out = Some(format!("the list leaves out {word}"));
            return Ok(looked);
        }
        match tagvane_audio::read(path) {
            Ok(audio) => {
                recording.seconds = audio.seconds();
                if recording.seconds < shortest {
                    recording.left_out = Some(format!("shorter than {shortest} s"));
                } else {
                    looked.fingerprint = fingerprint(&audio);
                }
            }
            Err(error) => recording.left_out = Some(error.to_string()),
        }
        Ok::<_, TrainerError>(looked)
    })
}

fn fingerprint(audio: &Audio) -> Vec<u32> {
    let mut fingerprinter = Fingerprinter::new(&Configuration::default());
    if fingerprinter.start(audio.sample_rate, 1).is_err() {
        return Vec::new();
    }
    let samples: Vec<i16> = audio.mono().iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16).collect();
    fingerprinter.consume(&samples);
    fingerprinter.finish();
    fingerprinter.fingerprint().to_vec()
}

/// Leaves out what is there twice: of two copies the longer stays, of two of one length the
/// first.
pub(super) fn leave_out_copies(looked: &mut [Looked], jobs: usize) {
    let mut kept: Vec<usize> = (0..looked.len()).filter(|at| looked[*at].recording.left_out.is_none()).collect();
    kept.sort_by(|a, b| looked[*b].recording.seconds.total_cmp(&looked[*a].recording.seconds).then(a.cmp(b)));
    // Each is compared with those that come before it, which are longer.
    let ranks: Vec<usize> = (0..kept.len()).collect();
    let copies = crate::parallel::map(&ranks, jobs, |rank| {
        let one = &looked[kept[*rank]];
        let original = kept[..*rank].iter().find(|other| same(one, &looked[**other]));
        Ok::<_, TrainerError>(original.map(|other| looked[*other].recording.path.clone()))
    });
    for (rank, original) in copies.unwrap_or_default().into_iter().enumerate() {
        looked[kept[rank]].recording.left_out = original.map(|path| format!("the same as {path}"));
    }
}

/// Whether the shorter of two recordings is, in good part, in the longer.
fn same(shorter: &Looked, longer: &Looked) -> bool {
    if shorter.recording.sha256 == longer.recording.sha256 {
        return true;
    }
    let configuration = Configuration::default();
    let matched = match_fingerprints(&shorter.fingerprint, &longer.fingerprint, &configuration);
    let seconds: f32 = matched.unwrap_or_default().iter().map(|segment| segment.duration(&configuration)).sum();
    f64::from(seconds) >= SAME * shorter.recording.seconds
}
