//! Streaming resampling of one channel, by rubato's FFT resampler.
//!
//! It is free of allocation once it is built, delays by half a short block, and attenuates aliases below
//! -100 dB.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// The sample rates that a [`Resampler`] supports, in hertz.
pub const RATES: std::ops::RangeInclusive<f64> = 8_000.0..=768_000.0;

/// The longest block, in samples at either rate. Without a limit an odd rate such as 44,101 Hz would be
/// resampled in one burst per second.
const MAX_BLOCK: u64 = 8_192;

/// The preferred input length of a block, in samples: short enough for a low delay, long enough for a steep
/// filter.
const BLOCK: usize = 256;

/// A sample rate is not supported.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("cannot resample from {from} Hz to {to} Hz: rates from 8000 to 768000 Hz are supported")]
pub struct RateError {
    /// The rate of the input, in hertz.
    pub from: f64,
    /// The rate of the output, in hertz.
    pub to: f64,
}

/// Resamples one channel from any rate in [`RATES`] to any other.
///
/// All memory is allocated by [`new`](Self::new); [`push`](Self::push) and [`reset`](Self::reset) are
/// real-time safe.
///
/// # Examples
///
/// A second of audio at 48 kHz, as a whole and in blocks:
///
/// ```
/// use tagvane_engine::resample::Resampler;
///
/// let second = vec![0.25_f32; 48_000];
/// let whole = Resampler::new(48_000.0, 22_050.0)?.resample_all(&second);
/// assert_eq!(whole.len(), 22_050);
///
/// let mut resampler = Resampler::new(48_000.0, 22_050.0)?;
/// let mut streamed = Vec::new();
/// for block in second.chunks(512) {
///     resampler.push(block, |samples| streamed.extend_from_slice(samples));
/// }
/// // The last samples wait in the resampler until its block is full.
/// assert!(streamed.len() <= 22_050);
/// # Ok::<(), tagvane_engine::resample::RateError>(())
/// ```
pub struct Resampler {
    /// `None` if both rates are the same.
    fft: Option<Fft<f32>>,
    /// The next block of input.
    input: Vec<f32>,
    /// The number of samples in `input`.
    filled: usize,
    output: Vec<f32>,
    /// The input rate to the output rate, as a fraction.
    ratio: (usize, usize),
}

impl Resampler {
    /// A resampler from `from` to `to` hertz.
    ///
    /// # Errors
    /// [`RateError`] if a rate is outside [`RATES`].
    pub fn new(from: f64, to: f64) -> Result<Self, RateError> {
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(RateError { from, to });
        }
        let ratio = rational_ratio(from / to);
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

    /// Resamples `samples` and passes each finished block of output to `sink`, in order.
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

    /// The delay of the output, in samples at its rate.
    pub fn delay(&self) -> usize {
        self.fft.as_ref().map_or(0, |fft| fft.output_delay())
    }

    /// Discards all pending input and the state of the filter.
    pub fn reset(&mut self) {
        self.filled = 0;
        if let Some(fft) = &mut self.fft {
            fft.reset();
        }
    }

    /// Resamples a whole recording and compensates the delay, as a [`RecordingResampler`] does.
    pub fn resample_all(self, samples: &[f32]) -> Vec<f32> {
        let mut resampler = RecordingResampler::new(self);
        let mut resampled = Vec::with_capacity(resampler.length_of(samples.len() as u64) as usize);
        resampler.push(samples, |block| resampled.extend_from_slice(block));
        resampler.finish(|block| resampled.extend_from_slice(block));
        resampled
    }
}

/// Resamples a recording as its samples arrive, and compensates the delay: sample `i` of the result is at `i / to`
/// seconds, to within half a sample and, at a rate whose ratio is approximated, 5e-5 of the time.
pub struct RecordingResampler {
    resampler: Resampler,
    /// Samples of input.
    taken: u64,
    /// Samples of output that are still to be left out, the delay.
    skip: usize,
    /// Samples of output.
    given: u64,
}

impl RecordingResampler {
    /// A resampler for one recording; `resampler` has no pending input.
    pub fn new(resampler: Resampler) -> Self {
        let skip = resampler.delay();
        Self { resampler, taken: 0, skip, given: 0 }
    }

    /// Samples of output that a recording of `samples` samples gives.
    fn length_of(&self, samples: u64) -> u64 {
        let (from, to) = self.resampler.ratio;
        (u128::from(samples) * to as u128).div_ceil(from as u128) as u64
    }

    /// Resamples the next samples and passes each finished block of output to `sink`, in order.
    pub fn push(&mut self, samples: &[f32], mut sink: impl FnMut(&[f32])) {
        let Self { resampler, taken, skip, given } = self;
        *taken += samples.len() as u64;
        resampler.push(samples, |block| {
            let skipped = block.len().min(*skip);
            *skip -= skipped;
            *given += (block.len() - skipped) as u64;
            sink(&block[skipped..]);
        });
    }

    /// Ends the recording and passes the rest of the output to `sink`.
    pub fn finish(mut self, mut sink: impl FnMut(&[f32])) {
        let length = self.length_of(self.taken);
        let silence = vec![0.0; self.resampler.input.len().max(1)];
        while self.given < length {
            let mut rest = (length - self.given) as usize;
            self.push(&silence, |block| {
                let count = block.len().min(rest);
                rest -= count;
                sink(&block[..count]);
            });
        }
    }
}

/// Resamples one block. The buffers have the sizes that `fft` requires, so no error is expected; an error
/// would give silence, because the audio thread must not panic.
fn resample_block<'a>(fft: &mut Fft<f32>, input: &[f32], output: &'a mut [f32]) -> &'a [f32] {
    let frames = output.len();
    let is_resampled = match (SequentialSlice::new(input, 1, input.len()), SequentialSlice::new_mut(output, 1, frames))
    {
        (Ok(input), Ok(mut output)) => fft.process_into_buffer(&input, &mut output, None).is_ok(),
        _ => false,
    };
    if !is_resampled {
        output.fill(0.0);
    }
    output
}

/// Approximates `ratio` by a fraction whose terms are at most [`MAX_BLOCK`]: the last such convergent of
/// its continued fraction. It is exact for the customary rates; for others the error is below 5e-5.
fn rational_ratio(ratio: f64) -> (usize, usize) {
    let (mut previous, mut best) = ((0_u64, 1_u64), (1_u64, 0_u64));
    let mut rest = ratio;
    for _ in 0..32 {
        let whole = rest.floor();
        let term = whole as u64;
        let next = (term.saturating_mul(best.0) + previous.0, term.saturating_mul(best.1) + previous.1);
        if next.0 > MAX_BLOCK || next.1 > MAX_BLOCK {
            break;
        }
        (previous, best) = (best, next);
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
    fn ratios_of_customary_rates_are_exact() {
        for (rate, expected) in [
            (44_100.0, (2, 1)),
            (48_000.0, (320, 147)),
            (96_000.0, (640, 147)),
            (768_000.0, (5120, 147)),
            (8_000.0, (160, 441)),
            (22_050.0, (1, 1)),
        ] {
            assert_eq!(rational_ratio(rate / 22_050.0), expected, "{rate} Hz");
        }
    }

    #[test]
    fn ratios_of_odd_rates_are_within_5e_5_with_short_blocks() {
        for rate in [8_000.5, 44_101.0, 47_999.983, 44_056.0, 192_001.0, 767_999.0] {
            let (from, to) = rational_ratio(rate / 22_050.0);
            assert!(from as u64 <= MAX_BLOCK && to as u64 <= MAX_BLOCK);
            let error = (from as f64 / to as f64) / (rate / 22_050.0) - 1.0;
            assert!(error.abs() < 5e-5, "{rate} Hz is off by {error}");
        }
    }

    #[test]
    fn a_tone_keeps_its_frequency_level_and_time() {
        for rate in [8_000.0, 16_000.0, 44_100.0, 48_000.0, 96_000.0, 44_101.0] {
            let tone = |rate: f64, i: usize| (i as f64 / rate * 440.0 * std::f64::consts::TAU).sin() as f32;
            let samples: Vec<f32> = (0..rate as usize * 2).map(|i| tone(rate, i)).collect();
            let out = Resampler::new(rate, 22_050.0).unwrap().resample_all(&samples);
            assert!(out.len().abs_diff(44_100) <= 2, "{rate} Hz gives {} samples", out.len());
            let max_error = (2_000..42_000).map(|i| (out[i] - tone(22_050.0, i)).abs()).fold(0.0, f32::max);
            // Half a sample of delay is a phase error of 0.063. 44,101 Hz is resampled as 44,100 Hz, which
            // adds 0.13 after two seconds.
            let tolerance = if rate == 44_101.0 { 0.2 } else { 0.065 };
            assert!(max_error < tolerance, "{rate} Hz is off by {max_error}");
        }
    }

    #[test]
    fn a_tone_above_the_nyquist_frequency_leaves_no_alias() {
        let samples: Vec<f32> =
            (0..96_000).map(|i| (i as f64 / 48_000.0 * 15_000.0 * std::f64::consts::TAU).sin() as f32).collect();
        let out = Resampler::new(48_000.0, 22_050.0).unwrap().resample_all(&samples);
        let peak = out[500..40_000].iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!(peak < 1e-5, "an alias of {peak}");
    }

    #[test]
    fn the_output_does_not_depend_on_the_block_size() {
        let samples: Vec<f32> = (0..10_000).map(|i| ((i * 7919) % 2003) as f32 / 2003.0 - 0.5).collect();
        let run = |block: usize| {
            let mut resampler = Resampler::new(48_000.0, 22_050.0).unwrap();
            let mut out = Vec::new();
            for input in samples.chunks(block) {
                resampler.push(input, |output| out.extend_from_slice(output));
            }
            out
        };
        let expected = run(10_000);
        for block in [1, 64, 333, 4_096] {
            assert_eq!(run(block), expected, "blocks of {block}");
        }
    }

    /// The result of an implementation that knows the whole recording.
    fn resample_at_once(samples: &[f32], from: f64, to: f64) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to).unwrap();
        let (length, delay) = ((samples.len() as f64 * to / from).ceil() as usize, resampler.delay());
        let mut padded = samples.to_vec();
        padded.resize(samples.len() + 20_000, 0.0);
        let mut resampled = Vec::new();
        resampler.push(&padded, |block| resampled.extend_from_slice(block));
        resampled[delay..delay + length].to_vec()
    }

    #[test]
    fn a_recording_in_blocks_gives_the_samples_of_the_whole() {
        for (from, to) in [(44_100.0, 22_050.0), (48_000.0, 22_050.0), (22_050.0, 16_000.0), (22_050.0, 22_050.0)] {
            for length in [0, 1, 255, 256, 257, 640, 6_397] {
                let samples: Vec<f32> = (0..length).map(|i| ((i * 7919) % 2003) as f32 / 2003.0 - 0.5).collect();
                let expected = resample_at_once(&samples, from, to);
                assert_eq!(Resampler::new(from, to).unwrap().resample_all(&samples), expected);
                for block in [1, 333, 4_096] {
                    let mut resampler = RecordingResampler::new(Resampler::new(from, to).unwrap());
                    let mut resampled = Vec::new();
                    for input in samples.chunks(block) {
                        resampler.push(input, |output| resampled.extend_from_slice(output));
                    }
                    resampler.finish(|output| resampled.extend_from_slice(output));
                    assert_eq!(resampled, expected, "{length} samples from {from} to {to} Hz in blocks of {block}");
                }
            }
        }
    }

    #[test]
    fn unsupported_rates_are_refused() {
        for rate in [0.0, -1.0, 7_999.0, 768_001.0, f64::NAN, f64::INFINITY] {
            assert!(Resampler::new(rate, 22_050.0).is_err(), "{rate} Hz");
        }
    }
}
