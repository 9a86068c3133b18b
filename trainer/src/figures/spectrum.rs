//! Spectra of the waveforms that were found, and the low-pass that they are shown
//! through.

use super::FRAME;
use crate::error::{Result, TrainerError};
use realfft::{RealFftPlanner, RealToComplex};
use std::f64::consts::{PI, TAU};
use std::sync::Arc;
use tagvane_engine::SAMPLE_RATE;

/// Bands that a spectrum is drawn in.
pub(super) const BANDS: usize = 96;
/// Where the low-pass halves the power, in hertz.
const CUTOFF: f64 = 5_000.0;

/// The spectra of waveforms of one length.
pub(super) struct Spectra {
    transform: Arc<dyn RealToComplex<f64>>,
}

impl Spectra {
    pub(super) fn new(samples: usize) -> Self {
        Self { transform: RealFftPlanner::new().plan_fft_forward(samples) }
    }

    /// `log10(1 + 10 |X|^2)` of a whole waveform without its mean, from zero hertz to
    /// half the sample rate.
    pub(super) fn of(&self, waveform: &[f32]) -> Result<Vec<f64>> {
        let mut samples = centred(waveform);
        let mut bins = self.transform.make_output_vec();
        let failed = |error: realfft::FftError| {
            TrainerError::Request(format!("a waveform's spectrum cannot be computed: {error}"))
        };
        self.transform.process(&mut samples, &mut bins).map_err(failed)?;
        Ok(bins.iter().map(|bin| (1.0 + 10.0 * bin.norm_sqr()).log10()).collect())
    }

    /// The frequency of a value in a spectrum.
    pub(super) fn hertz(&self, bin: usize) -> f64 {
        bin as f64 * f64::from(SAMPLE_RATE) / self.transform.len() as f64
    }
}

/// Where a spectrum is strongest. Zero hertz does not count: the mean was taken out.
pub(super) fn strongest(spectrum: &[f64]) -> usize {
    (1..spectrum.len()).max_by(|a, b| spectrum[*a].total_cmp(&spectrum[*b])).unwrap_or(0)
}

/// The strongest value in each of [`BANDS`] bands, or fewer where the spectrum is
/// shorter.
pub(super) fn bands(spectrum: &[f64]) -> Vec<f64> {
    let count = BANDS.min(spectrum.len());
    let band = |band: usize| &spectrum[band * spectrum.len() / count..(band + 1) * spectrum.len() / count];
    (0..count).map(|index| band(index).iter().copied().fold(0.0, f64::max)).collect()
}

/// A waveform as Figure 2 shows it: without its mean, through a Butterworth low-pass
/// of the sixth order, a typical frame from its middle.
pub(super) fn shown(waveform: &[f32]) -> Vec<f64> {
    let mut samples = centred(waveform);
    let turn = TAU * CUTOFF / f64::from(SAMPLE_RATE);
    // The poles lie evenly on a half circle: three pairs, a section each.
    for pair in 0..3 {
        let damping = turn.sin() * (f64::from(2 * pair + 1) * PI / 12.0).sin();
        low_pass(&mut samples, turn.cos(), damping);
    }
    let start = samples.len().saturating_sub(FRAME) / 2;
    samples[start..].iter().copied().take(FRAME).collect()
}

/// One section of the second order, by the bilinear transform.
fn low_pass(samples: &mut [f64], cosine: f64, damping: f64) {
    let whole = 1.0 + damping;
    let inner = (1.0 - cosine) / whole;
    let (first, second) = (-2.0 * cosine / whole, (1.0 - damping) / whole);
    let (mut near, mut far) = (0.0, 0.0);
    for sample in samples {
        let output = 0.5 * inner * *sample + near;
        near = inner * *sample - first * output + far;
        far = 0.5 * inner * *sample - second * output;
        *sample = output;
    }
}

fn centred(waveform: &[f32]) -> Vec<f64> {
    let mean = waveform.iter().copied().map(f64::from).sum::<f64>() / waveform.len().max(1) as f64;
    waveform.iter().map(|sample| f64::from(*sample) - mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|index| (TAU * hertz * index as f64 / f64::from(SAMPLE_RATE)).sin() as f32 + 3.0).collect()
    }

    #[test]
    fn a_tone_is_where_it_is() {
        for samples in [729, 1_024, 3_125] {
            let spectra = Spectra::new(samples);
            let width = f64::from(SAMPLE_RATE) / samples as f64;
            for hertz in [100.0, 440.0, 5_000.0, 10_900.0] {
                let spectrum = spectra.of(&tone(hertz, samples)).unwrap();
                assert_eq!(spectrum.len(), samples / 2 + 1);
                let peak = spectra.hertz(strongest(&spectrum));
                assert!((peak - hertz).abs() <= width, "{hertz} Hz in {samples} samples: {peak}");
                let bands = bands(&spectrum);
                assert_eq!(bands.len(), BANDS);
                let band = strongest(&bands) as f64;
                assert!((band - hertz / f64::from(SAMPLE_RATE) * 2.0 * BANDS as f64).abs() < 1.5, "{hertz}: {band}");
            }
        }
        assert_eq!(bands(&[1.0, 3.0, 2.0]), [1.0, 3.0, 2.0]);
    }

    #[test]
    fn what_is_shown_is_low() {
        // Amplitudes of a Butterworth filter: 1 / sqrt(1 + ratio^12), the ratio between
        // the tangents of half the angles.
        let angle = |hertz: f64| (PI * hertz / f64::from(SAMPLE_RATE)).tan();
        for hertz in [500.0, 4_000.0, 5_000.0, 6_000.0, 9_000.0] {
            let wanted = 1.0 / (1.0 + (angle(hertz) / angle(CUTOFF)).powi(12)).sqrt();
            let shown = shown(&tone(hertz, 20_000));
            assert_eq!(shown.len(), FRAME);
            let power = shown.iter().map(|sample| sample * sample).sum::<f64>() / FRAME as f64;
            let amplitude = (2.0 * power).sqrt();
            assert!((amplitude - wanted).abs() < 0.02, "{hertz} Hz: {amplitude}, not {wanted}");
        }
    }
}
