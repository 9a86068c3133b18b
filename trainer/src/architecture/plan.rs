//! A network as a list of layers.

use super::{ArchitectureError, Count, Dense, Layer, Shape};

/// A network from waveform to logits. After the trunk come its levels, the head, and
/// the tag layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Samples in.
    pub window: usize,
    /// The layers, in order.
    pub trunk: Vec<Layer>,
    /// With 0, all of the trunk's output goes on; with more, the maximum over time
    /// of each of so many last layers (multi-level pooling; Kim et al. 2018).
    pub levels: usize,
    /// Fully connected layers before the tag layer.
    pub head: Vec<Dense>,
    /// The part of activations that is dropped before the tag layer in training.
    pub dropout: f64,
    /// Values that enter the tag layer: the embedding.
    pub embedding: usize,
    /// Logits out.
    pub tags: usize,
}

impl Plan {
    /// A plan over `trunk`; the embedding's size follows.
    pub(super) fn new(window: usize, trunk: Vec<Layer>, levels: usize, tags: usize) -> Self {
        let mut plan = Self { window, trunk, levels, head: Vec::new(), dropout: 0.5, embedding: 0, tags };
        // A trunk that does not fit together is told by `counts`.
        plan.embedding = plan.features().unwrap_or(0);
        plan
    }

    /// Adds a fully connected layer with ReLU before the tag layer.
    pub(super) fn dense(mut self, outputs: usize, norm: bool) -> Self {
        self.head.push(Dense { inputs: self.embedding, outputs, norm, rectify: true });
        self.embedding = outputs;
        self
    }

    /// The signal after each layer of the trunk.
    fn shapes(&self) -> Result<Vec<(Shape, Count)>, ArchitectureError> {
        let mut shape = Shape { channels: 1, frames: self.window };
        let mut all = Vec::new();
        for layer in &self.trunk {
            let (after, count) = layer.after(shape)?;
            shape = after;
            all.push((after, count));
        }
        Ok(all)
    }

    /// The values that leave the trunk.
    fn features(&self) -> Result<usize, ArchitectureError> {
        let shapes = self.shapes()?;
        Ok(match self.levels {
            0 => shapes.last().map_or(0, |(shape, _)| shape.channels * shape.frames),
            levels => shapes.iter().rev().take(levels).map(|(shape, _)| shape.channels).sum(),
        })
    }

    /// What each layer costs, the tag layer last.
    ///
    /// # Errors
    /// [`ArchitectureError`] where the layers do not fit together.
    pub fn counts(&self) -> Result<Vec<Count>, ArchitectureError> {
        let mut counts: Vec<Count> = self.shapes()?.into_iter().map(|(_, count)| count).collect();
        let tags = Dense { inputs: self.embedding, outputs: self.tags, norm: false, rectify: false };
        counts.extend(self.head.iter().chain([&tags]).map(Dense::count));
        Ok(counts)
    }

    /// What the whole network costs.
    ///
    /// # Errors
    /// As [`counts`](Self::counts).
    pub fn total(&self) -> Result<Count, ArchitectureError> {
        Ok(self.counts()?.into_iter().fold(Count::default(), |sum, count| sum + count))
    }
}
