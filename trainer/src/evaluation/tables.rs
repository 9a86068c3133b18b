//! Output of metrics to the terminal, CSV and JSON, and input of the weak tags from that JSON.

use super::scores::{MetricConfig, Scores, TagScore, VocabularyCalibration};
use crate::error::{Result, TrainerError};
use crate::files;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// A metric with four decimals, or `-` where it is undefined.
pub fn format_metric(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.4}"))
}

/// Prints the metrics of every tag, most positives first, and the macro averages.
pub fn print(scores: &Scores) {
    let mut tags = scores.by_tag();
    tags.sort_by(|a, b| b.positives.cmp(&a.positives).then(a.tag.cmp(&b.tag)));
    let width = tags.iter().map(|tag| tag.tag.chars().count()).max().unwrap_or(0).max(22);
    println!(
        "{:<width$} {:>9} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6} {:>6}",
        "tag", "positives", "ROC-AUC", "AP", "Spearman", "label", "pred", "MAE", "ECE"
    );
    for tag in &tags {
        let (auc, precision, ranks) =
            (format_metric(tag.roc_auc), format_metric(tag.average_precision), format_metric(tag.rank_correlation));
        let weak = if tag.weak { " weak" } else { "" };
        let TagScore { mean_label, mean_probability, mean_error, calibration_error, .. } = tag;
        println!(
            "{:<width$} {:>9} {auc:>8} {precision:>8} {ranks:>8} {mean_label:>6.3} {mean_probability:>6.3} \
             {mean_error:>6.3} {calibration_error:>6.3}{weak}",
            tag.tag, tag.positives
        );
    }
    println!("{}", summary(scores));
    println!("{}", format_calibration(&scores.calibration()));
}

/// The expected calibration errors of vocabularies, as a sentence.
pub fn format_calibration(vocabularies: &[VocabularyCalibration]) -> String {
    let format = |part: &VocabularyCalibration| {
        let VocabularyCalibration { vocabulary, tags, expected_calibration_error } = part;
        let separator = if vocabulary.is_empty() { "" } else { " " };
        format!("{vocabulary}{separator}{expected_calibration_error:.4} over {tags} tags")
    };
    format!("expected calibration error: {}", vocabularies.iter().map(format).collect::<Vec<_>>().join(", "))
}

/// The macro averages, and the tags that they are over.
fn summary(scores: &Scores) -> String {
    let MetricConfig { threshold, min_positives } = scores.metric_config;
    format!(
        "{} clips; mean over {} of {} tags (those with negatives and at least {min_positives} positives, which are \
         clips labelled {threshold} or more): ROC-AUC {}, average precision {}, mean absolute error {}",
        scores.clips(),
        scores.averaged_tags().len(),
        scores.by_tag().len(),
        format_metric(scores.macro_roc_auc()),
        format_metric(scores.macro_average_precision()),
        format_metric(scores.macro_error())
    )
}

/// Writes the metrics as CSV, one row per tag.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_csv(path: &Path, scores: &Scores) -> Result<()> {
    let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
    let mut writer = csv::Writer::from_writer(Vec::new());
    for tag in scores.by_tag() {
        writer.serialize(tag).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|error| TrainerError::content(path, error.to_string()))?;
    files::write(path, &bytes)
}

/// Writes the metrics of every tag and the macro averages as JSON.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_json(path: &Path, scores: &Scores) -> Result<()> {
    let figures = json!({
        "clips": scores.clips(),
        "threshold": scores.metric_config.threshold,
        "min_positives": scores.metric_config.min_positives,
        "tags_averaged": scores.averaged_tags().len(),
        "roc_auc": scores.macro_roc_auc(),
        "average_precision": scores.macro_average_precision(),
        "mean_error": scores.macro_error(),
        "calibration": scores.calibration(),
        "tags": scores.by_tag(),
    });
    files::write_json(path, &figures)
}

/// Reads the weak tags from a file written by [`write_json`].
///
/// # Errors
/// [`TrainerError`] where the file cannot be read or has another format.
pub fn read_weak_tags(path: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Figures {
        tags: Vec<Tag>,
    }
    #[derive(Deserialize)]
    struct Tag {
        tag: String,
        weak: bool,
    }
    let text = std::fs::read_to_string(path).map_err(TrainerError::file(path))?;
    let figures: Figures = serde_json::from_str(&text).map_err(|error| {
        TrainerError::content(path, format!("this is not a file of `evaluate --json`; write it again: {error}"))
    })?;
    Ok(figures.tags.into_iter().filter(|tag| tag.weak).map(|tag| tag.tag).collect())
}
