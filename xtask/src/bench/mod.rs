//! `bench`: speed, as ratios measured side by side in one run.

mod inference;
mod instructions;
mod trainer;
mod window;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Subcommand;
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

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
    /// What a frame of the window costs, and the open window while music plays (Linux)
    Window,
}

/// Measures, prints a table and writes it under the target folder.
///
/// # Errors
/// Where something cannot be built or started, or has become slower than it was.
pub(crate) fn run(bench: Option<Bench>) -> Result<()> {
    match bench.unwrap_or(Bench::Inference { rounds: 5, accept: false }) {
        Bench::Inference { rounds, accept } => inference::run(rounds, accept),
        Bench::Trainer { rounds } => trainer::run(rounds),
        Bench::Window => window::run(),
    }
}

/// Runs a program that prints one line of JSON.
fn figures(command: &mut Command) -> Result<Value> {
    let output = command.output().context("a bench cannot be started")?;
    ensure!(output.status.success(), "a bench failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("a bench printed no JSON")
}

fn number(figures: &Value, name: &str) -> Result<f64> {
    figures[name].as_f64().with_context(|| format!("a bench did not tell {name}"))
}

/// Builds a program that measures; gives where it lies.
fn build(name: &str) -> Result<PathBuf> {
    program(&["bench", "--workspace", "--bench", name], name)
}

/// Builds what cargo is told to, and gives where the program of the target `name` lies.
fn program(arguments: &[&str], name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).args(["--no-run", "--message-format", "json"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let mut messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let program = messages.find(|message| message["target"]["name"] == name && message["executable"].is_string());
    match program.as_ref().and_then(|message| message["executable"].as_str()) {
        Some(program) => Ok(program.into()),
        None => bail!("the program that measures was not built"),
    }
}
