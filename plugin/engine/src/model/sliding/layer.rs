//! One layer at work, for a fixed number of frames.

use super::chain::Layer;
use super::product::Product;
use tract_onnx::prelude::TractResult;

/// A layer that gives so many frames at a time.
pub(super) struct Runner {
    product: Product,
    /// Frames out.
    pub(super) count: usize,
    bias: Vec<f32>,
    channels: usize,
    /// Frames in for each frame out.
    pub(super) length: usize,
    /// Zeros before the window's frames, and after.
    pub(super) before: Vec<f32>,
    pub(super) after: Vec<f32>,
    /// Places of the filter of which each frame out is the maximum.
    places: usize,
    rectify: bool,
}

/// Frames that stand together, and how many frames out they make.
pub(super) struct Part<'a> {
    /// The frames one after another, by frame, then by channel, cut anywhere. Of a
    /// pooled layer, all that lie under the filter: its length less one more than are
    /// pooled.
    pub(super) runs: Vec<&'a [f32]>,
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
            before: vec![0.0; layer.padding.0 * layer.channels],
            after: vec![0.0; layer.padding.1 * layer.channels],
            places,
            rectify: layer.rectify,
        })
    }

    pub(super) fn filters(&self) -> usize {
        self.bias.len()
    }

    /// Runs the layer over `parts`, whose counts add up to what it was made for; gives
    /// their frames one after another.
    pub(super) fn run(&self, parts: &[Part<'_>]) -> TractResult<Vec<f32>> {
        let row = self.length * self.channels;
        let sums = self.product.run(|mut rows| {
            // At each place of the filter the frames under it are one run of numbers.
            for place in 0..self.places {
                for part in parts {
                    let (now, later) = rows.split_at_mut(part.count * row);
                    copy(&part.runs, place * self.channels, now);
                    rows = later;
                }
            }
        })?;
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

/// Fills `out` from `runs` as if they were one, without the first `skip` numbers.
fn copy(runs: &[&[f32]], mut skip: usize, mut out: &mut [f32]) {
    for run in runs {
        let skipped = skip.min(run.len());
        skip -= skipped;
        let run = &run[skipped..];
        let (now, later) = out.split_at_mut(run.len().min(out.len()));
        now.copy_from_slice(&run[..now.len()]);
        out = later;
    }
}
