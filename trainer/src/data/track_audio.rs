//! The audio of a track before it is added to a cache.

use crate::reproducible;
use std::io::{Read as _, Result, Seek as _, SeekFrom, Write};
use std::path::Path;
use tempfile::SpooledTempFile;

/// Bytes that are kept in memory, six minutes; a longer track is in a temporary file.
const MAX_MEMORY: usize = 16 << 20;

/// The audio of a track as it is stored in a cache, mono 16-bit PCM: in memory if it is short, in a temporary file if it
/// is long.
pub struct TrackAudio {
    file: SpooledTempFile,
    samples: usize,
    pcm: Vec<u8>,
}

impl TrackAudio {
    /// A track without samples, whose temporary file would be in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { file: tempfile::spooled_tempfile_in(MAX_MEMORY, folder), samples: 0, pcm: Vec::new() }
    }

    /// A track in memory. `samples` are mono; samples beyond full scale are clipped.
    pub fn of(samples: &[f32]) -> Self {
        let mut audio = Self { file: SpooledTempFile::new(usize::MAX), samples: 0, pcm: Vec::new() };
        // Writing to memory cannot fail.
        let _ = audio.push(samples);
        audio
    }

    /// Appends mono samples; samples beyond full scale are clipped.
    ///
    /// # Errors
    /// Those of the temporary file, for example on a full disk.
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        let integer = |value: &f32| (value * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16;
        self.pcm.clear();
        self.pcm.extend(samples.iter().flat_map(|value| integer(value).to_le_bytes()));
        self.file.write_all(&self.pcm)?;
        self.samples += samples.len();
        Ok(())
    }

    /// The number of samples.
    pub(super) fn samples(&self) -> usize {
        self.samples
    }

    /// The XXH3 hash of the audio, in hexadecimal digits.
    pub(super) fn hash(&mut self) -> Result<String> {
        let mut hasher = reproducible::PartHasher::new(2 * self.samples as u64);
        self.for_each_block(|block| {
            hasher.update(block);
            Ok(())
        })?;
        Ok(format!("{:016x}", hasher.finish()))
    }

    /// Writes the audio to `target`.
    pub(super) fn copy_to(&mut self, target: &mut impl Write) -> Result<()> {
        self.for_each_block(|block| target.write_all(block))
    }

    fn for_each_block(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let mut block = vec![0; 1 << 16];
        self.file.seek(SeekFrom::Start(0))?;
        loop {
            let count = self.file.read(&mut block)?;
            if count == 0 {
                return Ok(());
            }
            take(&block[..count])?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_track_in_a_temporary_file_is_the_same_as_one_in_memory() {
        let samples: Vec<f32> = (0..10_000).map(|index| (index as f32 * 0.7).sin() * 1.2).collect();
        let folder = tempfile::tempdir().unwrap();
        let mut spooled = TrackAudio::new(folder.path());
        spooled.file = tempfile::spooled_tempfile_in(1_000, folder.path());
        samples.chunks(333).for_each(|block| spooled.push(block).unwrap());
        assert!(spooled.file.is_rolled());
        let mut whole = TrackAudio::of(&samples);
        let bytes = |audio: &mut TrackAudio| {
            let mut bytes = Vec::new();
            audio.copy_to(&mut bytes).unwrap();
            bytes
        };
        let pcm = bytes(&mut whole);
        assert_eq!(pcm.len(), 20_000);
        assert_eq!((bytes(&mut spooled), spooled.samples()), (pcm.clone(), 10_000));
        let hash = format!("{:016x}", reproducible::hash(&[&pcm]));
        assert_eq!((spooled.hash().unwrap(), whole.hash().unwrap()), (hash.clone(), hash));
    }
}
