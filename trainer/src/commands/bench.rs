//! `bench`: how fast a network trains and answers.

use crate::backend::{Compute, on};
use burn::backend::Autodiff;
use burn::module::AutodiffModule as _;
use burn::tensor::backend::Backend as BurnBackend;
use clap::Args;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::time::Instant;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::Batch;
use tagvane_trainer::kernels::StageKernel;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::training::config::Optimiser;
use tagvane_trainer::training::{Steps, to_tensors};
use tagvane_trainer::{Result, TrainerError};

#[derive(Args)]
pub(crate) struct Arguments {
    /// The network, by its name
    #[arg(long, default_value = "narrow-3^9")]
    network: String,
    /// Windows a batch
    #[arg(long, default_value_t = 23)]
    batch: usize,
    /// Training steps, and batches answered; the median counts
    #[arg(long, default_value_t = 7)]
    steps: usize,
    /// Train the stages in bfloat16, which LibTorch can
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    compute: Compute,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    on!(&arguments.compute, measure, arguments)
}

fn measure<B: StageKernel>(arguments: &Arguments, devices: &[B::Device]) -> Result<()> {
    let Arguments { network: name, batch, steps, .. } = arguments;
    let row = find(name).ok_or_else(|| TrainerError::Request(format!("no network is called \"{name}\"")))?;
    let plan = row.architecture.plan(50)?;
    let device = &devices[0];
    B::seed(device, 1);
    let network = Network::<Autodiff<B>>::new(&plan, device);
    if arguments.half && !B::HALF {
        return Err(TrainerError::Request("--half is for LibTorch: use --backend libtorch".into()));
    }
    let precision = if arguments.half { Precision::Half } else { Precision::Single };
    let optimiser = Optimiser::Sgd { momentum: 0.9 };
    let mut training = Steps::new(network, optimiser, devices).in_precision(precision);
    let mut random = StdRng::seed_from_u64(1);
    let batch = Batch {
        waveforms: (0..batch * plan.window).map(|_| random.random()).collect(),
        targets: (0..batch * plan.tags).map(|_| f32::from(random.random_bool(0.1))).collect(),
        rows: *batch,
    };
    let mut trained = Vec::new();
    for _ in 0..*steps {
        let started = Instant::now();
        // The loss comes back as a number, so the device is done with the step before,
        // and the step itself is waited for.
        training.step(&batch, 0.01);
        sync::<B>(device)?;
        trained.push(started.elapsed().as_secs_f64());
    }
    let network = training.network.valid();
    let (waveforms, _) = to_tensors::<B>(&batch, device);
    let mut answered = Vec::new();
    for _ in 0..*steps {
        let started = Instant::now();
        let logits = network.forward(waveforms.clone()).logits;
        logits.into_data();
        answered.push(started.elapsed().as_secs_f64());
    }
    let result = json!({
        "network": name,
        "backend": B::name(device),
        "batch": batch.rows,
        "training_seconds": median(&mut trained),
        "inference_seconds": median(&mut answered),
        "peak_memory_bytes": peak_memory(),
    });
    println!("{result}");
    Ok(())
}

fn sync<B: BurnBackend>(device: &B::Device) -> Result<()> {
    B::sync(device).map_err(|error| TrainerError::Request(format!("the device failed: {error:?}")))
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// The most memory this process had at a time, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}
