//! Writes one part of a cache; an interruption loses at most one track.

use super::cache::{self, CacheInfo, Entry};
use super::source::Source;
use super::track::{Labels, Track};
use super::track_audio::TrackAudio;
use crate::error::{Result, TrainerError};
use crate::files;
use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// Writes one part of a cache. It holds a file lock, so that no other process writes the same part.
pub struct PartWriter {
    folder: PathBuf,
    audio: File,
    list: File,
    /// Samples of the complete tracks in `audio`.
    samples: u64,
    /// Bytes of the complete lines in `list`.
    list_bytes: u64,
    sources: HashSet<String>,
    /// The first sample of the audio with each hash, and its length in samples.
    known_audio: HashMap<String, (u64, usize)>,
}

impl PartWriter {
    /// Opens part `number` (from 1) of `count` in the cache at `root`, or creates it. Data that an interruption left
    /// incomplete is truncated.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache has other tags or labels of another origin, another process writes this part, the part is damaged, or a file
    /// cannot be written.
    pub fn open(root: &Path, info: &CacheInfo, number: usize, count: usize) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(TrainerError::file(root))?;
        let info_path = root.join("cache.json");
        if !info_path.exists() {
            // Another part may be begun at the same time, and then what that one wrote counts.
            let bytes =
                serde_json::to_vec(info).map_err(|error| TrainerError::content(&info_path, error.to_string()))?;
            files::create(&info_path, &bytes)?;
        }
        check_same(&cache::read_info(root)?, info).map_err(|what| TrainerError::content(&info_path, what))?;
        let folder = cache::part_folder(root, number, count);
        std::fs::create_dir_all(&folder).map_err(TrainerError::file(&folder))?;
        let complete = folder.join("complete");
        let list_path = folder.join("tracks.jsonl");
        let list = open(&list_path)?;
        if list.try_lock().is_err() {
            let what = format!("another process is preparing part {number} of {count}; let it finish, or stop it");
            return Err(TrainerError::content(&folder, what));
        }
        if complete.exists() {
            std::fs::remove_file(&complete).map_err(TrainerError::file(&complete))?;
        }
        let found = cache::read_entries(&list_path)?;
        list.set_len(found.bytes).map_err(TrainerError::file(&list_path))?;

        let audio_path = folder.join("audio.pcm");
        let mut writer = Self {
            audio: open(&audio_path)?,
            list,
            folder,
            samples: 0,
            list_bytes: found.bytes,
            sources: HashSet::new(),
            known_audio: HashMap::new(),
        };
        for entry in found.entries {
            if let Entry::Kept(track) = &entry {
                let end = track.offset.checked_add(track.samples as u64).ok_or_else(|| {
                    let what = "the entry of a track lies beyond any file; delete the folder of this part and prepare \
                                it again";
                    TrainerError::content(&list_path, what)
                })?;
                writer.samples = writer.samples.max(end);
                writer.known_audio.insert(track.audio_hash.clone(), (track.offset, track.samples));
            }
            writer.sources.insert(entry.source().to_owned());
        }
        let bytes = writer.audio.metadata().map_err(TrainerError::file(&audio_path))?.len();
        if bytes / 2 < writer.samples {
            return Err(TrainerError::content(
                &audio_path,
                "audio is missing at its end; delete the folder of this part and prepare it again",
            ));
        }
        writer.audio.set_len(2 * writer.samples).map_err(TrainerError::file(&audio_path))?;
        Ok(writer)
    }

    /// Whether a source is already in this part, kept or skipped.
    pub fn contains(&self, source: &str) -> bool {
        self.sources.contains(source)
    }

    /// Adds a track. `audio` is at the sample rate of the cache. `file_hash` is the XXH3 hash of its file. Where the part
    /// has the same audio already, the track shares it: which of the two stays in the cache depends on all its parts, so
    /// [`Cache::open`](cache::Cache::open) decides.
    ///
    /// # Errors
    /// [`TrainerError::File`], for example on a full disk. The part stays usable: what is added next overwrites what was
    /// written incompletely.
    pub fn add_track(
        &mut self,
        source: &Source,
        mut audio: TrackAudio,
        labels: Labels,
        file_hash: Option<String>,
    ) -> Result<()> {
        let path = self.folder.join("audio.pcm");
        let audio_hash = audio.hash().map_err(TrainerError::file(&path))?;
        let samples = audio.samples();
        let known = self.known_audio.get(&audio_hash).filter(|(_, count)| *count == samples);
        let offset = known.map_or(self.samples, |(offset, _)| *offset);
        if offset == self.samples {
            // A failed write may have left a part of a track after the last complete one.
            let end = SeekFrom::Start(2 * self.samples);
            self.audio.seek(end).and_then(|_| audio.copy_to(&mut self.audio)).map_err(TrainerError::file(&path))?;
        }
        let track = Track {
            source: source.name.clone(),
            group: source.group.clone(),
            offset,
            samples,
            labels,
            audio_hash: audio_hash.clone(),
            file_hash,
        };
        self.write_entry(&Entry::Kept(track))?;
        self.samples = self.samples.max(offset + samples as u64);
        self.known_audio.insert(audio_hash, (offset, samples));
        Ok(())
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
        let end = SeekFrom::Start(self.list_bytes);
        self.list.seek(end).and_then(|_| self.list.write_all(&line)).map_err(TrainerError::file(&path))?;
        self.list_bytes += line.len() as u64;
        self.sources.insert(entry.source().into());
        Ok(())
    }

    /// Marks the part as complete and returns all its entries.
    ///
    /// # Errors
    /// [`TrainerError::File`].
    pub fn finish(self) -> Result<Vec<Entry>> {
        self.audio.sync_all().map_err(TrainerError::file(&self.folder))?;
        self.list.sync_all().map_err(TrainerError::file(&self.folder))?;
        files::write(&self.folder.join("complete"), b"")?;
        Ok(cache::read_entries(&self.folder.join("tracks.jsonl"))?.entries)
    }
}

/// Checks that what is added to a cache has the tags and the kind of labels that it has.
fn check_same(found: &CacheInfo, info: &CacheInfo) -> std::result::Result<(), String> {
    let labelled_by = |info: &CacheInfo| info.labelled_by.clone().unwrap_or_else(|| "a data set".into());
    if found.labelled_by != info.labelled_by && found.tags == info.tags {
        let (old, new) = (labelled_by(found), labelled_by(info));
        return Err(format!(
            "this cache was labelled by {old}, and would go on with labels by {new}; choose another folder"
        ));
    }
    if found == info { Ok(()) } else { Err("this cache has other tags; choose another folder".into()) }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(path).map_err(TrainerError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> CacheInfo {
        CacheInfo::new(vec!["tag".into()])
    }

    fn source(name: &str) -> Source {
        Source { name: name.into(), path: None, group: "training".into(), labels: None }
    }

    /// A writer of the only part of a cache, with one track.
    fn with_one_track(cache: &Path) -> PartWriter {
        let mut writer = PartWriter::open(cache, &info(), 1, 1).unwrap();
        writer.add_track(&source("first"), TrackAudio::of(&[0.1; 100]), Labels::Clip(vec![1.0]), None).unwrap();
        writer
    }

    /// Regression: a part went on with labels of another ensemble of teachers.
    #[test]
    fn a_part_does_not_go_on_with_labels_of_another_origin() {
        let cache = tempfile::tempdir().unwrap();
        with_one_track(cache.path()).finish().unwrap();
        let by = |name: &str| CacheInfo { labelled_by: Some(name.into()), ..info() };
        let error = |root: &Path, info: &CacheInfo| PartWriter::open(root, info, 1, 1).err().unwrap().to_string();
        let message = error(cache.path(), &by("a, b (1)"));
        assert!(message.contains("labelled by a data set, and would go on with labels by a, b (1)"), "{message}");
        let other = tempfile::tempdir().unwrap();
        PartWriter::open(other.path(), &by("a (1)"), 1, 1).unwrap().finish().unwrap();
        PartWriter::open(other.path(), &by("a (1)"), 1, 1).unwrap().finish().unwrap();
        assert!(error(other.path(), &by("a (2)")).contains("labelled by a (1)"));
        let message = error(other.path(), &CacheInfo { tags: vec!["x".into()], ..by("a (1)") });
        assert!(message.contains("other tags"), "{message}");
    }

    /// Regression: the end of such a track overflowed, a panic in builds with overflow checks.
    #[test]
    fn a_track_that_ends_beyond_any_file_is_an_error() {
        let cache = tempfile::tempdir().unwrap();
        with_one_track(cache.path()).finish().unwrap();
        let list = cache::part_folder(cache.path(), 1, 1).join("tracks.jsonl");
        let good = std::fs::read_to_string(&list).unwrap();
        for offset in [u64::MAX, u64::MAX / 2] {
            std::fs::write(&list, good.replace("\"offset\":0", &format!("\"offset\":{offset}"))).unwrap();
            let message = PartWriter::open(cache.path(), &info(), 1, 1).err().unwrap().to_string();
            assert!(message.contains("prepare it again"), "{message}");
        }
    }

    /// Regression: a track whose audio could not be written counted as known, and was skipped as a duplicate when it was
    /// added again.
    #[test]
    fn a_track_can_be_added_again_after_a_failed_write() {
        let cache = tempfile::tempdir().unwrap();
        let mut writer = with_one_track(cache.path());
        let part = cache::part_folder(cache.path(), 1, 1);
        let add = |writer: &mut PartWriter| {
            writer.add_track(&source("second"), TrackAudio::of(&[0.2; 100]), Labels::Clip(vec![0.0]), None)
        };
        // Files that are open for reading only fail every write.
        let read_only = |name: &str| File::open(part.join(name)).unwrap();
        let audio = std::mem::replace(&mut writer.audio, read_only("audio.pcm"));
        assert!(add(&mut writer).is_err());
        writer.audio = audio;
        let list = std::mem::replace(&mut writer.list, read_only("tracks.jsonl"));
        assert!(add(&mut writer).is_err());
        writer.list = list;
        add(&mut writer).unwrap();
        let entries = writer.finish().unwrap();
        assert!(matches!(&entries[..], [Entry::Kept(_), Entry::Kept(second)] if second.offset == 100), "{entries:?}");
    }
}
