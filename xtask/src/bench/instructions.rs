//! Instructions that a step and a block take, counted by callgrind: the figure that is
//! the same on every run, and so the one that tells when something became slower.

use crate::root;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// What was counted before, and is compared with.
const BASELINE: &str = "xtask/src/bench/instructions.json";
/// More than this over what it was is a regression.
const ALLOWED: f64 = 1.05;
/// Runs of which the difference is counted, so that loading falls out.
const RUNS: [usize; 2] = [2, 6];

/// What was counted, and whether that is as it was.
pub(super) struct Counts {
    pub(super) measured: BTreeMap<String, f64>,
    pub(super) verdict: Result<()>,
}

/// Counts the instructions of steps and blocks, prints them beside the baseline, and
/// stores them as the new one where `accept` says so.
///
/// # Errors
/// Where valgrind fails.
pub(super) fn count(program: &Path, networks: &[(&str, &Path)], accept: bool) -> Result<Counts> {
    let mut measured = BTreeMap::new();
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("\nvalgrind is not installed, so instructions are not counted");
        return Ok(Counts { measured, verdict: Ok(()) });
    }
    for (name, file) in networks {
        let step = |runs: usize| {
            instructions(program, &["step".as_ref(), file.as_os_str(), "2187".as_ref(), runs.to_string().as_ref()])
        };
        measured.insert(format!("step, {name}"), each(step)?);
    }
    let block = |runs: usize| instructions(program, &["block".as_ref(), runs.to_string().as_ref()]);
    measured.insert("block, heard and taken".into(), each(block)?);

    let path = root().join(BASELINE);
    let baseline: BTreeMap<String, f64> = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{BASELINE} is damaged"))?,
        Err(_) => BTreeMap::new(),
    };
    println!("\nInstructions, counted by callgrind");
    let mut slower = Vec::new();
    for (what, count) in &measured {
        let ratio = baseline.get(what).map(|before| count / before);
        println!("{what:<38} {count:>12.0} {:>6}", ratio.map_or("new".into(), |ratio| format!("{ratio:.3}")));
        if ratio.is_some_and(|ratio| ratio > ALLOWED) {
            slower.push(what.clone());
        }
    }
    if accept {
        std::fs::write(&path, serde_json::to_vec_pretty(&measured)?)
            .with_context(|| format!("{BASELINE} cannot be written"))?;
        slower.clear();
    }
    let verdict = || -> Result<()> {
        ensure!(
            slower.is_empty(),
            "more than 5 % over {BASELINE}: {}; mend it, or store it with --accept",
            slower.join(", ")
        );
        Ok(())
    };
    Ok(Counts { measured, verdict: verdict() })
}

/// Instructions of one run: what more runs take more, divided among them.
fn each(count: impl Fn(usize) -> Result<f64>) -> Result<f64> {
    let [few, many] = RUNS;
    Ok((count(many)? - count(few)?) / (many - few) as f64)
}

/// Instructions of one call of the program.
fn instructions(program: &Path, call: &[&OsStr]) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program).args(call);
    let output = command.output().context("valgrind cannot be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    // "==123== Collected : 456"
    match said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok()) {
        Some(count) if output.status.success() => Ok(count),
        _ => bail!("valgrind failed: {}", said.lines().last().unwrap_or_default()),
    }
}
