//! Inference over the windows of recordings, and what it gives.

use super::windows::WindowStream;
use crate::audio::{MonoStream, Notices};
use crate::error::{Result, TrainerError};
use crate::files;
use serde::Serialize;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tagvane_engine::Model;

/// The prediction for one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowPrediction {
    /// Start of the window in seconds.
    pub start: f64,
    /// End of the window in seconds, at most the end of the recording.
    pub end: f64,
    /// The probability of each tag.
    pub probabilities: Vec<f32>,
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
    /// The tags and their mean probabilities, highest first.
    pub fn ranked_tags(&self) -> Vec<(&str, f32)> {
        let mut tags: Vec<(&str, f32)> = self.tags.iter().map(String::as_str).zip(self.mean.iter().copied()).collect();
        tags.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        tags
    }
}

/// Runs a model over the windows of recordings.
pub struct Tagger {
    model: Model,
    tags: Vec<String>,
    /// Hop between windows in samples.
    hop: usize,
    repeats_short: bool,
}

impl Tagger {
    /// Uses a hop of `hop` seconds, or of half a window if it is `None`.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the hop is shorter than a sample or not finite.
    pub fn new(model: Model, hop: Option<f64>) -> Result<Self> {
        let rate = f64::from(model.sample_rate());
        let samples = hop.map_or(model.window() as f64 / 2.0, |seconds| seconds * rate).round();
        if !(1.0..f64::INFINITY).contains(&samples) {
            let what =
                format!("a hop of {} s is not possible; give seconds above zero, such as 1.5", hop.unwrap_or_default());
            return Err(TrainerError::Request(what));
        }
        let tags = make_unique(model.metadata().display_tags().into_iter(), str::to_owned);
        Ok(Self { model, tags, hop: samples as usize, repeats_short: false })
    }

    /// Uses a hop of one window, and repeats a recording that is shorter than a window instead of filling the window up
    /// with silence.
    pub fn window_by_window(model: Model) -> Self {
        let tags = make_unique(model.tags().iter().cloned(), str::to_owned);
        Self { tags, hop: model.window(), repeats_short: true, model }
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The tags, in the order of the probabilities; numbered where the model has one twice.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Hop between windows in seconds.
    pub fn hop(&self) -> f64 {
        self.hop as f64 / f64::from(self.model.sample_rate())
    }

    /// Decodes a recording, resamples it to the sample rate of the model and predicts its windows, in memory for two
    /// windows. `on_progress` gets the seconds that are done, and the length that the file states.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file, where it cannot be decoded or inference fails.
    pub fn tag(&self, file: &Path, mut on_progress: impl FnMut(f64, Option<f64>)) -> Result<TaggedRecording> {
        let mut stream = MonoStream::open(file, self.model.sample_rate(), Notices::Printed)?;
        let (rate, window) = (f64::from(self.model.sample_rate()), self.model.window());
        let mut timeline = Vec::new();
        let mut predict = |start: u64, samples: &[f32]| -> Result<()> {
            let predicted = self.model.predict(samples);
            let probabilities = predicted.map_err(|error| TrainerError::content(file, error.to_string()))?;
            let end = (start + window as u64) as f64 / rate;
            timeline.push(WindowPrediction { start: start as f64 / rate, end, probabilities });
            Ok(())
        };
        let mut windows = WindowStream::new(window, self.hop);
        while let Some(samples) = stream.next_block() {
            windows.push(samples, &mut predict)?;
            on_progress(stream.seconds(), stream.stated_seconds());
        }
        let (start, last) = if self.repeats_short { windows.finish_repeated() } else { windows.finish() };
        predict(start, &last)?;
        let seconds = stream.seconds();
        timeline.iter_mut().for_each(|window| window.end = window.end.min(seconds));
        let sum = |tag: usize| timeline.iter().map(|window| f64::from(window.probabilities[tag])).sum::<f64>();
        let mean = (0..self.tags.len()).map(|tag| (sum(tag) / timeline.len() as f64) as f32).collect();
        Ok(TaggedRecording { file: file.to_owned(), seconds, tags: self.tags.clone(), mean, timeline })
    }
}

/// Lists recordings without duplicates: each given file with any extension, and all audio files below each given folder.
///
/// # Errors
/// [`TrainerError`] where a folder cannot be read or there are no recordings.
pub fn find_recordings(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(files::find_audio(path)?);
        } else {
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        let folders: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        let what =
            format!("no recordings are in {}; give audio files such as wav, flac, mp3 or m4a", folders.join(", "));
        return Err(TrainerError::Request(what));
    }
    let mut seen = HashSet::new();
    found.retain(|path| seen.insert(path.clone()));
    Ok(found)
}

/// Numbers each name whose key equals that of an earlier one.
pub(super) fn make_unique(names: impl Iterator<Item = String>, key: impl Fn(&str) -> String) -> Vec<String> {
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
