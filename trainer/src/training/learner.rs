//! Optimiser steps of a network, on one device or data-parallel on several.

use super::config::Optimiser;
use super::loss::{binary_cross_entropy_with_logits, scalar};
use super::optimiser::NetworkOptimiser;
use crate::data::{Batch, to_tensors};
use crate::kernels::NetworkBackend;
use crate::network::{Network, Precision};
use burn::module::{AutodiffModule as _, Module as _};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::backend::AutodiffBackend;

/// A network and its optimiser.
///
/// The network lives on the first device. Every other device gets a copy of it and a part of each
/// batch, and its gradients are added to those of the first.
pub struct Learner<'a, B: AutodiffBackend> {
    /// The network in its current state.
    pub network: Network<B>,
    pub(super) optimiser: NetworkOptimiser<Network<B>, B>,
    precision: Precision,
    devices: &'a [B::Device],
}

impl<'a, B: AutodiffBackend + NetworkBackend> Learner<'a, B>
where
    B::InnerBackend: NetworkBackend,
{
    /// A network with a new optimiser, in single precision.
    ///
    /// # Panics
    /// Panics if there is no device.
    pub fn new(network: Network<B>, optimiser: Optimiser, devices: &'a [B::Device]) -> Self {
        assert!(!devices.is_empty(), "there is at least one device");
        Self { network, optimiser: NetworkOptimiser::new(optimiser), precision: Precision::Single, devices }
    }

    /// Sets the precision of the forward and backward passes.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// One optimiser step on one batch; returns the loss before the step.
    pub fn step(&mut self, batch: &Batch, learning_rate: f64) -> f64 {
        let (loss, gradients) = self.loss_and_gradients(batch, 1.0);
        self.apply_gradients(gradients, learning_rate);
        loss
    }

    /// One optimiser step.
    pub(super) fn apply_gradients(&mut self, gradients: GradientsParams, learning_rate: f64) {
        self.network = self.optimiser.step(learning_rate, self.network.clone(), gradients);
    }

    /// The loss of a batch, and the gradients of `loss_scale` times that loss.
    ///
    /// Each device normalises over its own rows. The running statistics are those of the first device.
    pub(super) fn loss_and_gradients(&self, batch: &Batch, loss_scale: f64) -> (f64, GradientsParams) {
        let mut shares = batch.split(self.devices.len()).into_iter();
        let Some(first) = shares.next() else { return (0.0, GradientsParams::new()) };
        let weight = |share: &Batch| share.rows as f64 / batch.rows as f64;
        let (precision, devices) = (self.precision, &self.devices[1..]);
        std::thread::scope(|scope| {
            let others: Vec<_> = devices
                .iter()
                .zip(shares)
                .map(|(device, share)| {
                    // A fork has running statistics of its own.
                    let copy = Network::<B>::from_inner(self.network.valid()).fork(device);
                    scope.spawn(move || {
                        let weight = weight(&share);
                        let (loss, gradients) = forward_backward(&copy, precision, &share, loss_scale * weight, device);
                        (loss * weight, gradients)
                    })
                })
                .collect();
            let first_weight = weight(&first);
            let (loss, gradients) =
                forward_backward(&self.network, precision, &first, loss_scale * first_weight, &self.devices[0]);
            if others.is_empty() {
                return (loss, gradients);
            }
            let mut sum = GradientsAccumulator::new();
            sum.accumulate(&self.network, gradients);
            let mut loss = loss * first_weight;
            for other in others {
                // Propagates a panic of the other thread.
                let (other_loss, gradients) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                loss += other_loss;
                sum.accumulate(&self.network, gradients.to_device(&self.devices[0], &self.network));
            }
            (loss, sum.grads())
        })
    }
}

/// The loss of a batch on one device, and the gradients of `loss_scale` times that loss.
fn forward_backward<B: AutodiffBackend + NetworkBackend>(
    network: &Network<B>,
    precision: Precision,
    batch: &Batch,
    loss_scale: f64,
    device: &B::Device,
) -> (f64, GradientsParams) {
    let (waveforms, targets) = to_tensors::<B>(batch, device);
    let loss = binary_cross_entropy_with_logits(network.forward_with_precision(precision, waveforms).logits, targets);
    let value = scalar(&loss);
    (value, GradientsParams::from_grads((loss * loss_scale).backward(), network))
}
