//! Writing one part of a cache, so that an interruption loses at most one track.

use super::cache::{self, CacheInfo, Entry, Labels, Track};
use crate::error::{Result, TrainerError};
use crate::files;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// A part of a cache that is being written. While it lives, no other process writes
/// the same part.
pub struct PartWriter {
    folder: PathBuf,
    audio: File,
    list: BufWriter<File>,
    /// Samples in the audio so far.
    samples: u64,
    sources: HashSet<String>,
    fingerprints: HashSet<String>,
}

impl PartWriter {
    /// Opens part `number` (from 1) of `of` in the cache at `root`, which is made if it
    /// is not there. What an interruption left unfinished is cut off.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache has other tags, another process writes this
    /// part, or a file cannot be written.
    pub fn open(root: &Path, info: &CacheInfo, number: usize, of: usize) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(TrainerError::file(root))?;
        let about = root.join("cache.json");
        if !about.exists() {
            files::write_json(&about, info)?;
        } else if cache::read_info(root)? != *info {
            return Err(TrainerError::content(&about, "this cache has other tags; choose another folder"));
        }
        let folder = cache::part_folder(root, number, of);
        std::fs::create_dir_all(&folder).map_err(TrainerError::file(&folder))?;
        let complete = folder.join("complete");
        let list_path = folder.join("tracks.jsonl");
        let mut list = open(&list_path)?;
        if list.try_lock().is_err() {
            let what = format!("another process is preparing part {number} of {of}; let it finish, or stop it");
            return Err(TrainerError::content(&folder, what));
        }
        if complete.exists() {
            std::fs::remove_file(&complete).map_err(TrainerError::file(&complete))?;
        }
        let found = cache::read_entries(&list_path)?;
        list.set_len(found.bytes).map_err(TrainerError::file(&list_path))?;
        list.seek(SeekFrom::End(0)).map_err(TrainerError::file(&list_path))?;

        let mut writer = Self {
            audio: open(&folder.join("audio.pcm"))?,
            list: BufWriter::new(list),
            folder,
            samples: 0,
            sources: HashSet::new(),
            fingerprints: HashSet::new(),
        };
        for entry in found.entries {
            if let Entry::Kept(track) = &entry {
                writer.samples = writer.samples.max(track.offset + track.samples as u64);
                writer.fingerprints.insert(track.fingerprint.clone());
            }
            writer.sources.insert(entry.source().to_owned());
        }
        let audio = writer.folder.join("audio.pcm");
        let there = writer.audio.metadata().map_err(TrainerError::file(&audio))?.len();
        if there < 2 * writer.samples {
            return Err(TrainerError::content(&audio, "audio is missing at its end; delete this part's folder"));
        }
        writer.audio.set_len(2 * writer.samples).map_err(TrainerError::file(&audio))?;
        Ok(writer)
    }

    /// Whether a source was dealt with before.
    pub fn has(&self, source: &str) -> bool {
        self.sources.contains(source)
    }

    /// Adds a track, or notes that the same audio is here already. `samples` are mono,
    /// at the cache's rate; what is beyond full scale is clipped.
    ///
    /// # Errors
    /// [`TrainerError::File`], a full disk for instance; the part stays usable.
    pub fn keep(&mut self, source: &str, group: &str, samples: &[f32], labels: Labels) -> Result<()> {
        let pcm = to_pcm(samples);
        let fingerprint = fingerprint(&pcm);
        if !self.fingerprints.insert(fingerprint.clone()) {
            return self.skip(source, "the same audio as another track");
        }
        let path = self.folder.join("audio.pcm");
        // Where the last whole track ends: a write that failed may have left a part of one.
        let end = SeekFrom::Start(2 * self.samples);
        self.audio.seek(end).and_then(|_| self.audio.write_all(&pcm)).map_err(TrainerError::file(&path))?;
        self.audio.flush().map_err(TrainerError::file(&path))?;
        let offset = self.samples;
        self.samples += samples.len() as u64;
        let track =
            Track { source: source.into(), group: group.into(), offset, samples: samples.len(), labels, fingerprint };
        self.write(&Entry::Kept(track))
    }

    /// Notes that a source gives nothing, and why.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn skip(&mut self, source: &str, reason: &str) -> Result<()> {
        self.write(&Entry::Skipped { source: source.into(), reason: reason.into() })
    }

    fn write(&mut self, entry: &Entry) -> Result<()> {
        let path = self.folder.join("tracks.jsonl");
        let mut line = serde_json::to_vec(entry).map_err(|error| TrainerError::content(&path, error.to_string()))?;
        line.push(b'\n');
        self.sources.insert(entry.source().into());
        self.list.write_all(&line).and_then(|()| self.list.flush()).map_err(TrainerError::file(&path))
    }

    /// Marks the part as complete and gives all its entries.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn finish(self) -> Result<Vec<Entry>> {
        self.audio.sync_all().map_err(TrainerError::file(&self.folder))?;
        self.list.get_ref().sync_all().map_err(TrainerError::file(&self.folder))?;
        files::write(&self.folder.join("complete"), b"")?;
        Ok(cache::read_entries(&self.folder.join("tracks.jsonl"))?.entries)
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(path).map_err(TrainerError::file(path))
}

/// Audio as it is stored.
fn to_pcm(samples: &[f32]) -> Vec<u8> {
    let sample = |value: &f32| (value * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    samples.iter().flat_map(|value| sample(value).to_le_bytes()).collect()
}

fn fingerprint(pcm: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(pcm);
    format!("{:016x}", hasher.finish())
}
