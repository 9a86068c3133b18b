//! Table 3's networks over mel spectrograms.

use super::sample_level::point;
use super::{ArchitectureError, Layer, Mel, Plan, Stage};
use serde::{Deserialize, Serialize};

/// A mel spectrogram in the place of the strided convolution, then `n` convolutions
/// of three frames that are pooled by three, and one last of one frame (Lee et al.
/// 2017, section 4.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MelLevel {
    /// How many pooled layers there are.
    pub n: usize,
    /// Input samples, `hop * 3^n`.
    pub window: usize,
    /// Samples a frame.
    pub frame: usize,
    /// Samples from frame to frame.
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
                "a window of {window} samples is not {hop} times 3^{n}, so no single frame is left"
            ));
        }
        if frame < hop || frame > fft || *fft > 8_192 || (frame - hop) % 2 != 0 || !(1..=512).contains(bands) {
            return refuse(format!(
                "frames of {frame} samples must be at least the hop ({hop}) and longer by an even number, at most the \
                 Fourier transform ({fft}), and that at most 8192; bands must be within 1..=512"
            ));
        }
        if widths.len() != *n || widths.iter().any(|width| !(1..=4_096).contains(width)) {
            return refuse(format!("{} widths are given; {n} layers need one each, within 1..=4096", widths.len()));
        }
        let front = Mel { frame: *frame, hop: *hop, fft: *fft, bands: *bands, top: 11_025 };
        let mut trunk = vec![Layer::Mel(front)];
        let mut inputs = *bands;
        for &filters in widths {
            trunk.push(Layer::Stage(Stage {
                inputs,
                filters,
                length: 3,
                stride: 1,
                padding: (1, 1),
                norm: true,
                rectify: true,
                pool: 3,
            }));
            inputs = filters;
        }
        trunk.push(Layer::Stage(point(inputs)));
        Ok(Plan::new(*window, trunk, 0, tags))
    }
}

impl std::fmt::Display for MelLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "mel 3^{}, frames of {} every {}", self.n, self.frame, self.hop)
    }
}
