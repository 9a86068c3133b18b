//! A network and its optimiser, step by step, on one device or several.

use super::config::Optimiser;
use super::optimiser::Stepper;
use super::scalar;
use crate::data::Batch;
use crate::kernels::NetworkBackend;
use crate::network::{Network, Precision, binary_cross_entropy};
use burn::module::{AutodiffModule as _, Module as _};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};

/// A network under training. It lives on the first device; the others get a copy of
/// it for their part of each batch, and send their gradients back.
pub struct Steps<'a, B: AutodiffBackend> {
    /// The network so far.
    pub network: Network<B>,
    pub(super) stepper: Stepper<Network<B>, B>,
    precision: Precision,
    devices: &'a [B::Device],
}

impl<'a, B: AutodiffBackend + NetworkBackend> Steps<'a, B>
where
    B::InnerBackend: NetworkBackend,
{
    /// A start, with an optimiser that remembers nothing.
    ///
    /// # Panics
    /// Without any device.
    pub fn new(network: Network<B>, optimiser: Optimiser, devices: &'a [B::Device]) -> Self {
        assert!(!devices.is_empty(), "a network lives on a device");
        Self { network, stepper: Stepper::new(optimiser), precision: Precision::Single, devices }
    }

    /// The same, computing in a precision.
    pub fn in_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// One step on one batch; gives its loss before the step.
    pub fn step(&mut self, batch: &Batch, rate: f64) -> f64 {
        let (loss, gradients) = self.gradients(batch, 1.0);
        self.follow(gradients, rate);
        loss
    }

    /// One step along gradients.
    pub(super) fn follow(&mut self, gradients: GradientsParams, rate: f64) {
        self.network = self.stepper.step(rate, self.network.clone(), gradients);
    }

    /// The loss of a batch, and the gradients of a part of it. Each device normalises
    /// over its own rows; what is learnt of the mean and variance is the first one's.
    pub(super) fn gradients(&self, batch: &Batch, part: f64) -> (f64, GradientsParams) {
        let mut shares = batch.split(self.devices.len()).into_iter();
        let Some(first) = shares.next() else { return (0.0, GradientsParams::new()) };
        let weight = |share: &Batch| share.rows as f64 / batch.rows as f64;
        let (precision, devices) = (self.precision, &self.devices[1..]);
        std::thread::scope(|scope| {
            let others: Vec<_> = devices
                .iter()
                .zip(shares)
                .map(|(device, share)| {
                    // A copy with a mean and variance of its own.
                    let copy = Network::<B>::from_inner(self.network.valid()).fork(device);
                    scope.spawn(move || {
                        let weight = weight(&share);
                        let (loss, gradients) = differentiate(&copy, precision, &share, part * weight, device);
                        (loss * weight, gradients)
                    })
                })
                .collect();
            let own = weight(&first);
            let (loss, gradients) = differentiate(&self.network, precision, &first, part * own, &self.devices[0]);
            if others.is_empty() {
                return (loss, gradients);
            }
            let mut sum = GradientsAccumulator::new();
            sum.accumulate(&self.network, gradients);
            let mut loss = loss * own;
            for other in others {
                // A panic there is one here.
                let (other_loss, gradients) = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                loss += other_loss;
                sum.accumulate(&self.network, gradients.to_device(&self.devices[0], &self.network));
            }
            (loss, sum.grads())
        })
    }
}

/// The loss of rows on a device, and the gradients of a part of it.
fn differentiate<B: AutodiffBackend + NetworkBackend>(
    network: &Network<B>,
    precision: Precision,
    batch: &Batch,
    part: f64,
    device: &B::Device,
) -> (f64, GradientsParams) {
    let (waveforms, targets) = to_tensors::<B>(batch, device);
    let loss = binary_cross_entropy(network.forward_in(precision, waveforms).logits, targets);
    let value = scalar(&loss);
    (value, GradientsParams::from_grads((loss * part).backward(), network))
}

/// A batch on a device: waveforms `[rows, window]` and targets `[rows, tags]`.
pub fn to_tensors<B: Backend>(batch: &Batch, device: &B::Device) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let on_device = |values: &Vec<f32>| {
        let columns = values.len() / batch.rows;
        Tensor::from_data(TensorData::new(values.clone(), [batch.rows, columns]), device)
    };
    (on_device(&batch.waveforms), on_device(&batch.targets))
}
