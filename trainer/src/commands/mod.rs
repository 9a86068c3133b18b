//! The subcommands and their arguments.

pub(crate) mod bench;
mod copies;
pub(crate) mod corpus;
pub(crate) mod ensemble;
pub(crate) mod evaluate;
mod evaluate_truth;
pub(crate) mod export;
pub(crate) mod filters;
pub(crate) mod models;
pub(crate) mod prepare;
pub(crate) mod report;
pub(crate) mod tag;
pub(crate) mod teach;
pub(crate) mod teachers;
pub(crate) mod train;

use burn::module::Module as _;
use clap::builder::RangedU64ValueParser;
use std::path::Path;
use tagvane_engine::{InferenceMode, Model};
use tagvane_trainer::data::{Cache, Split, duplicates};
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

/// Opens a tagger that is run by full windows, and prints what is assumed about it. What its file lacks is read from files
/// in the folder `sidecars`, if it is given, and beside it.
pub(crate) fn open_tagger(path: &Path, sidecars: Option<&Path>) -> Result<Model> {
    let opened = match sidecars {
        Some(folder) => Model::open_with_sidecars(path, InferenceMode::FullWindows, folder),
        None => Model::open(path, InferenceMode::FullWindows),
    };
    let model = opened.map_err(|error| TrainerError::content(path, error.to_string()))?;
    print_assumptions(path, &model);
    Ok(model)
}

/// Prints what is assumed about the tagger at `path`.
fn print_assumptions(path: &Path, model: &Model) {
    let (name, rate, window) = (path.display(), model.sample_rate(), model.window());
    if model.is_sample_rate_assumed() {
        eprintln!(
            "{name}: the model does not say its sample rate: {rate} Hz are assumed; docs/model-file.md tells how to state it"
        );
    }
    if model.is_window_assumed() {
        eprintln!(
            "{name}: the model leaves its window open: {window} samples are assumed; docs/model-file.md tells how to state it"
        );
    }
}

/// Opens groups of a cache as windows, and prints the clips that are left out.
pub(crate) fn open_split(cache: &Path, groups: &[String], window: usize) -> Result<Split> {
    let split = Split::open(cache, window, |group| groups.iter().any(|wanted| wanted == group))?;
    if let Some(duplicates) = duplicates::summary(split.cache.duplicates()) {
        println!("{duplicates}");
    }
    let short = split.cache.too_short(window);
    if !short.is_empty() {
        println!("{} clips are shorter than a window and left out: {}", short.len(), short.join(", "));
    }
    if split.examples.is_empty() {
        let all = Cache::open(cache, |_| true)?;
        let mut names: Vec<&str> = (0..all.len()).map(|index| all.track(index).group.as_str()).collect();
        names.dedup();
        return Err(TrainerError::content(
            cache,
            format!("there are no clips in the groups {}; the cache has {}", groups.join(", "), names.join(", ")),
        ));
    }
    Ok(split)
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
