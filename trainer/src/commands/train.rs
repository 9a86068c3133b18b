//! `train`: trains a network on a cache.

use super::at_least;
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::path::{Path, PathBuf};
use tagvane_trainer::Result;
use tagvane_trainer::data::duplicates;
use tagvane_trainer::kernels::ConvBlockKernel;
use tagvane_trainer::training::config::Config;
use tagvane_trainer::training::{TrainingData, checkpoint, train};

#[derive(Args)]
pub(crate) struct TrainArguments {
    /// Configuration, a TOML file such as those in trainer/configs
    config: PathBuf,
    /// Cache made by `prepare`
    #[arg(long)]
    cache: PathBuf,
    /// Folder for the checkpoints
    #[arg(long)]
    run: PathBuf,
    /// Replace a value of the configuration, such as training.batch_size=50; may be repeated
    #[arg(long = "set")]
    overrides: Vec<String>,
    /// Stop after this epoch, from 1; the same command without it resumes
    #[arg(long, value_parser = at_least(1))]
    stop_after_epoch: Option<usize>,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &TrainArguments) -> Result<()> {
    let config = Config::read(&arguments.config, &arguments.overrides)?;
    let data = TrainingData::open(&arguments.cache, &config)?;
    if let Some(duplicates) = duplicates::summary(data.training.cache.duplicates()) {
        println!("{duplicates}");
    }
    for (split, name) in [(&data.training, "train on"), (&data.validation, "validate on")] {
        println!("{} windows of {} recordings to {name}", split.examples.len(), split.cache.len());
        let short = split.cache.too_short(split.window);
        if !short.is_empty() {
            println!("{} recordings are shorter than a window and left out: {}", short.len(), short.join(", "));
        }
    }
    dispatch!(&arguments.backend, train_on, &arguments.run, &data, &config, arguments.stop_after_epoch)
}

fn train_on<B: ConvBlockKernel>(
    run: &Path,
    data: &TrainingData,
    config: &Config,
    last_epoch: Option<usize>,
    devices: &[B::Device],
) -> Result<()> {
    let state = train::<burn::backend::Autodiff<B>>(run, data, config, last_epoch, devices)?;
    println!(
        "the best epoch is {}, in {}",
        state.best_epoch(),
        checkpoint::epoch_folder(run, state.best_epoch()).display()
    );
    Ok(())
}
