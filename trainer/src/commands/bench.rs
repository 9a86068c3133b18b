//! `bench`: the speed of training and inference.

use super::at_least;
use crate::backend::{BackendArguments, dispatch};
use burn::backend::Autodiff;
use burn::module::AutodiffModule as _;
use burn::tensor::backend::Backend;
use clap::Args;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::json;
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::cards::{CardUsage, Cards};
use tagvane_trainer::data::{Batch, Waveforms, to_tensors};
use tagvane_trainer::kernels::ConvBlockKernel;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::training::config::Optimiser;
use tagvane_trainer::training::{DeviceBatch, Learner};
use tagvane_trainer::{Result, TrainerError};

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Name of the network
    #[arg(long, default_value = "narrow-3^9")]
    network: String,
    /// Batch size in windows, at least 2, because batch normalisation has no variance over a single one
    #[arg(long, default_value_t = 23, value_parser = at_least(2))]
    batch: usize,
    /// Number of training steps, rounded up to a multiple of three, and of batches for inference
    #[arg(long, default_value_t = 7, value_parser = at_least(1))]
    steps: usize,
    /// Compute the convolution blocks in bfloat16 during training; only LibTorch can
    #[arg(long)]
    bf16: bool,
    #[command(flatten)]
    backend: BackendArguments,
}

pub(crate) fn run(arguments: &BenchArguments) -> Result<()> {
    dispatch!(&arguments.backend, measure, arguments)
}

fn measure<B: ConvBlockKernel>(arguments: &BenchArguments, devices: &[B::Device]) -> Result<()> {
    let BenchArguments { network: name, batch, steps, .. } = arguments;
    let row = find(name)
        .ok_or_else(|| TrainerError::Request(format!("no network is called \"{name}\"; `models` lists them")))?;
    let plan = row.architecture.plan(50)?;
    let device = &devices[0];
    if arguments.bf16 && !B::SUPPORTS_BF16 {
        return Err(TrainerError::Request("--bf16 is for LibTorch: use --backend libtorch".into()));
    }
    let precision = if arguments.bf16 { Precision::Bf16 } else { Precision::Single };
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let batch = Batch {
        waveforms: Waveforms::Pcm {
            samples: (0..batch * plan.window).map(|_| random.random()).collect(),
            gains: Vec::new(),
        },
        targets: (0..batch * plan.tags).map(|_| f32::from(random.random_bool(0.1))).collect(),
        rows: *batch,
    };
    let started = Instant::now();
    let network = Network::<Autodiff<B>>::new(&plan, device);
    let optimiser = Optimiser::Sgd { momentum: 0.9 };
    let mut learner = Learner::new(network, optimiser, devices).with_precision(precision);
    let first_loss = learner.step(&batch, 0.01);
    sync::<B>(device)?;
    let first_step_seconds = started.elapsed().as_secs_f64();
    let training = measure_training(&mut learner, &batch, *steps, devices)?;

    let network = learner.network.valid();
    let (waveforms, _) = to_tensors::<B>(&batch, device);
    let mut inference_seconds = Vec::new();
    for _ in 0..=*steps {
        let started = Instant::now();
        let logits = network.forward(waveforms.clone()).logits;
        logits.into_data();
        inference_seconds.push(started.elapsed().as_secs_f64());
    }
    inference_seconds.remove(0);
    let result = json!({
        "network": name,
        "backend": B::name(device),
        "batch": batch.rows,
        "first_step_seconds": first_step_seconds,
        "first_loss": first_loss,
        "training_seconds": training.seconds,
        "training_host_seconds": training.host_seconds,
        "data_wait_seconds": training.data_wait_seconds,
        "inference_seconds": median(&mut inference_seconds),
        "peak_memory_bytes": peak_memory(),
        "card_memory_bytes": training.card.map(|card| card.memory_bytes),
        "card_busy_percent": training.card.map(|card| card.busy_percent),
    });
    println!("{result}");
    Ok(())
}

/// Times of a training step.
struct TrainingTimes {
    /// From step to step.
    seconds: f64,
    /// Until the step is with the device.
    host_seconds: f64,
    /// Waiting for the batch.
    data_wait_seconds: f64,
    /// The usage of the cards after the round in which they were busiest.
    card: Option<CardUsage>,
}

/// Rounds of steps. The device is waited for after each, and the median round counts.
const ROUNDS: usize = 3;

/// Measures training as a run does it: a thread queues the copy of the next batch during a step, and no loss is waited
/// for.
fn measure_training<B: ConvBlockKernel>(
    learner: &mut Learner<'_, Autodiff<B>>,
    batch: &Batch,
    steps: usize,
    devices: &[B::Device],
) -> Result<TrainingTimes> {
    let round_steps = steps.div_ceil(ROUNDS);
    let (mut seconds, mut host_seconds, mut data_wait_seconds) = (Vec::new(), Vec::new(), Vec::new());
    let (cards, mut card) = (Cards::of::<B>(&devices[0]), None::<CardUsage>);
    std::thread::scope(|scope| -> Result<()> {
        let (sender, receiver) = sync_channel(1);
        scope.spawn(move || while sender.send(DeviceBatch::<B>::new(batch, devices)).is_ok() {});
        // The first step with this pipeline is not counted.
        for round in 0..=ROUNDS {
            let started = Instant::now();
            for _ in 0..if round == 0 { 1 } else { round_steps } {
                let waiting = Instant::now();
                let Ok(batch) = receiver.recv() else { break };
                let stepping = Instant::now();
                learner.step_on_device(batch, 0.01);
                if round > 0 {
                    data_wait_seconds.push((stepping - waiting).as_secs_f64());
                    host_seconds.push(stepping.elapsed().as_secs_f64());
                }
            }
            devices.iter().try_for_each(sync::<B>)?;
            if round > 0 {
                seconds.push(started.elapsed().as_secs_f64() / round_steps as f64);
                card = card.max(cards.usage());
            }
        }
        Ok(())
    })?;
    Ok(TrainingTimes {
        seconds: median(&mut seconds),
        host_seconds: median(&mut host_seconds),
        data_wait_seconds: median(&mut data_wait_seconds),
        card,
    })
}

fn sync<B: Backend>(device: &B::Device) -> Result<()> {
    B::sync(device).map_err(|error| TrainerError::Request(format!("the device failed: {error:?}")))
}

/// The median of at least one value; the higher one of the two in the middle.
fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// Peak memory of this process in bytes; `None` where /proc is not available.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}
