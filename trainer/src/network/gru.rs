//! The gated recurrent unit over time.

use crate::architecture::Gru;
use burn::module::Module;
use burn::nn::gru::{Gru as BurnGru, GruConfig};
use burn::tensor::{Tensor, backend::Backend};

/// A [`Gru`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct GruLayer<B: Backend> {
    pub(crate) gru: BurnGru<B>,
    pub(crate) last_frame_only: bool,
}

impl<B: Backend> GruLayer<B> {
    pub(crate) fn new(gru: &Gru, device: &B::Device) -> Self {
        Self {
            gru: GruConfig::new(gru.in_channels, gru.hidden_size, true).init(device),
            last_frame_only: gru.last_frame_only,
        }
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let states = self.gru.forward(signal.swap_dims(1, 2), None).swap_dims(1, 2);
        if self.last_frame_only {
            let frames = states.dims()[2];
            states.narrow(2, frames - 1, 1)
        } else {
            states
        }
    }
}
