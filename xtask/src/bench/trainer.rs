//! The trainer beside PyTorch: the same networks, batches and threads.

use super::figures;
use crate::run;
use anyhow::{Context as _, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The networks by their names, and how many steps each is measured over.
const NETWORKS: [(&str, &str); 2] = [("narrow-3^9", "9"), ("3^9-59049", "3")];
/// Windows a batch, as in the paper.
const BATCH: &str = "23";
/// The same networks in PyTorch.
const PYTORCH: &str = include_str!("pytorch.py");

/// Seconds a training step, seconds a batch answered, bytes at most.
type Figures = (f64, f64, f64);

pub(super) fn run(rounds: usize) -> Result<()> {
    let torch = torch_version();
    let mut build = vec!["build", "--release", "--package", "tagvane-trainer"];
    if torch.is_some() {
        build.extend(["--features", "libtorch"]);
    } else {
        println!("python3 has no PyTorch, so there is nothing to compare with; python3 -m pip install torch==2.9.1");
    }
    run::cargo(&build)?;
    let trainer = run::target_folder()?.join("release/trainer");
    let backends = if torch.is_some() { &["flex", "libtorch"][..] } else { &["flex"] };

    let mut results = Vec::new();
    for (network, steps) in NETWORKS {
        let mut all: BTreeMap<&str, Vec<Figures>> = BTreeMap::new();
        // One after another, so that whatever else the machine does meets all alike.
        for _ in 0..rounds.max(1) {
            for &backend in backends {
                all.entry(backend).or_default().push(ours(&trainer, backend, network, steps)?);
            }
            if torch.is_some() {
                all.entry("pytorch").or_default().push(pytorch(network, steps)?);
            }
        }
        let middle: BTreeMap<&str, Figures> = all.into_iter().map(|(what, all)| (what, median(all))).collect();
        print_table(network, torch.as_deref(), &middle);
        let figures = middle.iter().map(|(what, (training, inference, memory))| {
            let row = json!({"training_seconds": training, "inference_seconds": inference, "peak_bytes": memory});
            ((*what).to_owned(), row)
        });
        results.push(json!({"network": network, "batch": BATCH, "measured": figures.collect::<BTreeMap<_, _>>()}));
    }
    let folder = run::target_folder()?.join("bench");
    std::fs::create_dir_all(&folder).context("the target folder cannot be written")?;
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

fn ours(trainer: &Path, backend: &str, network: &str, steps: &str) -> Result<Figures> {
    let mut command = Command::new(trainer);
    measured(command.args(["bench", "--backend", backend, "--network", network, "--batch", BATCH, "--steps", steps]))
}

fn pytorch(network: &str, steps: &str) -> Result<Figures> {
    measured(Command::new("python3").args(["-c", PYTORCH, network, BATCH, steps]))
}

/// Runs one side and takes its figures.
fn measured(command: &mut Command) -> Result<Figures> {
    let result = figures(command)?;
    let figure = |name: &str| result[name].as_f64().with_context(|| format!("a bench did not tell {name}"));
    Ok((figure("training_seconds")?, figure("inference_seconds")?, figure("peak_memory_bytes")?))
}

fn median(all: Vec<Figures>) -> Figures {
    let middle = |pick: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(pick).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    (middle(|figures| figures.0), middle(|figures| figures.1), middle(|figures| figures.2))
}

fn print_table(network: &str, torch: Option<&str>, measured: &BTreeMap<&str, Figures>) {
    let reference = measured.get("pytorch");
    println!("\n{network}, batches of {BATCH}; ratios to PyTorch {}: above 1 is faster", torch.unwrap_or("(missing)"));
    println!(
        "{:<10} {:>16} {:>6} {:>18} {:>6} {:>10} {:>6}",
        "", "trained windows/s", "ratio", "answered windows/s", "ratio", "memory MB", "ratio"
    );
    let batch: f64 = BATCH.parse().unwrap_or(1.0);
    for (what, (training, inference, memory)) in measured {
        let ratio = |pick: fn(&Figures) -> f64, own: f64| {
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
