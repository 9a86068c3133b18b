//! The cache of decoded tracks and their labels, between `prepare` and training.
//!
//! A cache is a folder, and in it a folder for each part, which is what one
//! `prepare` (or one `prepare --shard K/N`) writes:
//!
//! ```text
//! cache.json             CacheInfo: the format's version, the tags, the rate
//! part-<K>-of-<N>/
//!   audio.pcm            every track, one after another: mono, signed 16-bit
//!                        little-endian, 22050 Hz, full scale at 32767
//!   tracks.jsonl         a line for each source that was dealt with, as JSON: an
//!                        Entry, either kept (with its place in audio.pcm and its
//!                        labels) or skipped (with the reason)
//!   complete             an empty file, written when every source was dealt with
//! ```
//!
//! A track's audio is on the disk before its line is, and a line ends with a newline,
//! so whatever an interruption leaves behind the last whole line is dropped. Parts
//! are joined by lying side by side; a cache whose parts are not all complete is not
//! used. Audio is mapped into memory, not read.

use crate::error::{Result, TrainerError};
use crate::files;
use mmap_io::MemoryMappedFile;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The version of the format above.
pub const FORMAT: u32 = 2;

/// What all parts of a cache share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheInfo {
    /// [`FORMAT`].
    pub format: u32,
    /// The tags, in the order of every label.
    pub tags: Vec<String>,
    /// Samples a second of the stored audio.
    pub sample_rate: u32,
}

impl CacheInfo {
    /// A cache of these tags, at the rate that networks hear.
    pub fn new(tags: Vec<String>) -> Self {
        Self { format: FORMAT, tags, sample_rate: tagvane_engine::SAMPLE_RATE }
    }
}

/// A line of a part's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// A track that is in the cache.
    Kept(Track),
    /// A source that gave nothing.
    Skipped {
        /// The audio file, as the data set names it.
        source: String,
        /// Why, in a sentence.
        reason: String,
    },
}

impl Entry {
    /// The audio file, as the data set names it.
    pub fn source(&self) -> &str {
        match self {
            Self::Kept(track) => &track.source,
            Self::Skipped { source, .. } => source,
        }
    }
}

/// A track, its place in its part's audio, and its labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Track {
    /// The audio file, as the data set names it.
    pub source: String,
    /// What is held out as a whole: a split, a package, an album.
    pub group: String,
    /// The first sample in the part's audio.
    pub offset: u64,
    /// The length, in samples.
    pub samples: usize,
    /// What is known of it.
    pub labels: Labels,
    /// A hash of the audio, so that the same is not taken twice.
    pub fingerprint: String,
}

/// The labels of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// One value a tag, 0 to 1, for the whole clip: each window of it has them.
    Clip(Vec<f32>),
    /// Windows that were labelled one by one.
    Segments(Vec<Segment>),
}

/// One labelled window of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The first sample.
    pub start: usize,
    /// The length, in samples.
    pub length: usize,
    /// The probability of each tag, by the teachers.
    pub probabilities: Vec<f32>,
}

/// A window that a network hears, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Example {
    /// Index of the track.
    pub track: usize,
    /// The first sample.
    pub start: usize,
    /// Index of the segment, where segments are labelled.
    pub segment: Option<usize>,
}

/// The folder of part `number` (from 1) of `of`.
pub(super) fn part_folder(root: &Path, number: usize, of: usize) -> PathBuf {
    root.join(format!("part-{number:05}-of-{of:05}"))
}

/// A part's audio; `None` where it has none.
type Audio = Option<Arc<MemoryMappedFile>>;

/// The tracks of some groups of a cache.
pub struct Cache {
    /// What all share.
    pub info: CacheInfo,
    tracks: Vec<(Track, Audio)>,
}

impl Cache {
    /// Opens every track whose group `wanted` accepts, in the order of groups and
    /// sources.
    ///
    /// # Errors
    /// [`TrainerError`] where the folder is no cache, a part is missing, unfinished or
    /// of another cache, or a track lies outside of its part's audio.
    pub fn open(root: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let info = read_info(root)?;
        let mut tracks = Vec::new();
        for part in parts(root)? {
            let list = part.join("tracks.jsonl");
            let path = part.join("audio.pcm");
            let bytes = std::fs::metadata(&path).map_err(TrainerError::file(&path))?.len();
            let audio = if bytes == 0 { None } else { Some(Arc::new(map(&path)?)) };
            for entry in read_entries(&list)?.entries {
                let Entry::Kept(track) = entry else { continue };
                if !fits(&track, &info, bytes / 2) {
                    let what = format!("the entry of {} does not fit the audio; prepare this part again", track.source);
                    return Err(TrainerError::content(&list, what));
                }
                if wanted(&track.group) {
                    tracks.push((track, audio.clone()));
                }
            }
        }
        tracks.sort_by(|(a, _), (b, _)| (&a.group, &a.source).cmp(&(&b.group, &b.source)));
        Ok(Self { info, tracks })
    }

    /// How many tracks there are.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// A track by its index.
    pub fn track(&self, index: usize) -> &Track {
        &self.tracks[index].0
    }

    /// Every window of `window` samples that networks learn from and are measured by:
    /// of a clip the consecutive ones without overlap (section 4 of the paper), of
    /// labelled segments one around the middle of each. Tracks shorter than a window
    /// have none.
    pub fn examples(&self, window: usize) -> Vec<Example> {
        let mut examples = Vec::new();
        for (index, (track, _)) in self.tracks.iter().enumerate() {
            if track.samples < window {
                continue;
            }
            match &track.labels {
                Labels::Clip(_) => {
                    let starts = (0..track.samples / window).map(|place| place * window);
                    examples.extend(starts.map(|start| Example { track: index, start, segment: None }));
                }
                Labels::Segments(segments) => {
                    for (number, segment) in segments.iter().enumerate() {
                        let middle = segment.start + segment.length / 2;
                        let start = middle.saturating_sub(window / 2).min(track.samples - window);
                        examples.push(Example { track: index, start, segment: Some(number) });
                    }
                }
            }
        }
        examples
    }

    /// The tracks too short for a single window, by their sources.
    pub fn too_short(&self, window: usize) -> Vec<&str> {
        let short = self.tracks.iter().filter(|(track, _)| track.samples < window);
        short.map(|(track, _)| track.source.as_str()).collect()
    }

    /// The labels of an example, one a tag.
    pub fn labels(&self, example: Example) -> &[f32] {
        match (&self.track(example.track).labels, example.segment) {
            (Labels::Clip(labels), _) => labels,
            (Labels::Segments(segments), number) => &segments[number.unwrap_or(0)].probabilities,
        }
    }

    /// Fills `window` with the samples of a track from `start` on, in -1..1.
    ///
    /// # Errors
    /// [`TrainerError::Content`] where the audio has become shorter meanwhile.
    pub fn read(&self, track: usize, start: usize, window: &mut [f32]) -> Result<()> {
        let (track, audio) = &self.tracks[track];
        let (from, length) = (2 * (track.offset + start as u64), 2 * window.len() as u64);
        let bytes = audio.as_ref().and_then(|audio| audio.as_slice(from, length).ok());
        let Some(bytes) = bytes else {
            return Err(TrainerError::Request(format!("the audio of {} cannot be read any more", track.source)));
        };
        for (to, from) in window.iter_mut().zip(bytes.chunks_exact(2)) {
            *to = f32::from(i16::from_le_bytes([from[0], from[1]])) / 32_767.0;
        }
        Ok(())
    }
}

fn map(path: &Path) -> Result<MemoryMappedFile> {
    let failed = |error| TrainerError::content(path, format!("cannot be mapped into memory: {error}"));
    MemoryMappedFile::open_ro(path).map_err(failed)
}

fn fits(track: &Track, info: &CacheInfo, samples: u64) -> bool {
    let tags = info.tags.len();
    let labelled = match &track.labels {
        Labels::Clip(labels) => labels.len() == tags,
        Labels::Segments(segments) => segments.iter().all(|segment| {
            segment.probabilities.len() == tags && segment.start.saturating_add(segment.length) <= track.samples
        }),
    };
    labelled && track.offset.saturating_add(track.samples as u64) <= samples
}

/// What a cache's parts share.
///
/// # Errors
/// [`TrainerError`] where the folder is no cache of this format.
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

/// The folders of all parts.
fn parts(root: &Path) -> Result<Vec<PathBuf>> {
    let number = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        let (number, of) = name.strip_prefix("part-")?.split_once("-of-")?;
        Some((number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
    };
    let found: Vec<(usize, usize)> = files::sorted_entries(root)?.iter().filter_map(number).collect();
    let again = "run prepare again with the same arguments, and it goes on where it was";
    let Some(&(_, of)) = found.first() else {
        return Err(TrainerError::content(root, format!("this cache has no parts yet; {again}")));
    };
    if found.iter().any(|(_, other)| *other != of) {
        return Err(TrainerError::content(
            root,
            "this cache has parts of different splits (part-K-of-N with more than one N); remove those of the one that \
             is not wanted",
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

/// The whole lines of a part's list.
pub(super) struct Entries {
    pub(super) entries: Vec<Entry>,
    /// The bytes that they take; what follows was cut off.
    pub(super) bytes: u64,
}

/// Reads a part's list up to the first line that is not whole.
pub(super) fn read_entries(list: &Path) -> Result<Entries> {
    let text = std::fs::read(list).map_err(TrainerError::file(list))?;
    let mut found = Entries { entries: Vec::new(), bytes: 0 };
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            break;
        }
        let entry = serde_json::from_slice(line).map_err(|error| {
            let number = found.entries.len() + 1;
            TrainerError::content(list, format!("line {number} is not an entry of a cache: {error}"))
        })?;
        found.entries.push(entry);
        found.bytes += line.len() as u64;
    }
    Ok(found)
}
