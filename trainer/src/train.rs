//! The training loop.

use crate::batches::{Augmentation, Batch, Pass};
use crate::cache::Cache;
use crate::checkpoint::{self, Epoch, State};
use crate::config::Config;
use crate::error::{Result, TrainerError};
use crate::evaluate::Scores;
use crate::network::{SampleCnn, binary_cross_entropy};
use burn::module::AutodiffModule as _;
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::time::Instant;

/// The data a run learns from and chooses by.
pub struct Data {
    /// The training groups.
    pub training: Cache,
    /// The validation groups.
    pub validation: Cache,
}

impl Data {
    /// Loads the groups of `config` from the cache at `root`.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache cannot be read, does not fit the
    /// architecture, or has no segments for training or validation.
    pub fn load(root: &Path, config: &Config) -> Result<Self> {
        let training = Cache::load(root, |group| config.groups.is_training(group))?;
        let validation = Cache::load(root, |group| config.groups.validation.iter().any(|wanted| wanted == group))?;
        let (info, network) = (&training.info, &config.architecture);
        if info.window != network.window || info.tags.len() != network.tags {
            let (window, tags) = (info.window, info.tags.len());
            let what = format!(
                "the cache has windows of {window} samples and {tags} tags, the architecture {} and {}",
                network.window, network.tags
            );
            return Err(TrainerError::content(root, what));
        }
        for (kind, cache) in [("training", &training), ("validation", &validation)] {
            if cache.segments().len() < 2 {
                return Err(TrainerError::content(root, format!("the groups for {kind} hold no segments")));
            }
        }
        Ok(Self { training, validation })
    }
}

/// Trains until the configured epochs are done, or `until` of them, going on from
/// the last epoch that `run` holds. Gives the state at the end.
///
/// # Errors
/// [`TrainerError`] where a checkpoint cannot be read or written, or the run was
/// started with another configuration.
pub fn train<B: AutodiffBackend>(
    run: &Path,
    data: &Data,
    config: &Config,
    until: Option<usize>,
    device: &B::Device,
) -> Result<State> {
    let tags = data.training.info.tags.clone();
    let mut state = State { config: config.clone(), tags, epochs: Vec::new() };
    B::seed(device, config.training.seed);
    let mut network = SampleCnn::<B>::new(&config.architecture, device);
    let mut optimiser = AdamConfig::new().with_epsilon(1e-8).init();
    if let Some(found) = checkpoint::latest(run)? {
        if found.config != *config {
            return Err(TrainerError::content(
                run,
                "this run was started with another configuration; choose another folder",
            ));
        }
        let folder = checkpoint::folder(run, found.epochs.len());
        network = checkpoint::load_network(&folder, network, device)?;
        optimiser = optimiser.load_record(checkpoint::load(&folder, "optimiser", device)?);
        state = found;
    }

    let until = until.map_or(config.training.epochs, |until| until.min(config.training.epochs));
    while state.epochs.len() < until {
        let epoch = state.epochs.len();
        let started = Instant::now();
        // Each epoch has its own seed, so that one that is repeated after an
        // interruption repeats exactly.
        let seed = config.training.seed.wrapping_mul(1_000_003).wrapping_add(epoch as u64);
        B::seed(device, seed);
        let training_loss;
        (network, training_loss) = train_epoch(network, &mut optimiser, data, config, epoch, seed, device);
        let (validation_loss, scores) = validate(&network.valid(), &data.validation, config.training.batch, device);
        let validation_auc = scores.macro_roc_auc();
        state.epochs.push(Epoch { training_loss, validation_loss, validation_auc });
        checkpoint::save(run, &state, network.clone(), optimiser.to_record())?;
        let seconds = started.elapsed().as_secs_f64();
        let done = epoch + 1;
        let auc = validation_auc.map_or("unknown".into(), |auc| format!("{auc:.4}"));
        println!(
            "epoch {done}: training loss {training_loss:.4}, validation loss {validation_loss:.4}, validation ROC-AUC {auc}, {seconds:.0} s"
        );
    }
    Ok(state)
}

fn train_epoch<B: AutodiffBackend>(
    mut network: SampleCnn<B>,
    optimiser: &mut impl Optimizer<SampleCnn<B>, B>,
    data: &Data,
    config: &Config,
    epoch: usize,
    seed: u64,
    device: &B::Device,
) -> (SampleCnn<B>, f64) {
    let training = &config.training;
    let segments = data.training.segments().len();
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len}, {per_sec}, {eta} left, loss {msg}");
    let progress = ProgressBar::new(segments as u64).with_style(style.unwrap_or(ProgressStyle::default_bar()));
    progress.set_prefix(format!("epoch {}/{}", epoch + 1, training.epochs));
    let mut loss_sum = 0.0;
    std::thread::scope(|scope| {
        let pass = Pass {
            cache: &data.training,
            rows: training.batch,
            augmentation: &training.augmentation,
            shuffle: Some(seed),
        };
        let mut seen = 0;
        for batch in pass.start(scope) {
            // Batch normalisation has no variance to measure in a single row.
            if batch.rows < 2 {
                continue;
            }
            let rows = batch.rows;
            let (waveforms, targets) = to_tensors::<B>(batch, device);
            let loss = binary_cross_entropy(network.forward(waveforms).logits, targets);
            loss_sum += scalar(&loss) * rows as f64;
            let gradients = GradientsParams::from_grads(loss.backward(), &network);
            let progress_now = (epoch as f64 + seen as f64 / segments as f64) / training.epochs as f64;
            network = optimiser.step(training.learning_rate_at(progress_now), network.clone(), gradients);
            seen += rows;
            progress.inc(rows as u64);
            progress.set_message(format!("{:.4}", loss_sum / seen as f64));
        }
        loss_sum /= seen.max(1) as f64;
    });
    progress.finish_and_clear();
    (network, loss_sum)
}

fn validate<B: Backend>(network: &SampleCnn<B>, cache: &Cache, rows: usize, device: &B::Device) -> (f64, Scores) {
    let mut scores = Scores::new(&cache.info.tags);
    let (mut loss_sum, mut seen) = (0.0, 0);
    std::thread::scope(|scope| {
        for batch in (Pass { cache, rows, augmentation: &Augmentation::NONE, shuffle: None }).start(scope) {
            let (rows, labels) = (batch.rows, batch.targets.clone());
            let (waveforms, targets) = to_tensors::<B>(batch, device);
            let logits = network.forward(waveforms).logits;
            loss_sum += scalar(&binary_cross_entropy(logits.clone(), targets)) * rows as f64;
            seen += rows;
            let probabilities: Vec<f32> = sigmoid(logits).into_data().iter::<f32>().collect();
            let tags = cache.info.tags.len();
            for (row, labels) in probabilities.chunks_exact(tags).zip(labels.chunks_exact(tags)) {
                scores.add(row, labels);
            }
        }
    });
    (loss_sum / seen.max(1) as f64, scores)
}

/// A batch on the device: waveforms `[rows, window]` and targets `[rows, tags]`.
fn to_tensors<B: Backend>(batch: Batch, device: &B::Device) -> (Tensor<B, 2>, Tensor<B, 2>) {
    let on_device = |values: Vec<f32>| {
        let columns = values.len() / batch.rows;
        Tensor::from_data(TensorData::new(values, [batch.rows, columns]), device)
    };
    (on_device(batch.waveforms), on_device(batch.targets))
}

fn scalar<B: Backend>(tensor: &Tensor<B, 1>) -> f64 {
    tensor.to_data().iter::<f64>().next().unwrap_or(f64::NAN)
}
