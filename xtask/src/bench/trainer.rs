//! Compares the trainer with PyTorch on the same networks, batches and threads.

use super::{median, number, run_json};
use crate::paths::{create_folder, target_folder};
use crate::{python, run};
use anyhow::{Context as _, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The names of the networks, and the number of measured steps of each.
const NETWORKS: [(&str, &str); 2] = [("narrow-3^9", "9"), ("3^9-59049", "3")];
/// Windows per batch, as in the paper.
const BATCH: &str = "23";
/// The Python script with the same networks in PyTorch.
const PYTORCH: &str = include_str!("pytorch.py");

/// Seconds per training step, seconds per predicted batch, peak memory in bytes.
type Measurement = (f64, f64, f64);

pub(super) fn run(rounds: usize) -> Result<()> {
    let torch = torch_version();
    let mut build = vec!["build", "--release", "--package", "tagvane-trainer"];
    if torch.is_some() {
        build.extend(["--features", "libtorch"]);
    } else {
        println!(
            "PyTorch is not measured, because python3 does not have it; install it with: python3 -m pip install torch=={}",
            python::TORCH
        );
    }
    run::cargo(&build)?;
    let trainer = target_folder()?.join("release/trainer");
    let backends = if torch.is_some() { &["flex", "libtorch"][..] } else { &["flex"] };

    let mut results = Vec::new();
    for (network, steps) in NETWORKS {
        let mut all: BTreeMap<&str, Vec<Measurement>> = BTreeMap::new();
        // In turns, so that other load on the machine affects all of them.
        for _ in 0..rounds.max(1) {
            for &backend in backends {
                all.entry(backend).or_default().push(measure_trainer(&trainer, backend, network, steps)?);
            }
            if torch.is_some() {
                all.entry("pytorch").or_default().push(measure_pytorch(network, steps)?);
            }
        }
        let middle: BTreeMap<&str, Measurement> = all.into_iter().map(|(what, all)| (what, medians(&all))).collect();
        print_table(network, torch.as_deref(), &middle);
        let figures = middle.iter().map(|(what, (training, inference, memory))| {
            let row = json!({"training_seconds": training, "inference_seconds": inference, "peak_bytes": memory});
            ((*what).to_owned(), row)
        });
        results.push(json!({"network": network, "batch": BATCH, "measured": figures.collect::<BTreeMap<_, _>>()}));
    }
    let folder = create_folder(target_folder()?.join("bench"))?;
    let path = folder.join("trainer.json");
    std::fs::write(&path, serde_json::to_vec_pretty(&json!({"pytorch": torch, "networks": results}))?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    println!("Written to {}", path.display());
    Ok(())
}

fn torch_version() -> Option<String> {
    let output = Command::new("python3").args(["-c", "import torch; print(torch.__version__)"]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn measure_trainer(trainer: &Path, backend: &str, network: &str, steps: &str) -> Result<Measurement> {
    let mut command = Command::new(trainer);
    run_measurement(command.args([
        "bench",
        "--backend",
        backend,
        "--network",
        network,
        "--batch",
        BATCH,
        "--steps",
        steps,
    ]))
}

fn measure_pytorch(network: &str, steps: &str) -> Result<Measurement> {
    run_measurement(Command::new("python3").args(["-c", PYTORCH, network, BATCH, steps]))
}

/// Runs a bench and reads its measurement.
fn run_measurement(command: &mut Command) -> Result<Measurement> {
    let result = run_json(command)?;
    Ok((
        number(&result, "training_seconds")?,
        number(&result, "inference_seconds")?,
        number(&result, "peak_memory_bytes")?,
    ))
}

/// The median of each of the three figures.
fn medians(all: &[Measurement]) -> Measurement {
    let middle = |pick: fn(&Measurement) -> f64| median(all.iter().map(pick).collect());
    (middle(|figures| figures.0), middle(|figures| figures.1), middle(|figures| figures.2))
}

fn print_table(network: &str, torch: Option<&str>, measured: &BTreeMap<&str, Measurement>) {
    let reference = measured.get("pytorch");
    println!(
        "\n{network}, batches of {BATCH}: ratios to PyTorch {}, above 1 is faster, or more memory",
        torch.unwrap_or("(missing)")
    );
    println!(
        "{:<10} {:>16} {:>6} {:>18} {:>6} {:>10} {:>6}",
        "", "trained windows/s", "ratio", "predicted windows/s", "ratio", "memory MB", "ratio"
    );
    let batch: f64 = BATCH.parse().unwrap_or(1.0);
    for (what, (training, inference, memory)) in measured {
        let ratio = |pick: fn(&Measurement) -> f64, own: f64| {
            reference.map_or("-".into(), |reference| format!("{:.2}", pick(reference) / own))
        };
        println!(
            "{what:<10} {:>17.1} {:>6} {:>18.1} {:>6} {:>10.0} {:>6}",
            batch / training,
            ratio(|figures| figures.0, *training),
            batch / inference,
            ratio(|figures| figures.1, *inference),
            memory / 1e6,
            reference.map_or("-".into(), |reference| format!("{:.2}", memory / reference.2))
        );
    }
}
