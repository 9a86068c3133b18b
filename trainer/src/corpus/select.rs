//! Selects the recordings of a corpus: decodable, long enough and without duplicates.

use super::copies::RecordingCopies;
use super::packages::Package;
use super::recordings::{Attribution, Kind, MIN_SECONDS};
use crate::audio::MixedStream;
use crate::error::{Result, TrainerError};
use crate::{files, parallel, reproducible};
use rusty_chromaprint::{Configuration, Fingerprinter, match_fingerprints};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tagvane_audio::AudioError;

/// A recording of a corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorpusRecording {
    /// Path below the folder `music` of the corpus: the package, then the path in the package. Of a listed recording it is
    /// the owner and the name of the repository, then the path in the repository.
    pub path: String,
    /// Length in seconds; 0 where it cannot be decoded or its path is excluded.
    pub seconds: f64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// The reason why it is excluded; `None` where it is included.
    // Corpora of earlier versions call it `left_out`.
    #[serde(alias = "left_out")]
    pub excluded: Option<String>,
    /// Whom a listed recording is by; `None` for one of a package, whose copyright file says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<Attribution>,
}

impl CorpusRecording {
    /// The package, or the repository of a listed recording.
    pub fn group(&self) -> &str {
        let slashes = if self.attribution.is_some() { 2 } else { 1 };
        let end = self.path.match_indices('/').nth(slashes - 1).map_or(self.path.len(), |(end, _)| end);
        &self.path[..end]
    }
}

/// A recording and its acoustic fingerprint, which detects duplicates in other encodings.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Fingerprinted {
    pub(super) recording: CorpusRecording,
    /// The Chromaprint fingerprint; empty where there is none.
    pub(super) fingerprint: Vec<u32>,
}

/// Recordings are duplicates where they match over this fraction of the shorter one.
const DUPLICATE_FRACTION: f64 = 0.5;

/// The name of the file that stores the result of [`fingerprint_package`]. It depends on what the result depends on, so
/// that it is made again where the package or a rule of exclusion changes.
pub(super) fn file_name(package: &Package, min_seconds: f64) -> String {
    let min_seconds = min_seconds.to_le_bytes();
    let mut parts = vec![package.sha256.as_bytes(), min_seconds.as_slice()];
    parts.extend(package.exclude.iter().map(String::as_bytes));
    format!("{}-{:016x}.json", package.name, reproducible::hash(&parts))
}

/// Decodes and fingerprints every recording of an unpacked package on `jobs` threads. Recordings that cannot be decoded
/// or are shorter than `min_seconds` are excluded.
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
        let (name, sha256) = (files::relative_name(path, music), files::sha256_file(path)?);
        let mut fingerprinted = Fingerprinted {
            recording: CorpusRecording { path: name, seconds: 0.0, sha256, excluded: None, attribution: None },
            fingerprint: Vec::new(),
        };
        let recording = &mut fingerprinted.recording;
        if let Some(word) = package.exclude.iter().find(|word| recording.path.contains(word.as_str())) {
            recording.excluded = Some(format!("the package list excludes {word}"));
            return Ok(fingerprinted);
        }
        fingerprinted.decode(path, min_seconds);
        Ok::<_, TrainerError>(fingerprinted)
    })
}

/// The name of the file that stores the result of [`fingerprint_copies`]; it depends on the copies and the lines of the
/// list.
pub(super) fn copies_file_name(copies: &RecordingCopies) -> String {
    let texts: Vec<String> = copies.found.iter().map(|copy| format!("{copy:?}")).collect();
    let parts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    format!("recordings-{:016x}.json", reproducible::hash(&parts))
}

/// Decodes and fingerprints the copies of listed recordings and voices on `jobs` threads; single notes are none.
///
/// # Errors
/// [`TrainerError`] where a file cannot be read.
pub(super) fn fingerprint_copies(copies: &RecordingCopies, jobs: usize) -> Result<Vec<Fingerprinted>> {
    let found: Vec<_> = copies.found.iter().filter(|copy| !matches!(copy.recording.kind, Kind::Note { .. })).collect();
    parallel::map(&found, jobs, |copy| {
        let (path, sha256) = (copy.recording.place.name(), files::sha256_file(&copy.path)?);
        let attribution = Some(copy.recording.attribution.clone());
        let recording = CorpusRecording { path, seconds: 0.0, sha256, excluded: None, attribution };
        let mut fingerprinted = Fingerprinted { recording, fingerprint: Vec::new() };
        fingerprinted.decode(&copy.path, MIN_SECONDS);
        Ok(fingerprinted)
    })
}

impl Fingerprinted {
    /// Decodes the file at `path`, and excludes the recording where that fails or it is shorter than `min_seconds`.
    fn decode(&mut self, path: &Path, min_seconds: f64) {
        let Self { recording, fingerprint } = self;
        match compute_fingerprint(path) {
            Ok((seconds, computed)) => {
                recording.seconds = seconds;
                if seconds < min_seconds {
                    recording.excluded = Some(format!("shorter than {min_seconds} s"));
                } else {
                    *fingerprint = computed;
                }
            }
            Err(error) => recording.excluded = Some(error.to_string()),
        }
    }
}

/// The length in seconds of a recording, and its Chromaprint fingerprint, which is empty where it cannot be computed.
///
/// # Errors
/// [`AudioError`] where it cannot be decoded.
fn compute_fingerprint(path: &Path) -> std::result::Result<(f64, Vec<u32>), AudioError> {
    let mut stream = MixedStream::open(path)?;
    let mut fingerprinter = Fingerprinter::new(&Configuration::default());
    let is_started = fingerprinter.start(stream.sample_rate(), 1).is_ok();
    let mut integers: Vec<i16> = Vec::new();
    while let Some(samples) = stream.next_block() {
        if is_started {
            integers.clear();
            integers.extend(samples.iter().map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16));
            fingerprinter.consume(&integers);
        }
    }
    if is_started {
        fingerprinter.finish();
    }
    Ok((stream.seconds(), fingerprinter.fingerprint().to_vec()))
}

/// Excludes duplicates: the longest recording is kept, or the first one of equal length, but one of a package rather than
/// a listed one, so that the packages' recordings are the same with and without the list.
///
/// # Errors
/// [`TrainerError::Request`] where the comparison panicked.
pub(super) fn exclude_duplicates(all: &mut [Fingerprinted], jobs: usize) -> Result<()> {
    let mut included: Vec<usize> = (0..all.len()).filter(|index| all[*index].recording.excluded.is_none()).collect();
    included.sort_by(|a, b| {
        let (first, second) = (&all[*a].recording, &all[*b].recording);
        let by_length = second.seconds.total_cmp(&first.seconds);
        first.attribution.is_some().cmp(&second.attribution.is_some()).then(by_length).then(a.cmp(b))
    });
    // Each recording is compared with those that come before it.
    let ranks: Vec<usize> = (0..included.len()).collect();
    let originals = parallel::map(&ranks, jobs, |rank| {
        let recording = &all[included[*rank]];
        let original = included[..*rank].iter().find(|other| is_duplicate(recording, &all[**other]));
        Ok(original.map(|other| all[*other].recording.path.clone()))
    })?;
    for (index, original) in included.into_iter().zip(originals) {
        all[index].recording.excluded = original.map(|path| format!("the same as {path}"));
    }
    Ok(())
}

/// Whether at least [`DUPLICATE_FRACTION`] of the shorter of two recordings matches the other one.
fn is_duplicate(recording: &Fingerprinted, other: &Fingerprinted) -> bool {
    if recording.recording.sha256 == other.recording.sha256 {
        return true;
    }
    let configuration = Configuration::default();
    let matched = match_fingerprints(&recording.fingerprint, &other.fingerprint, &configuration);
    let seconds: f32 = matched.unwrap_or_default().iter().map(|segment| segment.duration(&configuration)).sum();
    f64::from(seconds) >= DUPLICATE_FRACTION * recording.recording.seconds.min(other.recording.seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_does_not_depend_on_the_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.wav");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 32_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for index in 0..10 * 32_000_u32 {
            writer.write_sample((index.wrapping_mul(2_654_435_761) >> 18) as i16 - 8_192).unwrap();
        }
        writer.finalize().unwrap();

        let whole: Vec<i16> = tagvane_audio::read(&path).unwrap().channels[0]
            .iter()
            .map(|sample| (sample.clamp(-1.0, 1.0) * 32_767.0) as i16)
            .collect();
        let mut fingerprinter = Fingerprinter::new(&Configuration::default());
        fingerprinter.start(32_000, 1).unwrap();
        fingerprinter.consume(&whole);
        fingerprinter.finish();
        assert!(fingerprinter.fingerprint().len() > 30);
        assert_eq!(compute_fingerprint(&path).unwrap(), (10.0, fingerprinter.fingerprint().to_vec()));
    }
}
