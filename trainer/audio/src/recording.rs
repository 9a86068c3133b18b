//! A decoded recording.

use crate::error::AudioError;
use crate::stream::AudioStream;
use std::path::Path;

/// A decoded recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples per channel, nominally in -1..1; all channels have the same length.
    pub channels: Vec<Vec<f32>>,
    /// Sample rate in hertz.
    pub sample_rate: u32,
    /// What of the file was left out or changed, in one sentence.
    pub notice: Option<String>,
    /// Whether ffmpeg decoded it, because nothing here can.
    pub is_by_ffmpeg: bool,
}

impl Recording {
    /// Length in frames.
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames() as f64 / f64::from(self.sample_rate)
    }

    /// The mean of all channels.
    pub fn mono(&self) -> Vec<f32> {
        let scale = 1.0 / self.channels.len().max(1) as f32;
        (0..self.frames())
            .map(|frame| self.channels.iter().map(|channel| channel[frame]).sum::<f32>() * scale)
            .collect()
    }
}

/// Decodes the file at `path` into memory, all blocks of an [`AudioStream`].
///
/// # Errors
/// [`AudioError`] where the file cannot be opened or nothing in it can be decoded.
pub fn read(path: &Path) -> Result<Recording, AudioError> {
    let mut stream = AudioStream::open(path)?;
    let mut channels = vec![Vec::new(); stream.channels()];
    while let Some(block) = stream.next_block() {
        channels.iter_mut().zip(block).for_each(|(channel, samples): (&mut Vec<f32>, _)| channel.extend(samples));
    }
    Ok(Recording {
        channels,
        sample_rate: stream.sample_rate(),
        notice: stream.notice(),
        is_by_ffmpeg: stream.is_by_ffmpeg(),
    })
}
