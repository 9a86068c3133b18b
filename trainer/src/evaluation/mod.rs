//! How well a model agrees with labels, tag by tag.

pub mod metrics;
mod runner;
mod tables;

pub use runner::{Clips, Unit, evaluate_onnx, evaluate_said};
pub use tables::{print, read_predictions, write_csv, write_json};

use crate::error::{Result, TrainerError};
use metrics::{average_precision, rank_correlation, roc_auc};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Below this ROC-AUC a tag with enough positives is weak.
const WEAK_ROC_AUC: f64 = 0.85;
/// Below this rank correlation a tag is weak.
const WEAK_CORRELATION: f64 = 0.5;
/// A label from here on says that there is something of the tag.
const HEARD: f32 = 0.1;

/// What counts as a positive, and which tags count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Counting {
    /// A clip is a positive of a tag from this label on.
    pub positive_from: f32,
    /// Tags with fewer positives do not count in a macro figure.
    pub least_positives: usize,
}

impl Default for Counting {
    fn default() -> Self {
        Self { positive_from: 0.5, least_positives: 1 }
    }
}

/// A model's probabilities beside the labels.
pub struct Scores {
    tags: Vec<String>,
    counting: Counting,
    /// By tag.
    predicted: Vec<Vec<f32>>,
    labelled: Vec<Vec<f32>>,
}

/// One tag's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagScore {
    /// The tag.
    pub tag: String,
    /// Clips that have it.
    pub positives: usize,
    /// Area under the ROC curve; `None` without positives or negatives.
    pub roc_auc: Option<f64>,
    /// Average precision; `None` without positives.
    pub average_precision: Option<f64>,
    /// Spearman's correlation of probabilities and labels: whether the model orders the clips as
    /// they are labelled, also where no label is high. `None` where either never changes.
    pub rank_correlation: Option<f64>,
    /// Clips labelled 0.1 or more: that have at least something of it.
    pub heard: usize,
    /// The mean of the labels.
    pub mean_label: f64,
    /// The mean of the probabilities: as high as that of the labels where the model is calibrated.
    pub mean_probability: f64,
    /// How far probability and label are from each other, in the mean.
    pub mean_error: f64,
    /// Whether the model is weak in it: its ROC-AUC is below 0.85 with positives enough, its rank
    /// correlation is below 0.5 or unknown, or fewer clips have something of it than positives
    /// are asked for, so that little is known.
    pub weak: bool,
}

/// The tags that an evaluation found weak, out of a file by [`write_json`].
///
/// # Errors
/// [`TrainerError`] where it is no such file.
pub fn read_weak(path: &Path) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Figures {
        tags: Vec<Verdict>,
    }
    #[derive(Deserialize)]
    struct Verdict {
        tag: String,
        weak: bool,
    }
    let text = std::fs::read_to_string(path).map_err(TrainerError::file(path))?;
    let figures: Figures = serde_json::from_str(&text)
        .map_err(|error| TrainerError::content(path, format!("this is not what `evaluate --json` writes: {error}")))?;
    Ok(figures.tags.into_iter().filter(|verdict| verdict.weak).map(|verdict| verdict.tag).collect())
}

impl Scores {
    /// No clips yet.
    pub fn new(tags: &[String], counting: Counting) -> Self {
        Self {
            tags: tags.to_vec(),
            counting,
            predicted: vec![Vec::new(); tags.len()],
            labelled: vec![Vec::new(); tags.len()],
        }
    }

    /// Adds a clip: a probability and a label for every tag.
    pub fn add(&mut self, probabilities: &[f32], labels: &[f32]) {
        for (tag, (probability, label)) in probabilities.iter().zip(labels).enumerate() {
            self.predicted[tag].push(*probability);
            self.labelled[tag].push(*label);
        }
    }

    /// Clips so far.
    pub fn clips(&self) -> usize {
        self.predicted.first().map_or(0, Vec::len)
    }

    /// Every tag's figures, in the order of the tags.
    pub fn by_tag(&self) -> Vec<TagScore> {
        let score = |(tag, name): (usize, &String)| {
            let (predicted, labelled) = (&self.predicted[tag], &self.labelled[tag]);
            let positive: Vec<bool> = labelled.iter().map(|label| *label >= self.counting.positive_from).collect();
            let error = |(probability, label): (&f32, &f32)| f64::from(probability - label).abs();
            let positives = positive.iter().filter(|is| **is).count();
            let roc_auc = roc_auc(predicted, &positive);
            let rank_correlation = rank_correlation(predicted, labelled);
            let heard = labelled.iter().filter(|label| **label >= HEARD).count();
            let told = positives < self.counting.least_positives || roc_auc.is_none_or(|auc| auc >= WEAK_ROC_AUC);
            let ordered = rank_correlation.is_some_and(|correlation| correlation >= WEAK_CORRELATION);
            TagScore {
                tag: name.clone(),
                positives,
                roc_auc,
                rank_correlation,
                heard,
                weak: !(told && ordered && heard >= self.counting.least_positives.max(1)),
                average_precision: average_precision(predicted, &positive),
                mean_label: average(labelled.iter().copied().map(f64::from)),
                mean_probability: average(predicted.iter().copied().map(f64::from)),
                mean_error: average(predicted.iter().zip(labelled).map(error)),
            }
        };
        self.tags.iter().enumerate().map(score).collect()
    }

    /// The tags that count in the macro figures: those with both kinds of clips, and
    /// positives enough.
    pub fn counted(&self) -> Vec<TagScore> {
        let counts = |tag: &TagScore| tag.positives >= self.counting.least_positives && tag.roc_auc.is_some();
        self.by_tag().into_iter().filter(counts).collect()
    }

    /// The mean ROC-AUC of the tags that count; `None` where none does.
    pub fn macro_roc_auc(&self) -> Option<f64> {
        mean(self.counted().iter().map(|tag| tag.roc_auc))
    }

    /// The mean over the same tags of how far probabilities and labels are apart.
    pub fn macro_error(&self) -> Option<f64> {
        mean(self.counted().iter().map(|tag| Some(tag.mean_error)))
    }

    /// The mean average precision of the same tags.
    pub fn macro_average_precision(&self) -> Option<f64> {
        mean(self.counted().iter().map(|tag| tag.average_precision))
    }
}

fn mean(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let figures: Vec<f64> = figures.flatten().collect();
    (!figures.is_empty()).then(|| average(figures.into_iter()))
}

/// The mean; zero of nothing.
fn average(figures: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = figures.len().max(1);
    figures.sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_is_what_is_told_badly_ordered_badly_or_never_there() {
        let tags = ["well", "badly", "few", "unordered", "never", "constant"].map(str::to_owned);
        let mut scores = Scores::new(&tags, Counting { positive_from: 0.5, least_positives: 10 });
        for clip in 0..200 {
            let label = clip as f32 / 199.0;
            // The upper half comes out in the lower order, its mean no higher than the rest.
            let badly = if label < 0.5 { label } else { 0.7 * label - 0.1 };
            let few = if clip > 195 { 0.9 } else { 0.4 * label };
            let turned = if clip > 195 { 0.1 } else { 0.4 * label };
            let unordered = (clip * 7919 % 200) as f32 / 199.0;
            scores.add(
                &[label, badly, turned, unordered, label * 0.09, 0.3],
                &[label, label, few, label, label * 0.09, label],
            );
        }
        let weak: Vec<bool> = scores.by_tag().iter().map(|score| score.weak).collect();
        assert_eq!(weak, [false, true, false, true, true, true], "{:#?}", scores.by_tag());
    }
}
