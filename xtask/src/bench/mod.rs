//! `bench`: measures speed as ratios to other tools in the same run.

mod catalogue;
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
    /// Compare sliding steps with full windows in ONNX Runtime and tract, and measure the plugin's
    /// load in a session; the default of `cargo xtask bench`
    Inference {
        /// The number of measurements of each, in turns
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Store the counts of instructions as the new baseline
        #[arg(long)]
        accept: bool,
    },
    /// Compare training and inference of the 3^9 networks with PyTorch, if python3 has it
    Trainer {
        /// The number of measurements of each, in turns
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Compare `trainer tag` with musicnn's network in ONNX Runtime behind librosa's decoding
    Catalogue {
        /// musicnn's network as an ONNX file that takes samples at 16 kHz, as `cargo trainer teachers` makes it
        musicnn: PathBuf,
        /// A list of recordings, a path a line
        recordings: PathBuf,
        /// The number of measurements of each, in turns
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Measure a frame of the editor window, and the open window while music plays (Linux)
    Window,
}

/// Measures, prints tables and writes the results to the target folder.
///
/// # Errors
/// If a bench cannot be built or started, or takes more instructions than the baseline allows.
pub(crate) fn run(bench: Option<Bench>) -> Result<()> {
    match bench.unwrap_or(Bench::Inference { rounds: 5, accept: false }) {
        Bench::Inference { rounds, accept } => inference::run(rounds, accept),
        Bench::Trainer { rounds } => trainer::run(rounds),
        Bench::Catalogue { musicnn, recordings, rounds } => catalogue::run(&musicnn, &recordings, rounds),
        Bench::Window => window::run(),
    }
}

/// The hop of the shipped models, in samples: about ten predictions per second.
const HOP: usize = 2_187;

/// The median of measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Runs a program that prints one line of JSON, and parses it.
fn run_json(command: &mut Command) -> Result<Value> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("the bench {program} cannot be started"))?;
    ensure!(output.status.success(), "the bench {program} failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).with_context(|| format!("the bench {program} printed no JSON"))
}

/// A number in a bench's output.
fn number(results: &Value, name: &str) -> Result<f64> {
    results[name].as_f64().with_context(|| format!("a bench printed no number {name}"))
}

/// Builds a bench of the workspace, and returns its path.
fn build(name: &str) -> Result<PathBuf> {
    build_program(&["bench", "--workspace", "--bench", name], name)
}

/// Runs cargo with arguments for a build, and returns the path of the program of the target `name`.
fn build_program(arguments: &[&str], name: &str) -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).args(["--no-run", "--message-format", "json"]);
    let output = cargo.stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let mut messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let program = messages.find(|message| message["target"]["name"] == name && message["executable"].is_string());
    match program.as_ref().and_then(|message| message["executable"].as_str()) {
        Some(program) => Ok(program.into()),
        None => bail!("cargo built no program of the target {name}; see its messages above"),
    }
}
