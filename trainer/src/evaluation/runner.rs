//! Clip-level evaluation of networks, ONNX models and pseudo-labels.

use super::scores::{MetricConfig, Scores};
use super::tag_match::TagMatch;
use crate::data::vocabularies;
use crate::data::{Batch, Cache, DataLoader, Example, Labels, Split, to_tensors};
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::{Network, values};
use crate::parallel;
use burn::tensor::Tensor;
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
    clip_of_example: Vec<usize>,
    /// Number of clips.
    count: usize,
}

impl<'a> Clips<'a> {
    /// Groups the examples of a split by `unit`.
    pub fn new(split: &'a Split, unit: Unit) -> Self {
        let mut clips = Self { split, clip_of_example: Vec::new(), count: 0 };
        let mut last: Option<Example> = None;
        for example in &split.examples {
            let is_averaged = unit == Unit::Recording || example.segment.is_none();
            if !(is_averaged && last.is_some_and(|last| last.track == example.track)) {
                clips.count += 1;
            }
            clips.clip_of_example.push(clips.count - 1);
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
    /// `tags` are the indices of the cache's tags that the probabilities are for.
    fn scores(&self, probabilities: &[Vec<f32>], tags: &[usize], metric_config: MetricConfig) -> Scores {
        let cache: &Cache = &self.split.cache;
        let mut sums = vec![(vec![0.0_f32; tags.len()], vec![0.0_f32; tags.len()], 0_usize); self.count];
        for ((window, clip), example) in probabilities.iter().zip(&self.clip_of_example).zip(&self.split.examples) {
            let (predicted, labelled, count) = &mut sums[*clip];
            predicted.iter_mut().zip(window).for_each(|(sum, probability)| *sum += probability);
            let labels = cache.labels(*example);
            labelled.iter_mut().zip(tags).for_each(|(sum, tag)| *sum += labels[*tag]);
            *count += 1;
        }
        let names: Vec<String> = tags.iter().map(|tag| cache.info.tags[*tag].clone()).collect();
        let mut scores = Scores::new(&names, metric_config);
        for (predicted, labelled, count) in sums {
            let mean = |sums: Vec<f32>| sums.into_iter().map(|sum| sum / count as f32).collect::<Vec<f32>>();
            scores.add(&mean(predicted), &mean(labelled));
        }
        scores
    }

    /// Evaluates a network in batches of `batch_size` windows.
    ///
    /// # Errors
    /// [`TrainerError`] where the audio cannot be read.
    pub fn evaluate<B: NetworkBackend>(
        &self,
        network: &Network<B>,
        batch_size: usize,
        metric_config: MetricConfig,
        device: &B::Device,
    ) -> Result<Scores> {
        let tags = self.split.cache.info.tags.len();
        let mut probabilities: Vec<Vec<f32>> = Vec::with_capacity(self.split.examples.len());
        predict_split(network, self.split, batch_size, device, |_, logits, _| {
            probabilities.extend(values(sigmoid(logits)).chunks_exact(tags).map(<[f32]>::to_vec));
        })?;
        Ok(self.scores(&probabilities, &(0..tags).collect::<Vec<_>>(), metric_config))
    }
}

/// Runs a network over the windows of a split, in order. Calls `on_batch` with each batch, its logits and
/// its labels, both `[rows, tags]`.
///
/// # Errors
/// [`TrainerError`] where the audio cannot be read.
pub(crate) fn predict_split<B: NetworkBackend>(
    network: &Network<B>,
    split: &Split,
    batch_size: usize,
    device: &B::Device,
    mut on_batch: impl FnMut(&Batch, Tensor<B, 2>, Tensor<B, 2>),
) -> Result<()> {
    let Split { cache, examples, window } = split;
    std::thread::scope(|scope| -> Result<()> {
        for batch in DataLoader::sequential(cache, examples, *window, batch_size).spawn(scope) {
            let batch = batch?;
            let (waveforms, labels) = to_tensors::<B>(&batch, device);
            on_batch(&batch, network.forward(waveforms).logits, labels);
        }
        Ok(())
    })
}

/// Evaluates an ONNX model over a split on `jobs` threads, on the tags that [`TagMatch`] finds in both.
///
/// # Errors
/// [`TrainerError`] where the model's window or sample rate is not that of the split, they have no tag in common, or
/// inference fails.
pub fn evaluate_onnx(
    model: &Model,
    split: &Split,
    unit: Unit,
    metric_config: MetricConfig,
    jobs: usize,
) -> Result<Scores> {
    if model.window() != split.window {
        return Err(TrainerError::Request(format!(
            "the model takes windows of {} samples and the split has windows of {}; open the cache with the model's",
            model.window(),
            split.window
        )));
    }
    let (rate, cached) = (model.sample_rate(), split.cache.info.sample_rate);
    if rate != cached {
        return Err(TrainerError::Request(format!(
            "the model is for audio at {rate} Hz and the cache has audio at {cached} Hz; evaluate it on recordings with --truth"
        )));
    }
    let tags = TagMatch::of(model.tags(), &split.cache.info.tags)?;
    let probabilities = parallel::map(&split.examples, jobs, |example| {
        let mut window = vec![0.0; split.window];
        split.cache.read(example.track, example.start, &mut window)?;
        let predicted = model.predict(&window)?;
        Ok(tags.outputs.iter().map(|output| predicted[*output]).collect::<Vec<f32>>())
    })?;
    Ok(Clips::new(split, unit).scores(&probabilities, &tags.columns, metric_config))
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
