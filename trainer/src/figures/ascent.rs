//! Gradient ascent from noise to a waveform that maximises the activation of a filter.
//!
//! The objective is the filter's mean activation over time, after the ReLU and before the pooling, as
//! in the first author's script. Gradients are normalised, so that all steps have the same length.

use crate::export::FoldedConv;
use burn::backend::Autodiff;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv1d, max_pool1d};
use burn::tensor::ops::PaddedConvOptions;
use burn::tensor::{Tensor, TensorData};
use rand::Rng as _;
use rand_chacha::ChaCha12Rng;
use std::ops::Range;

/// Amplitude of the initial noise, which is uniform.
const NOISE: f32 = 0.015;
/// Avoids a division by zero where the gradient is zero.
const EPSILON: f32 = 1e-9;
/// Filters per batch, which bounds the memory. The rows of a batch are independent.
const FILTERS_PER_BATCH: usize = 64;

/// The result for one filter.
pub(super) struct AscentResult {
    /// The waveform that maximises the activation.
    pub(super) waveform: Vec<f32>,
    /// The filter's mean activation over the initial noise.
    pub(super) activation_before: f32,
    /// The filter's mean activation over the waveform.
    pub(super) activation_after: f32,
}

/// Finds a waveform for each filter of the last of `convs`. The noise comes from `random` and not
/// from the backend, so that all backends start from the same.
pub(super) fn maximise_activations<B: Backend>(
    convs: &[FoldedConv],
    samples: usize,
    steps: usize,
    random: &mut ChaCha12Rng,
    device: &B::Device,
) -> Vec<AscentResult> {
    let Some((last, below)) = convs.split_last() else { return Vec::new() };
    let below: Vec<FrozenConv<Autodiff<B>>> =
        below.iter().map(|conv| FrozenConv::new(conv, 0..conv.shape[0], device)).collect();
    let filters = last.shape[0];
    let mut results = Vec::with_capacity(filters);
    for first in (0..filters).step_by(FILTERS_PER_BATCH) {
        let batch = first..filters.min(first + FILTERS_PER_BATCH);
        let noise = (0..batch.len() * samples).map(|_| random.random_range(-NOISE..=NOISE)).collect::<Vec<f32>>();
        let noise = TensorData::new(noise, [batch.len(), samples]);
        let objective = ActivationObjective::<B> { below: &below, top: FrozenConv::new(last, batch, device) };
        let start = Tensor::<B, 2>::from_data(noise, device);
        let before = objective.mean_activations(start.clone());
        let waveforms = objective.ascend(start, steps);
        let after = objective.mean_activations(waveforms.clone());
        let waveforms: Vec<f32> = waveforms.into_data().iter::<f32>().collect();
        let rows = waveforms.chunks_exact(samples).zip(before).zip(after);
        results.extend(rows.map(|((row, activation_before), activation_after)| AscentResult {
            waveform: row.to_vec(),
            activation_before,
            activation_after,
        }));
    }
    results
}

/// A convolution block with fixed weights: only its input gets gradients.
struct FrozenConv<A: Backend> {
    weight: Tensor<A, 3>,
    bias: Tensor<A, 1>,
    stride: usize,
    padding: (usize, usize),
    has_relu: bool,
    pool: usize,
}

impl<A: Backend> FrozenConv<A> {
    /// A range of a block's filters.
    fn new(folded: &FoldedConv, filters: Range<usize>, device: &A::Device) -> Self {
        let [_, channels, length] = folded.shape;
        let size = channels * length;
        let weight = folded.weight[filters.start * size..filters.end * size].to_vec();
        let bias = folded.bias[filters.clone()].to_vec();
        Self {
            weight: Tensor::from_data(TensorData::new(weight, [filters.len(), channels, length]), device),
            bias: Tensor::from_data(TensorData::new(bias, [filters.len()]), device),
            stride: folded.stride,
            padding: folded.padding,
            has_relu: folded.has_relu,
            pool: folded.pool,
        }
    }

    /// The output before the ReLU, `[batch, filters, frames]`.
    fn pre_activations(&self, signal: Tensor<A, 3>) -> Tensor<A, 3> {
        let (before, after) = self.padding;
        let options = PaddedConvOptions::asymmetric([self.stride], [before], [after], [1], 1);
        conv1d(signal, self.weight.clone(), Some(self.bias.clone()), options)
    }

    fn forward(&self, signal: Tensor<A, 3>) -> Tensor<A, 3> {
        let mut signal = self.pre_activations(signal);
        if self.has_relu {
            signal = relu(signal);
        }
        if self.pool > 1 {
            signal = max_pool1d(signal, self.pool, self.pool, 0, 1, false);
        }
        signal
    }
}

/// The activations of a batch of filters, each over a waveform of its own.
struct ActivationObjective<'a, B: Backend> {
    below: &'a [FrozenConv<Autodiff<B>>],
    top: FrozenConv<Autodiff<B>>,
}

impl<B: Backend> ActivationObjective<'_, B> {
    /// The output of each waveform's own filter before the ReLU, `[rows, 1, frames]`.
    fn pre_activations(&self, waveforms: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 3> {
        let [rows, _] = waveforms.dims();
        let signal = waveforms.unsqueeze_dim::<3>(1);
        let diagonal = Tensor::<Autodiff<B>, 2>::eye(rows, &signal.device()).unsqueeze_dim::<3>(2);
        let signal = self.below.iter().fold(signal, |signal, conv| conv.forward(signal));
        (self.top.pre_activations(signal) * diagonal).sum_dim(1)
    }

    /// The mean activation of each waveform's own filter.
    fn mean_activations(&self, waveforms: Tensor<B, 2>) -> Vec<f32> {
        let sums = self.pre_activations(Tensor::from_inner(waveforms)).inner();
        relu(sums).mean_dim(2).into_data().iter::<f32>().collect()
    }

    /// Runs a number of steps of gradient ascent.
    fn ascend(&self, start: Tensor<B, 2>, steps: usize) -> Tensor<B, 2> {
        let mut waveforms = start;
        for _ in 0..steps {
            let input = Tensor::<Autodiff<B>, 2>::from_inner(waveforms.clone()).require_grad();
            let sums = self.pre_activations(input.clone());
            let activation = relu(sums.clone()).mean_dim(2);
            // An inactive filter has no gradient after the ReLU, and its bias may be far below zero.
            // Its pre-activation is maximised instead until it is active.
            let inactive = activation.clone().equal_elem(0.0).float();
            let gradients = (activation + sums.mean_dim(2) * inactive).sum().backward();
            let Some(gradient) = input.grad(&gradients) else { break };
            let size = gradient.clone().square().mean_dim(1).sqrt().add_scalar(EPSILON);
            waveforms = waveforms + gradient / size;
        }
        waveforms
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use crate::export::folded_convs;
    use crate::network::Network;
    use burn::backend::Flex;
    use burn::module::AutodiffModule as _;
    use burn::tensor::Distribution;
    use rand::SeedableRng as _;

    #[test]
    fn folded_convs_give_the_activations_of_the_network() {
        let device = Default::default();
        for (m, n, window) in [(3, 3, 81), (2, 4, 32)] {
            Flex::seed(&device, 5);
            let widths = vec![5; n + 1];
            let plan = Architecture::SampleLevel(SampleLevel::new(m, n, window, widths)).plan(2).unwrap();
            let training = Network::<Autodiff<Flex>>::new(&plan, &device);
            for _ in 0..4 {
                let noise = Distribution::Uniform(-0.5, 0.5);
                // Updates the running statistics of batch normalisation.
                training.forward(Tensor::random([4, window], noise, &device));
            }
            let network = training.valid();
            let waveforms = Tensor::<Flex, 2>::random([3, window], Distribution::Uniform(-0.5, 0.5), &device);
            let convs = folded_convs(&network, n + 1).unwrap();
            let ours = convs.iter().fold(waveforms.clone().unsqueeze_dim::<3>(1), |signal, conv| {
                FrozenConv::<Flex>::new(conv, 0..conv.shape[0], &device).forward(signal)
            });
            let theirs = network.activations(waveforms, n + 1);
            assert_eq!(ours.dims(), theirs.dims());
            let worst = (ours - theirs).abs().into_data().iter::<f32>().fold(0.0, f32::max);
            assert!(worst < 1e-4, "{m}^{n}: {worst} apart");
        }
    }

    #[test]
    fn ascent_finds_the_tone_of_active_and_inactive_filters() {
        let device = Default::default();
        let tone = |cycles: f32| (0..27).map(move |index| (std::f32::consts::TAU * cycles * index as f32 / 27.0).cos());
        let conv = FoldedConv {
            weight: tone(2.0).chain(tone(5.0)).collect(),
            shape: [2, 1, 27],
            bias: vec![0.5, -5.0],
            stride: 27,
            padding: (0, 0),
            has_relu: true,
            pool: 1,
        };
        let mut random = ChaCha12Rng::seed_from_u64(3);
        let results = maximise_activations::<Flex>(&[conv], 81, 18, &mut random, &device);
        for (result, cycles) in results.iter().zip([2.0, 5.0]) {
            let pattern: Vec<f32> = tone(cycles).cycle().take(81).collect();
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let waveform = &result.waveform;
            let correlation =
                product(waveform, &pattern) / (product(waveform, waveform) * product(&pattern, &pattern)).sqrt();
            assert!(correlation > 0.99, "{cycles} cycles: {correlation}");
            assert!(result.activation_after > result.activation_before, "{cycles} cycles");
        }
        assert_eq!(results[1].activation_before, 0.0);
    }
}
