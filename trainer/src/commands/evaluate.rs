//! `evaluate`: runs, ONNX files and predictions against labels.

use super::{processors, trained};
use crate::backend::{Compute, on};
use clap::{ArgGroup, Args};
use std::path::{Path, PathBuf};
use tagvane_engine::{Inference, Model};
use tagvane_trainer::data::Cache;
use tagvane_trainer::evaluation::{
    Clips, Counting, Scores, Unit, evaluate_onnx, evaluate_said, print, read_predictions, write_csv, write_json,
};
use tagvane_trainer::kernels::NetworkBackend;
use tagvane_trainer::training::{Split, checkpoint};
use tagvane_trainer::{Result, TrainerError, report};

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["run", "onnx", "said", "predictions"])))]
pub(crate) struct Arguments {
    /// Measure the best epoch of this run
    #[arg(long, requires = "cache")]
    run: Option<PathBuf>,
    /// Measure this ONNX tagger, exported or foreign
    #[arg(long, requires = "cache")]
    onnx: Option<PathBuf>,
    /// Measure the labels of this other cache of the same recordings, such as what teachers say of
    /// pieces whose truth is known
    #[arg(long, requires = "cache")]
    said: Option<PathBuf>,
    /// Measure this CSV file: first column the clip, then one column a tag
    #[arg(long, requires = "labels")]
    predictions: Option<PathBuf>,
    /// The labels of --predictions, of the same form
    #[arg(long)]
    labels: Option<PathBuf>,
    /// A folder that `prepare` filled
    #[arg(long)]
    cache: Option<PathBuf>,
    /// A group of the cache to measure by; give several. Without it, the run's test groups, or "test"
    #[arg(long = "group")]
    groups: Vec<String>,
    /// Judge whole recordings, by the means over their windows, and not each labelled segment
    #[arg(long)]
    recordings: bool,
    /// A clip is a positive of a tag from this label on [default: the run's, or 0.5]
    #[arg(long)]
    positive_from: Option<f32>,
    /// Tags with fewer positives do not count in the means [default: the run's, or 1]
    #[arg(long)]
    least_positives: Option<usize>,
    /// Write the figures of every tag as CSV
    #[arg(long)]
    csv: Option<PathBuf>,
    /// Write all figures as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Windows at a time
    #[arg(long, default_value_t = processors())]
    jobs: usize,
    #[command(flatten)]
    compute: Compute,
}

impl Arguments {
    fn counting(&self, default: Counting) -> Counting {
        Counting {
            positive_from: self.positive_from.unwrap_or(default.positive_from),
            least_positives: self.least_positives.unwrap_or(default.least_positives),
        }
    }

    fn unit(&self) -> Unit {
        if self.recordings { Unit::Recording } else { Unit::Labelled }
    }

    /// The wanted groups of the cache, as windows of a length; prints what is left out.
    fn split(&self, cache: &Path, window: usize, groups: &[String]) -> Result<Split> {
        let groups = if self.groups.is_empty() { groups } else { &self.groups };
        let split = Split::open(cache, window, |group| groups.iter().any(|wanted| wanted == group))?;
        let short = split.cache.too_short(window);
        if !short.is_empty() {
            println!("{} clips are shorter than a window and left out: {}", short.len(), short.join(", "));
        }
        if split.examples.is_empty() {
            let there = Cache::open(cache, |_| true)?;
            let mut names: Vec<&str> = (0..there.len()).map(|index| there.track(index).group.as_str()).collect();
            names.dedup();
            return Err(TrainerError::content(
                cache,
                format!("no clips in the groups {}; the cache has {}", groups.join(", "), names.join(", ")),
            ));
        }
        Ok(split)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let scores = match (&arguments.run, &arguments.onnx, &arguments.predictions, &arguments.cache) {
        (_, _, _, Some(cache)) if arguments.said.is_some() => {
            let said = Cache::open(arguments.said.as_deref().unwrap_or(cache), |_| true)?;
            let wanted = |group: &str| arguments.groups.is_empty() || arguments.groups.iter().any(|one| one == group);
            evaluate_said(&said, &Cache::open(cache, wanted)?, arguments.counting(Counting::default()))?
        }
        (Some(run), _, _, Some(cache)) => on!(&arguments.compute, of_run, arguments, run, cache)?,
        (_, Some(onnx), _, Some(cache)) => {
            let model = Model::open(onnx, Inference::FullWindows)
                .map_err(|error| TrainerError::content(onnx, error.to_string()))?;
            let split = arguments.split(cache, model.window(), &["test".to_owned()])?;
            let counting = arguments.counting(Counting::default());
            evaluate_onnx(&model, &split, arguments.unit(), counting, arguments.jobs)?
        }
        (_, _, Some(predictions), _) => {
            let labels = arguments.labels.as_deref().unwrap_or(Path::new(""));
            let counting = arguments.counting(Counting::default());
            let (scores, left_out) = read_predictions(predictions, labels, counting)?;
            if !left_out.is_empty() {
                println!("{} clips are in one file only and left out: {}", left_out.len(), left_out.join(", "));
            }
            scores
        }
        _ => return Err(TrainerError::Request("say what to measure: --run, --onnx, --said or --predictions".into())),
    };
    print(&scores);
    // `report` looks for it there; other groups than the run's own are not its result.
    if let (Some(run), true) = (&arguments.run, arguments.groups.is_empty()) {
        write_json(&run.join(report::EVALUATION), &scores)?;
    }
    if let Some(path) = &arguments.csv {
        write_csv(path, &scores)?;
    }
    arguments.json.as_ref().map_or(Ok(()), |path| write_json(path, &scores))
}

fn of_run<B: NetworkBackend>(arguments: &Arguments, run: &Path, cache: &Path, devices: &[B::Device]) -> Result<Scores> {
    let (state, network) = trained::<B>(run, None, &devices[0])?;
    let config = &state.config;
    println!("epoch {}, {}", state.best(), checkpoint::folder(run, state.best()).display());
    let split = arguments.split(cache, config.architecture.window(), &config.groups.test)?;
    let counting = arguments.counting(config.evaluation);
    Clips::of(&split, arguments.unit()).evaluate(&network, config.training.batch, counting, &devices[0])
}
