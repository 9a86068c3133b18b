//! `filters`: plots of the learned filters of a run, as in Figures 2 and 3 of the paper.

use super::load_run;
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::path::PathBuf;
use tagvane_trainer::figures::{AscentConfig, learned_filters, write};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::{Result, TrainerError};

#[derive(Args)]
pub(crate) struct FiltersArguments {
    /// Folder of the checkpoints
    #[arg(long)]
    run: PathBuf,
    /// Folder for the spectra and waveforms, as PNG and SVG, and filters.json
    #[arg(long)]
    out: PathBuf,
    /// Length of each waveform in samples [default: 729 for 3^9; for other networks the shortest length from 729 on
    /// that suits them]
    #[arg(long)]
    samples: Option<usize>,
    /// Number of steps of gradient ascent
    #[arg(long, default_value_t = 18)]
    steps: usize,
    /// Seed of the noise that gradient ascent starts from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &FiltersArguments) -> Result<()> {
    dispatch!(&arguments.backend, draw, arguments)
}

fn draw<B: NetworkBackend>(arguments: &FiltersArguments, devices: &[B::Device]) -> Result<()> {
    let device = &devices[0];
    let (state, network) = load_run::<B>(&arguments.run, None, device)?;
    let ascent = AscentConfig { samples: arguments.samples, steps: arguments.steps, seed: arguments.seed };
    let layers = learned_filters(&network, &state.config.architecture, &ascent, device)
        .map_err(|error| TrainerError::content(&arguments.run, error.to_string()))?;
    for layer in &layers {
        let inactive = layer.filters.iter().filter(|filter| filter.activation_after <= 0.0).count();
        if let (Some(lowest), Some(highest)) = (layer.filters.first(), layer.filters.last()) {
            println!(
                "layer {}: {} filters from {:.0} to {:.0} Hz, {inactive} of them inactive",
                layer.layer,
                layer.filters.len(),
                lowest.peak_hertz,
                highest.peak_hertz
            );
        }
    }
    write(&arguments.out, &layers)?;
    println!("{}: spectra and waveforms of epoch {}", arguments.out.display(), state.best_epoch());
    Ok(())
}
