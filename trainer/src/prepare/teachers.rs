//! Labels by teachers: the mean of what ONNX taggers say of each segment.

use super::teacher::Teacher;
use super::{Source, find_audio, some};
use crate::data::vocabularies;
use crate::data::{Labels, Segment};
use crate::error::{Result, TrainerError};
use crate::musicnn;
use crate::network::Precision;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use tagvane_engine::resample::Resampler;

/// The rate the teachers listen at, in hertz.
const TEACHER_RATE: f64 = musicnn::RATE as f64;

/// Teachers and how they are asked.
pub struct Teachers {
    /// Those that share a vocabulary side by side.
    vocabularies: Vec<Vec<Teacher>>,
    /// The length of a segment, in samples.
    pub window: usize,
    /// At most so many segments a track.
    pub segments: usize,
}

impl Teachers {
    /// Opens ONNX taggers at 16 kHz. Those with the same tags speak with one voice, their mean.
    ///
    /// # Errors
    /// [`TrainerError`] where there is none, or one cannot be used.
    pub fn open(paths: &[PathBuf], window: usize, segments: usize) -> Result<Self> {
        if paths.is_empty() {
            return Err(TrainerError::Request("give at least one --teacher".into()));
        }
        let mut vocabularies: Vec<Vec<Teacher>> = Vec::new();
        for path in paths {
            let teacher = Teacher::open(path)?;
            match vocabularies.iter_mut().find(|group| group[0].tags() == teacher.tags()) {
                Some(group) => group.push(teacher),
                None => vocabularies.push(vec![teacher]),
            }
        }
        Ok(Self { vocabularies, window, segments })
    }

    /// The tags of all vocabularies, in the order of the labels; where there are several, after
    /// the names of theirs.
    pub fn tags(&self) -> Vec<String> {
        let lists: Vec<&[String]> = self.vocabularies.iter().map(|group| group[0].tags()).collect();
        vocabularies::joined(&lists)
    }

    /// Segments of a track, placed by `seed`, and what the teachers say of each; silent ones are
    /// left out.
    ///
    /// # Errors
    /// [`TrainerError`] where a teacher fails. In words why there are no labels.
    pub fn label(
        &self,
        source: &Source,
        samples: &[f32],
        seed: u64,
        precision: Precision,
    ) -> Result<std::result::Result<Labels, String>> {
        let rate = f64::from(tagvane_engine::SAMPLE_RATE);
        let resampler = match Resampler::new(rate, TEACHER_RATE) {
            Ok(resampler) => resampler,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let for_teachers = resampler.resample_all(samples);
        let mut segments = Vec::new();
        for start in self.places(&source.name, samples.len(), seed) {
            let window = &samples[start..start + self.window];
            if !window.iter().any(|sample| sample.abs() > 1e-3) {
                continue;
            }
            let middle = (start + self.window / 2) as f64 / rate * TEACHER_RATE;
            let probabilities = self.ask(&for_teachers, middle as usize, precision)?;
            segments.push(Segment { start, length: self.window, probabilities });
        }
        if segments.is_empty() {
            return Ok(Err("it is silent, or shorter than a segment".into()));
        }
        Ok(Ok(Labels::Segments(segments)))
    }

    /// Where a track's segments start: one at random in each of as many equal parts as
    /// segments are wanted and fit without overlapping.
    fn places(&self, source: &str, samples: usize, seed: u64) -> Vec<usize> {
        let mut hasher = DefaultHasher::new();
        (seed, source).hash(&mut hasher);
        let mut random = StdRng::seed_from_u64(hasher.finish());
        let count = (samples / self.window).min(self.segments);
        let room = |index: usize| index * (samples - self.window) / count.max(1);
        (0..count).map(|index| random.random_range(room(index)..=room(index + 1))).collect()
    }

    /// The mean of each vocabulary's teachers over the window around sample `middle` of
    /// `waveform`, both at their rate; a track's ends are padded with silence.
    fn ask(&self, waveform: &[f32], middle: usize, precision: Precision) -> Result<Vec<f32>> {
        let mut said = Vec::new();
        for group in &self.vocabularies {
            let first = said.len();
            said.resize(first + group[0].tags().len(), 0.0);
            for teacher in group {
                let start = middle as i64 - teacher.window() as i64 / 2;
                let sample = |index: i64| {
                    usize::try_from(index).ok().and_then(|index| waveform.get(index)).copied().unwrap_or(0.0)
                };
                let window: Vec<f32> = (start..start + teacher.window() as i64).map(sample).collect();
                for (mean, probability) in said[first..].iter_mut().zip(teacher.ask(&window, precision)?) {
                    *mean += probability / group.len() as f32;
                }
            }
        }
        Ok(said)
    }
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
