//! `export`: a run into an ONNX file.

use super::trained;
use crate::backend::{Compute, on};
use clap::Args;
use std::path::PathBuf;
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::{Result, export, files};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of the checkpoints
    #[arg(long)]
    run: PathBuf,
    /// The ONNX file
    #[arg(long)]
    out: PathBuf,
    /// An epoch other than the best
    #[arg(long)]
    epoch: Option<usize>,
    #[command(flatten)]
    compute: Compute,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    on!(&arguments.compute, export_on, arguments)
}

fn export_on<B: NetworkBackend>(arguments: &Arguments, devices: &[B::Device]) -> Result<()> {
    let (state, network) = trained::<B>(&arguments.run, arguments.epoch, &devices[0])?;
    let architecture = &state.config.architecture;
    let widths: Vec<String> = architecture.widths().iter().map(usize::to_string).collect();
    let metadata = Metadata {
        tags: state.tags,
        sample_rate: Some(tagvane_engine::SAMPLE_RATE),
        architecture: architecture.to_string(),
        widths: widths.join(", "),
        trained_on: state.config.card.trained_on.clone(),
        licence: state.config.card.licence.clone(),
    };
    let bytes = export::to_onnx(&network, architecture, &metadata);
    // What the plugin could not load must not leave the trainer.
    Model::from_bytes(&bytes)?;
    files::write(&arguments.out, &bytes)?;
    println!("{}: {architecture} from {}", arguments.out.display(), arguments.run.display());
    Ok(())
}
