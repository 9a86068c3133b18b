//! The optimisers that a configuration can ask for.

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

/// An optimiser and what it remembers of the steps so far.
pub(super) enum Stepper<M: AutodiffModule<B>, B: AutodiffBackend> {
    Sgd(OptimizerAdaptor<Sgd<B::InnerBackend>, M, B>),
    Adam(OptimizerAdaptor<Adam, M, B>),
}

impl<B: AutodiffBackend> Stepper<Network<B>, B> {
    /// An optimiser that remembers nothing yet.
    pub(super) fn new(optimiser: Optimiser) -> Self {
        match optimiser {
            Optimiser::Sgd { momentum } => {
                // burn damps each gradient by a tenth unless told; the paper does not.
                let momentum = MomentumConfig::new().with_momentum(momentum).with_dampening(0.0).with_nesterov(true);
                Self::Sgd(SgdConfig::new().with_momentum(Some(momentum)).init())
            }
            Optimiser::Adam => Self::Adam(AdamConfig::new().with_epsilon(1e-8).init()),
        }
    }

    /// One step along the gradients.
    pub(super) fn step(&mut self, rate: f64, network: Network<B>, gradients: GradientsParams) -> Network<B> {
        match self {
            Self::Sgd(optimiser) => optimiser.step(rate, network, gradients),
            Self::Adam(optimiser) => optimiser.step(rate, network, gradients),
        }
    }

    /// Leaves a checkpoint.
    ///
    /// # Errors
    /// As [`checkpoint::save`].
    pub(super) fn save(&self, run: &Path, state: &checkpoint::State, network: Network<B>) -> Result<()> {
        match self {
            Self::Sgd(optimiser) => checkpoint::save(run, state, network, optimiser.to_record()),
            Self::Adam(optimiser) => checkpoint::save(run, state, network, optimiser.to_record()),
        }
    }

    /// Remembers what the optimiser of a checkpoint did.
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
