//! Recordings as one channel of samples.

use crate::error::{Result, TrainerError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tagvane_engine::resample::Resampler;

/// A decoded recording: the mean of its channels.
pub(crate) struct MonoAudio {
    /// Samples at the requested rate, nominally in -1..=1; all of them are finite.
    pub(crate) samples: Vec<f32>,
    /// Length of the file in seconds.
    pub(crate) seconds: f64,
}

/// Whether it was said that ffmpeg decodes files, which is said once.
static IS_FFMPEG_MENTIONED: AtomicBool = AtomicBool::new(false);

/// Decodes the file at `path` and resamples it to `rate` hertz.
///
/// # Errors
/// [`TrainerError`], which names the file, where it cannot be decoded or its sample rate is not supported.
pub(crate) fn decode_mono(path: &Path, rate: u32) -> Result<MonoAudio> {
    let wrong = |what: String| TrainerError::content(path, what);
    let recording = tagvane_audio::read(path)?;
    if let Some(notice) = &recording.notice {
        eprintln!("{}: {notice}", path.display());
    }
    if recording.is_by_ffmpeg && !IS_FFMPEG_MENTIONED.swap(true, Ordering::Relaxed) {
        eprintln!("{}: ffmpeg decodes this file and others of its kind", path.display());
    }
    let resampler = Resampler::new(f64::from(recording.sample_rate), f64::from(rate));
    let samples = resampler.map_err(|error| wrong(error.to_string()))?.resample_all(&recording.mono());
    if samples.iter().any(|sample| !sample.is_finite()) {
        return Err(wrong("it has samples that are not finite numbers; export it again".into()));
    }
    Ok(MonoAudio { samples, seconds: recording.seconds() })
}

/// Scales a signal so that its peak is `level`; silence is unchanged.
pub(crate) fn normalise_peak(samples: &mut [f32], level: f32) {
    let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    if peak > 0.0 {
        samples.iter_mut().for_each(|sample| *sample *= level / peak);
    }
}
