//! Runs other programs.

use anyhow::{Context as _, Result, ensure};
use std::process::Command;

/// Runs a command and waits for its end.
///
/// # Errors
/// If it cannot be started, or fails.
pub(crate) fn command(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.status().with_context(|| format!("this command cannot be started: {shown}"))?;
    ensure!(status.success(), "this command failed with {status}: {shown}");
    Ok(())
}

/// Runs the cargo that started this program.
///
/// # Errors
/// If it fails.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    command(Command::new(env!("CARGO")).args(arguments))
}
