//! A network as a list of layers.

use super::{ArchitectureError, Dense, Layer, LayerCost, SignalShape};

/// A network from waveform to logits: the trunk, its pooling, the head, the output layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Input samples.
    pub window: usize,
    /// The layers that keep a time axis, in order.
    pub trunk: Vec<Layer>,
    /// How many of the last layers are max-pooled over time and concatenated (multi-level pooling;
    /// Kim et al. 2018). With 0, the trunk's output is flattened instead.
    pub levels: usize,
    /// Fully connected layers before the output layer.
    pub head: Vec<Dense>,
    /// Dropout rate before the output layer.
    pub dropout: f64,
    /// Size of the embedding, which is the input of the output layer.
    pub embedding_size: usize,
    /// Output logits, one per tag.
    pub tags: usize,
}

impl Plan {
    /// A plan over `trunk`, without a head, with dropout of 0.5.
    pub(super) fn new(window: usize, trunk: Vec<Layer>, levels: usize, tags: usize) -> Self {
        let mut plan = Self { window, trunk, levels, head: Vec::new(), dropout: 0.5, embedding_size: 0, tags };
        // Layers that do not fit together are reported by `layer_costs`.
        plan.embedding_size = plan.trunk_features().unwrap_or(0);
        plan
    }

    /// Appends a fully connected layer with ReLU to the head.
    pub(super) fn with_dense(mut self, out_features: usize, has_norm: bool) -> Self {
        self.head.push(Dense { in_features: self.embedding_size, out_features, has_norm, has_relu: true });
        self.embedding_size = out_features;
        self
    }

    /// The output shape and cost of each layer of the trunk.
    fn trunk_outputs(&self) -> Result<Vec<(SignalShape, LayerCost)>, ArchitectureError> {
        let mut shape = SignalShape { channels: 1, frames: self.window };
        let mut outputs = Vec::new();
        for layer in &self.trunk {
            let (output, cost) = layer.output(shape)?;
            shape = output;
            outputs.push((output, cost));
        }
        Ok(outputs)
    }

    /// Values after the trunk's pooling.
    fn trunk_features(&self) -> Result<usize, ArchitectureError> {
        let outputs = self.trunk_outputs()?;
        Ok(match self.levels {
            0 => outputs.last().map_or(0, |(shape, _)| shape.channels * shape.frames),
            levels => outputs.iter().rev().take(levels).map(|(shape, _)| shape.channels).sum(),
        })
    }

    /// The cost of each layer, the output layer last.
    ///
    /// # Errors
    /// [`ArchitectureError`] where the layers do not fit together.
    pub fn layer_costs(&self) -> Result<Vec<LayerCost>, ArchitectureError> {
        let mut costs: Vec<LayerCost> = self.trunk_outputs()?.into_iter().map(|(_, cost)| cost).collect();
        let output_layer =
            Dense { in_features: self.embedding_size, out_features: self.tags, has_norm: false, has_relu: false };
        costs.extend(self.head.iter().chain([&output_layer]).map(Dense::cost));
        Ok(costs)
    }

    /// The cost of the whole network.
    ///
    /// # Errors
    /// As [`layer_costs`](Self::layer_costs).
    pub fn total_cost(&self) -> Result<LayerCost, ArchitectureError> {
        Ok(self.layer_costs()?.into_iter().fold(LayerCost::default(), |sum, cost| sum + cost))
    }
}
