//! `evaluate`: metrics of runs, ONNX files, pseudo-labels and predictions.

use super::{available_threads, load_run, parse_probability};
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::path::{Path, PathBuf};
use tagvane_engine::{InferenceMode, Model};
use tagvane_trainer::data::{Cache, Split, duplicates};
use tagvane_trainer::evaluation::{
    Clips, MetricConfig, Scores, TagMatch, Unit, evaluate_onnx, evaluate_pseudo_labels, print, read_predictions,
    write_csv, write_json,
};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::training::checkpoint;
use tagvane_trainer::{Result, TrainerError, report};

#[derive(Args)]
pub(crate) struct EvaluateArguments {
    #[command(flatten)]
    subject: SubjectArguments,
    /// CSV file with the labels for --predictions, in the same format
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Cache made by `prepare`
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Group of the cache to evaluate on; may be repeated [default: the run's test groups; all groups with
    /// --pseudo-labels; else "test"]
    #[arg(long = "group")]
    groups: Vec<String>,
    /// Evaluate whole recordings by the means over their windows, instead of each labelled segment
    #[arg(long)]
    recordings: bool,
    #[command(flatten)]
    metrics: MetricArguments,
    #[command(flatten)]
    output: OutputArguments,
    /// Number of threads
    #[arg(long, default_value_t = available_threads())]
    jobs: usize,
    #[command(flatten)]
    backend: BackendArguments,
}

/// The arguments of which exactly one names what is evaluated.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct SubjectArguments {
    /// Evaluate the best epoch of this run
    #[arg(long, requires = "cache")]
    run: Option<PathBuf>,
    /// Evaluate this ONNX tagger, from this trainer or any other program
    #[arg(long, requires = "cache")]
    onnx: Option<PathBuf>,
    /// Evaluate the pseudo-labels of this other cache of the same recordings, for example those of rendered pieces with
    /// known ground truth
    #[arg(long, requires = "cache")]
    pseudo_labels: Option<PathBuf>,
    /// Evaluate the predictions in this CSV file: the clip in the first column, then one column per tag
    #[arg(long, requires = "labels")]
    predictions: Option<PathBuf>,
}

#[derive(Args)]
struct MetricArguments {
    /// Minimum label that makes a clip a positive of a tag, 0 to 1 [default: the run's, or 0.5]
    #[arg(long, value_parser = parse_probability)]
    threshold: Option<f32>,
    /// Minimum number of positives for a tag to enter the macro averages [default: the run's, or 1]
    #[arg(long)]
    min_positives: Option<usize>,
}

impl MetricArguments {
    fn config(&self, default: MetricConfig) -> MetricConfig {
        MetricConfig {
            threshold: self.threshold.unwrap_or(default.threshold),
            min_positives: self.min_positives.unwrap_or(default.min_positives),
        }
    }
}

#[derive(Args)]
struct OutputArguments {
    /// Write the metrics of every tag as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Write all metrics as JSON
    #[arg(long)]
    json: Option<PathBuf>,
}

/// What is evaluated, and against what.
enum Subject<'a> {
    Run { run: &'a Path, cache: &'a Path },
    Onnx { model: &'a Path, cache: &'a Path },
    PseudoLabels { pseudo_labelled: &'a Path, labelled: &'a Path },
    Predictions { predictions: &'a Path, labels: &'a Path },
}

impl EvaluateArguments {
    /// What the arguments name.
    fn subject(&self) -> Result<Subject<'_>> {
        let SubjectArguments { run, onnx, pseudo_labels, predictions } = &self.subject;
        if let (Some(run), Some(cache)) = (run, &self.cache) {
            Ok(Subject::Run { run, cache })
        } else if let (Some(model), Some(cache)) = (onnx, &self.cache) {
            Ok(Subject::Onnx { model, cache })
        } else if let (Some(pseudo_labelled), Some(labelled)) = (pseudo_labels, &self.cache) {
            Ok(Subject::PseudoLabels { pseudo_labelled, labelled })
        } else if let (Some(predictions), Some(labels)) = (predictions, &self.labels) {
            Ok(Subject::Predictions { predictions, labels })
        } else {
            // clap requires one of these pairs.
            let what = "give what to evaluate: --run, --onnx or --pseudo-labels with --cache, or --predictions with \
                        --labels";
            Err(TrainerError::Request(what.into()))
        }
    }

    fn unit(&self) -> Unit {
        if self.recordings { Unit::Recording } else { Unit::Labelled }
    }

    /// Opens the groups of the cache as windows, and prints the clips that are left out.
    fn open_split(&self, cache: &Path, window: usize, default_groups: &[String]) -> Result<Split> {
        let groups = if self.groups.is_empty() { default_groups } else { &self.groups };
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
}

pub(crate) fn run(arguments: &EvaluateArguments) -> Result<()> {
    let metric_config = arguments.metrics.config(MetricConfig::default());
    let scores = match arguments.subject()? {
        Subject::Run { run, cache } => dispatch!(&arguments.backend, evaluate_run, arguments, run, cache)?,
        Subject::Onnx { model, cache } => {
            let tagger = Model::open(model, InferenceMode::FullWindows)
                .map_err(|error| TrainerError::content(model, error.to_string()))?;
            let split = arguments.open_split(cache, tagger.window(), &["test".to_owned()])?;
            let tags = TagMatch::of(tagger.tags(), &split.cache.info.tags)?;
            tags.notes().iter().for_each(|note| println!("{note}"));
            evaluate_onnx(&tagger, &split, arguments.unit(), metric_config, arguments.jobs)?
        }
        Subject::PseudoLabels { pseudo_labelled, labelled } => {
            let groups = &arguments.groups;
            let is_wanted = |group: &str| groups.is_empty() || groups.iter().any(|wanted| wanted == group);
            let pseudo_labelled = Cache::open(pseudo_labelled, |_| true)?;
            evaluate_pseudo_labels(&pseudo_labelled, &Cache::open(labelled, is_wanted)?, metric_config)?
        }
        Subject::Predictions { predictions, labels } => {
            let (scores, left_out) = read_predictions(predictions, labels, metric_config)?;
            if !left_out.is_empty() {
                println!("{} clips are in one file only and left out: {}", left_out.len(), left_out.join(", "));
            }
            scores
        }
    };
    print(&scores);
    // `report` reads this file, so it must be about the run's own test groups.
    if let (Some(run), true) = (&arguments.subject.run, arguments.groups.is_empty()) {
        write_json(&run.join(report::EVALUATION), &scores)?;
    }
    if let Some(path) = &arguments.output.csv {
        write_csv(path, &scores)?;
    }
    arguments.output.json.as_ref().map_or(Ok(()), |path| write_json(path, &scores))
}

fn evaluate_run<B: NetworkBackend>(
    arguments: &EvaluateArguments,
    run: &Path,
    cache: &Path,
    devices: &[B::Device],
) -> Result<Scores> {
    let (state, network) = load_run::<B>(run, None, &devices[0])?;
    let config = &state.config;
    println!("epoch {}, {}", state.best_epoch(), checkpoint::epoch_folder(run, state.best_epoch()).display());
    let split = arguments.open_split(cache, config.architecture.window(), &config.groups.test)?;
    if split.cache.info.tags != state.tags {
        let what = "the run was trained on other tags; give the cache of its data set";
        return Err(TrainerError::content(cache, what));
    }
    let (batch_size, metric_config) = (config.training.batch_size, arguments.metrics.config(config.evaluation));
    Clips::new(&split, arguments.unit()).evaluate(&network, batch_size, metric_config, &devices[0])
}
