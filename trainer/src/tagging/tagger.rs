//! Inference over the windows of recordings, and what it gives.

use super::windows::WindowStream;
use crate::audio::{MonoStream, Notices};
use crate::error::{Result, TrainerError};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tagvane_engine::{InferenceMode, Model, ModelError, Prediction, StreamState};

/// The prediction for one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowPrediction {
    /// Start of the window in seconds.
    pub start: f64,
    /// End of the window in seconds, at most the end of the recording.
    pub end: f64,
    /// The probability of each tag.
    pub probabilities: Vec<f32>,
    /// The embedding; empty unless the tagger was asked for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embedding: Vec<f32>,
}

/// The predictions for one recording.
#[derive(Debug, Clone, PartialEq)]
pub struct TaggedRecording {
    /// The audio file.
    pub file: PathBuf,
    /// Length in seconds.
    pub seconds: f64,
    /// The tags, in the order of the probabilities; unique.
    pub tags: Vec<String>,
    /// Mean probability of each tag over the windows.
    pub mean: Vec<f32>,
    /// The windows in order of time.
    pub timeline: Vec<WindowPrediction>,
}

impl TaggedRecording {
    /// The maximum of each tag over the windows.
    pub fn maxima(&self) -> Vec<f32> {
        let window = |index: usize| self.timeline.iter().map(move |window| window.probabilities[index]);
        (0..self.tags.len()).map(|tag| window(tag).fold(0.0, f32::max)).collect()
    }

    /// The mean of the embedding over the windows; `None` unless the tagger was asked for it.
    pub fn mean_embedding(&self) -> Option<Vec<f32>> {
        let size = self.timeline.first()?.embedding.len();
        let sum = |index: usize| self.timeline.iter().map(|window| f64::from(window.embedding[index])).sum::<f64>();
        (size > 0).then(|| (0..size).map(|index| (sum(index) / self.timeline.len() as f64) as f32).collect())
    }

    /// The tags and their mean probabilities, highest first.
    pub fn ranked_tags(&self) -> Vec<(&str, f32)> {
        ranked(&self.tags, &self.mean)
    }
}

/// Runs a model over the windows of recordings.
pub struct Tagger {
    model: Model,
    tags: Vec<String>,
    /// Hop between windows in samples.
    hop: usize,
    repeats_short: bool,
    gives_embeddings: bool,
}

/// Windows that are predicted at once, by several threads.
const BATCH: usize = 8;

impl Tagger {
    /// Uses a hop of `hop` seconds, or if it is `None`, the longest up to half a window that suits the model.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the hop is shorter than a sample or not finite.
    pub fn new(model: Model, hop: Option<f64>) -> Result<Self> {
        let rate = f64::from(model.sample_rate());
        let half = model.window() as f64 / 2.0;
        let default = match model.inference() {
            InferenceMode::Sliding => (half / model.hop() as f64).floor().max(1.0) * model.hop() as f64,
            InferenceMode::FullWindows => half,
        };
        let samples = hop.map_or(default, |seconds| seconds * rate).round();
        if !(1.0..f64::INFINITY).contains(&samples) {
            let what =
                format!("a hop of {} s is not possible; give seconds above zero, such as 1.5", hop.unwrap_or_default());
            return Err(TrainerError::Request(what));
        }
        let tags = make_unique(model.metadata().display_tags().into_iter(), str::to_owned);
        Ok(Self { model, tags, hop: samples as usize, repeats_short: false, gives_embeddings: false })
    }

    /// Uses a hop of one window, and repeats a recording that is shorter than a window instead of filling the window up
    /// with silence.
    pub fn window_by_window(model: Model) -> Self {
        let tags = make_unique(model.tags().iter().cloned(), str::to_owned);
        Self { tags, hop: model.window(), repeats_short: true, gives_embeddings: false, model }
    }

    /// Keeps the embedding of each window, too.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the model has none.
    pub fn with_embeddings(self) -> Result<Self> {
        if self.model.embedding_size() == 0 {
            let what = "the model has no embedding; give one that has, such as music.onnx, or leave --embedding out";
            return Err(TrainerError::Request(what.into()));
        }
        Ok(Self { gives_embeddings: true, ..self })
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The tags, in the order of the probabilities; numbered where the model has one twice.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Whether it keeps the embedding of each window.
    pub(crate) fn gives_embeddings(&self) -> bool {
        self.gives_embeddings
    }

    /// Hop between windows in seconds.
    pub fn hop(&self) -> f64 {
        self.hop as f64 / f64::from(self.model.sample_rate())
    }

    /// Decodes a recording, resamples it to the sample rate of the model and predicts its windows. In memory are two of
    /// these, and the predictions. `on_progress` gets the seconds that are done, and the length that the file states.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file, where it cannot be decoded or inference fails.
    pub fn tag(&self, file: &Path, on_progress: impl FnMut(f64, Option<f64>)) -> Result<TaggedRecording> {
        let mut stream = MonoStream::open(file, self.model.sample_rate(), Notices::Printed)?;
        self.tag_stream(file, &mut stream, on_progress)
    }

    /// Tags a recording that is decoded already, as [`tag`](Self::tag) does.
    ///
    /// # Errors
    /// As [`tag`](Self::tag).
    pub(crate) fn tag_stream(
        &self,
        file: &Path,
        stream: &mut MonoStream<'_>,
        mut on_progress: impl FnMut(f64, Option<f64>),
    ) -> Result<TaggedRecording> {
        let is_sliding = self.model.inference() == InferenceMode::Sliding && self.hop.is_multiple_of(self.model.hop());
        let mut predictor = if is_sliding { Predictor::sliding(self) } else { Predictor::full_windows(self) };
        let mut windows = WindowStream::new(self.model.window(), predictor.step);
        while let Some(samples) = stream.next_block() {
            windows.push(samples, |start, window| predictor.push(file, start, window))?;
            on_progress(stream.seconds(), stream.stated_seconds());
        }
        let (start, last) = if self.repeats_short { windows.finish_repeated() } else { windows.finish() };
        let mut timeline = predictor.finish(file, start, &last)?;
        let seconds = stream.seconds();
        timeline.iter_mut().for_each(|window| window.end = window.end.min(seconds));
        let sum = |tag: usize| timeline.iter().map(|window| f64::from(window.probabilities[tag])).sum::<f64>();
        let mean = (0..self.tags.len()).map(|tag| (sum(tag) / timeline.len() as f64) as f32).collect();
        Ok(TaggedRecording { file: file.to_owned(), seconds, tags: self.tags.clone(), mean, timeline })
    }

    /// The prediction for the window that starts at the sample `start`.
    fn window_prediction(&self, start: u64, prediction: Prediction) -> WindowPrediction {
        let rate = f64::from(self.model.sample_rate());
        let (start, end) = (start as f64 / rate, (start + self.model.window() as u64) as f64 / rate);
        let embedding = if self.gives_embeddings { prediction.embedding } else { Vec::new() };
        WindowPrediction { start, end, probabilities: prediction.probabilities, embedding }
    }
}

/// Predicts the windows of a recording, which come in order.
struct Predictor<'a> {
    tagger: &'a Tagger,
    /// Samples between two windows that it gets.
    step: usize,
    /// Windows that it got.
    count: usize,
    timeline: Vec<WindowPrediction>,
    inference: Inference,
}

enum Inference {
    /// The state after the latest window.
    Sliding(StreamState),
    /// The windows that are to be predicted.
    FullWindows(Vec<(u64, Vec<f32>)>),
}

impl<'a> Predictor<'a> {
    /// Gets windows a hop of the model apart, and predicts those that are a hop of the tagger apart.
    fn sliding(tagger: &'a Tagger) -> Self {
        let (step, state) = (tagger.model.hop(), StreamState::new(tagger.model.clone()));
        Self { tagger, step, count: 0, timeline: Vec::new(), inference: Inference::Sliding(state) }
    }

    /// Predicts each window by itself, several at once.
    fn full_windows(tagger: &'a Tagger) -> Self {
        let (step, timeline) = (tagger.hop, Vec::new());
        Self { tagger, step, count: 0, timeline, inference: Inference::FullWindows(Vec::new()) }
    }

    /// Takes the next window, which starts at the sample `start`.
    fn push(&mut self, file: &Path, start: u64, window: &[f32]) -> Result<()> {
        let failed = |error: ModelError| TrainerError::content(file, error.to_string());
        match &mut self.inference {
            Inference::Sliding(state) => {
                if self.count == 0 { state.prime(window) } else { state.step(window) }.map_err(failed)?;
                if (self.count * self.step).is_multiple_of(self.tagger.hop) {
                    let predicted = state.predict(window).map_err(failed)?;
                    self.timeline.push(self.tagger.window_prediction(start, predicted));
                }
                self.count += 1;
            }
            Inference::FullWindows(waiting) => {
                waiting.push((start, window.to_vec()));
                if waiting.len() == BATCH {
                    self.predict_waiting().map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// Predicts the last window, which may start anywhere. Returns the predictions of all of them.
    fn finish(mut self, file: &Path, start: u64, window: &[f32]) -> Result<Vec<WindowPrediction>> {
        let failed = |error: ModelError| TrainerError::content(file, error.to_string());
        match &mut self.inference {
            Inference::Sliding(state) => {
                let predicted = state.prime(window).and_then(|()| state.predict(window)).map_err(failed)?;
                self.timeline.push(self.tagger.window_prediction(start, predicted));
            }
            Inference::FullWindows(waiting) => {
                waiting.push((start, window.to_vec()));
                self.predict_waiting().map_err(failed)?;
            }
        }
        Ok(self.timeline)
    }

    fn predict_waiting(&mut self) -> std::result::Result<(), ModelError> {
        if let Inference::FullWindows(waiting) = &mut self.inference {
            let tagger = self.tagger;
            let predict = |(start, window): (u64, Vec<f32>)| {
                let predicted = tagger.model.predict_with_embedding(&window)?;
                Ok(tagger.window_prediction(start, predicted))
            };
            let predicted: std::result::Result<Vec<_>, ModelError> = waiting.par_drain(..).map(predict).collect();
            self.timeline.extend(predicted?);
        }
        Ok(())
    }
}

/// Tags and their values, highest first.
pub(crate) fn ranked<'a>(tags: &'a [String], values: &[f32]) -> Vec<(&'a str, f32)> {
    let mut tags: Vec<(&str, f32)> = tags.iter().map(String::as_str).zip(values.iter().copied()).collect();
    tags.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    tags
}

/// Numbers each name whose key equals that of an earlier one.
pub(crate) fn make_unique(names: impl Iterator<Item = String>, key: impl Fn(&str) -> String) -> Vec<String> {
    let mut taken = HashSet::new();
    let numbered = |name: String| {
        let (mut unique, mut number) = (name.clone(), 1);
        while !taken.insert(key(&unique)) {
            number += 1;
            unique = format!("{name} ({number})");
        }
        unique
    };
    names.map(numbered).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_numbered() {
        let tags = ["rock", "Rock", "rock"].map(str::to_owned);
        assert_eq!(make_unique(tags.into_iter(), str::to_owned), ["rock", "Rock", "rock (2)"]);
    }
}
