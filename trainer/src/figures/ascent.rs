//! Gradient ascent, from noise to a waveform that a filter answers to.
//!
//! What is climbed is the filter's mean activation over time, after its ReLU and
//! before its pooling, as in the first author's script. Gradients are divided by their
//! size, so that every step is as long as another.

use crate::export::FoldedStage;
use burn::backend::Autodiff;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend;
use burn::tensor::module::{conv1d, max_pool1d};
use burn::tensor::ops::PaddedConvOptions;
use burn::tensor::{Tensor, TensorData};
use rand::Rng as _;
use rand::rngs::StdRng;
use std::ops::Range;

/// The noise at the start is even within this amplitude.
const NOISE: f32 = 0.015;
/// Keeps a gradient of nothing from being divided by nothing.
const LEAST: f32 = 1e-9;
/// Filters at a time: memory grows with their number, and no row knows of another.
const ROWS: usize = 64;

/// What was found for one filter.
pub(super) struct Climbed {
    /// The waveform.
    pub(super) waveform: Vec<f32>,
    /// The filter's mean activation over the noise.
    pub(super) before: f32,
    /// The same over the waveform.
    pub(super) after: f32,
}

/// Finds a waveform for each filter of the last of `stages`. Noise is drawn from
/// `random` and not from the backend, so that every backend starts alike.
pub(super) fn climb<B: Backend>(
    stages: &[FoldedStage],
    samples: usize,
    steps: usize,
    random: &mut StdRng,
    device: &B::Device,
) -> Vec<Climbed> {
    let Some((last, below)) = stages.split_last() else { return Vec::new() };
    let below: Vec<Stage<Autodiff<B>>> =
        below.iter().map(|stage| Stage::new(stage, 0..stage.shape[0], device)).collect();
    let filters = last.shape[0];
    let mut climbed = Vec::with_capacity(filters);
    for first in (0..filters).step_by(ROWS) {
        let wanted = first..filters.min(first + ROWS);
        let noise = (0..wanted.len() * samples).map(|_| random.random_range(-NOISE..=NOISE)).collect::<Vec<f32>>();
        let noise = TensorData::new(noise, [wanted.len(), samples]);
        let mountain = Mountain::<B> { below: &below, own: Stage::new(last, wanted, device) };
        let start = Tensor::<B, 2>::from_data(noise, device);
        let before = mountain.heights(start.clone());
        let summit = mountain.climb(start, steps);
        let after = mountain.heights(summit.clone());
        let samples_of_all: Vec<f32> = summit.into_data().iter::<f32>().collect();
        let rows = samples_of_all.chunks_exact(samples).zip(before).zip(after);
        climbed.extend(rows.map(|((row, before), after)| Climbed { waveform: row.to_vec(), before, after }));
    }
    climbed
}

/// A stage with gradients for what goes in, and none for its weights.
struct Stage<A: Backend> {
    weight: Tensor<A, 3>,
    bias: Tensor<A, 1>,
    stride: usize,
    padding: (usize, usize),
    rectify: bool,
    pool: usize,
}

impl<A: Backend> Stage<A> {
    /// Some of a stage's filters.
    fn new(folded: &FoldedStage, filters: Range<usize>, device: &A::Device) -> Self {
        let [_, channels, length] = folded.shape;
        let size = channels * length;
        let weight = folded.weight[filters.start * size..filters.end * size].to_vec();
        let bias = folded.bias[filters.clone()].to_vec();
        Self {
            weight: Tensor::from_data(TensorData::new(weight, [filters.len(), channels, length]), device),
            bias: Tensor::from_data(TensorData::new(bias, [filters.len()]), device),
            stride: folded.stride,
            padding: folded.padding,
            rectify: folded.rectify,
            pool: folded.pool,
        }
    }

    /// What comes before the ReLU, `[batch, filters, frames]`.
    fn sums(&self, signal: Tensor<A, 3>) -> Tensor<A, 3> {
        let (before, after) = self.padding;
        let options = PaddedConvOptions::asymmetric([self.stride], [before], [after], [1], 1);
        conv1d(signal, self.weight.clone(), Some(self.bias.clone()), options)
    }

    fn forward(&self, signal: Tensor<A, 3>) -> Tensor<A, 3> {
        let mut signal = self.sums(signal);
        if self.rectify {
            signal = relu(signal);
        }
        if self.pool > 1 {
            signal = max_pool1d(signal, self.pool, self.pool, 0, 1, false);
        }
        signal
    }
}

/// As many waveforms as filters, each for its own filter.
struct Mountain<'a, B: Backend> {
    below: &'a [Stage<Autodiff<B>>],
    own: Stage<Autodiff<B>>,
}

impl<B: Backend> Mountain<'_, B> {
    /// What each waveform's own filter gives before its ReLU, `[rows, 1, frames]`.
    fn sums(&self, waveforms: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 3> {
        let [rows, _] = waveforms.dims();
        let signal = waveforms.unsqueeze_dim::<3>(1);
        let own = Tensor::<Autodiff<B>, 2>::eye(rows, &signal.device()).unsqueeze_dim::<3>(2);
        let signal = self.below.iter().fold(signal, |signal, stage| stage.forward(signal));
        (self.own.sums(signal) * own).sum_dim(1)
    }

    /// Each waveform's mean activation.
    fn heights(&self, waveforms: Tensor<B, 2>) -> Vec<f32> {
        let sums = self.sums(Tensor::from_inner(waveforms)).inner();
        relu(sums).mean_dim(2).into_data().iter::<f32>().collect()
    }

    fn climb(&self, start: Tensor<B, 2>, steps: usize) -> Tensor<B, 2> {
        let mut waveforms = start;
        for _ in 0..steps {
            let input = Tensor::<Autodiff<B>, 2>::from_inner(waveforms.clone()).require_grad();
            let sums = self.sums(input.clone());
            let activation = relu(sums.clone()).mean_dim(2);
            // Behind the ReLU a silent filter has no gradient at all, and what it
            // learnt may shift it far below that: it is climbed before the ReLU until
            // it sounds.
            let silent = activation.clone().equal_elem(0.0).float();
            let gradients = (activation + sums.mean_dim(2) * silent).sum().backward();
            let Some(gradient) = input.grad(&gradients) else { break };
            let size = gradient.clone().square().mean_dim(1).sqrt().add_scalar(LEAST);
            waveforms = waveforms + gradient / size;
        }
        waveforms
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use crate::export::folded_stages;
    use crate::network::Network;
    use burn::backend::Flex;
    use burn::module::AutodiffModule as _;
    use burn::tensor::Distribution;
    use rand::SeedableRng as _;

    #[test]
    fn folded_stages_are_the_trained_network() {
        let device = Default::default();
        for (m, n, window) in [(3, 3, 81), (2, 4, 32)] {
            Flex::seed(&device, 5);
            let widths = vec![5; n + 1];
            let plan = Architecture::SampleLevel(SampleLevel::new(m, n, window, widths)).plan(2).unwrap();
            let training = Network::<Autodiff<Flex>>::new(&plan, &device);
            for _ in 0..4 {
                let noise = Distribution::Uniform(-0.5, 0.5);
                // What is normalised by is learnt on the way.
                training.forward(Tensor::random([4, window], noise, &device));
            }
            let network = training.valid();
            let waveforms = Tensor::<Flex, 2>::random([3, window], Distribution::Uniform(-0.5, 0.5), &device);
            let stages = folded_stages(&network, n + 1).unwrap();
            let ours = stages.iter().fold(waveforms.clone().unsqueeze_dim::<3>(1), |signal, stage| {
                Stage::<Flex>::new(stage, 0..stage.shape[0], &device).forward(signal)
            });
            let theirs = network.activations(waveforms, n + 1);
            assert_eq!(ours.dims(), theirs.dims());
            let worst = (ours - theirs).abs().into_data().iter::<f32>().fold(0.0, f32::max);
            assert!(worst < 1e-4, "{m}^{n}: {worst} apart");
        }
    }

    #[test]
    fn a_filter_finds_itself_and_a_silent_one_wakes() {
        let device = Default::default();
        let tone = |cycles: f32| (0..27).map(move |index| (std::f32::consts::TAU * cycles * index as f32 / 27.0).cos());
        let stage = FoldedStage {
            weight: tone(2.0).chain(tone(5.0)).collect(),
            shape: [2, 1, 27],
            bias: vec![0.5, -5.0],
            stride: 27,
            padding: (0, 0),
            rectify: true,
            pool: 1,
        };
        let mut random = StdRng::seed_from_u64(3);
        let climbed = climb::<Flex>(&[stage], 81, 18, &mut random, &device);
        for (climbed, cycles) in climbed.iter().zip([2.0, 5.0]) {
            let pattern: Vec<f32> = tone(cycles).cycle().take(81).collect();
            let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            let waveform = &climbed.waveform;
            let likeness =
                product(waveform, &pattern) / (product(waveform, waveform) * product(&pattern, &pattern)).sqrt();
            assert!(likeness > 0.99, "{cycles} cycles: {likeness}");
            assert!(climbed.after > climbed.before, "{} after {}", climbed.after, climbed.before);
        }
        assert_eq!(climbed[1].before, 0.0);
    }
}
