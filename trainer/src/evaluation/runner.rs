//! Running models over clips, as the paper evaluates.

use super::{Counting, Scores};
use crate::data::{Cache, Example};
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::Network;
use crate::training::{Split, to_tensors};
use crate::{data::Pass, parallel};
use burn::tensor::activation::sigmoid;
use tagvane_engine::Model;

/// What is judged as one: of a clip all its windows, whose probabilities are averaged
/// (Lee et al. 2017, section 4.2), of labelled segments each alone.
pub struct Clips<'a> {
    split: &'a Split,
    /// For each example the clip it belongs to.
    clip: Vec<usize>,
    /// One example of each clip.
    first: Vec<Example>,
}

impl<'a> Clips<'a> {
    /// The clips of a split.
    pub fn of(split: &'a Split) -> Self {
        let mut clips = Self { split, clip: Vec::new(), first: Vec::new() };
        for example in &split.examples {
            let same = clips
                .first
                .last()
                .is_some_and(|last| last.track == example.track && example.segment.is_none() && last.segment.is_none());
            if !same {
                clips.first.push(*example);
            }
            clips.clip.push(clips.first.len() - 1);
        }
        clips
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.first.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Averages the windows' probabilities over each clip and compares with the labels.
    fn scores(&self, windows: &[Vec<f32>], counting: Counting) -> Scores {
        let cache: &Cache = &self.split.cache;
        let tags = cache.info.tags.len();
        let mut sums = vec![(vec![0.0_f32; tags], 0_usize); self.first.len()];
        for (probabilities, clip) in windows.iter().zip(&self.clip) {
            let (sum, count) = &mut sums[*clip];
            sum.iter_mut().zip(probabilities).for_each(|(sum, probability)| *sum += probability);
            *count += 1;
        }
        let mut scores = Scores::new(&cache.info.tags, counting);
        for ((sum, count), first) in sums.iter().zip(&self.first) {
            let mean: Vec<f32> = sum.iter().map(|sum| sum / *count as f32).collect();
            scores.add(&mean, cache.labels(*first));
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
        Ok(self.scores(&windows, counting))
    }
}

/// Judges an exported or a foreign ONNX model over a split, on `jobs` threads.
///
/// # Errors
/// [`TrainerError`] where the model does not fit the cache or fails.
pub fn evaluate_onnx(model: &Model, split: &Split, counting: Counting, jobs: usize) -> Result<Scores> {
    let tags = split.cache.info.tags.len();
    if model.window() != split.window || model.tags().len() != tags {
        return Err(TrainerError::Request(format!(
            "the model takes {} samples and gives {} tags; windows of {} samples with {tags} tags were expected",
            model.window(),
            model.tags().len(),
            split.window,
        )));
    }
    let windows = parallel::map(&split.examples, jobs, |example| {
        let mut window = vec![0.0; split.window];
        split.cache.read(example.track, example.start, &mut window)?;
        Ok(model.probabilities(&window)?)
    })?;
    Ok(Clips::of(split).scores(&windows, counting))
}
