//! Clip-level evaluation of networks, ONNX models and pseudo-labels.

use super::scores::{MetricConfig, Scores};
use crate::data::vocabularies;
use crate::data::{Cache, DataLoader, Example, Labels, Split, to_tensors};
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::Network;
use crate::parallel;
use burn::tensor::activation::sigmoid;
use std::collections::HashMap;
use std::ops::Range;
use tagvane_engine::Model;

/// What is scored as one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Each labelled item: a clip by the mean probability over its windows (Lee et al. 2017, section 4.2), or each
    /// labelled segment separately.
    #[default]
    Labelled,
    /// Each recording: both the probabilities and the labels of its segments are averaged.
    Recording,
}

/// The examples of a split, grouped into clips.
pub struct Clips<'a> {
    split: &'a Split,
    /// The clip index of each example.
    clip: Vec<usize>,
    /// Number of clips.
    count: usize,
}

impl<'a> Clips<'a> {
    /// Groups the examples of a split by `unit`.
    pub fn new(split: &'a Split, unit: Unit) -> Self {
        let mut clips = Self { split, clip: Vec::new(), count: 0 };
        let mut last: Option<Example> = None;
        for example in &split.examples {
            let is_averaged = unit == Unit::Recording || example.segment.is_none();
            if !(is_averaged && last.is_some_and(|last| last.track == example.track)) {
                clips.count += 1;
            }
            clips.clip.push(clips.count - 1);
            last = Some(*example);
        }
        clips
    }

    /// Number of clips.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no clips.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Averages the probabilities `[windows][tags]` and the labels over each clip and collects them as [`Scores`].
    /// `tags` is the range of the cache's tags that the probabilities are for.
    fn scores(&self, windows: &[Vec<f32>], tags: Range<usize>, metric_config: MetricConfig) -> Scores {
        let cache: &Cache = &self.split.cache;
        let mut sums = vec![(vec![0.0_f32; tags.len()], vec![0.0_f32; tags.len()], 0_usize); self.count];
        for ((probabilities, clip), example) in windows.iter().zip(&self.clip).zip(&self.split.examples) {
            let (predicted, labelled, count) = &mut sums[*clip];
            predicted.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
            let labels = &cache.labels(*example)[tags.clone()];
            labelled.iter_mut().zip(labels).for_each(|(sum, label)| *sum += label);
            *count += 1;
        }
        let mut scores = Scores::new(&cache.info.tags[tags], metric_config);
        for (predicted, labelled, count) in sums {
            let mean = |sums: Vec<f32>| sums.into_iter().map(|sum| sum / count as f32).collect::<Vec<f32>>();
            scores.add(&mean(predicted), &mean(labelled));
        }
        scores
    }

    /// Evaluates a network in batches of `rows` windows.
    ///
    /// # Errors
    /// [`TrainerError`] where the audio cannot be read.
    pub fn evaluate<B: NetworkBackend>(
        &self,
        network: &Network<B>,
        rows: usize,
        metric_config: MetricConfig,
        device: &B::Device,
    ) -> Result<Scores> {
        let Split { cache, examples, window } = self.split;
        let tags = cache.info.tags.len();
        let mut windows: Vec<Vec<f32>> = Vec::with_capacity(examples.len());
        std::thread::scope(|scope| -> Result<()> {
            for batch in DataLoader::sequential(cache, examples, *window, rows).spawn(scope) {
                let (waveforms, _) = to_tensors::<B>(&batch?, device);
                let probabilities = sigmoid(network.forward(waveforms).logits).into_data();
                let probabilities: Vec<f32> = probabilities.iter::<f32>().collect();
                windows.extend(probabilities.chunks_exact(tags).map(<[f32]>::to_vec));
            }
            Ok(())
        })?;
        Ok(self.scores(&windows, 0..tags, metric_config))
    }
}

/// Evaluates an ONNX model over a split on `jobs` threads. The model's tags are those of the cache or of one of the
/// cache's vocabularies.
///
/// # Errors
/// [`TrainerError`] where the model does not fit the cache or inference fails.
pub fn evaluate_onnx(
    model: &Model,
    split: &Split,
    unit: Unit,
    metric_config: MetricConfig,
    jobs: usize,
) -> Result<Scores> {
    let all = &split.cache.info.tags;
    let tags = vocabularies::range_of(all, model.tags()).or((model.tags().len() == all.len()).then_some(0..all.len()));
    let (Some(tags), true) = (tags, model.window() == split.window) else {
        return Err(TrainerError::Request(format!(
            "the model takes {} samples and predicts {} tags, but the cache needs windows of {} samples and its {} tags, \
             or the tags of one of its vocabularies",
            model.window(),
            model.tags().len(),
            split.window,
            all.len(),
        )));
    };
    let windows = parallel::map(&split.examples, jobs, |example| {
        let mut window = vec![0.0; split.window];
        split.cache.read(example.track, example.start, &mut window)?;
        Ok(model.predict(&window)?)
    })?;
    Ok(Clips::new(split, unit).scores(&windows, tags, metric_config))
}

/// Evaluates the pseudo-labels of a cache against the labels of another cache of the same recordings. Labels are
/// averaged over each recording that both caches have.
///
/// # Errors
/// [`TrainerError`] where the caches have no recording or no vocabulary in common.
pub fn evaluate_pseudo_labels(
    pseudo_labelled: &Cache,
    labelled: &Cache,
    metric_config: MetricConfig,
) -> Result<Scores> {
    let tags = vocabularies::range_of(&pseudo_labelled.info.tags, &labelled.info.tags).ok_or_else(|| {
        TrainerError::Request("the two caches have no vocabulary in common; prepare both with the same tags".into())
    })?;
    let mean = |cache: &Cache, track: usize, tags: Range<usize>| -> Vec<f32> {
        let select = |labels: &[f32]| labels[tags.clone()].to_vec();
        let rows: Vec<Vec<f32>> = match &cache.track(track).labels {
            Labels::Clip(labels) => vec![select(labels)],
            Labels::Segments(segments) => segments.iter().map(|segment| select(&segment.probabilities)).collect(),
        };
        (0..tags.len()).map(|tag| rows.iter().map(|row| row[tag]).sum::<f32>() / rows.len().max(1) as f32).collect()
    };
    let by_source: HashMap<&str, usize> =
        (0..pseudo_labelled.len()).map(|track| (pseudo_labelled.track(track).source.as_str(), track)).collect();
    let mut scores = Scores::new(&labelled.info.tags, metric_config);
    for track in 0..labelled.len() {
        if let Some(other) = by_source.get(labelled.track(track).source.as_str()) {
            let predicted = mean(pseudo_labelled, *other, tags.clone());
            scores.add(&predicted, &mean(labelled, track, 0..labelled.info.tags.len()));
        }
    }
    if scores.clips() == 0 {
        return Err(TrainerError::Request(
            "the two caches have no recording in common; prepare both from the same recordings".into(),
        ));
    }
    Ok(scores)
}
