//! One layer at work, for a fixed number of frames.

use super::chain::Layer;
use super::product::Product;
use tract_onnx::prelude::{Tensor, TractResult};

/// A layer that gives so many frames at a time.
pub(super) struct Runner {
    product: Product,
    /// Frames out.
    pub(super) count: usize,
    bias: Vec<f32>,
    channels: usize,
    /// Frames in for each frame out.
    pub(super) length: usize,
    /// Zeros before and after the window's frames.
    padding: (usize, usize),
    /// Places of the filter of which each frame out is the maximum.
    places: usize,
    rectify: bool,
}

/// Frames that stand together, by frame, then by channel.
pub(super) struct Part<'a> {
    /// Of a pooled layer, all that lie under the filter: its length less one more
    /// than are pooled.
    pub(super) frames: &'a [f32],
    /// Frames out.
    pub(super) count: usize,
}

impl Runner {
    /// Prepares to give `count` frames a run.
    pub(super) fn new(layer: &Layer, count: usize) -> TractResult<Self> {
        let places = layer.places();
        Ok(Self {
            product: Product::new(places * count, layer.length * layer.channels, &layer.weight)?,
            count,
            bias: layer.bias.clone(),
            channels: layer.channels,
            length: layer.length,
            padding: layer.padding,
            places,
            rectify: layer.rectify,
        })
    }

    pub(super) fn filters(&self) -> usize {
        self.bias.len()
    }

    /// Puts the layer's zeros before what stands at the window's start and after what
    /// stands at its end.
    pub(super) fn pad(&self, start: &mut Vec<f32>, end: &mut Vec<f32>) {
        let (before, after) = self.padding;
        start.splice(..0, std::iter::repeat_n(0.0, before * self.channels));
        end.resize(end.len() + after * self.channels, 0.0);
    }

    /// Runs the layer over `parts`, whose counts add up to what it was made for; gives
    /// their frames one after another.
    pub(super) fn run(&self, parts: &[Part<'_>]) -> TractResult<Vec<f32>> {
        let row = self.length * self.channels;
        let mut rows = Tensor::zero::<f32>(&[self.places * self.count, row])?;
        let mut view = rows.try_as_plain_ram_mut()?;
        let mut free = view.as_slice_mut::<f32>()?;
        // At each place of the filter the frames under it are one run of numbers.
        for place in 0..self.places {
            for part in parts.iter().filter(|part| part.count > 0) {
                let (now, later) = free.split_at_mut(part.count * row);
                now.copy_from_slice(&part.frames[place * self.channels..][..part.count * row]);
                free = later;
            }
        }
        let sums = self.product.run(rows)?;
        let sums = sums.try_as_plain_ram()?;
        Ok(self.finish(sums.as_slice::<f32>()?))
    }

    /// The maximum over the places; the bias, which is the same at all of them; ReLU.
    fn finish(&self, sums: &[f32]) -> Vec<f32> {
        let (first, others) = sums.split_at(self.count * self.filters());
        let mut frames = first.to_vec();
        for other in others.chunks_exact(first.len()) {
            for (most, sum) in frames.iter_mut().zip(other) {
                *most = if *sum > *most { *sum } else { *most };
            }
        }
        let floor = if self.rectify { 0.0 } else { f32::NEG_INFINITY };
        for frame in frames.chunks_exact_mut(self.filters()) {
            for (value, bias) in frame.iter_mut().zip(&self.bias) {
                let sum = *value + bias;
                *value = if sum > floor { sum } else { floor };
            }
        }
        frames
    }
}
