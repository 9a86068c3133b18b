//! Counts the instructions of a step and of a block with callgrind. The counts are the same in each run,
//! so they detect regressions.

use super::HOP;
use crate::paths::root;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// The counts to compare with.
const BASELINE: &str = "xtask/src/bench/instructions.json";
/// A larger ratio to the baseline is a regression.
const MAX_RATIO: f64 = 1.05;
/// The two numbers of runs whose difference is counted, so that loading does not count.
const RUNS: [usize; 2] = [2, 6];

/// The counts, and an error if they are a regression.
pub(super) struct Counts {
    pub(super) measured: BTreeMap<String, f64>,
    pub(super) regression: Result<()>,
}

/// Counts the instructions of steps and blocks, and prints their ratios to the baseline. Stores them
/// as the new baseline if `accept` is true.
///
/// # Errors
/// If valgrind fails.
pub(super) fn count(program: &Path, networks: &[(&str, &Path)], accept: bool) -> Result<Counts> {
    let mut measured = BTreeMap::new();
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\nInstructions are not counted, because valgrind is not installed");
        return Ok(Counts { measured, regression: Ok(()) });
    }
    for (name, file) in networks {
        let step = |runs: usize| {
            let (hop, runs) = (HOP.to_string(), runs.to_string());
            instructions(program, &["step".as_ref(), file.as_os_str(), hop.as_ref(), runs.as_ref()])
        };
        measured.insert(format!("step, {name}"), per_run(step)?);
    }
    let block = |runs: usize| instructions(program, &["block".as_ref(), runs.to_string().as_ref()]);
    measured.insert("audio block".into(), per_run(block)?);

    let path = root().join(BASELINE);
    let baseline: BTreeMap<String, f64> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{BASELINE} is not valid JSON; restore it, or store new counts with --accept"))?,
        Err(_) => BTreeMap::new(),
    };
    println!("\nInstructions counted by callgrind, and ratios to {BASELINE}");
    let mut slower = Vec::new();
    for (label, count) in &measured {
        let ratio = baseline.get(label).map(|before| count / before);
        println!("{label:<38} {count:>12.0} {:>6}", ratio.map_or("new".into(), |ratio| format!("{ratio:.3}")));
        if ratio.is_some_and(|ratio| ratio > MAX_RATIO) {
            slower.push(label.clone());
        }
    }
    if accept {
        std::fs::write(&path, serde_json::to_vec_pretty(&measured)?)
            .with_context(|| format!("{BASELINE} cannot be written"))?;
        slower.clear();
    }
    let regression = || -> Result<()> {
        ensure!(
            slower.is_empty(),
            "more than 5 % above {BASELINE}: {}; fix the regression, or store the counts with --accept",
            slower.join(", ")
        );
        Ok(())
    };
    Ok(Counts { measured, regression: regression() })
}

/// The instructions of one run: the difference between two numbers of runs, per run.
fn per_run(count: impl Fn(usize) -> Result<f64>) -> Result<f64> {
    let [few, many] = RUNS;
    Ok((count(many)? - count(few)?) / (many - few) as f64)
}

/// The instructions of one call of the program.
fn instructions(program: &Path, call: &[&OsStr]) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(call);
    let output = command.output().context("valgrind cannot be started")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // "==123== Collected : 456"
    match stderr.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!("valgrind failed: {}", stderr.lines().last().unwrap_or_default()),
    }
}
