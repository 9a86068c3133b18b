//! Visualisation of learned filters (Lee et al. 2017, section 5.2, Figures 2 and 3).
//!
//! For each filter of the lower layers, gradient ascent from noise finds a waveform that maximises
//! its activation. Figure 2 shows some of these waveforms, Figure 3 the spectra of all.
//!
//! Batch normalisation uses the running statistics. The authors' script used those of the waveform
//! itself.

mod ascent;
mod draw;
mod spectrum;

use crate::architecture::{Architecture, BlockKind, SampleLevel};
use crate::error::{Result, TrainerError};
use crate::export::folded_convs;
use crate::files;
use crate::network::Network;
use ascent::AscentResult;
use burn::tensor::backend::Backend;
use rand::SeedableRng as _;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};
use spectrum::SpectrumAnalyser;
use std::path::Path;
use tagvane_engine::SAMPLE_RATE;

/// Layers in the figures: the strided convolution and five pooled ones.
const LAYERS: usize = 6;
/// A typical frame (section 5.2), in samples: about 33 ms.
const FRAME: usize = 729;

/// The settings of gradient ascent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AscentConfig {
    /// Samples per waveform, at 22050 Hz. `None` is the smallest power of m, times the stride, that is at least a
    /// typical frame and one frame of the highest layer.
    pub samples: Option<usize>,
    /// Number of steps.
    pub steps: usize,
    /// Seed of the initial noise.
    pub seed: u64,
}

impl Default for AscentConfig {
    /// The settings of the first author's script.
    fn default() -> Self {
        Self { samples: None, steps: 18, seed: 1 }
    }
}

/// The waveform that maximises the activation of a filter.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedFilter {
    /// The filter's index in the layer.
    pub filter: usize,
    /// The waveform.
    pub waveform: Vec<f32>,
    /// The filter's mean activation over the initial noise.
    pub activation_before: f32,
    /// The filter's mean activation over the waveform.
    pub activation_after: f32,
    /// Frequency of the spectrum's peak, in hertz: 0 to 11025.
    pub peak_hertz: f64,
    /// Maximum of the spectrum in bands of equal width, from the lowest.
    bands: Vec<f64>,
}

/// The filters of a layer.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedLayer {
    /// Number of the layer; the strided convolution is 1.
    pub layer: usize,
    /// The filters, sorted by peak frequency.
    pub filters: Vec<LearnedFilter>,
}

/// Finds a waveform for each filter of the first six layers, without the pointwise convolution. The
/// result depends on the seed alone.
///
/// # Errors
/// [`TrainerError::Request`] if the network is not an m^n network of basic blocks on raw waveform, or
/// the number of samples does not suit it.
pub fn learned_filters<B: Backend>(
    network: &Network<B>,
    architecture: &Architecture,
    ascent: &AscentConfig,
    device: &B::Device,
) -> Result<Vec<LearnedLayer>> {
    let unsupported = || {
        TrainerError::Request(format!(
            "filters can only be drawn for m^n networks of basic blocks on raw waveform, and this is {architecture}; \
             choose another run"
        ))
    };
    let Architecture::SampleLevel(family @ SampleLevel { block: BlockKind::Basic, .. }) = architecture else {
        return Err(unsupported());
    };
    let layers = LAYERS.min(family.n + 1);
    let samples = samples(family, layers, ascent.samples)?;
    let convs = folded_convs(network, layers).ok_or_else(unsupported)?;
    let analyser = SpectrumAnalyser::new(samples);
    let mut random = ChaCha12Rng::seed_from_u64(ascent.seed);
    (1..=convs.len())
        .map(|layer| {
            let results =
                ascent::maximise_activations::<B>(&convs[..layer], samples, ascent.steps, &mut random, device);
            let filters = results.into_iter().enumerate();
            let filters = filters.map(|(filter, result)| analyse(filter, result, &analyser));
            let mut filters = filters.collect::<Result<Vec<_>>>()?;
            filters.sort_by(|a, b| a.peak_hertz.total_cmp(&b.peak_hertz));
            Ok(LearnedLayer { layer, filters })
        })
        .collect()
}

/// The number of samples per waveform, as requested or by default.
fn samples(network: &SampleLevel, layers: usize, requested: Option<usize>) -> Result<usize> {
    let shortest = network.stride() * network.m.pow(layers as u32 - 1);
    let mut default = shortest;
    while default < FRAME {
        default *= network.m;
    }
    let longest = network.window.max(default);
    match requested {
        None => Ok(default),
        Some(samples) if (shortest..=longest).contains(&samples) => Ok(samples),
        Some(samples) => Err(TrainerError::Request(format!(
            "waveforms of {samples} samples do not suit layer {layers} of this network; give {shortest} to {longest}"
        ))),
    }
}

fn analyse(filter: usize, result: AscentResult, analyser: &SpectrumAnalyser) -> Result<LearnedFilter> {
    let AscentResult { waveform, activation_before, activation_after } = result;
    let spectrum = analyser.log_power_spectrum(&waveform)?;
    let peak_hertz = analyser.bin_hertz(spectrum::peak_bin(&spectrum));
    let bands = spectrum::band_maxima(&spectrum);
    Ok(LearnedFilter { filter, waveform, activation_before, activation_after, peak_hertz, bands })
}

/// Writes `spectra` (Figure 3) and `waveforms` (Figure 2) as PNG and SVG, and their numbers as
/// `filters.json`, into a folder.
///
/// # Errors
/// [`TrainerError`] if a file cannot be written.
pub fn write(folder: &Path, layers: &[LearnedLayer]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
    draw::write(folder, layers)?;
    let filter = |filter: &LearnedFilter| {
        json!({
            "filter": filter.filter,
            "peak_hertz": filter.peak_hertz,
            "activation_before": filter.activation_before,
            "activation_after": filter.activation_after,
        })
    };
    let layer = |layer: &LearnedLayer| {
        let filters: Vec<Value> = layer.filters.iter().map(filter).collect();
        json!({ "layer": layer.layer, "filters": filters })
    };
    let samples = layers.iter().flat_map(|layer| &layer.filters).map(|filter| filter.waveform.len()).next();
    let numbers = json!({
        "sample_rate": SAMPLE_RATE,
        "samples": samples,
        "layers": layers.iter().map(layer).collect::<Vec<Value>>(),
    });
    files::write_json(&folder.join("filters.json"), &numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples_of(m: usize, n: usize, window: usize, requested: Option<usize>) -> Result<usize> {
        samples(&SampleLevel::new(m, n, window, Vec::new()), LAYERS.min(n + 1), requested)
    }

    #[test]
    fn default_waveforms_cover_a_typical_frame_and_the_highest_layer() {
        for (m, n, window, samples) in [
            (3, 9, 59_049, 729),
            (3, 8, 19_683, 729),
            (2, 13, 16_384, 1_024),
            (4, 7, 65_536, 4_096),
            (5, 5, 15_625, 15_625),
            (3, 4, 59_049, 59_049),
            (2, 2, 16, 1_024),
        ] {
            assert_eq!(samples_of(m, n, window, None).unwrap(), samples, "{m}^{n}");
        }
        assert_eq!(samples_of(3, 9, 59_049, Some(2_000)).unwrap(), 2_000);
        for requested in [0, 728, 59_050] {
            let error = samples_of(3, 9, 59_049, Some(requested)).unwrap_err().to_string();
            assert!(error.contains("give 729 to 59049"), "{error}");
        }
    }
}
