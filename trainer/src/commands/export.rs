//! `export`: writes a run as an ONNX file.

use super::{load_run, open_split};
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::ops::Range;
use std::path::{Path, PathBuf};
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::data::{Split, vocabularies};
use tagvane_trainer::evaluation::{Calibration, VocabularyCalibration, format_calibration, read_weak_tags};
use tagvane_trainer::export::Whitening;
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::network::Network;
use tagvane_trainer::training::checkpoint::RunState;
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
    /// Calibrate the probabilities of each tag on this cache of the run's data set (Platt scaling, which keeps the order of
    /// the windows); calibration.json in the run's folder gets the figures
    #[arg(long, value_name = "CACHE")]
    calibrate_on: Option<PathBuf>,
    /// Group of that cache to calibrate on; may be repeated [default: the run's validation groups]
    #[arg(long = "calibrate-group", value_name = "GROUP", requires = "calibrate_on")]
    calibrate_groups: Vec<String>,
    /// Let tags of a user's own be taught to the model: adds the principal components of its embedding over the training
    /// groups of this cache of the run's data set, and some of these embeddings as the background
    #[arg(long, value_name = "CACHE")]
    teachable_on: Option<PathBuf>,
    /// Epoch to export, from 1: the best one or the last one, because a run keeps no others [default: the best]
    #[arg(long)]
    epoch: Option<usize>,
    #[command(flatten)]
    backend: BackendArguments,
}

/// The file with the calibration in a run's folder.
const CALIBRATION: &str = "calibration.json";

pub(crate) fn run(arguments: &ExportArguments) -> Result<()> {
    dispatch!(&arguments.backend, export_on, arguments)
}

fn export_on<B: NetworkBackend>(arguments: &ExportArguments, devices: &[B::Device]) -> Result<()> {
    let (mut state, mut network) = load_run::<B>(&arguments.run, arguments.epoch, &devices[0])?;
    let mut weak = arguments.weak_tags_from.as_deref().map(read_weak_tags).transpose()?.unwrap_or_default();
    if let (Some(path), Some(tag)) = (&arguments.weak_tags_from, weak.iter().find(|tag| !state.tags.contains(tag))) {
        return Err(TrainerError::content(path, format!("the run has no tag \"{tag}\"; give the metrics of this run")));
    }
    let calibration = match &arguments.calibrate_on {
        Some(cache) => Some(calibrate(arguments, cache, &state, &network, &devices[0])?),
        None => None,
    };
    let mut exported = 0..state.tags.len();
    if let Some(calibration) = &calibration {
        network = calibration.fold_into(network);
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
        network = network.with_tags(range.clone());
        exported = range;
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
        ..Metadata::default()
    };
    let mut bytes = export::to_onnx(&network, architecture, &metadata);
    if let Some(cache) = &arguments.teachable_on {
        let split = Split::open(cache, architecture.window(), |group| state.config.groups.is_training(group))?;
        let whitening = Whitening::of_model(&bytes, &split)?;
        bytes = export::add_whitened_embedding(&bytes, &whitening)?;
    }
    if arguments.half_precision {
        bytes = export::to_half_precision(&bytes)?;
    }
    // Check that the plugin can load the file before it is written.
    Model::from_bytes(&bytes)?;
    files::write(&arguments.out, &bytes)?;
    if let Some(calibration) = &calibration {
        calibration.write_json(&arguments.run.join(CALIBRATION))?;
        print_calibration(calibration, exported);
    }
    println!("{}: {architecture} from {}", arguments.out.display(), arguments.run.display());
    Ok(())
}

/// Calibrates a network of a run on the groups of a cache.
fn calibrate<B: NetworkBackend>(
    arguments: &ExportArguments,
    cache: &Path,
    state: &RunState,
    network: &Network<B>,
    device: &B::Device,
) -> Result<Calibration> {
    let config = &state.config;
    let groups = &arguments.calibrate_groups;
    let groups = if groups.is_empty() { &config.groups.validation } else { groups };
    if let Some(group) = groups.iter().find(|group| config.groups.is_training(group)) {
        let what = format!(
            "--calibrate-group {group}: the run was trained on this group, so its probabilities are too good there; give a \
             held-out one, such as {}",
            config.groups.validation.join(", ")
        );
        return Err(TrainerError::Request(what));
    }
    let split = open_split(cache, groups, config.architecture.window())?;
    if split.cache.info.tags != state.tags {
        let what = "the run was trained on other tags; calibrate it on a cache of its data set";
        return Err(TrainerError::content(cache, what));
    }
    Calibration::fit(network, &split, config.training.batch_size, device)
}

/// Prints the errors of the exported tags before and after.
fn print_calibration(calibration: &Calibration, exported: Range<usize>) {
    let (before, after): (Vec<VocabularyCalibration>, Vec<VocabularyCalibration>) =
        calibration.by_vocabulary(exported).into_iter().unzip();
    println!("calibrated on {} windows; on these, before: {}", calibration.windows, format_calibration(&before));
    println!("after: {}", format_calibration(&after));
}
