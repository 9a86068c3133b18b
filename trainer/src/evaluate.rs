//! How well a model agrees with labels, tag by tag.

use crate::cache::Cache;
use crate::error::{Result, TrainerError};
use crate::metrics::{average_precision, roc_auc};
use serde::Serialize;
use std::sync::atomic::{AtomicUsize, Ordering};
use tagvane_engine::Model;

/// A segment is a positive of a tag from this label on.
pub const POSITIVE: f32 = 0.3;

/// Tags with fewer positives do not count in a macro figure: their own figures
/// would be chance.
pub const LEAST_POSITIVES: usize = 20;

/// A model's probabilities beside the labels.
pub struct Scores {
    tags: Vec<String>,
    /// By tag.
    predicted: Vec<Vec<f32>>,
    positive: Vec<Vec<bool>>,
}

/// One tag's figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TagScore {
    /// The tag.
    pub tag: String,
    /// Segments that have it.
    pub positives: usize,
    /// Area under the ROC curve; `None` without positives or negatives.
    pub roc_auc: Option<f64>,
    /// Average precision; `None` without positives.
    pub average_precision: Option<f64>,
}

impl Scores {
    /// No segments yet.
    pub fn new(tags: &[String]) -> Self {
        let empty = |_: &String| Vec::new();
        Self {
            tags: tags.to_vec(),
            predicted: tags.iter().map(empty).collect(),
            positive: vec![Vec::new(); tags.len()],
        }
    }

    /// Adds a segment: a probability and a label for every tag.
    pub fn add(&mut self, probabilities: &[f32], labels: &[f32]) {
        for (tag, (probability, label)) in probabilities.iter().zip(labels).enumerate() {
            self.predicted[tag].push(*probability);
            self.positive[tag].push(*label >= POSITIVE);
        }
    }

    /// Segments so far.
    pub fn segments(&self) -> usize {
        self.predicted.first().map_or(0, Vec::len)
    }

    /// Every tag's figures, in the order of the tags.
    pub fn by_tag(&self) -> Vec<TagScore> {
        let score = |(tag, name): (usize, &String)| {
            let (predicted, positive) = (&self.predicted[tag], &self.positive[tag]);
            TagScore {
                tag: name.clone(),
                positives: positive.iter().filter(|is| **is).count(),
                roc_auc: roc_auc(predicted, positive),
                average_precision: average_precision(predicted, positive),
            }
        };
        self.tags.iter().enumerate().map(score).collect()
    }

    /// The mean ROC-AUC of the tags with at least [`LEAST_POSITIVES`] positives;
    /// `None` where there is no such tag.
    pub fn macro_roc_auc(&self) -> Option<f64> {
        self.mean(|tag| tag.roc_auc)
    }

    /// The mean average precision of the same tags.
    pub fn macro_average_precision(&self) -> Option<f64> {
        self.mean(|tag| tag.average_precision)
    }

    fn mean(&self, figure: impl Fn(&TagScore) -> Option<f64>) -> Option<f64> {
        let tags = self.by_tag();
        let counted: Vec<f64> = tags.iter().filter(|tag| tag.positives >= LEAST_POSITIVES).filter_map(figure).collect();
        (!counted.is_empty()).then(|| counted.iter().sum::<f64>() / counted.len() as f64)
    }
}

/// Runs an exported model over every segment of a cache, on `jobs` threads.
///
/// # Errors
/// [`TrainerError`] where the model does not fit the cache or fails.
pub fn evaluate_onnx(model: &Model, cache: &Cache, jobs: usize) -> Result<Scores> {
    let info = &cache.info;
    if model.window() != info.window || model.tags().len() != info.tags.len() {
        return Err(TrainerError::Request(format!(
            "the model takes {} samples and gives {} tags, the cache has {} and {}",
            model.window(),
            model.tags().len(),
            info.window,
            info.tags.len()
        )));
    }
    let segments = cache.segments();
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<(usize, Vec<f32>)>> {
        let mut window = vec![0.0; info.window];
        let mut answers = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((track, segment)) = segments.get(index) else { return Ok(answers) };
            let track = &cache.tracks[*track];
            track.read(track.track.segments[*segment].start, &mut window);
            answers.push((index, model.probabilities(&window)?));
        }
    };
    let mut answers = std::thread::scope(|scope| -> Result<Vec<_>> {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            let part = worker.join().map_err(|_| TrainerError::Request("a worker panicked".into()))?;
            all.extend(part?);
        }
        Ok(all)
    })?;
    answers.sort_by_key(|(index, _)| *index);
    let mut scores = Scores::new(&info.tags);
    for (index, probabilities) in answers {
        let (track, segment) = segments[index];
        scores.add(&probabilities, &cache.tracks[track].track.segments[segment].probabilities);
    }
    Ok(scores)
}
