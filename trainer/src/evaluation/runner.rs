//! Clip-level evaluation of networks, ONNX models and pseudo-labels.

use super::scores::{MetricConfig, Scores};
use crate::data::vocabularies;
use crate::data::{Batch, Cache, DataLoader, Example, Labels, Split, to_tensors};
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::{Network, values};
use crate::parallel;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use std::collections::{HashMap, HashSet};
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
    /// `tags` is the range of the cache's tags that the probabilities are for.
    fn scores(&self, probabilities: &[Vec<f32>], tags: Range<usize>, metric_config: MetricConfig) -> Scores {
        let cache: &Cache = &self.split.cache;
        let mut sums = vec![(vec![0.0_f32; tags.len()], vec![0.0_f32; tags.len()], 0_usize); self.count];
        for ((window, clip), example) in probabilities.iter().zip(&self.clip_of_example).zip(&self.split.examples) {
            let (predicted, labelled, count) = &mut sums[*clip];
            predicted.iter_mut().zip(window).for_each(|(sum, probability)| *sum += probability);
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
        Ok(self.scores(&probabilities, 0..tags, metric_config))
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

/// The range of the cache's tags that a model predicts, and for each of them the model's output.
///
/// The model's tags are all of the cache's or those of one of its vocabularies, in any order. Those of a
/// model without names are the cache's tags by position, if there are as many.
fn match_tags(all: &[String], model: &[String]) -> Option<(Range<usize>, Vec<usize>)> {
    let is_unnamed = || model.iter().enumerate().all(|(index, tag)| *tag == format!("tag {}", index + 1));
    let same = vocabularies::range_of(all, model);
    if let Some(range) = same.or_else(|| (model.len() == all.len() && is_unnamed()).then_some(0..all.len())) {
        return Some((range, (0..model.len()).collect()));
    }
    let whole = (0..all.len(), all.to_vec());
    std::iter::once(whole).chain(vocabularies::split(all)).find_map(|(range, names)| {
        let output = |name: &String| model.iter().position(|tag| tag == name);
        let outputs: Vec<usize> = names.iter().map(output).collect::<Option<_>>()?;
        let used: HashSet<usize> = outputs.iter().copied().collect();
        (outputs.len() == model.len() && used.len() == model.len()).then_some((range, outputs))
    })
}

/// Evaluates an ONNX model over a split on `jobs` threads. The model's tags are those of the cache or of one of the
/// cache's vocabularies, in any order; a model whose file names no tags has to have as many as the cache, in its order.
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
    if model.window() != split.window {
        return Err(TrainerError::Request(format!(
            "the model takes windows of {} samples and the split has windows of {}; open the cache with the model's",
            model.window(),
            split.window
        )));
    }
    let (tags, outputs) = match_tags(all, model.tags()).ok_or_else(|| {
        TrainerError::Request(format!(
            "the model predicts {} tags that are neither the cache's {} nor one of its vocabularies; evaluate it on a \
             cache with its tags",
            model.tags().len(),
            all.len()
        ))
    })?;
    let probabilities = parallel::map(&split.examples, jobs, |example| {
        let mut window = vec![0.0; split.window];
        split.cache.read(example.track, example.start, &mut window)?;
        let predicted = model.predict(&window)?;
        Ok(outputs.iter().map(|output| predicted[*output]).collect::<Vec<f32>>())
    })?;
    Ok(Clips::new(split, unit).scores(&probabilities, tags, metric_config))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Regression: a model with as many tags as the cache was scored by position, whatever its tags.
    #[test]
    fn tags_are_matched_by_name_and_by_position_only_where_the_model_has_no_names() {
        let all = tags(&["rock", "jazz", "soul"]);
        assert_eq!(match_tags(&all, &all), Some((0..3, vec![0, 1, 2])));
        assert_eq!(match_tags(&all, &tags(&["soul", "rock", "jazz"])), Some((0..3, vec![1, 2, 0])));
        assert_eq!(match_tags(&all, &tags(&["tag 1", "tag 2", "tag 3"])), Some((0..3, vec![0, 1, 2])));
        for others in
            [&["rock", "jazz", "blues"][..], &["tag 1", "tag 2"], &["rock", "rock", "rock"], &["rock", "jazz"]]
        {
            assert_eq!(match_tags(&all, &tags(others)), None, "{others:?}");
        }
        let joined = vocabularies::join(&[&tags(&["guitar", "rock"]), &all]);
        assert_eq!(match_tags(&joined, &tags(&["jazz", "soul", "rock"])), Some((2..5, vec![2, 0, 1])));
    }
}
