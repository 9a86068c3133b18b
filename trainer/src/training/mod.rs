//! Training: from a cache to a run's checkpoints.

mod begin;
pub mod checkpoint;
pub mod config;
mod log;
mod optimiser;
pub mod schedule;
mod steps;

pub use steps::{Steps, to_tensors};

use crate::data::{Cache, Example, Pass};
use crate::error::{Result, TrainerError};
use crate::evaluation::{Counting, Scores};
use crate::kernels::NetworkBackend;
use crate::network::{Network, Precision, binary_cross_entropy};
use burn::module::AutodiffModule as _;
use burn::optim::GradientsAccumulator;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::{AutodiffBackend, Backend};
use checkpoint::{Epoch, State, UnderWay};
use config::{Config, Training};
use schedule::Next;
use std::path::Path;
use std::time::Instant;

/// The tracks of a cache that a run learns from and is judged by.
pub struct Data {
    /// Heard while learning.
    pub training: Split,
    /// Heard between epochs.
    pub validation: Split,
}

/// Some groups of a cache, as windows of a length.
pub struct Split {
    /// Where the windows are.
    pub cache: Cache,
    /// The windows.
    pub examples: Vec<Example>,
    /// Samples a window.
    pub window: usize,
}

impl Split {
    /// Opens the groups of a cache that `wanted` accepts.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache cannot be opened.
    pub fn open(cache: &Path, window: usize, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let cache = Cache::open(cache, wanted)?;
        let examples = cache.examples(window);
        Ok(Self { cache, examples, window })
    }
}

impl Data {
    /// Opens the groups that `config` assigns.
    ///
    /// # Errors
    /// [`TrainerError`] where the cache cannot be opened or one of the two is empty.
    pub fn open(cache: &Path, config: &Config) -> Result<Self> {
        let window = config.architecture.window();
        let groups = &config.groups;
        let training = Split::open(cache, window, |group| groups.is_training(group))?;
        let validation = Split::open(cache, window, |group| groups.validation.iter().any(|other| other == group))?;
        for (split, name) in [(&training, "training"), (&validation, "validation")] {
            if split.examples.len() < 2 {
                let what = format!("the {name} groups of this cache have no two windows of {window} samples");
                return Err(TrainerError::content(cache, what));
            }
        }
        Ok(Self { training, validation })
    }
}

/// Windows that the mean and deviation of a mel spectrogram are measured over.
const MEASURED: usize = 2_000;

/// Trains the network of `config` on one device or several until its schedule ends, or until `until` epochs are
/// done, and leaves a checkpoint after each. A run that was interrupted, also in the
/// midst of an epoch, goes on from its last checkpoint and learns what it would have
/// learnt without the interruption.
///
/// # Errors
/// [`TrainerError`] where a checkpoint cannot be written or read, or the run was
/// started with another configuration or other tags.
pub fn train<B: AutodiffBackend + NetworkBackend>(
    run: &Path,
    data: &Data,
    config: &Config,
    until: Option<usize>,
    devices: &[B::Device],
) -> Result<State>
where
    B::InnerBackend: NetworkBackend,
{
    let mut trainer = Trainer::<B>::start(run, data, config, devices)?;
    let until = until.unwrap_or(usize::MAX);
    while trainer.state.epochs.len() < until {
        match config.training.schedule.next(&trainer.state.losses()) {
            Next::End => break,
            // An epoch that is under way has gone back already.
            Next::GoBack if trainer.state.under_way.batches == 0 => trainer.go_back()?,
            Next::GoBack | Next::GoOn => {}
        }
        trainer.epoch()?;
    }
    Ok(trainer.state)
}

/// A run under way.
struct Trainer<'a, B: AutodiffBackend> {
    run: &'a Path,
    data: &'a Data,
    config: &'a Config,
    devices: &'a [B::Device],
    state: State,
    steps: Steps<'a, B>,
}

impl<'a, B: AutodiffBackend + NetworkBackend> Trainer<'a, B>
where
    B::InnerBackend: NetworkBackend,
{
    fn start(run: &'a Path, data: &'a Data, config: &'a Config, devices: &'a [B::Device]) -> Result<Self> {
        if config.training.precision == Precision::Half && !B::HALF {
            let what = "half precision is for LibTorch: set precision to \"single\", or use cargo trainer-libtorch";
            return Err(TrainerError::Request(what.into()));
        }
        let tags = data.training.cache.info.tags.clone();
        let device = &devices[0];
        B::seed(device, config.training.seed);
        let found = checkpoint::latest(run)?;
        let network = match found {
            Some(_) => Network::<B>::new(&config.architecture.plan(tags.len())?, device),
            None => begin::network(config, &data.training, device)?,
        };
        let steps = Steps::new(network, config.training.optimiser, devices).in_precision(config.training.precision);
        let state = State { config: config.clone(), tags, epochs: Vec::new(), under_way: UnderWay::default() };
        let mut trainer = Self { run, data, config, devices, state, steps };
        match found {
            Some((folder, found)) => {
                if found.config != *config || found.tags != trainer.state.tags {
                    return Err(TrainerError::content(
                        run,
                        "this run was started with another configuration or other tags; choose another folder",
                    ));
                }
                trainer.steps.network = checkpoint::load_network(&folder, trainer.steps.network, device)?;
                trainer.steps.stepper = trainer.steps.stepper.load(&folder, device)?;
                trainer.state = found;
                // The last interruption may have come between the two.
                log::write(run, &trainer.state)?;
            }
            None if config.training.begin_with.is_empty() => trainer.measure_front_end()?,
            None => {}
        }
        Ok(trainer)
    }

    /// Where the network is, and where all that is not split happens.
    fn device(&self) -> &'a B::Device {
        &self.devices[0]
    }

    /// Goes on from the best epoch's weights, with an optimiser that remembers nothing.
    fn go_back(&mut self) -> Result<()> {
        let folder = checkpoint::folder(self.run, self.state.best());
        let network = checkpoint::load_network(&folder, self.steps.network.clone(), self.device())?;
        let Training { optimiser, precision, .. } = self.config.training;
        self.steps = Steps::new(network, optimiser, self.devices).in_precision(precision);
        Ok(())
    }

    /// Brings a mel spectrogram to the mean zero and deviation one of the training set.
    fn measure_front_end(&mut self) -> Result<()> {
        if !self.steps.network.has_front_end() {
            return Ok(());
        }
        let Split { cache, examples, window } = &self.data.training;
        let step = examples.len().div_ceil(MEASURED).max(1);
        let some: Vec<Example> = examples.iter().copied().step_by(step).collect();
        let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
        std::thread::scope(|scope| -> Result<()> {
            for batch in Pass::plain(cache, &some, *window, self.config.training.batch).start(scope) {
                let (waveforms, _) = to_tensors::<B::InnerBackend>(&batch?, self.device());
                if let Some(spectrogram) = self.steps.network.valid().front_end(waveforms) {
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
        self.steps.network.set_front_end(mean as f32, variance.sqrt() as f32);
        Ok(())
    }

    /// Trains for one epoch, or for what is left of it, and judges the result.
    fn epoch(&mut self) -> Result<()> {
        let losses = self.state.losses();
        let training_loss = self.learn(&losses)?;
        let counting = self.config.evaluation;
        let rows = self.config.training.batch;
        let (validation_loss, scores) =
            validate(&self.steps.network.valid(), &self.data.validation, rows, counting, self.device())?;
        let done = std::mem::take(&mut self.state.under_way);
        self.state.epochs.push(Epoch {
            learning_rate: self.config.training.schedule.learning_rate(&losses, 0.0),
            training_loss,
            validation_loss: if validation_loss.is_finite() { validation_loss } else { f64::MAX },
            validation_auc: scores.macro_roc_auc(),
            validation_precision: scores.macro_average_precision(),
            speed: done.rows as f64 / done.seconds,
            waited: done.waited / done.seconds,
        });
        self.steps.stepper.save(self.run, &self.state, self.steps.network.clone())?;
        log::write(self.run, &self.state)?;
        log::print(&self.state);
        Ok(())
    }

    /// The training part of an epoch: the mean loss.
    fn learn(&mut self, losses: &[f64]) -> Result<f64> {
        let (config, data) = (&self.config.training, &self.data.training);
        let examples = data.examples.len();
        // Each epoch and each batch has its own seed, so that what is repeated after an
        // interruption repeats exactly.
        let seed = config.seed.wrapping_mul(1_000_003).wrapping_add(losses.len() as u64);
        let progress = log::progress(&self.state, examples);
        let pass = Pass {
            cache: &data.cache,
            examples: &data.examples,
            window: data.window,
            rows: config.batch,
            augmentation: &config.augmentation,
            shuffle: Some(seed),
            skip: self.state.under_way.batches,
        };
        let mut accumulator = GradientsAccumulator::new();
        std::thread::scope(|scope| -> Result<()> {
            let batches = pass.start(scope);
            let mut before = Instant::now();
            while let Ok(batch) = batches.recv() {
                let batch = batch?;
                let waited = before.elapsed().as_secs_f64();
                let rows = batch.rows;
                self.state.under_way.batches += 1;
                let number = self.state.under_way.batches;
                // Batch normalisation has no variance to measure in a single row.
                let loss = if rows < 2 {
                    0.0
                } else {
                    let seed = seed.wrapping_mul(1_000_033).wrapping_add(number as u64);
                    self.devices.iter().for_each(|device| B::seed(device, seed));
                    // Gradients of several batches are added up to their mean.
                    let (loss, gradients) = self.steps.gradients(&batch, 1.0 / config.accumulate as f64);
                    accumulator.accumulate(&self.steps.network, gradients);
                    loss
                };
                let last = number * config.batch >= examples;
                if number.is_multiple_of(config.accumulate) || last {
                    let within = self.state.under_way.rows as f64 / examples as f64;
                    let rate = config.schedule.learning_rate(losses, within);
                    self.steps.follow(accumulator.grads(), rate);
                }
                let under_way = &mut self.state.under_way;
                under_way.rows += rows;
                under_way.loss_sum += loss * rows as f64;
                under_way.seconds += before.elapsed().as_secs_f64();
                under_way.waited += waited;
                log::advance(&progress, under_way, rows);
                let every = config.checkpoint_every;
                if every > 0 && number.is_multiple_of(every * config.accumulate) && !last {
                    self.steps.stepper.save(self.run, &self.state, self.steps.network.clone())?;
                }
                before = Instant::now();
            }
            Ok(())
        })?;
        progress.finish_and_clear();
        let UnderWay { rows, loss_sum, .. } = self.state.under_way;
        Ok(loss_sum / rows.max(1) as f64)
    }
}

/// The mean loss over a split, and how well each tag is told.
///
/// # Errors
/// [`TrainerError`] where the audio cannot be read.
pub fn validate<B: NetworkBackend>(
    network: &Network<B>,
    split: &Split,
    rows: usize,
    counting: Counting,
    device: &B::Device,
) -> Result<(f64, Scores)> {
    let Split { cache, examples, window } = split;
    let mut scores = Scores::new(&cache.info.tags, counting);
    let (mut loss_sum, mut seen) = (0.0, 0);
    std::thread::scope(|scope| -> Result<()> {
        for batch in Pass::plain(cache, examples, *window, rows).start(scope) {
            let batch = batch?;
            let rows = batch.rows;
            let (waveforms, targets) = to_tensors::<B>(&batch, device);
            let logits = network.forward(waveforms).logits;
            loss_sum += scalar(&binary_cross_entropy(logits.clone(), targets)) * rows as f64;
            let probabilities: Vec<f32> = sigmoid(logits).into_data().iter::<f32>().collect();
            let tags = cache.info.tags.len();
            for (row, labels) in probabilities.chunks_exact(tags).zip(batch.targets.chunks_exact(tags)) {
                scores.add(row, labels);
            }
            seen += rows;
        }
        Ok(())
    })?;
    Ok((loss_sum / seen.max(1) as f64, scores))
}

fn scalar<B: Backend>(tensor: &Tensor<B, 1>) -> f64 {
    tensor.to_data().iter::<f64>().next().unwrap_or(f64::NAN)
}
