//! The convolutions of a network with batch normalisation folded in, outside of burn.

use super::batch_norm::{FoldedWeights, fold_batch_norm};
use crate::network::{ConvBlockLayer, Network, TrunkLayer, values};
use burn::tensor::backend::Backend;

/// A convolution block as in an exported file.
pub(crate) struct FoldedConv {
    /// Row-major, of [`shape`](Self::shape).
    pub(crate) weight: Vec<f32>,
    /// Filters, channels, kernel size.
    pub(crate) shape: [usize; 3],
    /// One per filter.
    pub(crate) bias: Vec<f32>,
    /// Stride of the convolution, in frames.
    pub(crate) stride: usize,
    /// Zeros before and after the signal.
    pub(crate) padding: (usize, usize),
    /// Whether ReLU follows.
    pub(crate) has_relu: bool,
    /// Length and stride of the max pooling; 1 does not pool.
    pub(crate) pool: usize,
}

impl FoldedConv {
    /// Folds the normalisation of a block, if it has one, into its weights and biases.
    pub(super) fn of<B: Backend>(block: &ConvBlockLayer<B>) -> Self {
        let shape = block.convolution.weight.dims();
        let filter = shape[1] * shape[2];
        let bias = block.convolution.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(block.convolution.weight.val());
        let FoldedWeights { weight, bias } =
            fold_batch_norm(weight, bias, block.norm.as_ref(), shape[0], |index| index / filter);
        Self {
            weight,
            shape,
            bias,
            stride: block.convolution.stride,
            padding: block.padding,
            has_relu: block.has_relu,
            pool: block.pool,
        }
    }
}

/// The first `layers` layers of a network, or all if it has fewer; `None` if one of them is not a
/// convolution block.
pub(crate) fn folded_convs<B: Backend>(network: &Network<B>, layers: usize) -> Option<Vec<FoldedConv>> {
    let folded = |layer: &TrunkLayer<B>| match layer {
        TrunkLayer::ConvBlock(block) => Some(FoldedConv::of(block)),
        _ => None,
    };
    network.trunk.iter().take(layers).map(folded).collect()
}
