//! `cargo xtask`: the tasks of this repository.
#![forbid(unsafe_code)]

mod bench;
mod bundle;
mod dist;
mod gpu;
mod imports;
mod paths;
mod python;
mod run;
mod slow_checks;
mod system;
mod test;
mod test_data;
mod validators;
mod windows;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use paths::{CLIP, root, target_folder};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// The tasks of this repository
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build Tagvane.clap and Tagvane.vst3 into bundles/
    Bundle,
    /// Bundle, and copy both bundles into your plug-in folders
    Install(bundle::Scope),
    /// Remove both bundles from your plug-in folders
    Uninstall(bundle::Scope),
    /// Build the archive that people download for this system
    Dist(dist::Dist),
    /// Play music through the bundled plugin and show its tags
    #[command(disable_help_flag = true)]
    Play {
        /// Arguments of the player; see `cargo xtask play --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Measure speed in comparison with ONNX Runtime and PyTorch
    Bench {
        #[command(subcommand)]
        what: Option<bench::Bench>,
    },
    /// Pack the trainer for a machine with an NVIDIA graphics card
    Gpu {
        #[command(subcommand)]
        task: gpu::Gpu,
    },
    /// Build both bundles for Windows on Linux, and run them under Wine (25 minutes to build)
    Windows(windows::Windows),
    /// Run all checks: format, lints, documentation, unit tests, whole bundles in hosts
    Test(slow_checks::SlowChecks),
}

fn main() -> Result<()> {
    sigpipe::reset();
    let arguments = Arguments::parse();
    let current =
        std::env::current_dir().context("the current folder does not exist any more; change to an existing one")?;
    std::env::set_current_dir(root())
        .with_context(|| format!("{} cannot be entered; run this as `cargo xtask`", root().display()))?;
    match arguments.task {
        Task::Bundle => bundle::bundle().map(drop),
        Task::Dist(dist) => dist.run(),
        Task::Install(scope) => bundle::install(&scope),
        Task::Uninstall(scope) => bundle::uninstall(&scope),
        Task::Play { arguments } => play(&current, arguments),
        Task::Bench { what } => bench::run(what),
        Task::Gpu { task } => gpu::run(task),
        Task::Windows(windows) => windows.run(),
        Task::Test(slow_checks) => {
            if slow_checks.is_any() {
                slow_checks.run()
            } else {
                test::test()
            }
        }
    }
}

/// Bundles, and runs the player in the user's current folder, so that relative paths work. Builds
/// neither burn nor the trainer.
fn play(current: &Path, arguments: Vec<OsString>) -> Result<()> {
    let bundles = bundle::bundle()?;
    let mut host = Command::new(target_folder()?.join("release/tagvane-play"));
    host.current_dir(current).arg("--bundles").arg(bundles).arg("--clip").arg(root().join(CLIP)).args(arguments);
    host.env("TAGVANE_LOG", "stderr");
    let status = host.status().context("the player tagvane-play cannot be started")?;
    std::process::exit(status.code().unwrap_or(1));
}
