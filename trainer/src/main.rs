//! The trainer's command line.
#![forbid(unsafe_code)]

mod backend;

use backend::{Backend, on};
use burn::backend::Autodiff;
use burn::tensor::backend::Backend as BurnBackend;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::cache::Cache;
use tagvane_trainer::config::Config;
use tagvane_trainer::evaluate::{LEAST_POSITIVES, Scores, evaluate_onnx};
use tagvane_trainer::network::SampleCnn;
use tagvane_trainer::train::{Data, train};
use tagvane_trainer::{Result, TrainerError, checkpoint, export, files, prepare, tags};

/// Makes the taggers that Tagvane runs.
#[derive(Parser)]
#[command(name = "trainer", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Decode a folder of music, cut it into windows and label them by teachers
    Prepare {
        /// The music; each folder directly in it is a group
        #[arg(long)]
        audio: PathBuf,
        /// The folder to fill; a run that was interrupted goes on
        #[arg(long)]
        cache: PathBuf,
        /// An ONNX tagger at 16 kHz; give several for their mean
        #[arg(long = "teacher", required = true)]
        teachers: Vec<PathBuf>,
        /// At most so many segments a track
        #[arg(long, default_value_t = 32)]
        segments: usize,
        /// Segment length in samples at 22050 Hz
        #[arg(long, default_value_t = 59_049)]
        window: usize,
        /// Skip tracks shorter than this, in seconds
        #[arg(long, default_value_t = 20.0)]
        shortest: f64,
        /// Skip files whose path holds this; give several
        #[arg(long)]
        exclude: Vec<String>,
        /// Places the segments
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Tracks at a time
        #[arg(long, default_value_t = processors())]
        jobs: usize,
    },
    /// Train a network; a run that was interrupted goes on
    Train {
        /// A TOML file such as those in trainer/configs
        config: PathBuf,
        /// A folder that `prepare` filled
        #[arg(long)]
        cache: PathBuf,
        /// The folder for the checkpoints
        #[arg(long)]
        run: PathBuf,
        /// Stop after this epoch; the same command without it goes on from there
        #[arg(long)]
        until: Option<usize>,
        /// What computes
        #[arg(long)]
        backend: Option<Backend>,
    },
    /// Write the best epoch of a run as an ONNX file
    Export {
        /// The folder of the checkpoints
        #[arg(long)]
        run: PathBuf,
        /// The ONNX file
        #[arg(long)]
        out: PathBuf,
        /// An epoch other than the best
        #[arg(long)]
        epoch: Option<usize>,
    },
    /// Measure an ONNX file against the labels of some groups
    Evaluate {
        /// The ONNX file
        #[arg(long)]
        model: PathBuf,
        /// A folder that `prepare` filled
        #[arg(long)]
        cache: PathBuf,
        /// Take the test groups of this TOML file
        #[arg(long)]
        config: PathBuf,
        /// Write the figures of every tag as JSON
        #[arg(long)]
        json: Option<PathBuf>,
        /// Segments at a time
        #[arg(long, default_value_t = processors())]
        jobs: usize,
    },
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get())
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Prepare { audio, cache, teachers, segments, window, shortest, exclude, seed, jobs } => {
            let outcome = prepare::prepare(&prepare::Request {
                audio: &audio,
                cache: &cache,
                teachers: &teachers,
                tags: &tags::MAGNATAGATUNE,
                window,
                segments,
                shortest,
                exclude: &exclude,
                seed,
                jobs,
            })?;
            outcome.skipped.iter().for_each(|line| println!("skipped: {line}"));
            let hours = (outcome.segments * window) as f64 / f64::from(tagvane_engine::SAMPLE_RATE) / 3600.0;
            println!(
                "{} tracks, {} segments, {hours:.1} hours; {} files skipped",
                outcome.tracks,
                outcome.segments,
                outcome.skipped.len()
            );
            Ok(())
        }
        Command::Train { config, cache, run, until, backend } => {
            let config = Config::read(&config)?;
            let data = Data::load(&cache, &config)?;
            println!(
                "{} segments to train on, {} to validate on",
                data.training.segments().len(),
                data.validation.segments().len()
            );
            on!(backend.unwrap_or(Backend::fastest()), train_on, &run, &data, &config, until)
        }
        Command::Export { run, out, epoch } => on!(Backend::fastest(), export_on, &run, &out, epoch),
        Command::Evaluate { model, cache, config, json, jobs } => {
            let groups = Config::read(&config)?.groups;
            let model = Model::open(&model).map_err(|error| TrainerError::content(&model, error.to_string()))?;
            let cache = Cache::load(&cache, |group| groups.test.iter().any(|test| test == group))?;
            let scores = evaluate_onnx(&model, &cache, jobs)?;
            print_scores(&scores);
            json.map_or(Ok(()), |path| files::write_json(&path, &scores.by_tag()))
        }
    }
}

fn train_on<B: BurnBackend>(
    run: &Path,
    data: &Data,
    config: &Config,
    until: Option<usize>,
    device: &B::Device,
) -> Result<()> {
    let state = train::<Autodiff<B>>(run, data, config, until, device)?;
    println!("the best epoch is {}, in {}", state.best(), checkpoint::folder(run, state.best()).display());
    Ok(())
}

fn export_on<B: BurnBackend>(run: &Path, out: &Path, epoch: Option<usize>, device: &B::Device) -> Result<()> {
    let state =
        checkpoint::latest(run)?.ok_or_else(|| TrainerError::content(run, "no epoch of this run is complete yet"))?;
    let folder = checkpoint::folder(run, epoch.unwrap_or(state.best()));
    let architecture = &state.config.architecture;
    let network = checkpoint::load_network(&folder, SampleCnn::<B>::new(architecture, device), device)?;
    let widths: Vec<String> = architecture.widths.iter().map(usize::to_string).collect();
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
    files::write(out, &bytes)?;
    println!("{}: {} from {}", out.display(), architecture, folder.display());
    Ok(())
}

fn print_scores(scores: &Scores) {
    println!("{:<14} {:>9} {:>8} {:>8}", "tag", "positives", "ROC-AUC", "AP");
    let figure = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.3}"));
    let mut tags = scores.by_tag();
    tags.sort_by(|a, b| b.positives.cmp(&a.positives).then(a.tag.cmp(&b.tag)));
    for tag in &tags {
        println!(
            "{:<14} {:>9} {:>8} {:>8}",
            tag.tag,
            tag.positives,
            figure(tag.roc_auc),
            figure(tag.average_precision)
        );
    }
    let counted = tags.iter().filter(|tag| tag.positives >= LEAST_POSITIVES).count();
    println!(
        "{} segments; the {counted} tags with at least {LEAST_POSITIVES} positives: macro ROC-AUC {}, macro average precision {}",
        scores.segments(),
        figure(scores.macro_roc_auc()),
        figure(scores.macro_average_precision())
    );
}
