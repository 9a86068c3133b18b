//! Widening of a trained network without a change of what it computes (Net2Net: Chen, Goodfellow and Shlens 2016).

use super::{ConvBlockLayer, Network, TrunkLayer, values};
use crate::architecture::Plan;
use crate::kernels::NetworkBackend;
use burn::module::{Param, RunningState};
use burn::nn::Linear;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;

impl<B: NetworkBackend> Network<B> {
    /// The network of `plan` that computes the same as this one. Each filter becomes as many copies as there is room for.
    /// What reads a filter gets a part of its weight from each copy, drawn from `seed` for every weight, so that training
    /// makes the copies different.
    ///
    /// # Panics
    /// Panics if `plan` has other layers, a narrower one, or layers that are not convolution blocks.
    pub(crate) fn widened(&self, plan: &Plan, seed: u64, device: &B::Device) -> Self {
        let mut wide = Self::new(plan, device);
        assert!(
            wide.trunk.len() == self.trunk.len() && wide.head.is_empty() && self.head.is_empty(),
            "a widened network has the layers of the one that it comes from"
        );
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        for (wide, narrow) in wide.trunk.iter_mut().zip(&self.trunk) {
            let (TrunkLayer::ConvBlock(wide), TrunkLayer::ConvBlock(narrow)) = (wide, narrow) else {
                panic!("only convolution blocks can be widened");
            };
            wide.widen(narrow, &mut random);
        }
        widen_linear(&mut wide.tags, &self.tags, &mut random);
        wide
    }
}

impl<B: Backend> ConvBlockLayer<B> {
    fn widen(&mut self, narrow: &Self, random: &mut ChaCha12Rng) {
        let [filters, channels, length] = self.convolution.weight.dims();
        let [old_filters, old_channels, _] = narrow.convolution.weight.dims();
        let old = values(narrow.convolution.weight.val());
        let mut weights = vec![0.0; filters * channels * length];
        for filter in 0..filters {
            let shares = draw_shares(channels, old_channels, random);
            for (channel, share) in shares.into_iter().enumerate() {
                let from = (filter % old_filters * old_channels + channel % old_channels) * length;
                let to = (filter * channels + channel) * length;
                for index in 0..length {
                    weights[to + index] = old[from + index] * share;
                }
            }
        }
        let device = self.convolution.weight.val().device();
        let weights = TensorData::new(weights, [filters, channels, length]);
        self.convolution.weight = Param::from_tensor(Tensor::from_data(weights, &device));
        let copies = |tensor: Tensor<B, 1>| repeat(tensor, filters, &device);
        self.convolution.bias = narrow.convolution.bias.as_ref().map(|bias| Param::from_tensor(copies(bias.val())));
        if let (Some(norm), Some(narrow)) = (&mut self.norm, &narrow.norm) {
            norm.gamma = Param::from_tensor(copies(narrow.gamma.val()));
            norm.beta = Param::from_tensor(copies(narrow.beta.val()));
            norm.running_mean = RunningState::new(copies(narrow.running_mean.value()));
            norm.running_var = RunningState::new(copies(narrow.running_var.value()));
        }
    }
}

fn widen_linear<B: Backend>(wide: &mut Linear<B>, narrow: &Linear<B>, random: &mut ChaCha12Rng) {
    let [inputs, outputs] = wide.weight.dims();
    let [old_inputs, _] = narrow.weight.dims();
    let old = values(narrow.weight.val());
    let mut weights = vec![0.0; inputs * outputs];
    for output in 0..outputs {
        let shares = draw_shares(inputs, old_inputs, random);
        for (input, share) in shares.into_iter().enumerate() {
            weights[input * outputs + output] = old[input % old_inputs * outputs + output] * share;
        }
    }
    let device = wide.weight.val().device();
    wide.weight = Param::from_tensor(Tensor::from_data(TensorData::new(weights, [inputs, outputs]), &device));
    wide.bias = narrow.bias.as_ref().map(|bias| Param::from_tensor(Tensor::from_data(bias.val().into_data(), &device)));
}

/// How much each of `count` copies has of what it is a copy of: the value at `i` is a copy of that at `i % old_count`. The
/// parts of one value have the sum 1.
fn draw_shares(count: usize, old_count: usize, random: &mut ChaCha12Rng) -> Vec<f32> {
    let mut shares: Vec<f32> = (0..count).map(|_| random.random_range(0.5..1.5)).collect();
    for first in 0..old_count.min(count) {
        let sum: f32 = shares[first..].iter().step_by(old_count).sum();
        shares[first..].iter_mut().step_by(old_count).for_each(|share| *share /= sum);
    }
    shares
}

/// Repeats the values of a vector until there are `count`.
fn repeat<B: Backend>(tensor: Tensor<B, 1>, count: usize, device: &B::Device) -> Tensor<B, 1> {
    let repeated: Vec<f32> = values(tensor).into_iter().cycle().take(count).collect();
    Tensor::from_data(TensorData::new(repeated, [count]), device)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use burn::backend::Flex;

    fn plan(widths: &[usize]) -> Plan {
        Architecture::SampleLevel(SampleLevel::new(3, 4, 243, widths.to_vec())).plan(5).unwrap()
    }

    #[test]
    fn a_widened_network_predicts_the_same_with_copies_that_are_not_equal() {
        let device = Default::default();
        let narrow = Network::<Flex>::with_seed(&plan(&[4, 4, 5, 6, 7]), 3, &device);
        let waveforms: Vec<f32> = (0..2 * 243).map(|at| (at as f32 * 0.37).sin() * (at as f32 * 0.011).cos()).collect();
        let waveforms = Tensor::<Flex, 2>::from_data(TensorData::new(waveforms, [2, 243]), &device);
        let expected = values(narrow.forward(waveforms.clone()).logits);
        // One is as wide as it was in places, one has a number of filters that is no multiple.
        for widths in [[4, 4, 10, 12, 14], [4, 7, 5, 17, 9], [4, 4, 5, 6, 7]] {
            let wide = narrow.widened(&plan(&widths), 1, &device);
            let predicted = values(wide.forward(waveforms.clone()).logits);
            for (predicted, expected) in predicted.iter().zip(&expected) {
                assert!((predicted - expected).abs() < 1e-4, "{widths:?}: {predicted} {expected}");
            }
        }
        let wide = narrow.widened(&plan(&[4, 4, 10, 12, 14]), 1, &device);
        let tags = values(wide.tags.weight.val());
        // The first input and its copy.
        assert!((0..5).all(|tag| (tags[tag] / tags[7 * 5 + tag] - 1.0).abs() > 1e-4), "{tags:?}");
    }
}
