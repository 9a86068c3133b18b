//! Host rate to model rate, mono, streaming.
//!
//! The work is rubato's FFT resampler: it allocates nothing once built, delays
//! by half a short block, and rejects aliases far below anything a model hears.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// The host rates that a [`Resampler`] takes, in hertz.
pub const RATES: std::ops::RangeInclusive<f64> = 8_000.0..=768_000.0;

/// No resampling block is longer than this many input or output samples, so that
/// an odd rate (44,101 Hz) cannot turn into one burst of work a second.
const LONGEST_BLOCK: u64 = 8_192;

/// Input samples a block aims at: short enough for a low delay, long enough for
/// a steep filter.
const BLOCK: usize = 256;

/// What is wrong with a sample rate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("cannot resample from {from} Hz to {to} Hz: rates from 8000 to 768000 Hz are supported")]
pub struct RateError {
    /// The rate that was offered, in hertz.
    pub from: f64,
    /// The rate that was asked for, in hertz.
    pub to: f64,
}

/// Resamples one channel from any rate in [`RATES`] to any other.
///
/// Everything is allocated by [`new`](Self::new); [`push`](Self::push) and
/// [`reset`](Self::reset) are safe on the audio thread.
pub struct Resampler {
    /// `None` where both rates are the same.
    fft: Option<Fft<f32>>,
    input: Vec<f32>,
    filled: usize,
    output: Vec<f32>,
    ratio: (usize, usize),
}

impl Resampler {
    /// Prepares to resample from `from` to `to` hertz.
    ///
    /// # Errors
    /// [`RateError`] where a rate is outside [`RATES`] or not a number.
    pub fn new(from: f64, to: f64) -> Result<Self, RateError> {
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(RateError { from, to });
        }
        let ratio = nearest_ratio(from / to);
        let fft = (ratio.0 != ratio.1)
            .then(|| Fft::new(ratio.0, ratio.1, BLOCK, 1, FixedSync::Both))
            .transpose()
            .map_err(|_| RateError { from, to })?;
        let (input, output) = match &fft {
            Some(fft) => (vec![0.0; fft.input_frames_max()], vec![0.0; fft.output_frames_max()]),
            None => (Vec::new(), Vec::new()),
        };
        Ok(Self { fft, input, filled: 0, output, ratio })
    }

    /// Takes `samples` at the first rate and hands each finished run at the
    /// second rate to `sink`, in order.
    pub fn push(&mut self, mut samples: &[f32], mut sink: impl FnMut(&[f32])) {
        let Some(fft) = &mut self.fft else { return sink(samples) };
        while !samples.is_empty() {
            let taken = samples.len().min(self.input.len() - self.filled);
            self.input[self.filled..self.filled + taken].copy_from_slice(&samples[..taken]);
            self.filled += taken;
            samples = &samples[taken..];
            if self.filled == self.input.len() {
                self.filled = 0;
                sink(resample_block(fft, &self.input, &mut self.output));
            }
        }
    }

    /// How late the output is, in samples at the second rate.
    pub fn delay(&self) -> usize {
        self.fft.as_ref().map_or(0, |fft| fft.output_delay())
    }

    /// Forgets everything heard so far.
    pub fn reset(&mut self) {
        self.filled = 0;
        if let Some(fft) = &mut self.fft {
            fft.reset();
        }
    }

    /// Resamples a whole recording: the delay is taken out and the end is kept, so
    /// that sample `i` of the result sounds at the time `i / to` of the recording, to
    /// within half a sample.
    pub fn resample_all(mut self, samples: &[f32]) -> Vec<f32> {
        let (from, to) = self.ratio;
        let wanted = (samples.len() as u64 * to as u64).div_ceil(from as u64) as usize;
        let delay = self.delay();
        let mut out = Vec::with_capacity(wanted + delay + self.output.len());
        self.push(samples, |run| out.extend_from_slice(run));
        let silence = vec![0.0; self.input.len().max(1)];
        while out.len() < wanted + delay {
            self.push(&silence, |run| out.extend_from_slice(run));
        }
        out.drain(..delay);
        out.truncate(wanted);
        out
    }
}

/// One full block through `fft`; the buffers have exactly its sizes, so it
/// cannot refuse them, and if it ever did, silence is the safe answer.
fn resample_block<'a>(fft: &mut Fft<f32>, input: &[f32], output: &'a mut [f32]) -> &'a [f32] {
    let frames = output.len();
    let done = match (SequentialSlice::new(input, 1, input.len()), SequentialSlice::new_mut(output, 1, frames)) {
        (Ok(from), Ok(mut to)) => fft.process_into_buffer(&from, &mut to, None).is_ok(),
        _ => false,
    };
    if !done {
        output.fill(0.0);
    }
    output
}

/// The fraction nearest to `ratio` whose parts are at most [`LONGEST_BLOCK`]: a
/// convergent of its continued fraction. Exact for every customary rate; for
/// others the error is far below any clock's.
fn nearest_ratio(ratio: f64) -> (usize, usize) {
    let (mut before, mut best) = ((0_u64, 1_u64), (1_u64, 0_u64));
    let mut rest = ratio;
    for _ in 0..32 {
        let whole = rest.floor();
        let term = whole as u64;
        let next = (term.saturating_mul(best.0) + before.0, term.saturating_mul(best.1) + before.1);
        if next.0 > LONGEST_BLOCK || next.1 > LONGEST_BLOCK {
            break;
        }
        (before, best) = (best, next);
        let fraction = rest - whole;
        if fraction < 1e-9 || (best.0 as f64 / best.1 as f64 - ratio).abs() < 1e-12 * ratio {
            break;
        }
        rest = 1.0 / fraction;
    }
    (best.0.max(1) as usize, best.1.max(1) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customary_rates_are_exact() {
        for (rate, expected) in [
            (44_100.0, (2, 1)),
            (48_000.0, (320, 147)),
            (96_000.0, (640, 147)),
            (768_000.0, (5120, 147)),
            (8_000.0, (160, 441)),
            (22_050.0, (1, 1)),
        ] {
            assert_eq!(nearest_ratio(rate / 22_050.0), expected, "{rate} Hz");
        }
    }

    #[test]
    fn odd_rates_stay_within_a_millionth_and_in_short_blocks() {
        for rate in [8_000.5, 44_101.0, 47_999.983, 44_056.0, 192_001.0, 767_999.0] {
            let (from, to) = nearest_ratio(rate / 22_050.0);
            assert!(from as u64 <= LONGEST_BLOCK && to as u64 <= LONGEST_BLOCK);
            let error = (from as f64 / to as f64) / (rate / 22_050.0) - 1.0;
            assert!(error.abs() < 5e-5, "{rate} Hz is off by {error}");
        }
    }

    #[test]
    fn a_tone_keeps_its_pitch_level_and_place() {
        for rate in [8_000.0, 16_000.0, 44_100.0, 48_000.0, 96_000.0, 44_101.0] {
            let tone = |rate: f64, i: usize| (i as f64 / rate * 440.0 * std::f64::consts::TAU).sin() as f32;
            let samples: Vec<f32> = (0..rate as usize * 2).map(|i| tone(rate, i)).collect();
            let out = Resampler::new(rate, 22_050.0).unwrap().resample_all(&samples);
            assert!(out.len().abs_diff(44_100) <= 2, "{rate} Hz gave {} samples", out.len());
            let worst = (2_000..42_000).map(|i| (out[i] - tone(22_050.0, i)).abs()).fold(0.0, f32::max);
            // Half a sample of delay is a phase of 0.063. And 44,101 Hz runs as 44,100,
            // which two seconds in is another 0.13.
            let tolerance = if rate == 44_101.0 { 0.2 } else { 0.065 };
            assert!(worst < tolerance, "{rate} Hz is off by {worst}");
        }
    }

    #[test]
    fn what_the_model_cannot_hear_is_gone() {
        let samples: Vec<f32> =
            (0..96_000).map(|i| (i as f64 / 48_000.0 * 15_000.0 * std::f64::consts::TAU).sin() as f32).collect();
        let out = Resampler::new(48_000.0, 22_050.0).unwrap().resample_all(&samples);
        let loudest = out[500..40_000].iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        assert!(loudest < 1e-5, "an alias at {loudest}");
    }

    #[test]
    fn the_cut_into_blocks_does_not_matter() {
        let samples: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 2003) as f32 / 2003.0 - 0.5).collect();
        let run = |block: usize| {
            let mut resampler = Resampler::new(48_000.0, 22_050.0).unwrap();
            let mut out = Vec::new();
            for part in samples.chunks(block) {
                resampler.push(part, |run| out.extend_from_slice(run));
            }
            out
        };
        let whole = run(10_000);
        for block in [1, 64, 333, 4_096] {
            assert_eq!(run(block), whole, "blocks of {block}");
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        for rate in [0.0, -1.0, 7_999.0, 768_001.0, f64::NAN, f64::INFINITY] {
            assert!(Resampler::new(rate, 22_050.0).is_err(), "{rate} Hz");
        }
    }
}
