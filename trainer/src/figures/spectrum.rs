//! The spectra of the waveforms, and the low-pass filter of Figure 2.

use super::FRAME;
use crate::error::{Result, TrainerError};
use biquad::{Biquad as _, Coefficients, DirectForm2Transposed, ToHertz as _, Type};
use realfft::{RealFftPlanner, RealToComplex};
use std::f64::consts::PI;
use std::sync::Arc;
use tagvane_engine::SAMPLE_RATE;

/// Frequency bands of the spectra in Figure 3.
pub(super) const BANDS: usize = 96;
/// Cutoff (-3 dB) of the low-pass filter, in hertz.
const CUTOFF: f64 = 5_000.0;

/// Computes spectra of waveforms of one length.
pub(super) struct SpectrumAnalyser {
    fft: Arc<dyn RealToComplex<f64>>,
}

impl SpectrumAnalyser {
    pub(super) fn new(samples: usize) -> Self {
        Self { fft: RealFftPlanner::new().plan_fft_forward(samples) }
    }

    /// `log10(1 + 10 |X|^2)` of a waveform without its mean, from zero hertz to the Nyquist frequency.
    pub(super) fn log_power_spectrum(&self, waveform: &[f32]) -> Result<Vec<f64>> {
        let mut samples = without_mean(waveform);
        let mut bins = self.fft.make_output_vec();
        let failed = |error: realfft::FftError| {
            TrainerError::Request(format!("a waveform's spectrum cannot be computed: {error}"))
        };
        self.fft.process(&mut samples, &mut bins).map_err(failed)?;
        Ok(bins.iter().map(|bin| (1.0 + 10.0 * bin.norm_sqr()).log10()).collect())
    }

    /// The frequency of a bin, in hertz.
    pub(super) fn bin_hertz(&self, bin: usize) -> f64 {
        bin as f64 * f64::from(SAMPLE_RATE) / self.fft.len() as f64
    }
}

/// The bin of a spectrum's maximum. Ignores zero hertz, since the mean is removed.
pub(super) fn peak_bin(spectrum: &[f64]) -> usize {
    (1..spectrum.len()).max_by(|a, b| spectrum[*a].total_cmp(&spectrum[*b])).unwrap_or(0)
}

/// The maximum in each of [`BANDS`] bands, or in each bin of a shorter spectrum.
pub(super) fn band_maxima(spectrum: &[f64]) -> Vec<f64> {
    let count = BANDS.min(spectrum.len());
    let band = |band: usize| &spectrum[band * spectrum.len() / count..(band + 1) * spectrum.len() / count];
    (0..count).map(|index| band(index).iter().copied().fold(0.0, f64::max)).collect()
}

/// The part of a waveform in Figure 2: a typical frame from its middle, without its mean, through a
/// sixth-order Butterworth low-pass filter.
pub(super) fn low_passed_excerpt(waveform: &[f32]) -> Vec<f64> {
    let mut samples = without_mean(waveform);
    let (rate, cutoff) = (f64::from(SAMPLE_RATE).hz(), CUTOFF.hz());
    // The poles lie evenly on a semicircle. Each of the three pairs is a section.
    for pair in 0..3 {
        let quality = 0.5 / (f64::from(2 * pair + 1) * PI / 12.0).sin();
        let section = Coefficients::<f64>::from_params(Type::LowPass, rate, cutoff, quality);
        let mut section = DirectForm2Transposed::<f64>::new(section.expect("the cutoff is below half the sample rate"));
        samples.iter_mut().for_each(|sample| *sample = section.run(*sample));
    }
    let start = samples.len().saturating_sub(FRAME) / 2;
    samples[start..].iter().copied().take(FRAME).collect()
}

fn without_mean(waveform: &[f32]) -> Vec<f64> {
    let mean = waveform.iter().copied().map(f64::from).sum::<f64>() / waveform.len().max(1) as f64;
    waveform.iter().map(|sample| f64::from(*sample) - mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    fn tone(hertz: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|index| (TAU * hertz * index as f64 / f64::from(SAMPLE_RATE)).sin() as f32 + 3.0).collect()
    }

    #[test]
    fn the_peak_of_a_tones_spectrum_is_its_frequency() {
        for samples in [729, 1_024, 3_125] {
            let analyser = SpectrumAnalyser::new(samples);
            let width = f64::from(SAMPLE_RATE) / samples as f64;
            for hertz in [100.0, 440.0, 5_000.0, 10_900.0] {
                let spectrum = analyser.log_power_spectrum(&tone(hertz, samples)).unwrap();
                assert_eq!(spectrum.len(), samples / 2 + 1);
                let peak = analyser.bin_hertz(peak_bin(&spectrum));
                assert!((peak - hertz).abs() <= width, "{hertz} Hz in {samples} samples: {peak}");
                let bands = band_maxima(&spectrum);
                assert_eq!(bands.len(), BANDS);
                let band = peak_bin(&bands) as f64;
                assert!((band - hertz / f64::from(SAMPLE_RATE) * 2.0 * BANDS as f64).abs() < 1.5, "{hertz}: {band}");
            }
        }
        assert_eq!(band_maxima(&[1.0, 3.0, 2.0]), [1.0, 3.0, 2.0]);
    }

    #[test]
    fn the_excerpt_has_a_sixth_order_butterworth_response() {
        // The amplitude response is 1 / sqrt(1 + ratio^12), where the bilinear transform makes the ratio
        // that of the tangents of half the angular frequencies.
        let angle = |hertz: f64| (PI * hertz / f64::from(SAMPLE_RATE)).tan();
        for hertz in [500.0, 4_000.0, 5_000.0, 6_000.0, 9_000.0] {
            let expected = 1.0 / (1.0 + (angle(hertz) / angle(CUTOFF)).powi(12)).sqrt();
            let excerpt = low_passed_excerpt(&tone(hertz, 20_000));
            assert_eq!(excerpt.len(), FRAME);
            let power = excerpt.iter().map(|sample| sample * sample).sum::<f64>() / FRAME as f64;
            let amplitude = (2.0 * power).sqrt();
            assert!((amplitude - expected).abs() < 0.02, "{hertz} Hz: {amplitude}, not {expected}");
        }
    }
}
