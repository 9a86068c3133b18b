//! Writes one part of a cache; an interruption loses at most one track.

use super::cache::{self, CacheInfo, Entry, Labels, Track};
use crate::error::{Result, TrainerError};
use crate::files;
use crate::reproducible;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Writes one part of a cache. It holds a file lock, so that no other process writes the same part.
pub struct PartWriter {
    folder: PathBuf,
    audio: File,
    list: BufWriter<File>,
    /// Samples written so far.
    samples: u64,
    sources: HashSet<String>,
    fingerprints: HashSet<String>,
}

impl PartWriter {
    /// Opens part `number` (from 1) of `count` in the cache at `root`, or creates it. Data that an interruption left
    /// incomplete is truncated.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache has other tags, another process writes this part, or a file cannot be written.
    pub fn open(root: &Path, info: &CacheInfo, number: usize, count: usize) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(TrainerError::file(root))?;
        let info_path = root.join("cache.json");
        if !info_path.exists() {
            files::write_json(&info_path, info)?;
        } else if cache::read_info(root)? != *info {
            return Err(TrainerError::content(&info_path, "this cache has other tags; choose another folder"));
        }
        let folder = cache::part_folder(root, number, count);
        std::fs::create_dir_all(&folder).map_err(TrainerError::file(&folder))?;
        let complete = folder.join("complete");
        let list_path = folder.join("tracks.jsonl");
        let mut list = open(&list_path)?;
        if list.try_lock().is_err() {
            let what = format!("another process is preparing part {number} of {count}; let it finish, or stop it");
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
        let bytes = writer.audio.metadata().map_err(TrainerError::file(&audio))?.len();
        if bytes < 2 * writer.samples {
            return Err(TrainerError::content(
                &audio,
                "audio is missing at its end; delete the folder of this part and prepare it again",
            ));
        }
        writer.audio.set_len(2 * writer.samples).map_err(TrainerError::file(&audio))?;
        Ok(writer)
    }

    /// Whether a source is already in this part, kept or skipped.
    pub fn contains(&self, source: &str) -> bool {
        self.sources.contains(source)
    }

    /// Adds a track, or skips it where the part has the same audio already. `samples` are mono, at the sample rate of
    /// the cache; samples beyond full scale are clipped.
    ///
    /// # Errors
    /// [`TrainerError::File`], for example on a full disk; the part stays usable.
    pub fn add_track(&mut self, source: &str, group: &str, samples: &[f32], labels: Labels) -> Result<()> {
        let pcm = to_pcm(samples);
        let fingerprint = fingerprint(&pcm);
        if !self.fingerprints.insert(fingerprint.clone()) {
            return self.skip(source, "the same audio as another track");
        }
        let path = self.folder.join("audio.pcm");
        // A failed write may have left a part of a track after the last complete one.
        let end = SeekFrom::Start(2 * self.samples);
        self.audio.seek(end).and_then(|_| self.audio.write_all(&pcm)).map_err(TrainerError::file(&path))?;
        self.audio.flush().map_err(TrainerError::file(&path))?;
        let offset = self.samples;
        self.samples += samples.len() as u64;
        let track =
            Track { source: source.into(), group: group.into(), offset, samples: samples.len(), labels, fingerprint };
        self.write_entry(&Entry::Kept(track))
    }

    /// Records that a source is skipped, and why.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn skip(&mut self, source: &str, reason: &str) -> Result<()> {
        self.write_entry(&Entry::Skipped { source: source.into(), reason: reason.into() })
    }

    fn write_entry(&mut self, entry: &Entry) -> Result<()> {
        let path = self.folder.join("tracks.jsonl");
        let mut line = serde_json::to_vec(entry).map_err(|error| TrainerError::content(&path, error.to_string()))?;
        line.push(b'\n');
        self.sources.insert(entry.source().into());
        self.list.write_all(&line).and_then(|()| self.list.flush()).map_err(TrainerError::file(&path))
    }

    /// Marks the part as complete and returns all its entries.
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

/// Converts samples to 16-bit little-endian PCM.
fn to_pcm(samples: &[f32]) -> Vec<u8> {
    let sample = |value: &f32| (value * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
    samples.iter().flat_map(|value| sample(value).to_le_bytes()).collect()
}

fn fingerprint(pcm: &[u8]) -> String {
    format!("{:016x}", reproducible::hash(&[pcm]))
}
