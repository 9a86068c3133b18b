//! Python environments: that of the tests, with ONNX, ONNX Runtime, scikit-learn and two plug-in hosts, and
//! those of the programs whose exporters are tested.

use crate::paths::target_folder;
use crate::{run, system};
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// The version of PyTorch for the trainer's LibTorch; 2.9 to 2.11 work.
pub(crate) const TORCH: &str = "2.11.0";

/// The packages of the tests. Exact versions, so that they are reproducible.
const PACKAGES: &[&str] = &[
    "dawdreamer==0.9.0",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "pedalboard==0.9.26",
    "scikit-learn==1.9.1",
];

/// The tests' environment. Returns its interpreter.
///
/// # Errors
/// If Python 3 with venv is missing, or a package cannot be installed.
pub(crate) fn environment() -> Result<PathBuf> {
    environment_with("python", PACKAGES)
}

/// Creates an environment with these packages in the target folder, unless it is there. Returns its
/// interpreter.
///
/// # Errors
/// If Python 3 with venv is missing, or a package cannot be installed.
pub(crate) fn environment_with(name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = target_folder()?.join(name);
    let python = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };
    let marker = folder.join("installed.txt");
    let list = packages.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == list) {
        return Ok(python);
    }
    let base = if cfg!(windows) { "python" } else { "python3" };
    if !system::succeeds(base, &["-c", "import venv, ensurepip"]) {
        system::install(&["python3", "python3-venv"])?;
        ensure!(
            system::succeeds(base, &["-c", "import venv, ensurepip"]),
            "the tests need Python 3 with the modules venv and ensurepip; install them"
        );
    }
    println!("Creating a Python environment in {}", folder.display());
    run::command(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run::command(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(packages))?;
    std::fs::write(&marker, list).with_context(|| format!("{} cannot be written", marker.display()))?;
    Ok(python)
}
