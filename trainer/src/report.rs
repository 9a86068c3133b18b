//! The paper's tables, with the results of evaluated runs beside the published ones.

use crate::architecture::catalogue::{CatalogueEntry, Table, entries};
use crate::error::Result;
use crate::evaluation::format_metric;
use crate::files;
use crate::training::checkpoint;
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The file that `evaluate --run` writes into a run's folder.
pub const EVALUATION: &str = "evaluation.json";

/// The part of [`EVALUATION`] that the tables need.
#[derive(Debug, Deserialize)]
struct Evaluation {
    clips: usize,
    #[serde(alias = "tags_counted")]
    tags_averaged: usize,
    roc_auc: Option<f64>,
    average_precision: Option<f64>,
}

/// A trained and evaluated run.
struct EvaluatedRun {
    state: checkpoint::RunState,
    evaluation: Evaluation,
}

/// The tables, and the runs that are missing from them.
#[derive(Debug)]
pub struct Report {
    /// Tables in Markdown.
    pub text: String,
    /// A line for each run that was skipped, with the reason.
    pub skipped: Vec<String>,
}

/// Makes Tables 2, 3 and 4, and one of later networks, from the runs in `folders`, each of which is a
/// run or a folder of runs. A row averages all runs of a network with the same widths; where they were evaluated on
/// different numbers of clips or tags, it shows the range of these.
///
/// # Errors
/// [`TrainerError`](crate::TrainerError) if a folder or a run's files cannot be read.
pub fn report(folders: &[PathBuf]) -> Result<Report> {
    let mut skipped = Vec::new();
    let mut runs = Vec::new();
    for run in run_folders(folders)? {
        match load_run(&run)? {
            Ok(evaluated) => runs.push(evaluated),
            Err(why) => skipped.push(format!("{}: {why}", run.display())),
        }
    }
    let mut text = String::new();
    for (table, title) in [
        (Table::Two, "Table 2: m^n networks"),
        (Table::Three, "Table 3: frames of raw waveform and of mel spectrogram"),
        (Table::Four, "Table 4: baselines"),
        (Table::Extensions, "Later networks"),
    ] {
        let lines: Vec<String> =
            entries().iter().filter(|entry| entry.table == table).flat_map(|entry| table_rows(entry, &runs)).collect();
        if !lines.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "### {title}\n");
            text += "| network | widths | published MTAT | ROC-AUC | lowest to highest | average precision | runs | epochs | clips, tags |\n";
            text += "|---|---|---|---|---|---|---|---|---|\n";
            let _ = writeln!(text, "{}\n", lines.join("\n"));
        }
    }
    Ok(Report { text, skipped })
}

/// The runs among `folders` and among their subfolders.
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

/// A run with its evaluation, or the reason to skip it.
fn load_run(run: &Path) -> Result<std::result::Result<EvaluatedRun, &'static str>> {
    let Some((_, state)) = checkpoint::latest(run)? else { return Ok(Err("it has no checkpoint")) };
    let path = run.join(EVALUATION);
    if !path.exists() {
        return Ok(Err("it is not evaluated; run evaluate --run on it"));
    }
    Ok(Ok(EvaluatedRun { state, evaluation: files::read_json(&path)? }))
}

/// A table row for each choice of widths that a network was trained with.
fn table_rows(entry: &CatalogueEntry, runs: &[EvaluatedRun]) -> Vec<String> {
    let is_same_network = |run: &&EvaluatedRun| {
        let architecture = &run.state.config.architecture;
        // Networks of the paper's tables may have other widths. The extensions differ from each other
        // by their widths, so they have to be equal.
        architecture == &entry.architecture
            || entry.table != Table::Extensions
                && architecture.clone().with_widths(entry.architecture.widths().to_vec()) == entry.architecture
    };
    let mut matching: Vec<&EvaluatedRun> = runs.iter().filter(is_same_network).collect();
    matching.sort_by_key(|run| run.state.config.architecture.widths().to_vec());
    matching
        .chunk_by(|a, b| a.state.config.architecture == b.state.config.architecture)
        .map(|runs| table_row(entry, runs))
        .collect()
}

/// A row of the runs of one network, of which there is at least one.
fn table_row(entry: &CatalogueEntry, runs: &[&EvaluatedRun]) -> String {
    let widths = runs[0].state.config.architecture.widths();
    let widths = match (widths == entry.architecture.widths(), widths) {
        (true, _) => "as published".to_owned(),
        (false, [first, .., last]) => format!("{first} to {last}"),
        (false, widths) => format!("{widths:?}"),
    };
    let aucs: Vec<f64> = runs.iter().filter_map(|run| run.evaluation.roc_auc).collect();
    let precisions: Vec<f64> = runs.iter().filter_map(|run| run.evaluation.average_precision).collect();
    let mean = |values: &[f64]| {
        let sum: f64 = values.iter().sum();
        format_metric((!values.is_empty()).then(|| sum / values.len() as f64))
    };
    let (low, high) =
        aucs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), auc| (low.min(*auc), high.max(*auc)));
    let range = if aucs.len() > 1 { format!("{low:.4} to {high:.4}") } else { "-".into() };
    let numbers = |number: fn(&EvaluatedRun) -> usize| {
        let numbers = runs.iter().map(|run| number(run));
        match (numbers.clone().min().unwrap_or(0), numbers.max().unwrap_or(0)) {
            (fewest, most) if fewest == most => fewest.to_string(),
            (fewest, most) => format!("{fewest} to {most}"),
        }
    };
    format!(
        "| {} | {widths} | {} | {} | {range} | {} | {} | {} | {}, {} |",
        entry.name,
        format_metric(entry.magnatagatune),
        mean(&aucs),
        mean(&precisions),
        runs.len(),
        numbers(|run| run.state.epochs.len()),
        numbers(|run| run.evaluation.clips),
        numbers(|run| run.evaluation.tags_averaged),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::catalogue::find;
    use crate::training::config::Config;

    /// Regression: the numbers of clips and tags were those of the first run.
    #[test]
    fn a_row_shows_the_range_of_its_runs() {
        let entry = find("3^4-59049").unwrap();
        let run = |clips, tags_averaged, roc_auc| EvaluatedRun {
            state: checkpoint::RunState::new(Config::paper_defaults(entry.architecture.clone(), 23), Vec::new()),
            evaluation: Evaluation { clips, tags_averaged, roc_auc, average_precision: None },
        };
        let (first, second) = (run(10, 48, Some(0.85)), run(12, 48, Some(0.95)));
        assert_eq!(
            table_row(&entry, &[&first, &second]),
            "| 3^4-59049 | as published | 0.8655 | 0.9000 | 0.8500 to 0.9500 | - | 2 | 0 | 10 to 12, 48 |"
        );
        assert!(table_row(&entry, &[&first]).ends_with("| 0.8500 | - | - | 1 | 0 | 10, 48 |"));
    }
}
