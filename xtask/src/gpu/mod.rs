//! `gpu`: what has to be checked and measured on a machine with an NVIDIA graphics card.

use crate::paths::{create_folder, target_folder};
use crate::{python, run, system};
use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Subcommand)]
pub(crate) enum Gpu {
    /// Build the trainer for CUDA, by LibTorch and by burn, with its checks, and pack both for a bare machine
    Pack {
        /// The version of PyTorch that the machine has, 2.9 to 2.11
        #[arg(long, default_value = python::TORCH)]
        torch: String,
    },
}

/// The script that runs on the machine with the card.
const SCRIPT: &str = include_str!("check.py");

/// The most megabytes of an archive.
const MAX_MEGABYTES: u64 = 60;

/// # Errors
/// If something cannot be built or packed.
pub(crate) fn run(task: Gpu) -> Result<()> {
    let Gpu::Pack { torch } = task;
    pack(&torch)
}

/// Builds the trainer and the tests of its kernels against a version of PyTorch, and packs them with the script.
fn pack(torch: &str) -> Result<()> {
    ensure!(cfg!(all(target_os = "linux", target_arch = "x86_64")), "gpu pack works on x86-64 Linux only");
    system::install(if system::has_program("xz") { &[] } else { &["xz-utils"] })?;
    let python = python::environment_with("torch-cuda", &["numpy==2.4.6", &format!("torch=={torch}")])?;
    // LibTorch is linked from the PyTorch that python3 imports, in a folder of its own, since others use another.
    let folder = target_folder()?.join("gpu");
    let programs = build(&python, &folder)?;

    let packed = folder.join("tagvane-gpu");
    if packed.exists() {
        std::fs::remove_dir_all(&packed).with_context(|| format!("{} cannot be removed", packed.display()))?;
    }
    create_folder(packed.clone())?;
    for (name, program) in programs {
        run::command(Command::new("strip").arg("-o").arg(packed.join(name)).arg(program))?;
    }
    let script = packed.join("check.py");
    std::fs::write(&script, SCRIPT.replace("TORCH_VERSION", torch))
        .with_context(|| format!("{} cannot be written", script.display()))?;
    let archive = folder.join("tagvane-gpu.tar.xz");
    let mut tar = Command::new("tar");
    tar.arg("-cf").arg(&archive).arg("-C").arg(&folder).args(["-I", "xz -9 -T0", "tagvane-gpu"]);
    run::command(&mut tar)?;
    let megabytes = std::fs::metadata(&archive)?.len().div_ceil(1_000_000);
    ensure!(megabytes <= MAX_MEGABYTES, "the archive has {megabytes} MB, more than {MAX_MEGABYTES}");
    println!(
        "{}, {megabytes} MB; on the machine with the card: tar -xf tagvane-gpu.tar.xz && python3 tagvane-gpu/check.py",
        archive.display()
    );
    Ok(())
}

/// The programs of the archive, each with the path where cargo built it.
fn build(python: &Path, folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut path = python.parent().context("the interpreter is in no folder")?.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["test", "--no-run", "--release", "--package", "tagvane-trainer", "--features", "libtorch,cuda"]);
    cargo.args(["--test", "kernels", "--test", "backends", "--message-format", "json-render-diagnostics"]);
    cargo.env("PATH", path).env("CARGO_TARGET_DIR", folder).stderr(Stdio::inherit());
    let output = cargo.output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "the trainer cannot be built for CUDA; cargo's messages are above");
    let messages = output.stdout.split(|byte| *byte == b'\n');
    let messages = messages.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let program = |message: Value| {
        let name = message["target"]["name"].as_str()?.to_owned();
        Some((name, PathBuf::from(message["executable"].as_str()?)))
    };
    let programs: Vec<_> = messages.filter_map(program).collect();
    ensure!(programs.len() == 3, "cargo built {} of the three programs of the archive", programs.len());
    Ok(programs)
}
