//! Folds the batch normalisation of burn modules into the layers before it.

use crate::network::values;
use burn::nn::BatchNorm;
use burn::tensor::backend::Backend;
use tagvane_engine::ChannelAffine;

/// The weights and biases of a layer that its batch normalisation is folded into.
pub(super) struct FoldedWeights {
    /// In the order of the layer's weights.
    pub(super) weight: Vec<f32>,
    /// One per filter.
    pub(super) bias: Vec<f32>,
}

/// Folds a batch normalisation, if there is one, into a layer's weights and biases. `filter_of` gives the
/// filter of the weight at an index.
pub(super) fn fold_batch_norm<B: Backend>(
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    norm: Option<&BatchNorm<B>>,
    filters: usize,
    filter_of: impl Fn(usize) -> usize,
) -> FoldedWeights {
    let mut folded = FoldedWeights { weight, bias: bias.unwrap_or_else(|| vec![0.0; filters]) };
    if let Some(norm) = norm {
        channel_affine(norm).fold_into(&mut folded.weight, &mut folded.bias, filter_of);
    }
    folded
}

/// A burn module with its running statistics.
pub(super) fn channel_affine<B: Backend>(norm: &BatchNorm<B>) -> ChannelAffine {
    let (gamma, beta) = (values(norm.gamma.val()), values(norm.beta.val()));
    let (mean, variance) = (values(norm.running_mean.value()), values(norm.running_var.value()));
    ChannelAffine::from_batch_norm(&gamma, &beta, &mean, &variance, norm.epsilon).expect("burn makes all of one length")
}
