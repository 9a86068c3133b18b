//! Running models over clips, as the paper evaluates.

use super::{Counting, Scores};
use crate::data::vocabularies::places;
use crate::data::{Cache, Example, Labels};
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::Network;
use crate::training::{Split, to_tensors};
use crate::{data::Pass, parallel};
use burn::tensor::activation::sigmoid;
use std::collections::HashMap;
use std::ops::Range;
use tagvane_engine::Model;

/// What is judged as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Of a clip all its windows, whose probabilities are averaged (Lee et al. 2017, section
    /// 4.2); of labelled segments each alone.
    #[default]
    Labelled,
    /// A whole recording: probabilities, and the labels of its segments, are averaged.
    Recording,
}

/// The examples of a split by what is judged as one.
pub struct Clips<'a> {
    split: &'a Split,
    /// For each example the clip it belongs to.
    clip: Vec<usize>,
    /// How many clips there are.
    count: usize,
}

impl<'a> Clips<'a> {
    /// The clips of a split.
    pub fn of(split: &'a Split, unit: Unit) -> Self {
        let mut clips = Self { split, clip: Vec::new(), count: 0 };
        let mut last: Option<Example> = None;
        for example in &split.examples {
            let whole = unit == Unit::Recording || example.segment.is_none();
            if !(whole && last.is_some_and(|last| last.track == example.track)) {
                clips.count += 1;
            }
            clips.clip.push(clips.count - 1);
            last = Some(*example);
        }
        clips
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Averages the windows' probabilities over each clip, and their labels of these tags, and
    /// compares them.
    fn scores(&self, windows: &[Vec<f32>], tags: Range<usize>, counting: Counting) -> Scores {
        let cache: &Cache = &self.split.cache;
        let mut sums = vec![(vec![0.0_f32; tags.len()], vec![0.0_f32; tags.len()], 0_usize); self.count];
        for ((probabilities, clip), example) in windows.iter().zip(&self.clip).zip(&self.split.examples) {
            let (said, labelled, count) = &mut sums[*clip];
            said.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
            let labels = &cache.labels(*example)[tags.clone()];
            labelled.iter_mut().zip(labels).for_each(|(sum, label)| *sum += label);
            *count += 1;
        }
        let mut scores = Scores::new(&cache.info.tags[tags], counting);
        for (said, labelled, count) in sums {
            let mean = |sums: Vec<f32>| sums.into_iter().map(|sum| sum / count as f32).collect::<Vec<f32>>();
            scores.add(&mean(said), &mean(labelled));
        }
        scores
    }

    /// Judges a network of a run.
    ///
    /// # Errors
    /// [`TrainerError`] where the audio cannot be read.
    pub fn evaluate<B: NetworkBackend>(
        &self,
        network: &Network<B>,
        rows: usize,
        counting: Counting,
        device: &B::Device,
    ) -> Result<Scores> {
        let Split { cache, examples, window } = self.split;
        let tags = cache.info.tags.len();
        let mut windows: Vec<Vec<f32>> = Vec::with_capacity(examples.len());
        std::thread::scope(|scope| -> Result<()> {
            for batch in Pass::plain(cache, examples, *window, rows).start(scope) {
                let (waveforms, _) = to_tensors::<B>(&batch?, device);
                let answers = sigmoid(network.forward(waveforms).logits).into_data();
                let answers: Vec<f32> = answers.iter::<f32>().collect();
                windows.extend(answers.chunks_exact(tags).map(<[f32]>::to_vec));
            }
            Ok(())
        })?;
        Ok(self.scores(&windows, 0..tags, counting))
    }
}

/// Judges an exported or a foreign ONNX model over a split, on `jobs` threads. Its tags are those
/// of the cache, or of one of its vocabularies.
///
/// # Errors
/// [`TrainerError`] where the model does not fit the cache or fails.
pub fn evaluate_onnx(model: &Model, split: &Split, unit: Unit, counting: Counting, jobs: usize) -> Result<Scores> {
    let all = &split.cache.info.tags;
    let tags = places(all, model.tags()).or((model.tags().len() == all.len()).then_some(0..all.len()));
    let (Some(tags), true) = (tags, model.window() == split.window) else {
        return Err(TrainerError::Request(format!(
            "the model takes {} samples and gives {} tags; windows of {} samples with the cache's {} tags, or those of \
             one of its vocabularies, were expected",
            model.window(),
            model.tags().len(),
            split.window,
            all.len(),
        )));
    };
    let windows = parallel::map(&split.examples, jobs, |example| {
        let mut window = vec![0.0; split.window];
        split.cache.read(example.track, example.start, &mut window)?;
        Ok(model.probabilities(&window)?)
    })?;
    Ok(Clips::of(split, unit).scores(&windows, tags, counting))
}

/// Judges what another cache says of the same recordings, such as teachers: the mean of its labels
/// for each recording that both have.
///
/// # Errors
/// [`TrainerError`] where the caches have no recording, or no vocabulary, in common.
pub fn evaluate_said(said: &Cache, labelled: &Cache, counting: Counting) -> Result<Scores> {
    let tags = places(&said.info.tags, &labelled.info.tags).ok_or_else(|| {
        TrainerError::Request("the two caches have no vocabulary in common: their tags differ".into())
    })?;
    let mean = |cache: &Cache, track: usize, tags: Range<usize>| -> Vec<f32> {
        let of = |labels: &[f32]| labels[tags.clone()].to_vec();
        let rows: Vec<Vec<f32>> = match &cache.track(track).labels {
            Labels::Clip(labels) => vec![of(labels)],
            Labels::Segments(segments) => segments.iter().map(|segment| of(&segment.probabilities)).collect(),
        };
        (0..tags.len()).map(|tag| rows.iter().map(|row| row[tag]).sum::<f32>() / rows.len().max(1) as f32).collect()
    };
    let by_source: HashMap<&str, usize> =
        (0..said.len()).map(|track| (said.track(track).source.as_str(), track)).collect();
    let mut scores = Scores::new(&labelled.info.tags, counting);
    for track in 0..labelled.len() {
        if let Some(other) = by_source.get(labelled.track(track).source.as_str()) {
            scores.add(&mean(said, *other, tags.clone()), &mean(labelled, track, 0..labelled.info.tags.len()));
        }
    }
    if scores.clips() == 0 {
        return Err(TrainerError::Request("the two caches have no recording in common".into()));
    }
    Ok(scores)
}
