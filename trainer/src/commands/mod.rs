//! The commands, each with its arguments.

pub(crate) mod bench;
pub(crate) mod corpus;
pub(crate) mod evaluate;
pub(crate) mod export;
pub(crate) mod filters;
pub(crate) mod models;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod tag;
pub(crate) mod teachers;
pub(crate) mod train;

use burn::module::Module as _;
use std::path::Path;
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::network::Network;
use tagvane_trainer::training::checkpoint::{self, State};
use tagvane_trainer::{Result, TrainerError};

/// Threads that this machine runs at a time.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// The network of a run's best epoch, or of another one, and where the run stands.
pub(crate) fn trained<B: NetworkBackend>(
    run: &Path,
    epoch: Option<usize>,
    device: &B::Device,
) -> Result<(State, Network<B>)> {
    let found = checkpoint::latest(run)?;
    let none = || TrainerError::content(run, "no epoch of this run is complete yet");
    let (_, state) = found.filter(|(_, state)| !state.epochs.is_empty()).ok_or_else(none)?;
    let plan = state.config.architecture.plan(state.tags.len())?;
    let folder = checkpoint::folder(run, epoch.unwrap_or(state.best()));
    let network = checkpoint::load_network(&folder, Network::<B>::new(&plan, device), device)?;
    Ok((state, network.no_grad()))
}
