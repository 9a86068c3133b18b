//! The position of a stream, counted in its samples.

use crate::model::SAMPLE_RATE;
use crate::observer::StreamTime;

/// Counts samples since the last discontinuity, at the queue's rate and at the model's.
#[derive(Default)]
pub(crate) struct StreamClock {
    /// The number of discontinuities so far.
    segment: u32,
    /// Samples at [`SAMPLE_RATE`] since the last discontinuity.
    samples: u64,
    /// Seconds after the last discontinuity at which the count of `model_samples` began.
    origin: f64,
    /// Samples at the model's rate since `origin`.
    model_samples: u64,
}

impl StreamClock {
    /// A discontinuity: the next segment begins.
    pub(crate) fn start_segment(&mut self) {
        *self = Self { segment: self.segment + 1, ..Self::default() };
    }

    /// Counts samples that came out of the queue.
    pub(crate) fn add_samples(&mut self, samples: usize) {
        self.samples += samples as u64;
    }

    /// Counts samples that came out of the model's resampler.
    pub(crate) fn add_model_samples(&mut self, samples: usize) {
        self.model_samples += samples as u64;
    }

    /// Another model: its samples are counted from now on.
    pub(crate) fn restart_model(&mut self) {
        (self.origin, self.model_samples) = (self.samples as f64 / f64::from(SAMPLE_RATE), 0);
    }

    /// The time of the last sample of a model that runs at `model_rate` hertz.
    pub(crate) fn now(&self, model_rate: u32) -> StreamTime {
        let seconds = self.origin + self.model_samples as f64 / f64::from(model_rate);
        StreamTime { segment: self.segment, seconds }
    }
}
