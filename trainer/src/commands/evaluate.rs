//! `evaluate`: metrics of runs, ONNX files, pseudo-labels and predictions.

use super::{available_threads, load_run};
use crate::backend::{Compute, dispatch};
use clap::{ArgGroup, Args};
use std::path::{Path, PathBuf};
use tagvane_engine::{InferenceMode, Model};
use tagvane_trainer::data::{Cache, Split};
use tagvane_trainer::evaluation::{
    Clips, MetricConfig, Scores, Unit, evaluate_onnx, evaluate_pseudo_labels, print, read_predictions, write_csv,
    write_json,
};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::training::checkpoint;
use tagvane_trainer::{Result, TrainerError, report};

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["run", "onnx", "pseudo_labels", "predictions"])))]
pub(crate) struct Arguments {
    /// Evaluate the best epoch of this run
    #[arg(long, requires = "cache")]
    run: Option<PathBuf>,
    /// Evaluate this ONNX tagger, exported by this trainer or foreign
    #[arg(long, requires = "cache")]
    onnx: Option<PathBuf>,
    /// Evaluate the pseudo-labels of this other cache of the same recordings, for example those of rendered pieces with
    /// known ground truth
    #[arg(long, requires = "cache")]
    pseudo_labels: Option<PathBuf>,
    /// Evaluate the predictions in this CSV file: the clip in the first column, then one column per tag
    #[arg(long, requires = "labels")]
    predictions: Option<PathBuf>,
    /// CSV file with the labels for --predictions, in the same format
    #[arg(long)]
    labels: Option<PathBuf>,
    /// Cache made by `prepare`
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Group of the cache to evaluate on; may be repeated [default: the run's test groups, or "test"]
    #[arg(long = "group")]
    groups: Vec<String>,
    /// Evaluate whole recordings by the means over their windows, instead of each labelled segment
    #[arg(long)]
    recordings: bool,
    /// Minimum label that makes a clip a positive of a tag [default: the run's, or 0.5]
    #[arg(long)]
    threshold: Option<f32>,
    /// Minimum number of positives for a tag to enter the macro averages [default: the run's, or 1]
    #[arg(long)]
    min_positives: Option<usize>,
    /// Write the metrics of every tag as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Write all metrics as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Number of threads
    #[arg(long, default_value_t = available_threads())]
    jobs: usize,
    #[command(flatten)]
    compute: Compute,
}

impl Arguments {
    fn metric_config(&self, default: MetricConfig) -> MetricConfig {
        MetricConfig {
            threshold: self.threshold.unwrap_or(default.threshold),
            min_positives: self.min_positives.unwrap_or(default.min_positives),
        }
    }

    fn unit(&self) -> Unit {
        if self.recordings { Unit::Recording } else { Unit::Labelled }
    }

    /// Opens the groups of the cache as windows, and prints the clips that are left out.
    fn open_split(&self, cache: &Path, window: usize, groups: &[String]) -> Result<Split> {
        let groups = if self.groups.is_empty() { groups } else { &self.groups };
        let split = Split::open(cache, window, |group| groups.iter().any(|wanted| wanted == group))?;
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

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let scores = match (&arguments.run, &arguments.onnx, &arguments.predictions, &arguments.cache) {
        (_, _, _, Some(cache)) if arguments.pseudo_labels.is_some() => {
            let pseudo_labelled = Cache::open(arguments.pseudo_labels.as_deref().unwrap_or(cache), |_| true)?;
            let is_wanted =
                |group: &str| arguments.groups.is_empty() || arguments.groups.iter().any(|other| other == group);
            evaluate_pseudo_labels(
                &pseudo_labelled,
                &Cache::open(cache, is_wanted)?,
                arguments.metric_config(MetricConfig::default()),
            )?
        }
        (Some(run), _, _, Some(cache)) => dispatch!(&arguments.compute, evaluate_run, arguments, run, cache)?,
        (_, Some(onnx), _, Some(cache)) => {
            let model = Model::open(onnx, InferenceMode::FullWindows)
                .map_err(|error| TrainerError::content(onnx, error.to_string()))?;
            let split = arguments.open_split(cache, model.window(), &["test".to_owned()])?;
            let metric_config = arguments.metric_config(MetricConfig::default());
            evaluate_onnx(&model, &split, arguments.unit(), metric_config, arguments.jobs)?
        }
        (_, _, Some(predictions), _) => {
            let labels = arguments.labels.as_deref().unwrap_or(Path::new(""));
            let metric_config = arguments.metric_config(MetricConfig::default());
            let (scores, left_out) = read_predictions(predictions, labels, metric_config)?;
            if !left_out.is_empty() {
                println!("{} clips are in one file only and left out: {}", left_out.len(), left_out.join(", "));
            }
            scores
        }
        _ => {
            return Err(TrainerError::Request(
                "give what to evaluate: --run, --onnx, --pseudo-labels or --predictions".into(),
            ));
        }
    };
    print(&scores);
    // `report` reads this file, so it must be about the run's own test groups.
    if let (Some(run), true) = (&arguments.run, arguments.groups.is_empty()) {
        write_json(&run.join(report::EVALUATION), &scores)?;
    }
    if let Some(path) = &arguments.csv {
        write_csv(path, &scores)?;
    }
    arguments.json.as_ref().map_or(Ok(()), |path| write_json(path, &scores))
}

fn evaluate_run<B: NetworkBackend>(
    arguments: &Arguments,
    run: &Path,
    cache: &Path,
    devices: &[B::Device],
) -> Result<Scores> {
    let (state, network) = load_run::<B>(run, None, &devices[0])?;
    let config = &state.config;
    println!("epoch {}, {}", state.best_epoch(), checkpoint::epoch_folder(run, state.best_epoch()).display());
    let split = arguments.open_split(cache, config.architecture.window(), &config.groups.test)?;
    let metric_config = arguments.metric_config(config.evaluation);
    Clips::new(&split, arguments.unit()).evaluate(&network, config.training.batch, metric_config, &devices[0])
}
