//! The convolutions of a network as plain numbers, normalisation folded in.

use super::fold::{Folded, fold};
use super::graph::values;
use crate::network::{Network, StageLayer, TrunkLayer};
use burn::tensor::backend::Backend;

/// A convolution over time, as an exported file has it.
pub(crate) struct FoldedStage {
    /// By filter, then channel, then place in the filter.
    pub(crate) weight: Vec<f32>,
    /// Filters, channels, length.
    pub(crate) shape: [usize; 3],
    /// One for each filter.
    pub(crate) bias: Vec<f32>,
    /// Frames from one place of the filter to the next.
    pub(crate) stride: usize,
    /// Zeros before and after the frames.
    pub(crate) padding: (usize, usize),
    /// Whether ReLU follows.
    pub(crate) rectify: bool,
    /// Frames that become one; 1 pools nothing.
    pub(crate) pool: usize,
}

impl FoldedStage {
    fn of<B: Backend>(stage: &StageLayer<B>) -> Self {
        let shape = stage.convolution.weight.dims();
        let filter = shape[1] * shape[2];
        let bias = stage.convolution.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(stage.convolution.weight.val());
        let Folded { weight, bias } = fold(weight, bias, stage.norm.as_ref(), shape[0], |index| index / filter);
        Self {
            weight,
            shape,
            bias,
            stride: stage.convolution.stride,
            padding: stage.padding,
            rectify: stage.rectify,
            pool: stage.pool,
        }
    }
}

/// The first `layers` layers of a network, or as many as it has; `None` where one of
/// them is more than a convolution.
pub(crate) fn folded_stages<B: Backend>(network: &Network<B>, layers: usize) -> Option<Vec<FoldedStage>> {
    let folded = |layer: &TrunkLayer<B>| match layer {
        TrunkLayer::Stage(stage) => Some(FoldedStage::of(stage)),
        _ => None,
    };
    network.trunk.iter().take(layers).map(folded).collect()
}
