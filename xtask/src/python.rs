//! The tests' Python environment: ONNX, ONNX Runtime, scikit-learn and two plug-in hosts.

use crate::paths::target_folder;
use crate::{run, system};
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Exact versions, so that the tests are reproducible.
const PACKAGES: &[&str] = &[
    "dawdreamer==0.9.0",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "pedalboard==0.9.26",
    "scikit-learn==1.9.1",
];

/// Creates the environment in the target folder, unless it is there. Returns its interpreter.
///
/// # Errors
/// If Python 3 with venv is missing, or a package cannot be installed.
pub(crate) fn environment() -> Result<PathBuf> {
    let folder = target_folder()?.join("python");
    let python = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };
    let marker = folder.join("installed.txt");
    let packages = PACKAGES.join("\n");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == packages) {
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
    println!("Creating the Python environment of the tests");
    run::command(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run::command(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(&marker, packages).with_context(|| format!("{} cannot be written", marker.display()))?;
    Ok(python)
}
