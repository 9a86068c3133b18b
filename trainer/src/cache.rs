//! The cache of decoded tracks and their labels, between `prepare` and training.
//!
//! A cache is a folder:
//!
//! ```text
//! cache.json                 CacheInfo: the tags, the rate, the window
//! <group>/<track>.pcm        the whole track: mono, 16-bit little-endian, 22050 Hz
//! <group>/<track>.json       Track: its source and its labelled segments
//! ```
//!
//! A track's JSON is written last, so a track without one is not there. Groups are
//! what is held out as a whole: a package, an album, a data set.

use crate::error::{Result, TrainerError};
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What all tracks of a cache share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheInfo {
    /// The tags, in the order of every segment's probabilities.
    pub tags: Vec<String>,
    /// Samples a second of the stored audio.
    pub sample_rate: u32,
    /// The length of a segment, in samples.
    pub window: usize,
}

/// A track and its labelled segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// The audio file, relative to the folder that was prepared.
    pub source: String,
    /// The length, in samples.
    pub samples: usize,
    /// The labelled segments, by their start.
    pub segments: Vec<Segment>,
}

/// One labelled window of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The first sample.
    pub start: usize,
    /// The probability of each tag, by the teachers or as ground truth.
    pub probabilities: Vec<f32>,
}

/// The paths of the track of `source` in the cache at `root`: audio and labels.
pub(crate) fn track_paths(root: &Path, group: &str, source: &str) -> (PathBuf, PathBuf) {
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let inside = source.strip_prefix(group).unwrap_or(source);
    let stem: String = inside.trim_start_matches('/').chars().map(safe).collect();
    let folder = root.join(group);
    (folder.join(format!("{stem}.pcm")), folder.join(format!("{stem}.json")))
}

/// Audio as it is stored.
pub(crate) fn to_pcm(samples: &[f32]) -> Vec<u8> {
    let sample = |value: &f32| (value * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    samples.iter().flat_map(|value| sample(value).to_le_bytes()).collect()
}

/// One track with its audio in memory.
pub struct LoadedTrack {
    /// Its group.
    pub group: String,
    /// Its labels.
    pub track: Track,
    pcm: Vec<i16>,
}

impl LoadedTrack {
    /// Fills `window` with the samples from `start` on, in -1..1.
    pub fn read(&self, start: usize, window: &mut [f32]) {
        let from = &self.pcm[start..start + window.len()];
        for (to, from) in window.iter_mut().zip(from) {
            *to = f32::from(*from) / 32_767.0;
        }
    }
}

/// The tracks of some groups of a cache.
pub struct Cache {
    /// What they share.
    pub info: CacheInfo,
    /// The tracks, ordered by group and name.
    pub tracks: Vec<LoadedTrack>,
}

impl Cache {
    /// Loads every track whose group `wanted` accepts.
    ///
    /// # Errors
    /// [`TrainerError`] where the folder is no cache or a track's two files disagree.
    pub fn load(root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let info: CacheInfo = files::read_json(&root.join("cache.json"))?;
        let mut tracks = Vec::new();
        for folder in sorted_entries(root)? {
            let group = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !folder.is_dir() || !wanted(&group) {
                continue;
            }
            for labels in sorted_entries(&folder)? {
                if labels.extension().is_some_and(|extension| extension == "json") {
                    tracks.push(load_track(&labels, &group, &info)?);
                }
            }
        }
        Ok(Self { info, tracks })
    }

    /// All segments, as pairs of a track's index and a segment's.
    pub fn segments(&self) -> Vec<(usize, usize)> {
        let of = |(index, track): (usize, &LoadedTrack)| {
            (0..track.track.segments.len()).map(move |segment| (index, segment))
        };
        self.tracks.iter().enumerate().flat_map(of).collect()
    }
}

fn load_track(labels: &Path, group: &str, info: &CacheInfo) -> Result<LoadedTrack> {
    let track: Track = files::read_json(labels)?;
    let audio = labels.with_extension("pcm");
    let bytes = std::fs::read(&audio).map_err(TrainerError::file(&audio))?;
    let fits = |segment: &Segment| {
        segment.probabilities.len() == info.tags.len() && segment.start.saturating_add(info.window) <= track.samples
    };
    if bytes.len() != 2 * track.samples || !track.segments.iter().all(fits) {
        return Err(TrainerError::content(&audio, "audio and labels disagree; delete both and run prepare again"));
    }
    let pcm = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    Ok(LoadedTrack { group: group.to_owned(), track, pcm })
}

/// The entries of a folder, in the order of their names.
pub(crate) fn sorted_entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(TrainerError::file(folder))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .map_err(TrainerError::file(folder))?;
    paths.sort();
    Ok(paths)
}
