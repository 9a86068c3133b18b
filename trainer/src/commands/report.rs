//! `report`: the tables of the paper from finished runs.

use clap::Args;
use std::path::PathBuf;
use tagvane_trainer::{Result, TrainerError, files, report::report};

#[derive(Args)]
pub(crate) struct ReportArguments {
    /// Evaluated runs, or folders of runs
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Write the tables to this file instead of printing them
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ReportArguments) -> Result<()> {
    let report = report(&arguments.runs)?;
    report.skipped.iter().for_each(|line| eprintln!("skipped {line}"));
    if report.text.is_empty() {
        return Err(TrainerError::Request(
            "no run here is trained and evaluated; run train, then evaluate --run".into(),
        ));
    }
    match &arguments.out {
        Some(path) => files::write(path, report.text.as_bytes()),
        None => {
            print!("{}", report.text);
            Ok(())
        }
    }
}
