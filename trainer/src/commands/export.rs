//! `export`: a run into an ONNX file.

use super::trained;
use crate::backend::{Compute, on};
use clap::Args;
use std::path::PathBuf;
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::data::vocabularies;
use tagvane_trainer::evaluation::read_weak;
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::{Result, TrainerError, export, files};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder of the checkpoints
    #[arg(long)]
    run: PathBuf,
    /// The ONNX file
    #[arg(long)]
    out: PathBuf,
    /// Only the tags of this vocabulary, where the run learnt several: the words before their colon
    #[arg(long)]
    vocabulary: Option<String>,
    /// Figures by `evaluate --json`, whose weak tags the plugin shall mark
    #[arg(long)]
    weak_by: Option<PathBuf>,
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
    let (mut state, mut network) = trained::<B>(&arguments.run, arguments.epoch, &devices[0])?;
    let mut weak = arguments.weak_by.as_deref().map(read_weak).transpose()?.unwrap_or_default();
    if let (Some(path), Some(tag)) = (&arguments.weak_by, weak.iter().find(|tag| !state.tags.contains(tag))) {
        return Err(TrainerError::content(path, format!("the run has no tag \"{tag}\"")));
    }
    if let Some(name) = &arguments.vocabulary {
        let none = || {
            let what = format!("it knows no vocabulary {name}; its first tag is \"{}\"", state.tags[0]);
            TrainerError::content(&arguments.run, what)
        };
        let (places, tags) = vocabularies::part(&state.tags, name).ok_or_else(none)?;
        let full = &state.tags[places.clone()];
        weak = full.iter().zip(&tags).filter(|(full, _)| weak.contains(full)).map(|(_, tag)| tag.clone()).collect();
        network = network.with_tags(places);
        state.tags = tags;
    }
    let architecture = &state.config.architecture;
    let widths: Vec<String> = architecture.widths().iter().map(usize::to_string).collect();
    let metadata = Metadata {
        weak_tags: weak,
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
