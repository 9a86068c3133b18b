//! `evaluate`: metrics of runs, ONNX files, pseudo-labels and predictions.

use super::evaluate_truth::{self, TruthRequest};
use super::{available_threads, load_run, open_split, open_tagger, parse_probability};
use crate::backend::{BackendArguments, dispatch};
use clap::Args;
use std::path::{Path, PathBuf};
use tagvane_trainer::data::{Cache, Split};
use tagvane_trainer::evaluation::{
    Clips, MetricConfig, Scores, TagMatch, Unit, evaluate_onnx, evaluate_pseudo_labels, print, read_predictions,
    write_csv, write_json,
};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::training::checkpoint;
use tagvane_trainer::{Result, TrainerError, report};

/// Default of `--min-known`.
const MIN_KNOWN: usize = 3;

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
    /// CSV file with recordings whose truth is known in part: file, positive and negative tags, separated by `;`. All models
    /// given by --onnx and --run are evaluated on them, side by side
    #[arg(long, conflicts_with_all = [
        "cache", "labels", "pseudo_labels", "predictions", "groups", "recordings", "threshold", "min_positives",
    ])]
    truth: Option<PathBuf>,
    /// With --truth, minimum number of positives, and of negatives, for a tag to enter the macro average [default: 3]
    #[arg(long)]
    min_known: Option<usize>,
    /// With --truth, also measure how soon the models show this tag when a recording that has it follows one that does not;
    /// may be repeated
    #[arg(long, value_name = "TAG")]
    reaction: Vec<String>,
    /// Folder with NAME.json and the like, which say the tags, the sample rate and the window that NAME.onnx does not say
    /// itself; otherwise they are looked for beside it
    #[arg(long, value_name = "DIR", requires = "onnx")]
    sidecars: Option<PathBuf>,
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

/// The arguments that name what is evaluated: one of them, or several models with `--truth`.
#[derive(Args)]
#[group(required = true)]
struct SubjectArguments {
    /// Evaluate the best epoch of this run
    #[arg(long)]
    run: Option<PathBuf>,
    /// Evaluate this ONNX tagger, from this trainer or any other program; may be repeated with --truth
    #[arg(long)]
    onnx: Vec<PathBuf>,
    /// Evaluate the pseudo-labels of this other cache of the same recordings, for example those of rendered pieces with
    /// known ground truth
    #[arg(long, requires = "cache", conflicts_with_all = ["run", "onnx", "predictions"])]
    pseudo_labels: Option<PathBuf>,
    /// Evaluate the predictions in this CSV file: the clip in the first column, then one column per tag
    #[arg(long, requires = "labels", conflicts_with_all = ["run", "onnx"])]
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
        if onnx.len() + usize::from(run.is_some()) > 1 {
            let what = "with --cache give one --run or one --onnx; several models stand side by side with --truth";
            Err(TrainerError::Request(what.into()))
        } else if let (Some(run), Some(cache)) = (run, &self.cache) {
            Ok(Subject::Run { run, cache })
        } else if let ([model], Some(cache)) = (&onnx[..], &self.cache) {
            Ok(Subject::Onnx { model, cache })
        } else if let (Some(pseudo_labelled), Some(labelled)) = (pseudo_labels, &self.cache) {
            Ok(Subject::PseudoLabels { pseudo_labelled, labelled })
        } else if let (Some(predictions), Some(labels)) = (predictions, &self.labels) {
            Ok(Subject::Predictions { predictions, labels })
        } else {
            let what = "give what to evaluate, and on what: --run or --onnx with --cache or --truth, --pseudo-labels with \
                        --cache, or --predictions with --labels";
            Err(TrainerError::Request(what.into()))
        }
    }

    fn unit(&self) -> Unit {
        if self.recordings { Unit::Recording } else { Unit::Labelled }
    }

    /// Opens the groups of the cache as windows, and prints the clips that are left out.
    fn open_split(&self, cache: &Path, window: usize, default_groups: &[String]) -> Result<Split> {
        open_split(cache, if self.groups.is_empty() { default_groups } else { &self.groups }, window)
    }

    /// What is asked for with `--truth`.
    fn truth_request<'a>(&'a self, truth: &'a Path) -> TruthRequest<'a> {
        TruthRequest {
            truth,
            run: self.subject.run.as_deref(),
            onnx: &self.subject.onnx,
            sidecars: self.sidecars.as_deref(),
            min_known: self.min_known.unwrap_or(MIN_KNOWN),
            reactions: &self.reaction,
            jobs: self.jobs,
            csv: self.output.csv.as_deref(),
            json: self.output.json.as_deref(),
            backend: &self.backend,
        }
    }
}

pub(crate) fn run(arguments: &EvaluateArguments) -> Result<()> {
    if let Some(truth) = &arguments.truth {
        return evaluate_truth::run(&arguments.truth_request(truth));
    }
    // clap checks no requirement that conflicts with what is given.
    if arguments.min_known.is_some() {
        return Err(TrainerError::Request("--min-known is for --truth; with labels give --min-positives".into()));
    }
    if !arguments.reaction.is_empty() {
        return Err(TrainerError::Request("--reaction is for --truth; give recordings whose truth is known".into()));
    }
    let metric_config = arguments.metrics.config(MetricConfig::default());
    let scores = match arguments.subject()? {
        Subject::Run { run, cache } => dispatch!(&arguments.backend, evaluate_run, arguments, run, cache)?,
        Subject::Onnx { model, cache } => {
            let tagger = open_tagger(model, arguments.sidecars.as_deref())?;
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
