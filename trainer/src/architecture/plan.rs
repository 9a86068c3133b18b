//! A network as a list of layers.

use super::layers::{MAX_WEIGHTS, SignalShape};
use super::{ArchitectureError, Dense, Layer, LayerCost};

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
        for (number, layer) in (1..).zip(&self.trunk) {
            let (output, cost) =
                layer.output(shape).map_err(|what| ArchitectureError(format!("layer {number} {what}")))?;
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
    /// [`ArchitectureError`] where the layers do not fit together or one of them is too large.
    pub fn layer_costs(&self) -> Result<Vec<LayerCost>, ArchitectureError> {
        let mut costs: Vec<LayerCost> = self.trunk_outputs()?.into_iter().map(|(_, cost)| cost).collect();
        let output_layer =
            Dense { in_features: self.embedding_size, out_features: self.tags, has_norm: false, has_relu: false };
        for dense in self.head.iter().chain([&output_layer]) {
            let cost = dense.cost();
            if cost.weights > MAX_WEIGHTS {
                return Err(ArchitectureError(format!(
                    "layer {} has more than 2^30 weights; take smaller widths or a shorter window",
                    costs.len() + 1
                )));
            }
            costs.push(cost);
        }
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

#[cfg(test)]
mod tests {
    use super::super::Architecture;
    use super::super::baselines::{FrameCnn, FullyConvolutional};

    fn refusal(architecture: Architecture) -> String {
        architecture.plan(50).unwrap_err().to_string()
    }

    /// Regression: the limit applied to the trunk only, so this network was built until the memory was full.
    #[test]
    fn a_fully_connected_layer_of_billions_of_weights_is_refused() {
        let error = refusal(Architecture::FrameCnn(FrameCnn {
            window: 1_323_000,
            frame: 1,
            widths: vec![4_096, 4_096, 4_096],
        }));
        assert!(error.contains("layer 4 has more than 2^30 weights"), "{error}");
    }

    #[test]
    fn errors_name_the_layer() {
        let error = refusal(Architecture::FrameCnn(FrameCnn { window: 128, frame: 256, widths: vec![4, 4, 4] }));
        assert!(error.contains("layer 1 has no output frames for 128 input frames"), "{error}");
        let (window, pools) = (640_654, vec![(2, 4), (200, 4)]);
        let error = refusal(Architecture::FullyConvolutional(FullyConvolutional { window, widths: vec![4, 4], pools }));
        assert!(error.contains("layer 2 has no output channels"), "{error}");
    }
}
