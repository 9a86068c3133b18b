//! Labels by teachers: the mean of what ONNX taggers say of each segment.

use super::{Source, find_audio, some};
use crate::data::{Labels, Segment};
use crate::error::{Result, TrainerError};
use crate::musicnn;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use tagvane_engine::resample::Resampler;
use tagvane_engine::{Inference, Model};

/// The rate the teachers listen at, in hertz.
const TEACHER_RATE: f64 = musicnn::RATE as f64;

/// Teachers and how they are asked.
pub struct Teachers {
    models: Vec<Model>,
    /// The length of a segment, in samples.
    pub window: usize,
    /// At most so many segments a track.
    pub segments: usize,
    /// Places the segments.
    pub seed: u64,
}

impl Teachers {
    /// Opens ONNX taggers at 16 kHz, which all have `tags` tags.
    ///
    /// # Errors
    /// [`TrainerError`] where there is none, or one cannot be used.
    pub fn open(paths: &[PathBuf], tags: usize, window: usize, segments: usize, seed: u64) -> Result<Self> {
        if paths.is_empty() {
            return Err(TrainerError::Request("give at least one --teacher".into()));
        }
        let models = paths.iter().map(|path| open(path, tags)).collect::<Result<Vec<_>>>()?;
        Ok(Self { models, window, segments, seed })
    }

    /// Segments of a track and what the teachers say of each; silent ones are left out.
    ///
    /// # Errors
    /// [`TrainerError`] where a teacher fails. In words why there are no labels.
    pub fn label(&self, source: &Source, samples: &[f32]) -> Result<std::result::Result<Labels, String>> {
        let rate = f64::from(tagvane_engine::SAMPLE_RATE);
        let resampler = match Resampler::new(rate, TEACHER_RATE) {
            Ok(resampler) => resampler,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let for_teachers = resampler.resample_all(samples);
        let mut segments = Vec::new();
        for start in self.places(&source.name, samples.len()) {
            let window = &samples[start..start + self.window];
            if !window.iter().any(|sample| sample.abs() > 1e-3) {
                continue;
            }
            let middle = (start + self.window / 2) as f64 / rate * TEACHER_RATE;
            let probabilities = self.ask(&for_teachers, middle as usize)?;
            segments.push(Segment { start, length: self.window, probabilities });
        }
        if segments.is_empty() {
            return Ok(Err("it is silent, or shorter than a segment".into()));
        }
        Ok(Ok(Labels::Segments(segments)))
    }

    /// Where a track's segments start: one at random in each of as many equal parts as
    /// segments are wanted and fit without overlapping.
    fn places(&self, source: &str, samples: usize) -> Vec<usize> {
        let mut hasher = DefaultHasher::new();
        (self.seed, source).hash(&mut hasher);
        let mut random = StdRng::seed_from_u64(hasher.finish());
        let count = (samples / self.window).min(self.segments);
        let room = |index: usize| index * (samples - self.window) / count.max(1);
        (0..count).map(|index| random.random_range(room(index)..=room(index + 1))).collect()
    }

    /// The mean of the teachers' probabilities over the window around sample `middle`
    /// of `waveform`, both at their rate; a track's ends are padded with silence.
    fn ask(&self, waveform: &[f32], middle: usize) -> Result<Vec<f32>> {
        let mut mean = Vec::new();
        for teacher in &self.models {
            let start = middle as i64 - teacher.window() as i64 / 2;
            let sample =
                |index: i64| usize::try_from(index).ok().and_then(|index| waveform.get(index)).copied().unwrap_or(0.0);
            let window: Vec<f32> = (start..start + teacher.window() as i64).map(sample).collect();
            let probabilities = teacher.probabilities(&window)?;
            mean.resize(probabilities.len(), 0.0);
            for (mean, probability) in mean.iter_mut().zip(probabilities) {
                *mean += probability / self.models.len() as f32;
            }
        }
        Ok(mean)
    }
}

fn open(path: &Path, tags: usize) -> Result<Model> {
    let teacher =
        Model::open(path, Inference::FullWindows).map_err(|error| TrainerError::content(path, error.to_string()))?;
    if teacher.tags().len() != tags {
        let has = teacher.tags().len();
        return Err(TrainerError::content(path, format!("this teacher has {has} tags and the vocabulary has {tags}")));
    }
    Ok(teacher)
}

/// Every recording below a folder, but for those whose path holds a word of
/// `exclude`; each folder directly in it is a group.
///
/// # Errors
/// [`TrainerError`] where the folder cannot be read or has none.
pub fn sources(audio: &Path, exclude: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in find_audio(audio)? {
        let inside = path.strip_prefix(audio).unwrap_or(&path);
        let name = inside.to_string_lossy().into_owned();
        let group = name.split_once('/').map_or("all", |(group, _)| group).to_owned();
        if !exclude.iter().any(|word| name.contains(word.as_str())) {
            sources.push(Source { name, path, group, labels: Vec::new() });
        }
    }
    some(sources, audio)
}
