//! The paper's tables from finished runs, its figures beside ours.

use crate::architecture::catalogue::{Row, Table, rows};
use crate::error::Result;
use crate::files;
use crate::training::checkpoint;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What `evaluate --run` leaves in a run's folder.
pub const EVALUATION: &str = "evaluation.json";

/// The part of an evaluation that tables need.
#[derive(Debug, Deserialize)]
struct Evaluation {
    clips: usize,
    tags_counted: usize,
    roc_auc: Option<f64>,
    average_precision: Option<f64>,
}

/// A run that was trained and evaluated.
struct Finished {
    state: checkpoint::State,
    evaluation: Evaluation,
}

/// A report, and the runs that are not in it, each with the reason.
#[derive(Debug)]
pub struct Report {
    /// Tables in Markdown.
    pub text: String,
    /// A line for each run that was left out.
    pub left_out: Vec<String>,
}

/// Reads the runs in `folders` (each a run, or a folder of runs) and makes Tables 2, 3
/// and 4, and one of what came after; a row for each network and widths, over all runs
/// of it.
///
/// # Errors
/// [`TrainerError`](crate::TrainerError) where a folder or a run's files cannot be read.
pub fn report(folders: &[PathBuf]) -> Result<Report> {
    let mut left_out = Vec::new();
    let mut runs = Vec::new();
    for run in run_folders(folders)? {
        match finished(&run)? {
            Ok(finished) => runs.push(finished),
            Err(why) => left_out.push(format!("{}: {why}", run.display())),
        }
    }
    let mut text = String::new();
    for (table, title) in [
        (Table::Two, "Table 2: m^n networks"),
        (Table::Three, "Table 3: frames of raw waveform and of mel spectrogram"),
        (Table::Four, "Table 4: earlier systems"),
        (Table::Beyond, "Beyond the paper"),
    ] {
        let lines: Vec<String> =
            rows().iter().filter(|row| row.table == table).flat_map(|row| lines(row, &runs)).collect();
        if !lines.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "### {title}\n");
            text += "| network | widths | published MTAT | ROC-AUC | lowest to highest | average precision | runs | epochs | clips, tags |\n";
            text += "|---|---|---|---|---|---|---|---|---|\n";
            let _ = writeln!(text, "{}\n", lines.join("\n"));
        }
    }
    Ok(Report { text, left_out })
}

/// Folders that are runs, or lie in those that were given and are.
fn run_folders(folders: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let is_run = |folder: &PathBuf| folder.join("log.csv").exists();
    let mut found = Vec::new();
    for folder in folders {
        if is_run(folder) {
            found.push(folder.clone());
        } else {
            found.extend(files::sorted_entries(folder)?.into_iter().filter(is_run));
        }
    }
    Ok(found)
}

fn finished(run: &Path) -> Result<std::result::Result<Finished, &'static str>> {
    let Some((_, state)) = checkpoint::latest(run)? else { return Ok(Err("it has no checkpoint")) };
    let path = run.join(EVALUATION);
    if !path.exists() {
        return Ok(Err("it is not evaluated yet; run evaluate --run on it"));
    }
    Ok(Ok(Finished { state, evaluation: files::read_json(&path)? }))
}

/// A line for each choice of widths that a row of a table was trained with.
fn lines(row: &Row, runs: &[Finished]) -> Vec<String> {
    let same_but_for_widths = |run: &&Finished| {
        let architecture = &run.state.config.architecture;
        // A table's row may be tried with other widths; those beyond the tables are
        // told apart by them.
        architecture == &row.architecture
            || row.table != Table::Beyond
                && architecture.clone().with_widths(row.architecture.widths().to_vec()) == row.architecture
    };
    let mut of_row: Vec<&Finished> = runs.iter().filter(same_but_for_widths).collect();
    of_row.sort_by_key(|run| run.state.config.architecture.widths().to_vec());
    of_row
        .chunk_by(|a, b| a.state.config.architecture == b.state.config.architecture)
        .map(|runs| line(row, runs))
        .collect()
}

fn line(row: &Row, runs: &[&Finished]) -> String {
    let widths = runs[0].state.config.architecture.widths();
    let widths = match (widths == row.architecture.widths(), widths) {
        (true, _) => "as published".to_owned(),
        (false, [first, .., last]) => format!("{first} to {last}"),
        (false, widths) => format!("{widths:?}"),
    };
    let published = row.magnatagatune.map_or("-".into(), |auc| format!("{auc:.4}"));
    let aucs: Vec<f64> = runs.iter().filter_map(|run| run.evaluation.roc_auc).collect();
    let precisions: Vec<f64> = runs.iter().filter_map(|run| run.evaluation.average_precision).collect();
    let mean = |values: &[f64]| {
        let sum: f64 = values.iter().sum();
        if values.is_empty() { "-".into() } else { format!("{:.4}", sum / values.len() as f64) }
    };
    let (low, high) =
        aucs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), auc| (low.min(*auc), high.max(*auc)));
    let range = if aucs.len() > 1 { format!("{low:.4} to {high:.4}") } else { "-".into() };
    let epochs = runs.iter().map(|run| run.state.epochs.len());
    let epochs = match (epochs.clone().min(), epochs.max()) {
        (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
        (least, _) => least.unwrap_or(0).to_string(),
    };
    let Evaluation { clips, tags_counted, .. } = &runs[0].evaluation;
    format!(
        "| {} | {widths} | {published} | {} | {range} | {} | {} | {epochs} | {clips}, {tags_counted} |",
        row.name,
        mean(&aucs),
        mean(&precisions),
        runs.len()
    )
}
