//! The baselines of Table 4, built from their papers.
//!
//! All of them take the same waveform as the m^n networks, at 22050 Hz. Where a paper uses another
//! sample rate, frames and hops are converted so that their duration stays the same.

use super::{
    Activation, ArchitectureError, Conv2dBlock, Conv2dStack, ConvBlock, Gru, Layer, Mel, Plan, Prominence, check_widths,
};
use serde::{Deserialize, Serialize};

/// 1D CNN on raw frames (Dieleman and Schrauwen 2014): a strided convolution, two
/// convolutions of 8 frames that are pooled by 4, a fully connected layer of 100 units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameCnn {
    /// Input samples.
    pub window: usize,
    /// Length and stride of the first layer's filters, in samples.
    pub frame: usize,
    /// Filters of the three convolutions.
    pub widths: Vec<usize>,
}

/// 2D CNN (Choi, Fazekas, Sandler 2016): convolutions of 3 by 3, pooled to one value per filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FullyConvolutional {
    /// Input samples.
    pub window: usize,
    /// Filters of each convolution.
    pub widths: Vec<usize>,
    /// Bands and frames of each convolution's max pooling.
    pub pools: Vec<(usize, usize)>,
}

/// CRNN (Choi, Fazekas, Sandler, Cho 2017): four convolutions of 3 by 3, then two
/// gated recurrent units over time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvolutionalRecurrent {
    /// Input samples.
    pub window: usize,
    /// Filters of each convolution, then the hidden size of both recurrent units.
    pub widths: Vec<usize>,
    /// Bands and frames of each convolution's max pooling.
    pub pools: Vec<(usize, usize)>,
}

/// The persistent CNN (Liu, Jeng, Yang 2016), with a substitute for its persistence features: white
/// top-hat transforms of three widths stand in the place of the persistence landscapes, and the maximum
/// over the clip in the place of its mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persistent {
    /// Input samples.
    pub window: usize,
    /// Filters of each convolution.
    pub widths: Vec<usize>,
}

/// The mel spectrogram of Choi et al.: 96 bands up to 6 kHz, 1366 frames in 29.05 s. They use
/// frames of 512 samples and a hop of 256 at 12 kHz.
const CHOI_MEL: Mel = Mel { frame: 939, hop: 469, fft: 939, bands: 96, f_max: 6_000 };

/// Checks that each max pooling takes at least one band and one frame.
fn check_pools(pools: &[(usize, usize)]) -> Result<(), ArchitectureError> {
    match pools.iter().find(|(bands, frames)| *bands == 0 || *frames == 0) {
        Some((bands, frames)) => Err(ArchitectureError(format!(
            "a pool of {bands} bands and {frames} frames pools nothing; both must be at least 1"
        ))),
        None => Ok(()),
    }
}

fn conv_3x3(
    in_channels: usize,
    filters: usize,
    pool: (usize, usize),
    activation: Activation,
    dropout: f64,
) -> Conv2dBlock {
    Conv2dBlock { in_channels, filters, kernel_size: (3, 3), pool, activation, dropout }
}

impl FrameCnn {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        check_widths(&self.widths, 3)?;
        if !(1..=4_096).contains(&self.frame) {
            return Err(ArchitectureError(format!("frames of {} samples are outside 1..=4096", self.frame)));
        }
        let block = |in_channels, filters, kernel_size, stride, pool| {
            Layer::ConvBlock(ConvBlock {
                in_channels,
                filters,
                kernel_size,
                stride,
                padding: (0, 0),
                has_norm: false,
                has_relu: true,
                pool,
            })
        };
        let [first, second, third] = [self.widths[0], self.widths[1], self.widths[2]];
        let trunk = vec![
            block(1, first, self.frame, self.frame, 1),
            block(first, second, 8, 1, 4),
            block(second, third, 8, 1, 4),
        ];
        Ok(Plan::new(self.window, trunk, 0, tags).with_dense(100, false))
    }
}

impl FullyConvolutional {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        check_widths(&self.widths, self.pools.len())?;
        check_pools(&self.pools)?;
        let mut in_channels = 1;
        let mut blocks = Vec::new();
        for (&filters, &pool) in self.widths.iter().zip(&self.pools) {
            blocks.push(conv_3x3(in_channels, filters, pool, Activation::Relu, 0.5));
            in_channels = filters;
        }
        let stack = Layer::Conv2dStack(Conv2dStack { bands: CHOI_MEL.bands, has_norm: true, blocks });
        let mut plan = Plan::new(self.window, vec![Layer::Mel(CHOI_MEL), stack], 0, tags);
        // The last convolution ends in a dropout of its own.
        plan.dropout = 0.0;
        Ok(plan)
    }
}

impl ConvolutionalRecurrent {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        check_widths(&self.widths, self.pools.len() + 1)?;
        check_pools(&self.pools)?;
        let mut in_channels = 1;
        let mut blocks = Vec::new();
        for (&filters, &pool) in self.widths.iter().zip(&self.pools) {
            blocks.push(conv_3x3(in_channels, filters, pool, Activation::Elu, 0.1));
            in_channels = filters;
        }
        let bands = self.pools.iter().fold(CHOI_MEL.bands, |bands, pool| bands / pool.0);
        let hidden_size = self.widths[self.pools.len()];
        let trunk = vec![
            Layer::Mel(CHOI_MEL),
            Layer::Conv2dStack(Conv2dStack { bands: CHOI_MEL.bands, has_norm: true, blocks }),
            Layer::Gru(Gru { in_channels: in_channels * bands, hidden_size, last_frame_only: false }),
            Layer::Gru(Gru { in_channels: hidden_size, hidden_size, last_frame_only: true }),
        ];
        let mut plan = Plan::new(self.window, trunk, 0, tags);
        plan.dropout = 0.3;
        Ok(plan)
    }
}

impl Persistent {
    /// Frames of a patch after the first pooling (Liu et al. 2016).
    const PATCH: usize = 32;

    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        check_widths(&self.widths, 4)?;
        // 32 ms, which are 512 samples at the 16 kHz of the paper.
        let mel = Mel { frame: 706, hop: 706, fft: 706, bands: 128, f_max: 8_000 };
        let block = |in_channels, filters, kernel_size, padding, pool| {
            Layer::ConvBlock(ConvBlock {
                in_channels,
                filters,
                kernel_size,
                stride: 1,
                padding,
                has_norm: false,
                has_relu: true,
                pool,
            })
        };
        let [first, second, third, fourth] = [self.widths[0], self.widths[1], self.widths[2], self.widths[3]];
        // After the pooling by four, a frame lasts an eighth of a second.
        let spans = vec![3, 7, 15];
        let with_peaks = first * (1 + spans.len());
        let trunk = vec![
            Layer::Mel(mel.clone()),
            block(mel.bands, first, 8, (0, 7), 4),
            Layer::Prominence(Prominence { bands: first, spans }),
            block(with_peaks, second, 1, (0, 0), Self::PATCH),
            block(second, third, 1, (0, 0), 1),
            block(third, fourth, 1, (0, 0), 1),
        ];
        Ok(Plan::new(self.window, trunk, 1, tags))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: such a pool passed `plan`, and burn panicked over it.
    #[test]
    fn a_pool_without_bands_or_frames_is_refused() {
        for pool in [(0, 4), (2, 0)] {
            let (window, pools) = (640_654, vec![(2, 4), pool]);
            let convolutional = FullyConvolutional { window, widths: vec![4, 4], pools: pools.clone() };
            let recurrent = ConvolutionalRecurrent { window, widths: vec![4, 4, 4], pools };
            for refused in [convolutional.plan(2), recurrent.plan(2)] {
                let error = refused.unwrap_err().to_string();
                assert!(error.contains(&format!("{} bands and {} frames", pool.0, pool.1)), "{error}");
            }
        }
    }
}
