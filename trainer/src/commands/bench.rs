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
use std::time::Instant;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::{Batch, to_tensors};
use tagvane_trainer::kernels::ConvBlockKernel;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::training::Learner;
use tagvane_trainer::training::config::Optimiser;
use tagvane_trainer::{Result, TrainerError};

#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Name of the network
    #[arg(long, default_value = "narrow-3^9")]
    network: String,
    /// Batch size in windows, at least 2, because batch normalisation has no variance over a single one
    #[arg(long, default_value_t = 23, value_parser = at_least(2))]
    batch: usize,
    /// Number of training steps, and of batches for inference; the median time of each is reported
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
    B::seed(device, 1);
    let network = Network::<Autodiff<B>>::new(&plan, device);
    if arguments.bf16 && !B::SUPPORTS_BF16 {
        return Err(TrainerError::Request("--bf16 is for LibTorch: use --backend libtorch".into()));
    }
    let precision = if arguments.bf16 { Precision::Bf16 } else { Precision::Single };
    let optimiser = Optimiser::Sgd { momentum: 0.9 };
    let mut training = Learner::new(network, optimiser, devices).with_precision(precision);
    let mut random = ChaCha12Rng::seed_from_u64(1);
    let batch = Batch {
        waveforms: (0..batch * plan.window).map(|_| random.random()).collect(),
        targets: (0..batch * plan.tags).map(|_| f32::from(random.random_bool(0.1))).collect(),
        rows: *batch,
    };
    let mut training_seconds = Vec::new();
    for _ in 0..*steps {
        let started = Instant::now();
        // Reading the loss waits for the forward pass only, so the device is synchronised after the step.
        training.step(&batch, 0.01);
        sync::<B>(device)?;
        training_seconds.push(started.elapsed().as_secs_f64());
    }
    let network = training.network.valid();
    let (waveforms, _) = to_tensors::<B>(&batch, device);
    let mut inference_seconds = Vec::new();
    for _ in 0..*steps {
        let started = Instant::now();
        let logits = network.forward(waveforms.clone()).logits;
        logits.into_data();
        inference_seconds.push(started.elapsed().as_secs_f64());
    }
    let result = json!({
        "network": name,
        "backend": B::name(device),
        "batch": batch.rows,
        "training_seconds": median(&mut training_seconds),
        "inference_seconds": median(&mut inference_seconds),
        "peak_memory_bytes": peak_memory(),
    });
    println!("{result}");
    Ok(())
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
