//! Trains a small network on a folder of recordings, and writes it as a model that the plug-in loads.
//!
//! The folder has a subfolder for each tag with the recordings that have it, at least a few dozen of them. `WORK` gets
//! the decoded recordings and the checkpoints; the same command resumes an interrupted run.
//!
//! ```text
//! cargo run --release -p tagvane-trainer --example train_folder -- RECORDINGS WORK MODEL.onnx
//! ```

use burn::backend::{Autodiff, Flex};
use burn::module::Module as _;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use tagvane_engine::Metadata;
use tagvane_trainer::architecture::catalogue;
use tagvane_trainer::data::Split;
use tagvane_trainer::evaluation::{Clips, Unit, print};
use tagvane_trainer::network::Network;
use tagvane_trainer::prepare::folder::{HoldOut, from_folders};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::{PrepareOptions, prepare_labelled_sources};
use tagvane_trainer::training::config::{Config, Optimiser};
use tagvane_trainer::training::schedule::Schedule;
use tagvane_trainer::training::{StopAt, TrainingData, checkpoint, train};
use tagvane_trainer::{Result, TrainerError, export, files};

/// The network: 3^5 with few filters, which trains on a laptop.
const NETWORK: &str = "narrow-3^5";
/// Batch size, in windows.
const BATCH_SIZE: usize = 23;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [recordings, work, model] = arguments.as_slice() else {
        eprintln!("usage: train_folder RECORDINGS WORK MODEL.onnx");
        return ExitCode::FAILURE;
    };
    match train_folder(Path::new(recordings), Path::new(work), Path::new(model)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn train_folder(recordings: &Path, work: &Path, model: &Path) -> Result<()> {
    // Decode the recordings; a fifth of them is held out.
    let (tags, sources) = from_folders(recordings, HoldOut { validation: 0.1, test: 0.1 })?;
    let jobs = std::thread::available_parallelism().map_or(1, |count| count.get());
    let cache = work.join("cache");
    let options =
        PrepareOptions { cache: cache.clone(), shard: Shard::WHOLE, min_seconds: 3.0, max_seconds: None, jobs };
    let summary = prepare_labelled_sources(&options, tags, &sources)?;
    for line in &summary.skipped {
        println!("{line}");
    }

    // Train by a one-cycle schedule instead of the paper's, which waits for plateaus.
    let unknown = || TrainerError::Request(format!("there is no network {NETWORK}"));
    let architecture = catalogue::find(NETWORK).ok_or_else(unknown)?.architecture;
    let mut config = Config::paper_defaults(architecture, BATCH_SIZE);
    config.training.optimiser = Optimiser::Adam;
    config.training.schedule = Schedule::OneCycle { learning_rate: 2e-3, epochs: 10 };
    let data = TrainingData::open(&cache, &config)?;
    let device = Default::default();
    let run = work.join("run");
    let state = train::<Autodiff<Flex>>(&run, &data, &config, StopAt::default(), &[device])?;

    // Evaluate the best epoch on the test set.
    let plan = config.architecture.plan(state.tags.len())?;
    let folder = checkpoint::epoch_folder(&run, state.best_epoch());
    let network = Network::<Flex>::new(&plan, &device);
    let network = checkpoint::load_network(&folder, network, &device)?.no_grad();
    let test = Split::open(&cache, config.architecture.window(), |group| group == "test")?;
    if !test.examples.is_empty() {
        print(&Clips::new(&test, Unit::Labelled).evaluate(&network, BATCH_SIZE, config.evaluation, &device)?);
    }

    // Export it.
    let metadata = Metadata {
        tags: state.tags,
        sample_rate: Some(tagvane_engine::SAMPLE_RATE),
        architecture: config.architecture.to_string(),
        trained_on: recordings.display().to_string(),
        ..Metadata::default()
    };
    files::write(model, &export::to_onnx(&network, &config.architecture, &metadata))
}
