//! Recordings as one channel of samples, block by block or whole.

use crate::error::{Result, TrainerError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tagvane_audio::{AudioError, AudioStream};
use tagvane_engine::Downmix;
use tagvane_engine::resample::{RecordingResampler, Resampler};

/// Whether it was said that ffmpeg decodes files, which is said once.
static IS_FFMPEG_MENTIONED: AtomicBool = AtomicBool::new(false);

/// Decodes the file at `path` to one channel of samples at `rate` hertz, nominally in -1..=1, all of them finite.
///
/// # Errors
/// [`TrainerError`], which names the file, where it cannot be decoded or its sample rate is not supported.
pub(crate) fn decode_mono(path: &Path, rate: u32) -> Result<Vec<f32>> {
    let mut stream = MonoStream::open(path, rate, Notices::Printed)?;
    let mut samples = Vec::new();
    while let Some(block) = stream.next_block() {
        samples.extend_from_slice(block);
    }
    Ok(samples)
}

/// Whether what was changed or left out of a file is printed at its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Notices {
    Printed,
    /// For a second pass.
    Silent,
}

/// A file that is decoded, mixed down as in the plug-in and resampled block by block, in bounded memory.
pub(crate) struct MonoStream<'a> {
    path: &'a Path,
    notices: Notices,
    mixed: MixedStream,
    /// `None` after the end.
    resampler: Option<RecordingResampler>,
    block: Vec<f32>,
}

impl<'a> MonoStream<'a> {
    /// Opens the file at `path`, to be resampled to `rate` hertz.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file, where it cannot be decoded or its sample rate is not supported.
    pub(crate) fn open(path: &'a Path, rate: u32, notices: Notices) -> Result<Self> {
        Self::new(AudioStream::open(path)?, path, rate, notices)
    }

    /// Resamples the audio of the file at `path` to `rate` hertz.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file, where its sample rate is not supported.
    pub(crate) fn new(stream: AudioStream, path: &'a Path, rate: u32, notices: Notices) -> Result<Self> {
        let mixed = MixedStream::new(stream);
        if mixed.stream.is_by_ffmpeg() && !IS_FFMPEG_MENTIONED.swap(true, Ordering::Relaxed) {
            eprintln!("{}: ffmpeg decodes this file and others of its kind", path.display());
        }
        let resampler = Resampler::new(f64::from(mixed.sample_rate()), f64::from(rate))
            .map_err(|error| TrainerError::content(path, error.to_string()))?;
        Ok(Self { path, notices, mixed, resampler: Some(RecordingResampler::new(resampler)), block: Vec::new() })
    }

    /// The next samples, nominally in -1..=1, all of them finite and at least one; `None` at the end.
    pub(crate) fn next_block(&mut self) -> Option<&[f32]> {
        let Self { path, notices, mixed, resampler, block } = self;
        block.clear();
        while block.is_empty() {
            match mixed.next_block() {
                Some(samples) => resampler.as_mut()?.push(samples, |samples| block.extend_from_slice(samples)),
                None => {
                    resampler.take()?.finish(|samples| block.extend_from_slice(samples));
                    if *notices == Notices::Printed {
                        mixed.notices().for_each(|notice| eprintln!("{}: {notice}", path.display()));
                    }
                }
            }
        }
        Some(block)
    }

    /// Seconds of the file that were decoded so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.mixed.seconds()
    }

    /// What was changed or left out so far, in one text; `None` if nothing was.
    pub(crate) fn notice(&self) -> Option<String> {
        let notices: Vec<String> = self.mixed.notices().collect();
        (!notices.is_empty()).then(|| notices.join("; "))
    }

    /// The length in seconds that the file states, which need not be true; `None` if it states none.
    pub(crate) fn stated_seconds(&self) -> Option<f64> {
        let stream = &self.mixed.stream;
        stream.stated_frames().map(|frames| frames as f64 / f64::from(stream.sample_rate()))
    }
}

/// A file that is decoded and mixed down as in the plug-in, at its own sample rate.
pub(crate) struct MixedStream {
    stream: AudioStream,
    downmix: Downmix,
    mono: Vec<f32>,
    /// The channel that was used first instead of the mean, from 0, and from which second on.
    first_channel: Option<(usize, f64)>,
}

impl MixedStream {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`AudioError`] where the file cannot be opened or nothing in it can be decoded.
    pub(crate) fn open(path: &Path) -> std::result::Result<Self, AudioError> {
        AudioStream::open(path).map(Self::new)
    }

    fn new(stream: AudioStream) -> Self {
        let downmix = Downmix::new(f64::from(stream.sample_rate()));
        Self { stream, downmix, mono: Vec::new(), first_channel: None }
    }

    /// Sample rate in hertz.
    pub(crate) fn sample_rate(&self) -> u32 {
        self.stream.sample_rate()
    }

    /// Seconds that were decoded so far.
    pub(crate) fn seconds(&self) -> f64 {
        self.stream.seconds()
    }

    /// The next samples, at least one; `None` at the end.
    pub(crate) fn next_block(&mut self) -> Option<&[f32]> {
        let Self { stream, downmix, mono, first_channel } = self;
        let seconds = stream.seconds();
        let channels = stream.next_block()?;
        mono.resize(channels[0].len(), 0.0);
        let mut mixed = 0;
        while mixed < mono.len() {
            mixed += downmix.process(channels, mixed, &mut mono[mixed..]);
        }
        if let (None, Some(channel)) = (&first_channel, downmix.channel()) {
            *first_channel = Some((channel, seconds));
        }
        Some(mono)
    }

    /// What was changed or left out so far, in sentences.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        let channel = self.first_channel.map(|(channel, seconds)| {
            let number = channel + 1;
            format!("its channels cancel, so channel {number} is used alone from {seconds:.1} s on while they do")
        });
        self.stream.notice().into_iter().chain(channel)
    }
}

/// Scales a signal so that its peak is `level`; silence is unchanged.
pub(crate) fn normalise_peak(samples: &mut [f32], level: f32) {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 0.0 {
        samples.iter_mut().for_each(|sample| *sample *= level / peak);
    }
}
