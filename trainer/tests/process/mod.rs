//! The trainer as a process, and the logs of its runs.

use std::path::Path;
use std::process::{Command, Output};

/// The command that runs the trainer in `folder` with the arguments in `line`, which single spaces separate. The
/// environment of a job array, in which the tests may run, has no effect.
pub(crate) fn command(folder: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.current_dir(folder).args(line.split(' '));
    command.env_remove("SLURM_ARRAY_TASK_ID").env_remove("JOB_COMPLETION_INDEX");
    command
}

/// Runs the trainer, which must succeed, and returns its standard output.
pub(crate) fn succeed(folder: &Path, line: &str) -> String {
    let Output { status, stdout, stderr } = command(folder, line).output().unwrap();
    assert!(status.success(), "{line}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// Runs the trainer, which must fail, and returns its error message.
pub(crate) fn fail(folder: &Path, line: &str) -> String {
    let Output { status, stdout, stderr } = command(folder, line).output().unwrap();
    assert_eq!(status.code(), Some(2), "{line}: {}", String::from_utf8_lossy(&stdout));
    let message = String::from_utf8(stderr).unwrap();
    assert!(message.contains("error: ") && !message.contains("panicked"), "{line}: {message}");
    message
}

/// A column of the log of a run, one number per epoch.
pub(crate) fn log_column(run: &Path, name: &str) -> Vec<f64> {
    let mut log = csv::Reader::from_path(run.join("log.csv")).unwrap();
    let column = log.headers().unwrap().iter().position(|other| other == name).unwrap();
    log.records().map(|row| row.unwrap()[column].parse().unwrap()).collect()
}
