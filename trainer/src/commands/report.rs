//! `report`: the paper's tables from finished runs.

use clap::Args;
use std::path::PathBuf;
use tagvane_trainer::{Result, TrainerError, files, report::report};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Runs that were evaluated, or folders of them
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Write the tables here instead of printing them
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let report = report(&arguments.runs)?;
    report.left_out.iter().for_each(|line| eprintln!("left out {line}"));
    if report.text.is_empty() {
        return Err(TrainerError::Request("no run here is trained and evaluated: train, then evaluate --run".into()));
    }
    match &arguments.out {
        Some(path) => files::write(path, report.text.as_bytes()),
        None => {
            print!("{}", report.text);
            Ok(())
        }
    }
}
