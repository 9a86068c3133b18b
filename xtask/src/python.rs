//! The Python environment of the tests: ONNX and its runtime, scikit-learn, and two plug-in hosts.

use crate::{run, system};
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Exact versions, so that a test that passes today passes tomorrow.
const PACKAGES: &[&str] = &[
    "dawdreamer==0.9.0",
    "numpy==2.4.6",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
    "pedalboard==0.9.26",
    "scikit-learn==1.9.1",
];

/// Makes the environment under the target folder, unless it is there; gives its
/// interpreter.
///
/// # Errors
/// Where there is no Python 3 with venv, or a package cannot be installed.
pub(crate) fn environment() -> Result<PathBuf> {
    let folder = run::target_folder()?.join("python");
    let python = if cfg!(windows) { folder.join("Scripts/python.exe") } else { folder.join("bin/python") };
    let done = folder.join("installed.txt");
    let wanted = PACKAGES.join("\n");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let base = if cfg!(windows) { "python" } else { "python3" };
    if !system::runs(base, &["-c", "import venv, ensurepip"]) {
        system::install(&["python3", "python3-venv"])?;
        ensure!(system::runs(base, &["-c", "import venv, ensurepip"]), "the tests need Python 3 with its venv module");
    }
    println!("Making the Python environment of the tests");
    run::command(Command::new(base).args(["-m", "venv", "--clear"]).arg(&folder))?;
    run::command(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(&done, wanted).with_context(|| format!("{} cannot be written", done.display()))?;
    Ok(python)
}
