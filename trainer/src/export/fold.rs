//! Batch normalisation folded into the layer before it.

use super::graph::values;
use burn::nn::BatchNorm;
use burn::tensor::backend::Backend;

/// A layer's weights and biases.
pub(super) struct Folded {
    /// In the order they came in.
    pub(super) weight: Vec<f32>,
    /// One for each filter.
    pub(super) bias: Vec<f32>,
}

/// Folds a normalisation in, in double precision: `w gamma / sqrt(var + epsilon)` and
/// `(b - mean) gamma / sqrt(var + epsilon) + beta`. `filter` tells the filter of a
/// weight from its index.
pub(super) fn fold<B: Backend>(
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    norm: Option<&BatchNorm<B>>,
    filters: usize,
    filter: impl Fn(usize) -> usize,
) -> Folded {
    let bias = bias.unwrap_or_else(|| vec![0.0; filters]);
    let Some(norm) = norm else { return Folded { weight, bias } };
    let (scale, shift) = scale_and_shift(norm);
    let scaled = |(index, weight): (usize, &f32)| (f64::from(*weight) * scale[filter(index)]) as f32;
    let shifted = |(index, bias): (usize, &f32)| (f64::from(*bias) * scale[index] + shift[index]) as f32;
    Folded {
        weight: weight.iter().enumerate().map(scaled).collect(),
        bias: bias.iter().enumerate().map(shifted).collect(),
    }
}

/// The normalisation as `x scale + shift`, for each filter.
pub(super) fn scale_and_shift<B: Backend>(norm: &BatchNorm<B>) -> (Vec<f64>, Vec<f64>) {
    let doubles = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
    let (gamma, beta) = (doubles(values(norm.gamma.val())), doubles(values(norm.beta.val())));
    let (mean, variance) = (doubles(values(norm.running_mean.value())), doubles(values(norm.running_var.value())));
    let scale: Vec<f64> =
        gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + norm.epsilon).sqrt()).collect();
    let shift = (0..scale.len()).map(|index| beta[index] - mean[index] * scale[index]).collect();
    (scale, shift)
}
