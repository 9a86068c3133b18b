//! `train`: trains a network on a cache.

use super::at_least;
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use tagvane_trainer::data::duplicates;
use tagvane_trainer::kernels::ConvBlockKernel;
use tagvane_trainer::training::config::Config;
use tagvane_trainer::training::{StopAt, TrainingData, checkpoint, train};
use tagvane_trainer::{Result, TrainerError};

/// Whether the user wants the run to stop.
static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// The exit status of an interrupted process, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

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
    stop_on_interrupts()?;
    let stop_at = StopAt { epoch: arguments.stop_after_epoch, interrupt: Some(&INTERRUPT) };
    dispatch!(&arguments.backend, train_on, &arguments.run, &data, &config, stop_at)
}

/// Has the first Ctrl-C or SIGTERM set [`INTERRUPT`]; another one ends the process. A closed terminal ends it as ever,
/// unless it was started by nohup.
fn stop_on_interrupts() -> Result<()> {
    let on_signal = || {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        eprintln!("\nstopping after this step with a checkpoint; Ctrl-C again stops at once");
    };
    let failed = |error: String| TrainerError::Request(format!("Ctrl-C cannot be handled: {error}"));
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map_err(|error| failed(error.to_string()))?;
        std::thread::spawn(move || signals.forever().for_each(|_| on_signal()));
        Ok(())
    }
    #[cfg(not(unix))]
    ctrlc::set_handler(on_signal).map_err(|error| failed(error.to_string()))
}

fn train_on<B: ConvBlockKernel>(
    run: &Path,
    data: &TrainingData,
    config: &Config,
    stop_at: StopAt<'_>,
    devices: &[B::Device],
) -> Result<()> {
    let state = train::<burn::backend::Autodiff<B>>(run, data, config, stop_at, devices)?;
    println!(
        "the best epoch is {}, in {}",
        state.best_epoch(),
        checkpoint::epoch_folder(run, state.best_epoch()).display()
    );
    Ok(())
}
