//! Batch normalisation folded into the layer before it.

use super::graph::values;
use burn::nn::BatchNorm;
use burn::tensor::backend::Backend;

/// The weights and biases of a layer that its batch normalisation is folded into.
pub(super) struct FoldedWeights {
    /// In the order of the layer's weights.
    pub(super) weight: Vec<f32>,
    /// One per filter.
    pub(super) bias: Vec<f32>,
}

/// Folds a batch normalisation into a layer's weights and biases, in double precision:
/// `w gamma / sqrt(var + epsilon)` and `(b - mean) gamma / sqrt(var + epsilon) + beta`.
///
/// `filter` maps the index of a weight to its filter.
pub(super) fn fold_batch_norm<B: Backend>(
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    norm: Option<&BatchNorm<B>>,
    filters: usize,
    filter: impl Fn(usize) -> usize,
) -> FoldedWeights {
    let bias = bias.unwrap_or_else(|| vec![0.0; filters]);
    let Some(norm) = norm else { return FoldedWeights { weight, bias } };
    let (scale, shift) = scale_and_shift_of(norm);
    let scaled = |(index, weight): (usize, &f32)| (f64::from(*weight) * scale[filter(index)]) as f32;
    let shifted = |(index, bias): (usize, &f32)| (f64::from(*bias) * scale[index] + shift[index]) as f32;
    FoldedWeights {
        weight: weight.iter().enumerate().map(scaled).collect(),
        bias: bias.iter().enumerate().map(shifted).collect(),
    }
}

/// [`scale_and_shift`] of a burn module.
pub(super) fn scale_and_shift_of<B: Backend>(norm: &BatchNorm<B>) -> (Vec<f64>, Vec<f64>) {
    let (gamma, beta) = (values(norm.gamma.val()), values(norm.beta.val()));
    let (mean, variance) = (values(norm.running_mean.value()), values(norm.running_var.value()));
    scale_and_shift(&gamma, &beta, &mean, &variance, norm.epsilon)
}

/// A batch normalisation as `x scale + shift`, for each filter.
pub(crate) fn scale_and_shift(
    gamma: &[f32],
    beta: &[f32],
    mean: &[f32],
    variance: &[f32],
    epsilon: f64,
) -> (Vec<f64>, Vec<f64>) {
    let scale: Vec<f64> = gamma
        .iter()
        .zip(variance)
        .map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt())
        .collect();
    let shift = beta.iter().zip(mean).zip(&scale);
    let shift = shift.map(|((beta, mean), scale)| f64::from(*beta) - f64::from(*mean) * scale).collect();
    (scale, shift)
}
