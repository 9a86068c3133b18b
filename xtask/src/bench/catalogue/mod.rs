//! Compares the trainer's `tag` with musicnn's network in ONNX Runtime behind librosa's decoding.

use super::{median, number, run_json};
use crate::paths::{create_folder, root, target_folder};
use crate::{python, run};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The packages of the other side.
const PACKAGES: &[&str] = &["librosa==0.11.0", "numpy==2.4.6", "onnxruntime==1.32.0"];
/// What tags on the other side.
const MUSICNN: &str = "xtask/src/bench/catalogue/musicnn.py";
/// The shipped models that are measured.
const MODELS: [&str; 2] = ["music", "quick"];

/// Measures the tagging of `recordings`, the paths in a list, with the ONNX file `musicnn` of the other side.
///
/// # Errors
/// If a program cannot be built, installed or started, or a recording fails.
pub(super) fn run(musicnn: &Path, recordings: &Path, rounds: usize) -> Result<()> {
    let python = python::environment_with("librosa", PACKAGES)?;
    run::cargo(&["build", "--release", "--workspace", "--bin", "trainer"])?;
    let trainer = target_folder()?.join("release/trainer");
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let folder = create_folder(target_folder()?.join("bench"))?;
    let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut music = 0.0;
    // In turns, so that other load on the machine affects all of them.
    for _ in 0..rounds.max(1) {
        let mut librosa = Command::new(&python);
        librosa.arg(root().join(MUSICNN)).args([musicnn, recordings]).arg(cores.to_string());
        // ONNX Runtime and numpy would start threads of their own for each process.
        let measured = run_json(librosa.env("OMP_NUM_THREADS", "1"))?;
        music = number(&measured, "music")?;
        all.entry("musicnn by ONNX Runtime and librosa").or_default().push(number(&measured, "seconds")?);
        for model in MODELS {
            all.entry(model).or_default().push(tag(&trainer, model, recordings, &folder.join("catalogue"))?);
        }
    }
    let middle: BTreeMap<&str, f64> = all.into_iter().map(|(what, seconds)| (what, median(seconds))).collect();
    let reference = middle["musicnn by ONNX Runtime and librosa"];
    println!("{:.2} h of music, {cores} cores, medians of {rounds}", music / 3_600.0);
    for (what, seconds) in &middle {
        let (speed, ratio) = (music / 60.0 / seconds, reference / seconds);
        println!("{what}: {seconds:.1} s, {speed:.2} h of music a minute, {ratio:.2} times musicnn");
    }
    Ok(())
}

/// Seconds in which the trainer tags the recordings of a list into a new catalogue.
fn tag(trainer: &Path, model: &str, recordings: &Path, catalogue: &PathBuf) -> Result<f64> {
    if catalogue.exists() {
        std::fs::remove_dir_all(catalogue).with_context(|| format!("{} cannot be removed", catalogue.display()))?;
    }
    let model = root().join("plugin/models").join(model).with_extension("onnx");
    let mut command = Command::new(trainer);
    command.arg("tag").arg(model).arg("--list").arg(recordings).arg("--parquet").arg(catalogue).arg("--quiet");
    let start = Instant::now();
    let output = command.output().context("the trainer cannot be started")?;
    ensure!(output.status.success(), "tagging failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(start.elapsed().as_secs_f64())
}
