//! What the filters of a trained network have learnt, as figures (Lee et al. 2017,
//! section 5.2, Figures 2 and 3).
//!
//! For every filter of the lower layers a waveform is found that it answers to
//! strongly, by gradient ascent from noise. Figure 2 shows some of them, Figure 3 the
//! spectra of all.
//!
//! It is the trained network that is asked, normalised by what it learnt. The authors'
//! script normalised by the one waveform that it was working on.

mod ascent;
mod draw;
mod spectrum;

use crate::architecture::{Architecture, Block, SampleLevel};
use crate::error::{Result, TrainerError};
use crate::export::folded_stages;
use crate::files;
use crate::network::Network;
use ascent::Climbed;
use burn::tensor::backend::Backend;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use spectrum::Spectra;
use std::path::Path;
use tagvane_engine::SAMPLE_RATE;

/// How many layers the figures show: the strided convolution and five modules.
const LAYERS: usize = 6;
/// Samples of a typical frame (section 5.2): about 33 ms.
const FRAME: usize = 729;

/// How waveforms are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ascent {
    /// Samples of a waveform; `None` is the shortest power of m, times the stride, that
    /// lasts a typical frame and leaves the highest layer a frame.
    pub samples: Option<usize>,
    /// Steps uphill.
    pub steps: usize,
    /// Seeds the noise that it starts from.
    pub seed: u64,
}

impl Default for Ascent {
    /// The first author's.
    fn default() -> Self {
        Self { samples: None, steps: 18, seed: 1 }
    }
}

/// What one filter answers to.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedFilter {
    /// Its number in the layer, from 0.
    pub filter: usize,
    /// The waveform that was found.
    pub waveform: Vec<f32>,
    /// The filter's mean activation over the noise.
    pub before: f32,
    /// The same over the waveform.
    pub after: f32,
    /// Where the waveform's spectrum is strongest, in hertz.
    pub peak: f64,
    /// The spectrum's strongest values in bands of equal width, the lowest first.
    bands: Vec<f64>,
}

/// What the filters of one layer answer to.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedLayer {
    /// The layer; the strided convolution is 1.
    pub layer: usize,
    /// All its filters, by the frequency of their peaks.
    pub filters: Vec<LearnedFilter>,
}

/// Finds a waveform for every filter of the first six layers, or of all where there
/// are fewer, the last convolution left out. The same seed finds the same.
///
/// # Errors
/// [`TrainerError::Request`] where the network is of another kind than plain
/// convolutions over the raw waveform, or the waveforms' length does not suit it.
pub fn learned_filters<B: Backend>(
    network: &Network<B>,
    architecture: &Architecture,
    ascent: &Ascent,
    device: &B::Device,
) -> Result<Vec<LearnedLayer>> {
    let foreign = || {
        TrainerError::Request(format!(
            "what filters have learnt can only be drawn for m^n networks of plain convolutions over the raw waveform, \
             and this is {architecture}; choose another run"
        ))
    };
    let Architecture::SampleLevel(family @ SampleLevel { block: Block::Basic, .. }) = architecture else {
        return Err(foreign());
    };
    let layers = LAYERS.min(family.n + 1);
    let samples = samples(family, layers, ascent.samples)?;
    let stages = folded_stages(network, layers).ok_or_else(foreign)?;
    let spectra = Spectra::new(samples);
    let mut random = StdRng::seed_from_u64(ascent.seed);
    (1..=stages.len())
        .map(|layer| {
            let climbed = ascent::climb::<B>(&stages[..layer], samples, ascent.steps, &mut random, device);
            let described =
                climbed.into_iter().enumerate().map(|(filter, climbed)| describe(filter, climbed, &spectra));
            let mut filters = described.collect::<Result<Vec<_>>>()?;
            filters.sort_by(|a, b| a.peak.total_cmp(&b.peak));
            Ok(LearnedLayer { layer, filters })
        })
        .collect()
}

/// The waveforms' length, as wanted or by default.
fn samples(network: &SampleLevel, layers: usize, wanted: Option<usize>) -> Result<usize> {
    let shortest = network.stride() * network.m.pow(layers as u32 - 1);
    let mut default = shortest;
    while default < FRAME {
        default *= network.m;
    }
    let longest = network.window.max(default);
    match wanted {
        None => Ok(default),
        Some(samples) if (shortest..=longest).contains(&samples) => Ok(samples),
        Some(samples) => Err(TrainerError::Request(format!(
            "waveforms of {samples} samples do not suit layer {layers} of this network; give {shortest} to {longest}"
        ))),
    }
}

fn describe(filter: usize, climbed: Climbed, spectra: &Spectra) -> Result<LearnedFilter> {
    let Climbed { waveform, before, after } = climbed;
    let spectrum = spectra.of(&waveform)?;
    let peak = spectra.hertz(spectrum::strongest(&spectrum));
    Ok(LearnedFilter { filter, waveform, before, after, peak, bands: spectrum::bands(&spectrum) })
}

/// Writes `spectra` (Figure 3) and `waveforms` (Figure 2), each as PNG and as SVG, and
/// the figures' numbers as `filters.json`, into a folder.
///
/// # Errors
/// [`TrainerError`] where one of them cannot be written.
pub fn write(folder: &Path, layers: &[LearnedLayer]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
    draw::write(folder, layers)?;
    let filter = |filter: &LearnedFilter| {
        json!({
            "filter": filter.filter,
            "peak_hertz": filter.peak,
            "activation_before": filter.before,
            "activation_after": filter.after,
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

    fn length(m: usize, n: usize, window: usize, wanted: Option<usize>) -> Result<usize> {
        samples(&SampleLevel::new(m, n, window, Vec::new()), LAYERS.min(n + 1), wanted)
    }

    #[test]
    fn waveforms_are_as_long_as_a_typical_frame_and_reach_the_highest_layer() {
        for (m, n, window, samples) in [
            (3, 9, 59_049, 729),
            (3, 8, 19_683, 729),
            (2, 13, 16_384, 1_024),
            (4, 7, 65_536, 4_096),
            (5, 5, 15_625, 15_625),
            (3, 4, 59_049, 59_049),
            (2, 2, 16, 1_024),
        ] {
            assert_eq!(length(m, n, window, None).unwrap(), samples, "{m}^{n}");
        }
        assert_eq!(length(3, 9, 59_049, Some(2_000)).unwrap(), 2_000);
        for wanted in [0, 728, 59_050] {
            let said = length(3, 9, 59_049, Some(wanted)).unwrap_err().to_string();
            assert!(said.contains("give 729 to 59049"), "{said}");
        }
    }
}
