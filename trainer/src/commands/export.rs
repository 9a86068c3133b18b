//! `export`: writes a run as an ONNX file.

use super::load_run;
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::path::PathBuf;
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::data::vocabularies;
use tagvane_trainer::evaluation::read_weak_tags;
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::{Result, TrainerError, export, files};

#[derive(Args)]
pub(crate) struct ExportArguments {
    /// Folder of the checkpoints
    #[arg(long)]
    run: PathBuf,
    /// ONNX file to write
    #[arg(long)]
    out: PathBuf,
    /// Export the tags of this vocabulary only, such as "Jamendo 50", if the run has several [default: all of them]
    #[arg(long)]
    vocabulary: Option<String>,
    /// Store the weights in half precision: half the size, and probabilities that differ in the fourth digit
    #[arg(long)]
    half_precision: bool,
    /// Metrics of this run from `evaluate --json`; their weak tags are stored in the file, and the plugin marks them
    #[arg(long)]
    weak_tags_from: Option<PathBuf>,
    /// Epoch to export, from 1: the best one or the last one, because a run keeps no others [default: the best]
    #[arg(long)]
    epoch: Option<usize>,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &ExportArguments) -> Result<()> {
    dispatch!(&arguments.backend, export_on, arguments)
}

fn export_on<B: NetworkBackend>(arguments: &ExportArguments, devices: &[B::Device]) -> Result<()> {
    let (mut state, mut network) = load_run::<B>(&arguments.run, arguments.epoch, &devices[0])?;
    let mut weak = arguments.weak_tags_from.as_deref().map(read_weak_tags).transpose()?.unwrap_or_default();
    if let (Some(path), Some(tag)) = (&arguments.weak_tags_from, weak.iter().find(|tag| !state.tags.contains(tag))) {
        return Err(TrainerError::content(path, format!("the run has no tag \"{tag}\"; give the metrics of this run")));
    }
    if let Some(name) = &arguments.vocabulary {
        let none = || {
            let what = format!("this run has no vocabulary {name}; its first tag is \"{}\"", state.tags[0]);
            TrainerError::content(&arguments.run, what)
        };
        let (range, tags) = vocabularies::find(&state.tags, name).ok_or_else(none)?;
        let full_names = &state.tags[range.clone()];
        weak =
            full_names.iter().zip(&tags).filter(|(full, _)| weak.contains(full)).map(|(_, tag)| tag.clone()).collect();
        network = network.with_tags(range);
        state.tags = tags;
    }
    let architecture = &state.config.architecture;
    let widths: Vec<String> = architecture.widths().iter().map(usize::to_string).collect();
    let metadata = Metadata {
        weak_tags: weak,
        vocabularies: vocabularies::parts(&state.tags),
        tags: state.tags,
        sample_rate: Some(tagvane_engine::SAMPLE_RATE),
        window: Some(architecture.window()),
        architecture: architecture.to_string(),
        widths: widths.join(", "),
        trained_on: state.config.card.trained_on.clone(),
        licence: state.config.card.licence.clone(),
    };
    let mut bytes = export::to_onnx(&network, architecture, &metadata);
    if arguments.half_precision {
        bytes = export::to_half_precision(&bytes)?;
    }
    // Check that the plugin can load the file before it is written.
    Model::from_bytes(&bytes)?;
    files::write(&arguments.out, &bytes)?;
    println!("{}: {architecture} from {}", arguments.out.display(), arguments.run.display());
    Ok(())
}
