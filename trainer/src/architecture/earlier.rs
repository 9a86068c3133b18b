//! Table 4's earlier systems, built from their papers.
//!
//! All of them get the same waveform as ours, at 22050 Hz. Where a paper has another
//! rate, frames and hops last as long here as there.

use super::{Activation, ArchitectureError, Gru, Layer, Mel, Picture, Plan, Prominence, Stage, Stage2d};
use serde::{Deserialize, Serialize};

/// 1D CNN on raw frames (Dieleman and Schrauwen 2014): a strided convolution, two
/// convolutions of 8 frames that are pooled by 4, 100 units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameCnn {
    /// Input samples.
    pub window: usize,
    /// Length and stride of the first filters, in samples.
    pub frame: usize,
    /// Filters of the three convolutions.
    pub widths: Vec<usize>,
}

/// 2D CNN (Choi, Fazekas, Sandler 2016): convolutions of 3 by 3, pooled until one
/// value a filter is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullyConvolutional {
    /// Input samples.
    pub window: usize,
    /// Filters of each convolution.
    pub widths: Vec<usize>,
    /// Bands and frames that each pools to one.
    pub pools: Vec<(usize, usize)>,
}

/// CRNN (Choi, Fazekas, Sandler, Cho 2017): four convolutions of 3 by 3, then two
/// gated recurrent units along time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvolutionalRecurrent {
    /// Input samples.
    pub window: usize,
    /// Filters of each convolution, then the size of both recurrent units.
    pub widths: Vec<usize>,
    /// Bands and frames that each convolution pools to one.
    pub pools: Vec<(usize, usize)>,
}

/// CNN with persistence features (Liu, Jeng, Yang 2016).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persistent {
    /// Input samples.
    pub window: usize,
    /// Filters of each convolution.
    pub widths: Vec<usize>,
}

/// The mel spectrogram of Choi et al.: 96 bands up to 6 kHz, 1366 frames in 29.05 s. At
/// 12 kHz they have frames of 512 samples and a hop of 256.
const CHOI: Mel = Mel { frame: 939, hop: 469, fft: 939, bands: 96, top: 6_000 };

fn widths(given: &[usize], wanted: usize) -> Result<(), ArchitectureError> {
    if given.len() != wanted || given.iter().any(|width| !(1..=4_096).contains(width)) {
        return Err(ArchitectureError(format!(
            "{} widths are given; {wanted} are needed, each within 1..=4096",
            given.len()
        )));
    }
    Ok(())
}

fn square(inputs: usize, filters: usize, pool: (usize, usize), activation: Activation, dropout: f64) -> Stage2d {
    Stage2d { inputs, filters, size: (3, 3), pool, activation, dropout }
}

impl FrameCnn {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        widths(&self.widths, 3)?;
        if !(1..=4_096).contains(&self.frame) {
            return Err(ArchitectureError(format!("frames of {} samples are outside 1..=4096", self.frame)));
        }
        let stage = |inputs, filters, length, stride, pool| {
            Layer::Stage(Stage { inputs, filters, length, stride, padding: (0, 0), norm: false, rectify: true, pool })
        };
        let [first, second, third] = [self.widths[0], self.widths[1], self.widths[2]];
        let trunk = vec![
            stage(1, first, self.frame, self.frame, 1),
            stage(first, second, 8, 1, 4),
            stage(second, third, 8, 1, 4),
        ];
        Ok(Plan::new(self.window, trunk, 0, tags).dense(100, false))
    }
}

impl FullyConvolutional {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        widths(&self.widths, self.pools.len())?;
        let mut inputs = 1;
        let mut stages = Vec::new();
        for (&filters, &pool) in self.widths.iter().zip(&self.pools) {
            stages.push(square(inputs, filters, pool, Activation::Relu, 0.5));
            inputs = filters;
        }
        let picture = Layer::Picture(Picture { bands: CHOI.bands, norm: true, stages });
        let mut plan = Plan::new(self.window, vec![Layer::Mel(CHOI), picture], 0, tags);
        // The last convolution's own dropout stands before the tag layer already.
        plan.dropout = 0.0;
        Ok(plan)
    }
}

impl ConvolutionalRecurrent {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        widths(&self.widths, self.pools.len() + 1)?;
        let mut inputs = 1;
        let mut stages = Vec::new();
        for (&filters, &pool) in self.widths.iter().zip(&self.pools) {
            stages.push(square(inputs, filters, pool, Activation::Elu, 0.1));
            inputs = filters;
        }
        let bands = self.pools.iter().fold(CHOI.bands, |bands, pool| bands / pool.0.max(1));
        let hidden = self.widths[self.pools.len()];
        let trunk = vec![
            Layer::Mel(CHOI),
            Layer::Picture(Picture { bands: CHOI.bands, norm: true, stages }),
            Layer::Gru(Gru { inputs: inputs * bands, hidden, last: false }),
            Layer::Gru(Gru { inputs: hidden, hidden, last: true }),
        ];
        let mut plan = Plan::new(self.window, trunk, 0, tags);
        plan.dropout = 0.3;
        Ok(plan)
    }
}

impl Persistent {
    /// Frames that become one patch, after the first pooling (Liu et al. 2016).
    const PATCH: usize = 32;

    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        widths(&self.widths, 4)?;
        // 32 milliseconds, as 512 samples at their 16 kHz.
        let front = Mel { frame: 706, hop: 706, fft: 706, bands: 128, top: 8_000 };
        let stage = |inputs, filters, length, padding, pool| {
            Layer::Stage(Stage { inputs, filters, length, stride: 1, padding, norm: false, rectify: true, pool })
        };
        let [early, both, late, last] = [self.widths[0], self.widths[1], self.widths[2], self.widths[3]];
        // After the pooling by four a frame is an eighth of a second.
        let spans = vec![3, 7, 15];
        let with_peaks = early * (1 + spans.len());
        let trunk = vec![
            Layer::Mel(front.clone()),
            stage(front.bands, early, 8, (0, 7), 4),
            Layer::Prominence(Prominence { bands: early, spans }),
            stage(with_peaks, both, 1, (0, 0), Self::PATCH),
            stage(both, late, 1, (0, 0), 1),
            stage(late, last, 1, (0, 0), 1),
        ];
        Ok(Plan::new(self.window, trunk, 1, tags))
    }
}
