//! The subcommands and their arguments.

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
use clap::builder::RangedU64ValueParser;
use std::path::Path;
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::network::Network;
use tagvane_trainer::training::checkpoint::{self, RunState};
use tagvane_trainer::{Result, TrainerError};

/// Number of threads that run in parallel on this machine.
pub(crate) fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

/// A parser of numbers that are at least `min`.
pub(crate) fn at_least(min: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min..)
}

/// Parses a probability.
pub(crate) fn parse_probability(text: &str) -> std::result::Result<f32, String> {
    let number = text.parse::<f32>().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "give a probability from 0 to 1".into())
}

/// Loads the state of a run, and its network at `epoch` or at the best epoch.
pub(crate) fn load_run<B: NetworkBackend>(
    run: &Path,
    epoch: Option<usize>,
    device: &B::Device,
) -> Result<(RunState, Network<B>)> {
    let found = checkpoint::latest(run)?;
    let none = || TrainerError::content(run, "no epoch of this run is complete yet; train it first");
    let (_, state) = found.filter(|(_, state)| !state.epochs.is_empty()).ok_or_else(none)?;
    let plan = state.config.architecture.plan(state.tags.len())?;
    let folder = checkpoint::epoch_folder(run, epoch.unwrap_or(state.best_epoch()));
    let network = checkpoint::load_network(&folder, Network::<B>::new(&plan, device), device)?;
    Ok((state, network.no_grad()))
}
