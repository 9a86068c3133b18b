//! The mel spectrogram as a layer: a Fourier transform by convolution, mel bands,
//! compression, and the training set's mean and deviation.

use super::stage::pad;
use crate::architecture::Mel;
use burn::module::{Module, Param};
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use std::f64::consts::TAU;

/// The rate of every waveform, in hertz.
const RATE: f64 = tagvane_engine::SAMPLE_RATE as f64;

/// A [`Mel`] and what was measured of its training set. Nothing of it is trained.
#[derive(Module, Debug)]
pub(crate) struct MelSpectrogram<B: Backend> {
    /// `[2 * bins, 1, frame]`: cosines, then sines, under the window.
    pub(crate) waves: Tensor<B, 3>,
    /// `[bands, bins, 1]`.
    pub(crate) bank: Tensor<B, 3>,
    /// The mean and the deviation that become zero and one.
    pub(crate) scale: Param<Tensor<B, 1>>,
    pub(crate) hop: usize,
    pub(crate) padding: (usize, usize),
}

impl<B: Backend> MelSpectrogram<B> {
    pub(crate) fn new(mel: &Mel, device: &B::Device) -> Self {
        let outside = mel.frame - mel.hop;
        let tensor = |values, shape: [usize; 3]| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            waves: tensor(waves(mel), [2 * mel.bins(), 1, mel.frame]),
            bank: tensor(bank(mel, RATE), [mel.bands, mel.bins(), 1]),
            scale: scale([0.0, 1.0], device),
            hop: mel.hop,
            padding: (outside / 2, outside - outside / 2),
        }
    }

    pub(crate) fn forward(&self, waveform: Tensor<B, 3>) -> Tensor<B, 3> {
        let (mean, deviation) = (self.scale.val().narrow(0, 0, 1), self.scale.val().narrow(0, 1, 1));
        (self.compressed(waveform) - mean.unsqueeze()) / deviation.unsqueeze()
    }

    /// Sets the mean and the deviation that become zero and one.
    pub(crate) fn set_scale(&mut self, values: [f32; 2]) {
        self.scale = scale(values, &self.waves.device());
    }

    /// `ln(1 + 10 |A|)`, `[batch, bands, frames]`, before it is brought to the training
    /// set's mean and deviation.
    pub(crate) fn compressed(&self, waveform: Tensor<B, 3>) -> Tensor<B, 3> {
        let convolve = |signal, weight: &Tensor<B, 3>, stride| {
            conv1d(signal, weight.clone(), None, ConvOptions::new([stride], [0], [1], 1))
        };
        let spectrum = convolve(pad(waveform, self.padding), &self.waves, self.hop);
        let bins = spectrum.dims()[1] / 2;
        let (real, imaginary) = (spectrum.clone().narrow(1, 0, bins), spectrum.narrow(1, bins, bins));
        let magnitude = (real.square() + imaginary.square()).sqrt();
        convolve(magnitude, &self.bank, 1).mul_scalar(10.0).add_scalar(1.0).log()
    }
}

fn scale<B: Backend>(values: [f32; 2], device: &B::Device) -> Param<Tensor<B, 1>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values.to_vec(), [2]), device)).set_require_grad(false)
}

/// The Fourier transform's cosines and sines under a periodic Hann window, as filters
/// `[2 * bins, frame]`.
pub(crate) fn waves(mel: &Mel) -> Vec<f32> {
    let wave = |bin: usize, quarter: f64| {
        (0..mel.frame).map(move |sample| {
            let window = 0.5 - 0.5 * (TAU * sample as f64 / mel.frame as f64).cos();
            // The product is taken modulo the length first: exact, however large it is.
            let turns = (bin * sample % mel.fft) as f64 / mel.fft as f64;
            (window * (TAU * (turns - quarter)).cos()) as f32
        })
    };
    let bins = 0..mel.bins();
    bins.clone().flat_map(|bin| wave(bin, 0.0)).chain(bins.flat_map(|bin| wave(bin, 0.25))).collect()
}

/// Triangles of equal area whose tops are evenly apart in mel (Slaney 1998: linear up
/// to 1000 Hz, logarithmic above), as librosa's default; `[bands, bins]`, of sound at `rate`
/// hertz.
pub(crate) fn bank(mel: &Mel, rate: f64) -> Vec<f32> {
    let top = to_mel(mel.top as f64);
    let edge = |index: usize| to_hertz(top * index as f64 / (mel.bands + 1) as f64);
    let mut values = Vec::with_capacity(mel.bands * mel.bins());
    for band in 0..mel.bands {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        for bin in 0..mel.bins() {
            let frequency = bin as f64 * rate / mel.fft as f64;
            let side = ((frequency - low) / (middle - low)).min((high - frequency) / (high - middle));
            values.push((side.max(0.0) * 2.0 / (high - low)) as f32);
        }
    }
    values
}

/// Where the scale turns from linear to logarithmic, in hertz and in mel.
const TURN: (f64, f64) = (1_000.0, 15.0);

/// Mel a unit of the natural logarithm above the turn: 27 a factor of 6.4.
fn steepness() -> f64 {
    27.0 / 6.4_f64.ln()
}

fn to_mel(hertz: f64) -> f64 {
    if hertz < TURN.0 { hertz * TURN.1 / TURN.0 } else { TURN.1 + steepness() * (hertz / TURN.0).ln() }
}

fn to_hertz(mel: f64) -> f64 {
    if mel < TURN.1 { mel * TURN.0 / TURN.1 } else { TURN.0 * ((mel - TURN.1) / steepness()).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mel_and_back() {
        for hertz in [0.0, 440.0, 999.9, 1_000.0, 6_400.0, 11_025.0] {
            assert!((to_hertz(to_mel(hertz)) - hertz).abs() < 1e-8);
        }
        // Slaney's Auditory Toolbox: 27 logarithmic steps from 1000 Hz to 6400 Hz.
        assert!((to_mel(6_400.0) - 42.0).abs() < 1e-12);
    }
}
