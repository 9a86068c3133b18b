//! The cache of decoded tracks and their labels, which `prepare` writes and training reads.
//!
//! A cache is a folder with one folder per part. One `prepare` (or one `prepare --shard K/N`) writes one part, that of
//! its shard:
//!
//! ```text
//! cache.json             CacheInfo: the format version, the tags, the sample rate,
//!                        what predicted the labels
//! part-<K>-of-<N>/
//!   audio.pcm            all tracks, concatenated: mono, signed 16-bit
//!                        little-endian, 22050 Hz, full scale at 32767
//!   tracks.jsonl         one JSON line per processed source: an Entry, either kept
//!                        (with its offset in audio.pcm and its labels) or skipped
//!                        (with the reason)
//!   complete             an empty file, written after the last source
//! ```
//!
//! The audio of a track is written before its line, and a line ends with a newline, so everything after the last
//! complete line is left by an interruption and is dropped. All parts in the folder together are the cache; it cannot
//! be opened before all of them are complete. Audio is memory-mapped. Tracks of a part with the same audio share it; of
//! all tracks with the same audio, in any part, one is opened (`duplicates.rs`).

use super::duplicates::{self, Duplicate};
use super::track::{Labels, Track};
use super::waveforms::FULL_SCALE;
use crate::error::{Result, TrainerError};
use crate::files;
use mmap_io::MemoryMappedFile;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the format above.
pub const FORMAT: u32 = 3;

/// The metadata that all parts of a cache share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheInfo {
    /// [`FORMAT`].
    pub format: u32,
    /// The tags, in the order of the label values.
    pub tags: Vec<String>,
    /// Sample rate of the stored audio, in hertz.
    pub sample_rate: u32,
    /// What predicted the labels, such as the names of teachers with a hash of all that the labels depend on; `None` for
    /// labels of a data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labelled_by: Option<String>,
}

impl CacheInfo {
    /// The metadata of a cache with these tags and labels of a data set, at the sample rate of the engine.
    pub fn new(tags: Vec<String>) -> Self {
        Self { format: FORMAT, tags, sample_rate: tagvane_engine::SAMPLE_RATE, labelled_by: None }
    }
}

impl From<Vec<String>> for CacheInfo {
    fn from(tags: Vec<String>) -> Self {
        Self::new(tags)
    }
}

/// A line of `tracks.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// A track that is in the cache.
    Kept(Track),
    /// A source that is not in the cache.
    Skipped {
        /// Name of the recording in the data set.
        source: String,
        /// Why, in a sentence.
        reason: String,
    },
}

impl Entry {
    /// Name of the recording in the data set.
    pub fn source(&self) -> &str {
        match self {
            Self::Kept(track) => &track.source,
            Self::Skipped { source, .. } => source,
        }
    }
}

/// The position of one training or evaluation window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Index of the track.
    pub track: usize,
    /// First sample, counted from the start of the track.
    pub start: usize,
    /// Index of the segment; `None` where the whole clip is labelled.
    pub segment: Option<usize>,
}

/// The folder of part `number` (from 1) of `of`.
pub(super) fn part_folder(root: &Path, number: usize, of: usize) -> PathBuf {
    root.join(format!("part-{number:05}-of-{of:05}"))
}

/// The audio of a part.
struct PartAudio {
    path: PathBuf,
    /// `None` where the file is empty, because an empty file cannot be mapped.
    map: Option<MemoryMappedFile>,
}

/// The tracks of some groups of a cache.
pub struct Cache {
    /// Tags and sample rate.
    pub info: CacheInfo,
    tracks: Vec<(Track, Arc<PartAudio>)>,
    duplicates: Vec<Duplicate>,
}

impl Cache {
    /// Opens every track whose group `wanted` accepts, sorted by group and source. Audio that the cache has under several
    /// names, in one part or in several, is opened once: see [`duplicates`](Self::duplicates).
    ///
    /// # Errors
    /// [`TrainerError`] where the folder is not a cache, a part is missing, incomplete or of another number of shards,
    /// or a track lies outside the audio of its part.
    pub fn open(root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let info = read_info(root)?;
        let mut tracks = Vec::new();
        for part in part_folders(root)? {
            let list = part.join("tracks.jsonl");
            let path = part.join("audio.pcm");
            let bytes = std::fs::metadata(&path).map_err(TrainerError::file(&path))?.len();
            let map = if bytes == 0 { None } else { Some(map(&path)?) };
            let audio = Arc::new(PartAudio { path, map });
            for entry in read_entries(&list)?.entries {
                let Entry::Kept(track) = entry else { continue };
                if !is_consistent(&track, &info, bytes / 2) {
                    let what = format!("the entry of {} does not fit the audio; prepare this part again", track.source);
                    return Err(TrainerError::content(&list, what));
                }
                tracks.push((track, audio.clone()));
            }
        }
        // Before the groups are chosen, because the same audio may be in another one.
        let (mut tracks, duplicates) = duplicates::resolve(tracks);
        tracks.retain(|(track, _)| wanted(&track.group));
        tracks.sort_by(|(a, _), (b, _)| (&a.group, &a.source).cmp(&(&b.group, &b.source)));
        Ok(Self { info, tracks, duplicates })
    }

    /// The recordings of the whole cache that are left out, because another one has the same audio.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }

    /// Number of tracks.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there are no tracks.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// The track at `index`.
    pub fn track(&self, index: usize) -> &Track {
        &self.tracks[index].0
    }

    /// All training or evaluation windows of `window` samples: consecutive ones without overlap in a labelled clip
    /// (section 4 of the paper), and one centred on each labelled segment. Tracks shorter than a window have none.
    pub fn examples(&self, window: usize) -> Vec<Example> {
        let mut examples = Vec::new();
        for (index, (track, _)) in self.tracks.iter().enumerate() {
            if track.samples < window {
                continue;
            }
            match &track.labels {
                Labels::Clip(_) => {
                    let starts = (0..track.samples / window).map(|index| index * window);
                    examples.extend(starts.map(|start| Example { track: index, start, segment: None }));
                }
                Labels::Segments(segments) => {
                    for (segment_index, segment) in segments.iter().enumerate() {
                        let middle = segment.start + segment.length / 2;
                        let start = middle.saturating_sub(window / 2).min(track.samples - window);
                        examples.push(Example { track: index, start, segment: Some(segment_index) });
                    }
                }
            }
        }
        examples
    }

    /// The sources of the tracks that are shorter than one window.
    pub fn too_short(&self, window: usize) -> Vec<&str> {
        let short = self.tracks.iter().filter(|(track, _)| track.samples < window);
        short.map(|(track, _)| track.source.as_str()).collect()
    }

    /// The labels of an example, one value per tag.
    pub fn labels(&self, example: Example) -> &[f32] {
        match (&self.track(example.track).labels, example.segment) {
            (Labels::Clip(labels), _) => labels,
            (Labels::Segments(segments), index) => &segments[index.unwrap_or(0)].probabilities,
        }
    }

    /// Fills `window` with the samples of a track from sample `start` on, scaled to -1..1.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where the samples are outside the audio of the part.
    pub fn read(&self, track: usize, start: usize, window: &mut [f32]) -> Result<()> {
        self.read_as(track, start, window, |sample| f32::from(sample) / FULL_SCALE)
    }

    /// Like [`read`](Self::read), with samples of 16 bits as they are stored.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_samples(&self, track: usize, start: usize, window: &mut [i16]) -> Result<()> {
        self.read_as(track, start, window, |sample| sample)
    }

    fn read_as<T>(&self, track: usize, start: usize, window: &mut [T], convert: impl Fn(i16) -> T) -> Result<()> {
        let (track, audio) = &self.tracks[track];
        let (from, length) = (2 * (track.offset + start as u64), 2 * window.len() as u64);
        let bytes = audio.map.as_ref().and_then(|map| map.as_slice(from, length).ok());
        let Some(bytes) = bytes else {
            let what = format!("the audio of {} cannot be read; prepare the cache again", track.source);
            return Err(TrainerError::content(&audio.path, what));
        };
        for (to, from) in window.iter_mut().zip(bytes.chunks_exact(2)) {
            *to = convert(i16::from_le_bytes([from[0], from[1]]));
        }
        Ok(())
    }
}

fn map(path: &Path) -> Result<MemoryMappedFile> {
    let failed = |error| TrainerError::content(path, format!("cannot be memory-mapped: {error}"));
    MemoryMappedFile::open_ro(path).map_err(failed)
}

/// Whether the labels match the tags, and the track lies within the `samples` of its part.
fn is_consistent(track: &Track, info: &CacheInfo, samples: u64) -> bool {
    let tags = info.tags.len();
    let labelled = match &track.labels {
        Labels::Clip(labels) => labels.len() == tags,
        Labels::Segments(segments) => segments.iter().all(|segment| {
            segment.probabilities.len() == tags && segment.start.saturating_add(segment.length) <= track.samples
        }),
    };
    labelled && track.offset.saturating_add(track.samples as u64) <= samples
}

/// Reads the metadata of the cache at `root`.
///
/// # Errors
/// [`TrainerError`] where the folder is not a cache of this format.
pub(crate) fn read_info(root: &Path) -> Result<CacheInfo> {
    let path = root.join("cache.json");
    let info: CacheInfo = files::read_json(&path)?;
    if info.format != FORMAT || info.sample_rate != tagvane_engine::SAMPLE_RATE {
        return Err(TrainerError::content(
            &path,
            "this cache has another format; prepare it again into another folder",
        ));
    }
    Ok(info)
}

/// The folders of all parts, which must be complete.
fn part_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let part_number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        let (number, of) = name.strip_prefix("part-")?.split_once("-of-")?;
        Some((number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
    };
    let found: Vec<(usize, usize)> = files::sorted_entries(root)?.iter().filter_map(part_number).collect();
    let again = "run prepare again with the same arguments, which resumes it";
    let Some(&(_, of)) = found.first() else {
        return Err(TrainerError::content(root, format!("this cache has no parts yet; {again}")));
    };
    if found.iter().any(|(_, other)| *other != of) {
        return Err(TrainerError::content(
            root,
            "this cache has parts of different numbers of shards (part-K-of-N with more than one N); delete the parts \
             of all numbers but one",
        ));
    }
    (1..=of)
        .map(|number| {
            let folder = part_folder(root, number, of);
            if folder.join("complete").exists() {
                Ok(folder)
            } else {
                Err(TrainerError::content(&folder, format!("part {number} of {of} is not complete; {again}")))
            }
        })
        .collect()
}

/// The complete lines of `tracks.jsonl`.
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    /// Length of these lines in bytes; what follows is an incomplete line.
    pub(super) bytes: u64,
}

/// Reads `tracks.jsonl` up to the first incomplete line.
pub(super) fn read_entries(list: &Path) -> Result<Entries> {
    let text = std::fs::read(list).map_err(TrainerError::file(list))?;
    let mut found = Entries { entries: Vec::new(), bytes: 0 };
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            break;
        }
        let entry = serde_json::from_slice(line).map_err(|error| {
            let number = found.entries.len() + 1;
            TrainerError::content(
                list,
                format!("line {number} is not a cache entry; delete this part and prepare it again: {error}"),
            )
        })?;
        found.entries.push(entry);
        found.bytes += line.len() as u64;
    }
    Ok(found)
}
