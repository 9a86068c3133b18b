//! Per-tag metrics and macro averages of a set of clips.

use super::metrics::{average_precision, expected_calibration_error, roc_auc, spearman};
use crate::data::vocabularies;
use serde::{Deserialize, Serialize};
use std::ops::Range;

// The limits of a weak tag are this project's choice, made for the shipped models: no source gives them.

/// A tag with enough positives and a ROC-AUC below this is weak.
const WEAK_ROC_AUC: f64 = 0.85;
/// A tag with a rank correlation below this is weak.
const WEAK_CORRELATION: f64 = 0.5;
/// A clip with a label of at least this has the tag to some extent.
const PRESENT: f32 = 0.1;

/// Settings of the metrics: which labels are positives, and which tags enter the macro averages.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricConfig {
    /// A label of at least this makes a clip a positive of the tag.
    // Checkpoints of earlier versions call it `positive_from`.
    #[serde(alias = "positive_from")]
    pub threshold: f32,
    /// Tags with fewer positives are left out of macro averages. It also decides which tags are weak: see
    /// [`TagScore::weak`].
    // Likewise `least_positives`.
    #[serde(alias = "least_positives")]
    pub min_positives: usize,
}

impl Default for MetricConfig {
    fn default() -> Self {
        Self { threshold: 0.5, min_positives: 1 }
    }
}

/// Predictions and labels of all clips, from which the metrics are computed.
pub struct Scores {
    tags: Vec<String>,
    pub(super) metric_config: MetricConfig,
    /// `[tags][clips]`.
    predicted: Vec<Vec<f32>>,
    /// `[tags][clips]`.
    labelled: Vec<Vec<f32>>,
}

/// The metrics of one tag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagScore {
    /// The tag.
    pub tag: String,
    /// Clips whose label is at least [`MetricConfig::threshold`].
    pub positives: usize,
    /// Area under the ROC curve; `None` without positives or negatives.
    pub roc_auc: Option<f64>,
    /// Average precision; `None` without positives.
    pub average_precision: Option<f64>,
    /// Spearman's rank correlation of probabilities and labels; it also applies to tags without any high label.
    /// `None` where probabilities or labels are constant.
    pub rank_correlation: Option<f64>,
    /// Clips labelled 0.1 or more.
    pub present: usize,
    /// Mean label.
    pub mean_label: f64,
    /// Mean probability; equals the mean label where the model is calibrated.
    pub mean_probability: f64,
    /// Mean absolute error of the probabilities.
    pub mean_error: f64,
    /// Expected calibration error; 0 without any clip.
    pub calibration_error: f64,
    /// Whether the tag is weak: ROC-AUC below 0.85 with at least [`MetricConfig::min_positives`] positives, rank
    /// correlation below 0.5 or undefined, or fewer than `min_positives` clips, or none, labelled 0.1 or more. The
    /// three limits are this project's choice.
    pub weak: bool,
}

impl Scores {
    /// Scores without any clip.
    pub fn new(tags: &[String], metric_config: MetricConfig) -> Self {
        Self {
            tags: tags.to_vec(),
            metric_config,
            predicted: vec![Vec::new(); tags.len()],
            labelled: vec![Vec::new(); tags.len()],
        }
    }

    /// Adds a clip; both slices have one value per tag.
    ///
    /// # Panics
    /// Panics if there are more values than tags.
    pub fn add(&mut self, probabilities: &[f32], labels: &[f32]) {
        for (tag, (probability, label)) in probabilities.iter().zip(labels).enumerate() {
            self.predicted[tag].push(*probability);
            self.labelled[tag].push(*label);
        }
    }

    /// Number of clips.
    pub fn clips(&self) -> usize {
        self.predicted.first().map_or(0, Vec::len)
    }

    /// The metrics of every tag, in the order of the tags.
    pub fn by_tag(&self) -> Vec<TagScore> {
        let score = |(tag, name): (usize, &String)| {
            let (predicted, labelled) = (&self.predicted[tag], &self.labelled[tag]);
            let positive: Vec<bool> = labelled.iter().map(|label| *label >= self.metric_config.threshold).collect();
            let error = |(probability, label): (&f32, &f32)| f64::from(probability - label).abs();
            let positives = positive.iter().filter(|is| **is).count();
            let roc_auc = roc_auc(predicted, &positive);
            let rank_correlation = spearman(predicted, labelled);
            let present = labelled.iter().filter(|label| **label >= PRESENT).count();
            let min_positives = self.metric_config.min_positives;
            let is_separated = positives < min_positives || roc_auc.is_none_or(|auc| auc >= WEAK_ROC_AUC);
            let is_ranked = rank_correlation.is_some_and(|correlation| correlation >= WEAK_CORRELATION);
            TagScore {
                tag: name.clone(),
                positives,
                roc_auc,
                rank_correlation,
                present,
                weak: !(is_separated && is_ranked && present >= min_positives.max(1)),
                average_precision: average_precision(predicted, &positive),
                mean_label: average(labelled.iter().copied().map(f64::from)),
                mean_probability: average(predicted.iter().copied().map(f64::from)),
                mean_error: average(predicted.iter().zip(labelled).map(error)),
                calibration_error: expected_calibration_error(predicted, labelled).unwrap_or(0.0),
            }
        };
        self.tags.iter().enumerate().map(score).collect()
    }

    /// The metrics of the tags that enter the macro averages: those with negatives and at least
    /// [`MetricConfig::min_positives`] positives.
    pub fn averaged_tags(&self) -> Vec<TagScore> {
        let is_averaged = |tag: &TagScore| tag.positives >= self.metric_config.min_positives && tag.roc_auc.is_some();
        self.by_tag().into_iter().filter(is_averaged).collect()
    }

    /// Macro-averaged ROC-AUC over [`Scores::averaged_tags`]; `None` where there is no such tag.
    pub fn macro_roc_auc(&self) -> Option<f64> {
        mean(self.averaged_tags().iter().map(|tag| tag.roc_auc))
    }

    /// Mean absolute error, averaged over the same tags.
    pub fn macro_error(&self) -> Option<f64> {
        mean(self.averaged_tags().iter().map(|tag| Some(tag.mean_error)))
    }

    /// Macro-averaged average precision over the same tags.
    pub fn macro_average_precision(&self) -> Option<f64> {
        mean(self.averaged_tags().iter().map(|tag| tag.average_precision))
    }

    /// The mean expected calibration error of each vocabulary, over all of its tags.
    pub fn calibration(&self) -> Vec<VocabularyCalibration> {
        let errors: Vec<f64> = self.by_tag().iter().map(|tag| tag.calibration_error).collect();
        VocabularyCalibration::of(&self.tags, &errors)
    }
}

/// How well the probabilities of a vocabulary are calibrated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VocabularyCalibration {
    /// The name of the vocabulary; empty where the tags have no prefix.
    pub vocabulary: String,
    /// Number of tags.
    pub tags: usize,
    /// Expected calibration error, the mean over the tags.
    pub expected_calibration_error: f64,
}

impl VocabularyCalibration {
    /// The means over each vocabulary among `tags` of the errors, one per tag.
    pub(super) fn of(tags: &[String], errors: &[f64]) -> Vec<Self> {
        let of = |range: Range<usize>| Self {
            vocabulary: vocabularies::name(tags, &range).unwrap_or_default().to_owned(),
            tags: range.len(),
            expected_calibration_error: average(errors[range].iter().copied()),
        };
        vocabularies::split(tags).into_iter().map(|(range, _)| of(range)).collect()
    }
}

fn mean(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let figures: Vec<f64> = figures.flatten().collect();
    (!figures.is_empty()).then(|| average(figures.into_iter()))
}

/// The mean; 0 for no values.
fn average(figures: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = figures.len().max(1);
    figures.sum::<f64>() / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibration_is_averaged_over_the_tags_of_each_vocabulary() {
        let tags = ["A: rock", "A: jazz", "B: rock"].map(str::to_owned);
        let scores = |tags: &[String]| {
            let mut scores = Scores::new(tags, MetricConfig::default());
            scores.add(&[0.5, 0.5, 0.2], &[0.25, 0.4, 0.2]);
            let calibration = scores.calibration().into_iter();
            calibration.map(|part| (part.vocabulary, part.tags, part.expected_calibration_error)).collect::<Vec<_>>()
        };
        let [(first, 2, error), (second, 1, none)] = &scores(&tags)[..] else { panic!("{:?}", scores(&tags)) };
        assert_eq!((first.as_str(), second.as_str()), ("A", "B"));
        assert!((error - 0.175).abs() < 1e-7 && none.abs() < 1e-7, "{error} {none}");
        let single = scores(&["rock", "jazz", "soul"].map(str::to_owned));
        assert!(matches!(&single[..], [(name, 3, _)] if name.is_empty()), "{single:?}");
    }

    #[test]
    fn tags_are_weak_with_low_auc_low_rank_correlation_or_no_present_clip() {
        let tags = ["good", "low AUC", "few", "unranked", "absent", "constant"].map(str::to_owned);
        let mut scores = Scores::new(&tags, MetricConfig { threshold: 0.5, min_positives: 10 });
        for clip in 0..200 {
            let label = clip as f32 / 199.0;
            // The positives get probabilities within the range of the negatives.
            let low_auc = if label < 0.5 { label } else { 0.7 * label - 0.1 };
            let few = if clip > 195 { 0.9 } else { 0.4 * label };
            let inverted = if clip > 195 { 0.1 } else { 0.4 * label };
            let unranked = (clip * 7919 % 200) as f32 / 199.0;
            scores.add(
                &[label, low_auc, inverted, unranked, label * 0.09, 0.3],
                &[label, label, few, label, label * 0.09, label],
            );
        }
        let weak: Vec<bool> = scores.by_tag().iter().map(|score| score.weak).collect();
        assert_eq!(weak, [false, true, false, true, true, true], "{:#?}", scores.by_tag());
    }
}
