//! Tables of figures, to the terminal and to files, and plain files of predictions.

use super::{Counting, Scores, TagScore};
use crate::error::{Result, TrainerError};
use crate::files;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;

fn figure(value: Option<f64>) -> String {
    value.map_or("-".into(), |value| format!("{value:.4}"))
}

/// Prints every tag, the most frequent first, and the macro figures.
pub fn print(scores: &Scores) {
    let mut tags = scores.by_tag();
    tags.sort_by(|a, b| b.positives.cmp(&a.positives).then(a.tag.cmp(&b.tag)));
    let width = tags.iter().map(|tag| tag.tag.chars().count()).max().unwrap_or(0).max(22);
    println!(
        "{:<width$} {:>9} {:>8} {:>8} {:>8} {:>6} {:>6} {:>6}",
        "tag", "positives", "ROC-AUC", "AP", "ranks", "label", "said", "off"
    );
    for tag in &tags {
        let (auc, precision, ranks) =
            (figure(tag.roc_auc), figure(tag.average_precision), figure(tag.rank_correlation));
        let weak = if tag.weak { " weak" } else { "" };
        let TagScore { mean_label, mean_probability, mean_error, .. } = tag;
        println!(
            "{:<width$} {:>9} {auc:>8} {precision:>8} {ranks:>8} {mean_label:>6.3} {mean_probability:>6.3} \
             {mean_error:>6.3}{weak}",
            tag.tag, tag.positives
        );
    }
    println!("{}", summary(scores));
}

/// The macro figures and what they are over, in a sentence.
fn summary(scores: &Scores) -> String {
    let Counting { positive_from, least_positives } = scores.counting;
    format!(
        "{} clips; mean over {} of {} tags (those with both kinds of clips and at least {least_positives} positives, \
         labelled {positive_from} or more): ROC-AUC {}, average precision {}; probabilities are off by {}",
        scores.clips(),
        scores.counted().len(),
        scores.by_tag().len(),
        figure(scores.macro_roc_auc()),
        figure(scores.macro_average_precision()),
        figure(scores.macro_error())
    )
}

/// Writes a row a tag.
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

/// Writes all figures as JSON.
///
/// # Errors
/// [`TrainerError::File`].
pub fn write_json(path: &Path, scores: &Scores) -> Result<()> {
    let figures = json!({
        "clips": scores.clips(),
        "positive_from": scores.counting.positive_from,
        "least_positives": scores.counting.least_positives,
        "tags_counted": scores.counted().len(),
        "roc_auc": scores.macro_roc_auc(),
        "average_precision": scores.macro_average_precision(),
        "mean_error": scores.macro_error(),
        "tags": scores.by_tag(),
    });
    files::write_json(path, &figures)
}

/// A plain file: a header with the tags, then a row a clip, its name first.
struct Plain {
    tags: Vec<String>,
    rows: Vec<(String, Vec<f32>)>,
}

impl Plain {
    fn read(path: &Path) -> Result<Self> {
        let failed = |error: csv::Error| TrainerError::content(path, error.to_string());
        let mut reader = csv::ReaderBuilder::new().from_path(path).map_err(failed)?;
        let tags: Vec<String> = reader.headers().map_err(failed)?.iter().skip(1).map(str::to_owned).collect();
        if tags.is_empty() {
            return Err(TrainerError::content(path, "the first line must name the clip's column and then the tags"));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(failed)?;
            let clip = record.get(0).unwrap_or_default().to_owned();
            let mut values = Vec::with_capacity(tags.len());
            for (text, tag) in record.iter().skip(1).zip(&tags) {
                let number = text.trim().parse::<f32>().ok().filter(|number| !number.is_nan());
                values.push(number.ok_or_else(|| {
                    TrainerError::content(path, format!("clip {clip}, tag {tag}: \"{text}\" is no number"))
                })?);
            }
            rows.push((clip, values));
        }
        Ok(Self { tags, rows })
    }
}

/// Compares two plain files: predictions and labels, whose columns may be in any order.
/// Gives the scores and the clips that only one of the files has.
///
/// # Errors
/// [`TrainerError`] where a file cannot be read, the tags differ, or a clip occurs
/// twice.
pub fn read_predictions(predictions: &Path, labels: &Path, counting: Counting) -> Result<(Scores, Vec<String>)> {
    let (predicted, labelled) = (Plain::read(predictions)?, Plain::read(labels)?);
    let column = |tag: &String| labelled.tags.iter().position(|other| other == tag);
    let order: Option<Vec<usize>> = predicted.tags.iter().map(column).collect();
    let Some(order) = order.filter(|order| order.len() == labelled.tags.len()) else {
        let odd = |a: &Plain, b: &Plain| a.tags.iter().find(|tag| !b.tags.contains(tag)).cloned();
        let tag = odd(&predicted, &labelled).or_else(|| odd(&labelled, &predicted)).unwrap_or_default();
        return Err(TrainerError::content(labels, format!("the tag \"{tag}\" is in one of the two files only")));
    };
    let mut by_clip: HashMap<&str, &Vec<f32>> = HashMap::new();
    for (clip, values) in &labelled.rows {
        if by_clip.insert(clip, values).is_some() {
            return Err(TrainerError::content(labels, format!("the clip {clip} occurs twice")));
        }
    }
    let mut scores = Scores::new(&predicted.tags, counting);
    let mut left_out = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for (clip, probabilities) in &predicted.rows {
        if !seen.insert(clip.as_str()) {
            return Err(TrainerError::content(predictions, format!("the clip {clip} occurs twice")));
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
