//! Running other programs.

use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::Command;

/// Runs a command and waits for it.
///
/// # Errors
/// Where it cannot be started, or fails.
pub(crate) fn command(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "this failed: {shown}");
    Ok(())
}

/// Runs the cargo that runs this.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    command(Command::new(env!("CARGO")).args(arguments))
}

/// Where cargo builds to: this program lies in `<target>/release`.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program's own path is unknown")?;
    let folder =
        program.parent().and_then(|release| release.parent()).context("this program is not in a target folder")?;
    Ok(folder.to_owned())
}
