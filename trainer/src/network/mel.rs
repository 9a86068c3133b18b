//! The mel spectrogram as a layer: a Fourier transform by convolution, a mel filter bank,
//! compression, and standardisation by the training set's mean and standard deviation.

use super::conv_block::zero_pad;
use crate::architecture::Mel;
use burn::module::{Module, Param};
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use std::f64::consts::TAU;

/// Sample rate of the network's input, in hertz.
const SAMPLE_RATE: f64 = tagvane_engine::SAMPLE_RATE as f64;

/// A [`Mel`] with the mean and the standard deviation of its training set. It has no trained parameters.
#[derive(Module, Debug)]
pub(crate) struct MelSpectrogram<B: Backend> {
    /// Filters of the windowed Fourier transform, `[2 * bins, 1, frame]`: cosines, then sines.
    pub(crate) dft: Tensor<B, 3>,
    /// The mel filter bank, `[bands, bins, 1]`.
    pub(crate) filter_bank: Tensor<B, 3>,
    /// The mean and the standard deviation that standardise the output.
    pub(crate) mean_and_std: Param<Tensor<B, 1>>,
    pub(crate) hop: usize,
    pub(crate) padding: (usize, usize),
}

impl<B: Backend> MelSpectrogram<B> {
    pub(crate) fn new(mel: &Mel, device: &B::Device) -> Self {
        let overlap = mel.frame - mel.hop;
        let tensor = |values, shape: [usize; 3]| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            dft: tensor(dft_filters(mel), [2 * mel.bins(), 1, mel.frame]),
            filter_bank: tensor(mel_filter_bank(mel, SAMPLE_RATE), [mel.bands, mel.bins(), 1]),
            mean_and_std: mean_and_std_param([0.0, 1.0], device),
            hop: mel.hop,
            padding: (overlap / 2, overlap - overlap / 2),
        }
    }

    pub(crate) fn forward(&self, waveform: Tensor<B, 3>) -> Tensor<B, 3> {
        let (mean, std) = (self.mean_and_std.val().narrow(0, 0, 1), self.mean_and_std.val().narrow(0, 1, 1));
        (self.log_mel(waveform) - mean.unsqueeze()) / std.unsqueeze()
    }

    /// Sets the mean and the standard deviation that standardise the output.
    pub(crate) fn set_mean_and_std(&mut self, values: [f32; 2]) {
        self.mean_and_std = mean_and_std_param(values, &self.dft.device());
    }

    /// `ln(1 + 10 |A|)` before the standardisation, `[batch, bands, frames]`.
    pub(crate) fn log_mel(&self, waveform: Tensor<B, 3>) -> Tensor<B, 3> {
        let convolve = |signal, weight: &Tensor<B, 3>, stride| {
            conv1d(signal, weight.clone(), None, ConvOptions::new([stride], [0], [1], 1))
        };
        let spectrum = convolve(zero_pad(waveform, self.padding), &self.dft, self.hop);
        let bins = spectrum.dims()[1] / 2;
        let (real, imaginary) = (spectrum.clone().narrow(1, 0, bins), spectrum.narrow(1, bins, bins));
        let magnitude = (real.square() + imaginary.square()).sqrt();
        convolve(magnitude, &self.filter_bank, 1).mul_scalar(10.0).add_scalar(1.0).log()
    }
}

fn mean_and_std_param<B: Backend>(values: [f32; 2], device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values.to_vec(), [2]), device)).set_require_grad(false)
}

/// The Fourier transform under a periodic Hann window, as filters `[2 * bins, frame]`: cosines, then
/// sines.
pub(crate) fn dft_filters(mel: &Mel) -> Vec<f32> {
    let filter = |bin: usize, phase: f64| {
        (0..mel.frame).map(move |sample| {
            let window = 0.5 - 0.5 * (TAU * sample as f64 / mel.frame as f64).cos();
            // Reduced modulo the length as an integer, so that a large product loses no precision.
            let turns = (bin * sample % mel.fft) as f64 / mel.fft as f64;
            (window * (TAU * (turns - phase)).cos()) as f32
        })
    };
    let bins = 0..mel.bins();
    bins.clone().flat_map(|bin| filter(bin, 0.0)).chain(bins.flat_map(|bin| filter(bin, 0.25))).collect()
}

/// The mel filter bank `[bands, bins]` at a sample rate in hertz.
///
/// Triangles of equal area on Slaney's mel scale (1998), which is linear up to 1000 Hz and
/// logarithmic above; the same as librosa's default.
pub(crate) fn mel_filter_bank(mel: &Mel, sample_rate: f64) -> Vec<f32> {
    let max_mel = to_mel(mel.f_max as f64);
    let edge = |index: usize| to_hertz(max_mel * index as f64 / (mel.bands + 1) as f64);
    let mut values = Vec::with_capacity(mel.bands * mel.bins());
    for band in 0..mel.bands {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        for bin in 0..mel.bins() {
            let frequency = bin as f64 * sample_rate / mel.fft as f64;
            let slope = ((frequency - low) / (middle - low)).min((high - frequency) / (high - middle));
            values.push((slope.max(0.0) * 2.0 / (high - low)) as f32);
        }
    }
    values
}

/// The point where the mel scale changes from linear to logarithmic, in hertz and in mel.
const BREAK: (f64, f64) = (1_000.0, 15.0);

/// Mel per unit of the natural logarithm above the break: 27 for a factor of 6.4.
fn log_slope() -> f64 {
    27.0 / 6.4_f64.ln()
}

fn to_mel(hertz: f64) -> f64 {
    if hertz < BREAK.0 { hertz * BREAK.1 / BREAK.0 } else { BREAK.1 + log_slope() * (hertz / BREAK.0).ln() }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < BREAK.1 { mel * BREAK.0 / BREAK.1 } else { BREAK.0 * ((mel - BREAK.1) / log_slope()).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mel_conversion_is_invertible_and_as_in_slaneys_toolbox() {
        for hertz in [0.0, 440.0, 999.9, 1_000.0, 6_400.0, 11_025.0] {
            assert!((to_hertz(to_mel(hertz)) - hertz).abs() < 1e-8);
        }
        // Slaney's Auditory Toolbox: 27 logarithmic steps from 1000 Hz to 6400 Hz.
        assert!((to_mel(6_400.0) - 42.0).abs() < 1e-12);
    }
}
