//! Predictions and labels from CSV files.

use super::scores::{MetricConfig, Scores};
use crate::error::{Result, TrainerError};
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// A CSV table of predictions or labels: a header with the tags, then one row per clip with its name first.
struct ClipTable {
    tags: Vec<String>,
    rows: Vec<(String, Vec<f32>)>,
}

impl ClipTable {
    /// Reads a table. A tag with two columns is an error, since only one of them would be compared.
    fn read(path: &Path) -> Result<Self> {
        let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
        let mut reader = csv::ReaderBuilder::new().from_path(path).map_err(failed)?;
        let tags: Vec<String> = reader.headers().map_err(failed)?.iter().skip(1).map(str::to_owned).collect();
        if tags.is_empty() {
            return Err(TrainerError::content(
                path,
                "the first line must name the clip column and then the tags; add such a header",
            ));
        }
        let mut seen = HashSet::new();
        if let Some(tag) = tags.iter().find(|tag| !seen.insert(tag.as_str())) {
            let what = format!("the tag \"{tag}\" has two columns; remove or rename one of them");
            return Err(TrainerError::content(path, what));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let clip = record.get(0).unwrap_or_default().to_owned();
            let mut values = Vec::with_capacity(tags.len());
            for (text, tag) in record.iter().skip(1).zip(&tags) {
                let number = text.trim().parse::<f32>().ok().filter(|number| !number.is_nan());
                values.push(number.ok_or_else(|| {
                    TrainerError::content(
                        path,
                        format!("clip {clip}, tag {tag}: \"{text}\" is not a number; give a number"),
                    )
                })?);
            }
            rows.push((clip, values));
        }
        Ok(Self { tags, rows })
    }
}

/// Reads predictions and labels from two CSV files, whose rows and columns may be in different orders.
/// Returns the scores, and the clips that are in one file only.
///
/// # Errors
/// [`TrainerError`] where a file cannot be read, the tags differ, or a tag or a clip occurs twice in one file.
pub fn read_predictions(
    predictions: &Path,
    labels: &Path,
    metric_config: MetricConfig,
) -> Result<(Scores, Vec<String>)> {
    let (predicted, labelled) = (ClipTable::read(predictions)?, ClipTable::read(labels)?);
    let column = |tag: &String| labelled.tags.iter().position(|other| other == tag);
    let order: Option<Vec<usize>> = predicted.tags.iter().map(column).collect();
    let Some(order) = order.filter(|order| order.len() == labelled.tags.len()) else {
        let unmatched = |a: &ClipTable, b: &ClipTable| a.tags.iter().find(|tag| !b.tags.contains(tag)).cloned();
        let tag = unmatched(&predicted, &labelled).or_else(|| unmatched(&labelled, &predicted)).unwrap_or_default();
        return Err(TrainerError::content(
            labels,
            format!("the tag \"{tag}\" is in one of the two files only; give both the same tags"),
        ));
    };
    let mut by_clip: HashMap<&str, &Vec<f32>> = HashMap::new();
    for (clip, values) in &labelled.rows {
        if by_clip.insert(clip, values).is_some() {
            return Err(TrainerError::content(labels, format!("the clip {clip} occurs twice; remove one of its rows")));
        }
    }
    let mut scores = Scores::new(&predicted.tags, metric_config);
    let mut left_out = Vec::new();
    let mut seen = HashSet::new();
    for (clip, probabilities) in &predicted.rows {
        if !seen.insert(clip.as_str()) {
            return Err(TrainerError::content(
                predictions,
                format!("the clip {clip} occurs twice; remove one of its rows"),
            ));
        }
        match by_clip.remove(clip.as_str()) {
            Some(values) => {
                let values: Vec<f32> = order.iter().map(|column| values[*column]).collect();
                scores.add(probabilities, &values);
            }
            None => left_out.push(clip.clone()),
        }
    }
    left_out.extend(by_clip.into_keys().map(str::to_owned));
    left_out.sort();
    Ok((scores, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: a label column of a tag that a column before it has was ignored.
    #[test]
    fn a_tag_with_two_columns_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (once, twice) = (folder.path().join("once.csv"), folder.path().join("twice.csv"));
        std::fs::write(&once, "clip,soft,loud\na,0.9,0.1\n").unwrap();
        std::fs::write(&twice, "clip,soft,loud,soft\na,1,0,0\n").unwrap();
        for (predictions, labels) in [(&once, &twice), (&twice, &once), (&twice, &twice)] {
            let error = read_predictions(predictions, labels, MetricConfig::default()).err().unwrap().to_string();
            assert!(error.contains("twice.csv") && error.contains("\"soft\" has two columns"), "{error}");
        }
    }
}
