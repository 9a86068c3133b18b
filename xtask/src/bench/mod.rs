//! `bench`: speed, as ratios measured side by side in one run.

mod inference;
mod instructions;
mod trainer;

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;
use serde_json::Value;
use std::process::Command;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Sliding steps beside ONNX Runtime's and tract's full windows, and what listening
    /// costs a session; what `cargo xtask bench` alone does
    Inference {
        /// How often each is measured, one after another
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Store the counts of instructions as those to compare with from now on
        #[arg(long)]
        accept: bool,
    },
    /// Training and inference of the 3^9 networks, beside PyTorch where python3 has it
    Trainer {
        /// How often each is measured, one after another
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
}

/// Measures, prints a table and writes it under the target folder.
///
/// # Errors
/// Where something cannot be built or started, or has become slower than it was.
pub(crate) fn run(bench: Option<Bench>) -> Result<()> {
    match bench.unwrap_or(Bench::Inference { rounds: 5, accept: false }) {
        Bench::Inference { rounds, accept } => inference::run(rounds, accept),
        Bench::Trainer { rounds } => trainer::run(rounds),
    }
}

/// Runs a program that prints one line of JSON.
fn figures(command: &mut Command) -> Result<Value> {
    let output = command.output().context("a bench cannot be started")?;
    ensure!(output.status.success(), "a bench failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("a bench printed no JSON")
}
