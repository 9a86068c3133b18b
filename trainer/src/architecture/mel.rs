//! The mel-spectrogram networks of Table 3.

use super::sample_level::pointwise_conv;
use super::{ArchitectureError, ConvBlock, Layer, Mel, Plan, check_widths};
use serde::{Deserialize, Serialize};

/// A mel spectrogram instead of the strided convolution, then `n` convolutions of three frames
/// that are pooled by three, and a pointwise convolution (Lee et al. 2017, Table 3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelLevel {
    /// Number of pooled layers.
    pub n: usize,
    /// Input samples, `hop * 3^n`.
    pub window: usize,
    /// Length of a frame, in samples.
    pub frame: usize,
    /// Hop between frames, in samples.
    pub hop: usize,
    /// Length of the Fourier transform.
    pub fft: usize,
    /// Mel bands.
    pub bands: usize,
    /// Filters of the `n` pooled layers.
    pub widths: Vec<usize>,
}

impl MelLevel {
    pub(super) fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        let Self { n, window, frame, hop, fft, bands, widths } = self;
        let refuse = |what: String| Err(ArchitectureError(what));
        if !(1..=20).contains(n)
            || 3_usize.checked_pow(*n as u32).and_then(|frames| frames.checked_mul(*hop)) != Some(*window)
        {
            return refuse(format!(
                "a window of {window} samples is not {hop} times 3^{n}, so it cannot be pooled to one frame"
            ));
        }
        if frame < hop || frame > fft || *fft > 8_192 || (frame - hop) % 2 != 0 || !(1..=512).contains(bands) {
            return refuse(format!(
                "a frame of {frame} samples must be as long as the hop ({hop}) or longer by an even number, and no \
                 longer than the Fourier transform ({fft}), which is at most 8192; bands must be within 1..=512"
            ));
        }
        check_widths(widths, *n)?;
        let front = Mel { frame: *frame, hop: *hop, fft: *fft, bands: *bands, f_max: 11_025 };
        let mut trunk = vec![Layer::Mel(front)];
        let mut in_channels = *bands;
        for &filters in widths {
            trunk.push(Layer::ConvBlock(ConvBlock {
                in_channels,
                filters,
                kernel_size: 3,
                stride: 1,
                padding: (1, 1),
                has_norm: true,
                has_relu: true,
                pool: 3,
            }));
            in_channels = filters;
        }
        trunk.push(Layer::ConvBlock(pointwise_conv(in_channels)));
        Ok(Plan::new(*window, trunk, 0, tags))
    }
}

impl std::fmt::Display for MelLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mel 3^{}, frames of {} every {}", self.n, self.frame, self.hop)
    }
}
