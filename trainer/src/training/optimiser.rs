//! The optimisers.

use super::checkpoint;
use super::config::Optimiser;
use crate::error::Result;
use crate::network::Network;
use burn::module::AutodiffModule;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{Adam, AdamConfig, GradientsParams, Optimizer as _, Sgd, SgdConfig};
use burn::tensor::backend::AutodiffBackend;
use std::path::Path;

/// An optimiser with its state.
pub(super) enum NetworkOptimiser<M: AutodiffModule<B>, B: AutodiffBackend> {
    Sgd(OptimizerAdaptor<Sgd<B::InnerBackend>, M, B>),
    Adam(OptimizerAdaptor<Adam, M, B>),
}

impl<B: AutodiffBackend> NetworkOptimiser<Network<B>, B> {
    /// An optimiser with empty state.
    pub(super) fn new(optimiser: Optimiser) -> Self {
        match optimiser {
            Optimiser::Sgd { momentum } => {
                // burn's default dampening is 0.1; the paper uses none.
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0).with_nesterov(true);
                Self::Sgd(SgdConfig::new().with_momentum(Some(momentum)).init())
            }
            Optimiser::Adam => Self::Adam(AdamConfig::new().with_epsilon(1e-8).init()),
        }
    }

    /// One optimiser step at a learning rate.
    pub(super) fn step(&mut self, learning_rate: f64, network: Network<B>, gradients: GradientsParams) -> Network<B> {
        match self {
            Self::Sgd(optimiser) => optimiser.step(learning_rate, network, gradients),
            Self::Adam(optimiser) => optimiser.step(learning_rate, network, gradients),
        }
    }

    /// Writes a checkpoint of the run, with the network and the optimiser's state.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub(super) fn save_checkpoint(&self, run: &Path, state: &checkpoint::RunState, network: Network<B>) -> Result<()> {
        match self {
            Self::Sgd(optimiser) => checkpoint::save(run, state, network, optimiser.to_record()),
            Self::Adam(optimiser) => checkpoint::save(run, state, network, optimiser.to_record()),
        }
    }

    /// Loads the optimiser's state from a checkpoint.
    ///
    /// # Errors
    /// As [`checkpoint::load`].
    pub(super) fn load(self, folder: &Path, device: &B::Device) -> Result<Self> {
        Ok(match self {
            Self::Sgd(optimiser) => Self::Sgd(optimiser.load_record(checkpoint::load(folder, "optimiser", device)?)),
            Self::Adam(optimiser) => Self::Adam(optimiser.load_record(checkpoint::load(folder, "optimiser", device)?)),
        })
    }
}
