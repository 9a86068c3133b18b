//! Runs one layer for a fixed number of output frames.

use super::layers::Layer;
use super::matmul::PackedMatmul;
use tract_onnx::prelude::TractResult;

/// A layer that is prepared for a fixed number of output frames.
pub(super) struct LayerRunner {
    product: PackedMatmul,
    /// Frames of each run.
    pub(super) output_frames: usize,
    bias: Vec<f32>,
    /// Channels of an input frame.
    channels: usize,
    /// Input frames per output frame; also the length of the filters.
    pub(super) kernel_size: usize,
    /// The zeros before the frames of a window.
    pub(super) padding_before: Vec<f32>,
    /// The zeros after the frames of a window.
    pub(super) padding_after: Vec<f32>,
    /// Positions of the filter whose maximum is an output frame.
    pool_size: usize,
    has_relu: bool,
}

/// Contiguous input frames of a layer.
pub(super) struct InputSpan<'a> {
    /// The frames in order, each by channel, in slices of any length. For a pooled layer: all frames
    /// under the filter, which are `kernel_size - 1` more than are pooled.
    pub(super) slices: Vec<&'a [f32]>,
    /// The number of output frames that they give.
    pub(super) output_frames: usize,
}

impl LayerRunner {
    /// Prepares a layer to give `output_frames` frames in each run.
    pub(super) fn new(layer: &Layer, output_frames: usize) -> TractResult<Self> {
        let pool_size = layer.pool_size();
        let row = layer.kernel_size * layer.channels;
        Ok(Self {
            product: PackedMatmul::new(pool_size * output_frames, row, &layer.weight)?,
            output_frames,
            bias: layer.bias.clone(),
            channels: layer.channels,
            kernel_size: layer.kernel_size,
            padding_before: vec![0.0; layer.padding.0 * layer.channels],
            padding_after: vec![0.0; layer.padding.1 * layer.channels],
            pool_size,
            has_relu: layer.has_relu,
        })
    }

    /// The number of filters: the channels of an output frame.
    pub(super) fn filters(&self) -> usize {
        self.bias.len()
    }

    /// Runs the layer and returns the output frames of the spans, one after another. The spans together
    /// give [`output_frames`](Self::output_frames) frames.
    pub(super) fn run(&self, spans: &[InputSpan<'_>]) -> TractResult<Vec<f32>> {
        let row = self.kernel_size * self.channels;
        let sums = self.product.run(|mut rows| {
            // The rows of one position in the pool are contiguous in the input.
            for position in 0..self.pool_size {
                for span in spans {
                    let (span_rows, rest) = rows.split_at_mut(span.output_frames * row);
                    copy_from(&span.slices, position * self.channels, span_rows);
                    rows = rest;
                }
            }
        })?;
        let sums = sums.try_as_plain_ram()?;
        Ok(self.pool(sums.as_slice::<f32>()?))
    }

    /// Applies max-pooling, the bias, which is the same at all positions, and ReLU.
    fn pool(&self, sums: &[f32]) -> Vec<f32> {
        let (first, others) = sums.split_at(self.output_frames * self.filters());
        let mut frames = first.to_vec();
        for other in others.chunks_exact(first.len()) {
            for (max, sum) in frames.iter_mut().zip(other) {
                *max = if *sum > *max { *sum } else { *max };
            }
        }
        let floor = if self.has_relu { 0.0 } else { f32::NEG_INFINITY };
        for frame in frames.chunks_exact_mut(self.filters()) {
            for (value, bias) in frame.iter_mut().zip(&self.bias) {
                let sum = *value + bias;
                *value = if sum > floor { sum } else { floor };
            }
        }
        frames
    }
}

/// Fills `target` from the concatenation of `slices`, beginning at index `start`.
fn copy_from(slices: &[&[f32]], mut start: usize, mut target: &mut [f32]) {
    for slice in slices {
        let skipped = start.min(slice.len());
        start -= skipped;
        let slice = &slice[skipped..];
        let (filled, rest) = target.split_at_mut(slice.len().min(target.len()));
        filled.copy_from_slice(&slice[..filled.len()]);
        target = rest;
    }
}
