//! Optimiser steps of a network, on one device or data-parallel on several.

use super::checkpoint::{self, RunState};
use super::config::{Optimiser, WeightAveraging};
use super::loss::{binary_cross_entropy_with_logits, scalar};
use super::optimiser::NetworkOptimiser;
use super::weight_average::WeightAverage;
use crate::data::{Batch, to_tensors};
use crate::error::Result;
use crate::kernels::NetworkBackend;
use crate::network::{Network, Precision, seed_dropout};
use burn::module::{AutodiffModule as _, Module as _};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::{AutodiffBackend, Backend};
use std::path::Path;

/// A network, its optimiser, and the average of its weights where there is one.
///
/// The network lives on the first device. Every other device gets a copy of it and a part of each
/// batch, and its gradients are added to those of the first.
pub struct Learner<'a, B: AutodiffBackend> {
    /// The network in its current state.
    pub network: Network<B>,
    optimiser: NetworkOptimiser<B>,
    average: Option<WeightAverage<B>>,
    precision: Precision,
    devices: &'a [B::Device],
    /// Steps so far, by [`step`](Self::step) and [`step_on_device`](Self::step_on_device). Their number seeds the
    /// dropout of the next.
    steps: u64,
}

/// The stream on which batches are copied, while the calling thread's computes.
const UPLOAD_STREAM: u64 = 1;

/// The stream of the steps on further devices, each of which has a thread.
const STEP_STREAM: u64 = 2;

/// A batch that was split among the devices and copied to them.
pub struct DeviceBatch<B: Backend> {
    shares: Vec<Share<B>>,
    /// Number of windows.
    pub rows: usize,
}

/// The part of a batch that is on one device.
struct Share<B: Backend> {
    waveforms: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    rows: usize,
}

impl<B: NetworkBackend> DeviceBatch<B> {
    /// Splits a batch among devices and copies it to them.
    pub fn new(batch: &Batch, devices: &[B::Device]) -> Self {
        let on_device = |share: &Batch, device: &B::Device| {
            let (waveforms, targets) = to_tensors::<B>(share, device);
            Share { waveforms, targets, rows: share.rows }
        };
        let shares = || match devices {
            [device] => vec![on_device(batch, device)],
            _ => {
                batch.split(devices.len()).iter().zip(devices).map(|(share, device)| on_device(share, device)).collect()
            }
        };
        Self { shares: B::on_stream(UPLOAD_STREAM, shares), rows: batch.rows }
    }
}

/// The loss of a batch, which its devices may still be computing.
pub struct PendingLoss<B: Backend> {
    /// The mean loss of each device's windows, and their fraction of the batch.
    shares: Vec<(Tensor<B, 1>, f64)>,
}

impl<B: Backend> PendingLoss<B> {
    /// The mean loss of the batch; waits for the devices.
    pub fn value(&self) -> f64 {
        self.shares.iter().map(|(loss, weight)| scalar(loss) * weight).sum()
    }
}

impl<'a, B: AutodiffBackend + NetworkBackend> Learner<'a, B>
where
    B::InnerBackend: NetworkBackend,
{
    /// A network with a new optimiser, in single precision, without an average of the weights.
    ///
    /// # Panics
    /// Panics if there is no device.
    pub fn new(network: Network<B>, optimiser: Optimiser, devices: &'a [B::Device]) -> Self {
        assert!(!devices.is_empty(), "there is at least one device");
        let optimiser = NetworkOptimiser::new(optimiser);
        Self { network, optimiser, average: None, precision: Precision::Single, devices, steps: 0 }
    }

    /// Sets the precision of the forward and backward passes.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// Averages the weights from now on, or does not.
    pub fn with_weight_averaging(self, averaging: Option<WeightAveraging>) -> Self {
        Self { average: averaging.map(WeightAverage::new), ..self }
    }

    /// The network to validate and to evaluate: the averaged one where weights are averaged.
    pub fn evaluation_network(&self) -> Network<B::InnerBackend> {
        self.average.as_ref().map_or_else(|| self.network.valid(), |average| average.network(&self.network))
    }

    /// Writes a checkpoint of the run.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub(super) fn save_checkpoint(&self, run: &Path, state: &RunState) -> Result<()> {
        self.optimiser.save_checkpoint(run, state, self.network.clone(), self.average.as_ref())
    }

    /// Loads the network and its average from a checkpoint.
    ///
    /// # Errors
    /// As [`checkpoint::load_network`].
    pub(super) fn load_network(&mut self, folder: &Path) -> Result<()> {
        let (network, device) = (self.network.clone(), &self.devices[0]);
        self.network = match &mut self.average {
            Some(average) => average.load(folder, network, device)?,
            None => checkpoint::load_network(folder, network, device)?,
        };
        Ok(())
    }

    /// Loads a checkpoint: the network, its average and the optimiser's state.
    ///
    /// # Errors
    /// As [`checkpoint::load_network`].
    pub(super) fn load(mut self, folder: &Path) -> Result<Self> {
        self.load_network(folder)?;
        let optimiser = self.optimiser.load(folder, &self.network, &self.devices[0])?;
        Ok(Self { optimiser, ..self })
    }

    /// One optimiser step on one batch; returns the loss before the step.
    pub fn step(&mut self, batch: &Batch, learning_rate: f64) -> f64 {
        self.step_on_device(DeviceBatch::new(batch, self.devices), learning_rate).value()
    }

    /// One optimiser step on a batch that is on the devices. Does not wait for them.
    pub fn step_on_device(
        &mut self,
        batch: DeviceBatch<B::InnerBackend>,
        learning_rate: f64,
    ) -> PendingLoss<B::InnerBackend> {
        let (loss, gradients) = self.loss_and_gradients(batch, 1.0, self.steps);
        self.steps += 1;
        self.apply_gradients(gradients, learning_rate);
        loss
    }

    /// One optimiser step, after which the average is updated.
    pub(super) fn apply_gradients(&mut self, gradients: GradientsParams, learning_rate: f64) {
        self.network = self.optimiser.step(learning_rate, self.network.clone(), gradients);
        if let Some(average) = &mut self.average {
            average.update(&self.network);
        }
    }

    /// The loss of a batch, and the gradients of `loss_scale` times that loss. Does not wait for the devices.
    ///
    /// `dropout_seed` is that of the first device; see [`device_seed`] for the others.
    /// Each device normalises over its own rows. The running statistics are those of the first device.
    pub(super) fn loss_and_gradients(
        &self,
        batch: DeviceBatch<B::InnerBackend>,
        loss_scale: f64,
        dropout_seed: u64,
    ) -> (PendingLoss<B::InnerBackend>, GradientsParams) {
        let DeviceBatch { shares, rows } = batch;
        let mut shares = shares.into_iter();
        let Some(first) = shares.next() else { return (PendingLoss { shares: Vec::new() }, GradientsParams::new()) };
        let weight = |share: &Share<B::InnerBackend>| share.rows as f64 / rows as f64;
        let (precision, devices) = (self.precision, &self.devices[1..]);
        std::thread::scope(|scope| {
            let others: Vec<_> = devices
                .iter()
                .zip(shares)
                .enumerate()
                .map(|(index, (device, share))| {
                    // A fork has running statistics of its own.
                    let copy = Network::<B>::from_inner(self.network.valid()).fork(device);
                    scope.spawn(move || {
                        let weight = weight(&share);
                        seed_dropout(device_seed(dropout_seed, index + 1));
                        let step = || forward_backward(&copy, precision, share, loss_scale * weight);
                        let (loss, gradients) = B::on_stream(STEP_STREAM, step);
                        ((loss, weight), gradients)
                    })
                })
                .collect();
            let first_weight = weight(&first);
            seed_dropout(dropout_seed);
            let (loss, gradients) = forward_backward(&self.network, precision, first, loss_scale * first_weight);
            let mut losses = vec![(loss, first_weight)];
            if others.is_empty() {
                return (PendingLoss { shares: losses }, gradients);
            }
            let mut sum = GradientsAccumulator::new();
            sum.accumulate(&self.network, gradients);
            for other in others {
                // Propagates a panic of the other thread.
                let (loss, gradients) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                losses.push(loss);
                sum.accumulate(&self.network, gradients.to_device(&self.devices[0], &self.network));
            }
            (PendingLoss { shares: losses }, sum.grads())
        })
    }
}

/// The seed of the dropout of device number `device`, counted from 0. Seeds of successive steps follow one another, so
/// the device is in the upper half.
fn device_seed(step_seed: u64, device: usize) -> u64 {
    step_seed.wrapping_add((device as u64) << 32)
}

/// The loss of a part of a batch, and the gradients of `loss_scale` times that loss.
fn forward_backward<B: AutodiffBackend + NetworkBackend>(
    network: &Network<B>,
    precision: Precision,
    share: Share<B::InnerBackend>,
    loss_scale: f64,
) -> (Tensor<B::InnerBackend, 1>, GradientsParams) {
    let (waveforms, targets) = (Tensor::from_inner(share.waveforms), Tensor::from_inner(share.targets));
    let loss = binary_cross_entropy_with_logits(network.forward_with_precision(precision, waveforms).logits, targets);
    let value = loss.clone().inner();
    (value, GradientsParams::from_grads((loss * loss_scale).backward(), network))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::architecture::{Architecture, SampleLevel};
    use burn::backend::{Autodiff, Flex};

    /// Regression: the mask of the second device was that of the first one in the next step.
    #[test]
    fn two_devices_draw_four_different_dropout_masks_in_two_steps() {
        let plan = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![32; 3])).plan(2).unwrap();
        assert!(plan.dropout > 0.0);
        let device = Default::default();
        let devices = [device, device];
        // Both devices get the same two windows.
        let row = |row: usize| (0..27).map(move |sample| (((row % 2 + 1) * sample) as f32 * 0.3).sin());
        let batch = Batch { waveforms: (0..4).flat_map(row).collect(), targets: [1.0, 0.0].repeat(4), rows: 4 };
        let network = Network::<Autodiff<Flex>>::new(&plan, &device);
        let learner = Learner::new(network, Optimiser::Adam, &devices);
        let losses = |seed: u64| -> Vec<f64> {
            let (loss, _) = learner.loss_and_gradients(DeviceBatch::new(&batch, &devices), 1.0, seed);
            loss.shares.iter().map(|(loss, _)| scalar(loss)).collect()
        };
        let mut all = [losses(7), losses(8)].concat();
        assert_eq!(losses(7), all[..2], "a seed gives the same masks");
        all.sort_by(f64::total_cmp);
        all.dedup();
        assert_eq!(all.len(), 4, "{all:?}");
    }
}
