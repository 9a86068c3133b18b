//! Training of a network on a cache.

pub mod checkpoint;
pub mod config;
mod init_from;
mod learner;
mod log;
mod loss;
mod optimiser;
pub mod schedule;
mod weight_average;

pub use learner::{DeviceBatch, Learner, PendingLoss};
pub use loss::binary_cross_entropy_with_logits;

use crate::cards::Cards;
use crate::data::{Batch, DataLoader, Split, to_tensors};
use crate::error::{Result, TrainerError};
use crate::evaluation::{MetricConfig, Scores, predict_split};
use crate::kernels::NetworkBackend;
use crate::network::{Network, Precision, values};
use burn::module::AutodiffModule as _;
use burn::optim::GradientsAccumulator;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::{AutodiffBackend, Backend};
use checkpoint::{EpochMetrics, EpochProgress, RunState, finite_loss};
use config::{Config, Training};
use log::EpochBar;
use loss::scalar;
use schedule::NextEpoch;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

/// The training and the validation set of a run.
pub struct TrainingData {
    /// The training set.
    pub training: Split,
    /// The validation set.
    pub validation: Split,
}

impl TrainingData {
    /// Opens a cache, split as in `config`.
    ///
    /// # Errors
    /// [`TrainerError`] if the cache cannot be opened or one of the sets has fewer than two windows.
    pub fn open(cache: &Path, config: &Config) -> Result<Self> {
        let window = config.architecture.window();
        let groups = &config.groups;
        let training = Split::open(cache, window, |group| groups.is_training(group))?;
        let validation = Split::open(cache, window, |group| groups.validation.iter().any(|other| other == group))?;
        for (split, name) in [(&training, "training"), (&validation, "validation")] {
            if split.examples.len() < 2 {
                let what = format!(
                    "the {name} set of this cache has fewer than two windows of {window} samples; check [groups]"
                );
                return Err(TrainerError::content(cache, what));
            }
        }
        Ok(Self { training, validation })
    }
}

/// Where a run stops before its schedule does.
#[derive(Debug, Clone, Copy, Default)]
pub struct StopAt<'a> {
    /// After this epoch, from 1.
    pub epoch: Option<usize>,
    /// After the step in which this becomes true.
    pub interrupt: Option<&'a AtomicBool>,
}

impl StopAt<'_> {
    fn is_interrupted(&self) -> bool {
        self.interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed))
    }
}

/// Windows over which the mean and the standard deviation of the mel spectrogram are computed.
const STATISTICS_WINDOWS: usize = 2_000;

/// Time between two readings of the losses.
const READ_LOSSES_EVERY: Duration = Duration::from_millis(250);

/// Trains the network of `config` on one or several devices until its schedule stops, or as `stop_at` says, and writes a
/// checkpoint after each epoch.
///
/// An interrupted run resumes from its last checkpoint, which may be within an epoch. The result is
/// the same as without the interruption.
///
/// # Errors
/// [`TrainerError`] if a checkpoint cannot be written or read, or the run was started with another
/// configuration or other tags; [`TrainerError::Interrupted`] after the checkpoint of an interrupted run.
///
/// # Panics
/// Panics if there is no device.
pub fn train<B: AutodiffBackend + NetworkBackend>(
    run: &Path,
    data: &TrainingData,
    config: &Config,
    stop_at: StopAt<'_>,
    devices: &[B::Device],
) -> Result<RunState>
where
    B::InnerBackend: NetworkBackend,
{
    let mut trainer = Trainer::<B>::start(run, data, config, stop_at, devices)?;
    while stop_at.epoch.is_none_or(|epoch| trainer.state.epochs.len() < epoch) {
        match config.training.schedule.next(&trainer.state.validation_losses()) {
            NextEpoch::Stop => break,
            // An epoch resumed in the middle restored them at its start.
            NextEpoch::RestoreBest if trainer.state.epoch_progress.batches == 0 => trainer.restore_best()?,
            NextEpoch::RestoreBest | NextEpoch::Continue => {}
        }
        // The last epoch here may have ended with an interrupt; before the first step there is no checkpoint yet.
        let is_between_epochs = !trainer.state.epochs.is_empty() && trainer.state.epoch_progress.batches == 0;
        if is_between_epochs && stop_at.is_interrupted() {
            return Err(trainer.interrupted());
        }
        trainer.run_epoch()?;
    }
    Ok(trainer.state)
}

/// A run in progress.
struct Trainer<'a, B: AutodiffBackend> {
    run: &'a Path,
    data: &'a TrainingData,
    config: &'a Config,
    stop_at: StopAt<'a>,
    devices: &'a [B::Device],
    state: RunState,
    learner: Learner<'a, B>,
}

impl<'a, B: AutodiffBackend + NetworkBackend> Trainer<'a, B>
where
    B::InnerBackend: NetworkBackend,
{
    /// Starts a run, or resumes it from its latest checkpoint.
    fn start(
        run: &'a Path,
        data: &'a TrainingData,
        config: &'a Config,
        stop_at: StopAt<'a>,
        devices: &'a [B::Device],
    ) -> Result<Self> {
        if config.training.precision == Precision::Bf16 && !B::SUPPORTS_BF16 {
            let what = "bfloat16 needs LibTorch; set precision to \"single\" or use cargo trainer-libtorch";
            return Err(TrainerError::Request(what.into()));
        }
        let tags = data.training.cache.info.tags.clone();
        let device = &devices[0];
        let latest = checkpoint::latest(run)?;
        let network = match latest {
            Some(_) => Network::<B>::new(&config.architecture.plan(tags.len())?, device),
            None => init_from::initial_network(config, &data.training, device)?,
        };
        let learner = learner(network, &config.training, devices);
        let state = RunState::new(config.clone(), tags);
        let mut trainer = Self { run, data, config, stop_at, devices, state, learner };
        match latest {
            Some((folder, saved)) => {
                if saved.config != *config || saved.tags != trainer.state.tags {
                    return Err(TrainerError::content(
                        run,
                        "this run was started with another configuration or other tags; choose another folder",
                    ));
                }
                trainer.learner = trainer.learner.load(&folder)?;
                trainer.state = saved;
                // The run may have been interrupted between writing the checkpoint and the log.
                log::write(run, &trainer.state)?;
            }
            None if config.training.init_from.is_empty() => trainer.compute_mel_statistics()?,
            None => {}
        }
        Ok(trainer)
    }

    /// The device of the network, which also runs validation.
    fn device(&self) -> &'a B::Device {
        &self.devices[0]
    }

    /// Restores the weights of the best epoch and their average, with a new optimiser.
    fn restore_best(&mut self) -> Result<()> {
        self.learner = learner(self.learner.network.clone(), &self.config.training, self.devices);
        self.learner.load_network(&checkpoint::epoch_folder(self.run, self.state.best_epoch()))
    }

    /// Standardises the mel spectrogram by its mean and standard deviation over the training set.
    fn compute_mel_statistics(&mut self) -> Result<()> {
        if !self.learner.network.has_mel_front_end() {
            return Ok(());
        }
        let Split { cache, window, .. } = &self.data.training;
        let sample = self.data.training.evenly_spaced(STATISTICS_WINDOWS);
        let batch_size = self.config.training.batch_size;
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        std::thread::scope(|scope| -> Result<()> {
            for batch in DataLoader::sequential(cache, &sample, *window, batch_size).spawn(scope) {
                let (waveforms, _) = to_tensors::<B::InnerBackend>(&batch?, self.device());
                if let Some(spectrogram) = self.learner.network.valid().log_mel(waveforms) {
                    let elements = spectrogram.shape().num_elements() as f64;
                    sum += scalar(&spectrogram.clone().mean()) * elements;
                    squares += scalar(&spectrogram.square().mean()) * elements;
                    count += elements;
                }
            }
            Ok(())
        })?;
        let mean = sum / f64::max(count, 1.0);
        let variance = (squares / f64::max(count, 1.0) - mean * mean).max(1e-12);
        self.learner.network.set_mel_mean_and_std(mean as f32, variance.sqrt() as f32);
        Ok(())
    }

    /// Trains for one epoch, or the rest of it, validates, and writes a checkpoint.
    fn run_epoch(&mut self) -> Result<()> {
        let losses = self.state.validation_losses();
        let training_loss = self.train_epoch(&losses)?;
        let metric_config = self.config.evaluation;
        let batch_size = self.config.training.batch_size;
        let (validation_loss, scores) = validate(
            &self.learner.evaluation_network(),
            &self.data.validation,
            batch_size,
            metric_config,
            self.device(),
        )?;
        let progress = std::mem::take(&mut self.state.epoch_progress);
        self.state.epochs.push(EpochMetrics {
            learning_rate: self.config.training.schedule.learning_rate(&losses, 0.0),
            training_loss,
            validation_loss: finite_loss(validation_loss),
            validation_roc_auc: scores.macro_roc_auc(),
            validation_average_precision: scores.macro_average_precision(),
            windows_per_second: progress.windows as f64 / progress.seconds,
            data_wait_fraction: progress.data_wait_seconds / progress.seconds,
        });
        self.learner.save_checkpoint(self.run, &self.state)?;
        log::write(self.run, &self.state)?;
        log::print(&self.state);
        Ok(())
    }

    /// Says where an interrupted run has stopped.
    fn interrupted(&self) -> TrainerError {
        let (epoch, windows) = (self.state.epochs.len() + 1, self.state.epoch_progress.windows);
        TrainerError::Interrupted(format!(
            "stopped in epoch {epoch} after {windows} windows, with a checkpoint in {}; the same command resumes",
            self.run.display()
        ))
    }

    /// Trains for one epoch, or the rest of it, and returns the mean loss of its windows. An interrupted one stops at the
    /// next step, or with the epoch if that was its last one.
    ///
    /// There is an optimiser step after each group of `accumulate_grad_batches` batches, and one after the
    /// last batch of the epoch, whose group may be shorter. The gradients of every batch are divided by
    /// `accumulate_grad_batches`, so those of a shorter group count less, and each batch counts the same
    /// although the last one may have fewer windows. A last batch of a single window is left out, because
    /// batch normalisation has no variance over it.
    fn train_epoch(&mut self, losses: &[f64]) -> Result<f64> {
        let (config, data) = (&self.config.training, &self.data.training);
        let examples = data.examples.len();
        // Each epoch and each batch has its own seed, so that a resumed run draws the same numbers.
        let seed = config.seed.wrapping_mul(1_000_003).wrapping_add(losses.len() as u64);
        let cards = Cards::of::<B>(self.device());
        let mut bar = EpochBar::new(&self.state, examples, &cards);
        let loader = DataLoader {
            cache: &data.cache,
            examples: &data.examples,
            window: data.window,
            batch_size: config.batch_size,
            augmentation: &config.augmentation,
            labels: config.label_transform(),
            shuffle_seed: Some(seed),
            skip_batches: self.state.epoch_progress.batches,
        };
        let mut accumulator = GradientsAccumulator::new();
        let mut pending = PendingLosses::new();
        std::thread::scope(|scope| -> Result<()> {
            let batches = upload::<B::InnerBackend>(scope, loader.spawn(scope), self.devices);
            let mut started = Instant::now();
            while let Ok(batch) = batches.recv() {
                let batch = batch?;
                let data_wait_seconds = started.elapsed().as_secs_f64();
                let windows_before = self.state.epoch_progress.windows + pending.windows();
                let rows = batch.rows;
                self.state.epoch_progress.batches += 1;
                let number = self.state.epoch_progress.batches;
                if rows > 1 {
                    let seed = seed.wrapping_mul(1_000_033).wrapping_add(number as u64);
                    let loss_scale = 1.0 / config.accumulate_grad_batches as f64;
                    let (loss, gradients) = self.learner.loss_and_gradients(batch, loss_scale, seed);
                    accumulator.accumulate(&self.learner.network, gradients);
                    pending.push(rows, loss);
                }
                let is_last = number * config.batch_size >= examples;
                if number.is_multiple_of(config.accumulate_grad_batches) || is_last {
                    let fraction_done = windows_before as f64 / examples as f64;
                    let learning_rate = config.schedule.learning_rate(losses, fraction_done);
                    self.learner.apply_gradients(accumulator.grads(), learning_rate);
                }
                let every = config.checkpoint_every * config.accumulate_grad_batches;
                let is_step = number.is_multiple_of(config.accumulate_grad_batches);
                let is_interrupted = is_step && !is_last && self.stop_at.is_interrupted();
                let is_checkpoint = is_interrupted || every > 0 && number.is_multiple_of(every) && !is_last;
                if is_checkpoint || is_last || pending.is_due() {
                    pending.read(&mut self.state.epoch_progress);
                }
                let epoch_progress = &mut self.state.epoch_progress;
                epoch_progress.seconds += started.elapsed().as_secs_f64();
                epoch_progress.data_wait_seconds += data_wait_seconds;
                bar.advance(epoch_progress, rows);
                if is_checkpoint {
                    self.learner.save_checkpoint(self.run, &self.state)?;
                }
                if is_interrupted {
                    bar.finish();
                    return Err(self.interrupted());
                }
                started = Instant::now();
            }
            Ok(())
        })?;
        bar.finish();
        Ok(self.state.epoch_progress.mean_loss())
    }
}

/// A network with a new optimiser, as these hyperparameters say.
fn learner<'a, B: AutodiffBackend + NetworkBackend>(
    network: Network<B>,
    training: &Training,
    devices: &'a [B::Device],
) -> Learner<'a, B>
where
    B::InnerBackend: NetworkBackend,
{
    Learner::new(network, training.optimiser, devices)
        .with_precision(training.precision)
        .with_weight_averaging(training.weight_averaging)
}

/// Losses that have not been read from the devices. Reading one waits for the step, and a graphics card would
/// then wait for the next; so they are read a few times a second, which changes nothing in their sum.
struct PendingLosses<B: Backend> {
    losses: Vec<(usize, PendingLoss<B>)>,
    last_read: Instant,
}

impl<B: Backend> PendingLosses<B> {
    fn new() -> Self {
        Self { losses: Vec::new(), last_read: Instant::now() }
    }

    /// Adds the loss of a batch of `rows` windows.
    fn push(&mut self, rows: usize, loss: PendingLoss<B>) {
        self.losses.push((rows, loss));
    }

    /// Windows whose losses are pending.
    fn windows(&self) -> usize {
        self.losses.iter().map(|(rows, _)| rows).sum()
    }

    /// Whether the last reading is a while ago.
    fn is_due(&self) -> bool {
        self.last_read.elapsed() >= READ_LOSSES_EVERY
    }

    /// Reads all losses.
    fn read(&mut self, epoch_progress: &mut EpochProgress) {
        for (rows, loss) in self.losses.drain(..) {
            epoch_progress.add_windows(rows, loss.value());
        }
        self.last_read = Instant::now();
    }
}

/// Spawns a thread that prepares the copy of each batch to the devices while they compute the one before. LibTorch
/// copies it after that step, on the same stream.
fn upload<'scope, B: NetworkBackend>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    batches: Receiver<Result<Batch>>,
    devices: &'scope [B::Device],
) -> Receiver<Result<DeviceBatch<B>>> {
    let (sender, receiver) = sync_channel(1);
    scope.spawn(move || {
        for batch in batches {
            if sender.send(batch.map(|batch| DeviceBatch::new(&batch, devices))).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The mean loss and the scores of each tag over a split.
///
/// # Errors
/// [`TrainerError`] if the audio cannot be read.
pub fn validate<B: NetworkBackend>(
    network: &Network<B>,
    split: &Split,
    batch_size: usize,
    metric_config: MetricConfig,
    device: &B::Device,
) -> Result<(f64, Scores)> {
    let tags = &split.cache.info.tags;
    let mut scores = Scores::new(tags, metric_config);
    let (mut loss_sum, mut windows) = (0.0, 0);
    predict_split(network, split, batch_size, device, |batch, logits, targets| {
        loss_sum += scalar(&binary_cross_entropy_with_logits(logits.clone(), targets)) * batch.rows as f64;
        windows += batch.rows;
        let probabilities = values(sigmoid(logits));
        for (row, labels) in probabilities.chunks_exact(tags.len()).zip(batch.targets.chunks_exact(tags.len())) {
            scores.add(row, labels);
        }
    })?;
    Ok((loss_sum / windows.max(1) as f64, scores))
}
