//! Pseudo-labels: the mean prediction of ONNX taggers, the teachers, for segments of a recording.

use super::require_any;
use super::teacher::Teacher;
use crate::data::vocabularies;
use crate::data::{Labels, Segment, Source};
use crate::error::{Result, TrainerError};
use crate::files::find_audio;
use crate::musicnn;
use crate::network::Precision;
use crate::reproducible;
use rand::Rng as _;
use std::path::{Path, PathBuf};
use tagvane_engine::resample::Resampler;

/// Sample rate of the teachers' input, in hertz.
const TEACHER_RATE: f64 = musicnn::RATE as f64;

/// Teachers, and the segments that they label.
pub struct Teachers {
    /// The teachers of each vocabulary.
    vocabularies: Vec<Vec<Teacher>>,
    /// Length of a segment in samples.
    pub window: usize,
    /// Maximum number of segments per track.
    pub max_segments: usize,
}

impl Teachers {
    /// Opens ONNX taggers for audio at 16 kHz. The predictions of teachers with the same tags are averaged.
    ///
    /// # Errors
    /// [`TrainerError`] where there is no teacher, or one cannot be loaded.
    pub fn open(paths: &[PathBuf], window: usize, max_segments: usize) -> Result<Self> {
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
        Ok(Self { vocabularies, window, max_segments })
    }

    /// The tags of all vocabularies, in the order of the labels, joined by [`vocabularies::join`].
    pub fn tags(&self) -> Vec<String> {
        let lists: Vec<&[String]> = self.vocabularies.iter().map(|group| group[0].tags()).collect();
        vocabularies::join(&lists)
    }

    /// Labels segments of a track at random positions drawn from `seed`; silent segments are left out. The inner error
    /// is the reason why the track has no labels.
    ///
    /// # Errors
    /// [`TrainerError`] where inference fails.
    pub fn pseudo_label(
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
        let teacher_input = resampler.resample_all(samples);
        let mut segments = Vec::new();
        for start in self.segment_starts(&source.name, samples.len(), seed) {
            let window = &samples[start..start + self.window];
            if !window.iter().any(|sample| sample.abs() > 1e-3) {
                continue;
            }
            let middle = (start + self.window / 2) as f64 / rate * TEACHER_RATE;
            let probabilities = self.predict(&teacher_input, middle as usize, precision)?;
            segments.push(Segment { start, length: self.window, probabilities });
        }
        if segments.is_empty() {
            return Ok(Err("it is silent or shorter than a segment".into()));
        }
        Ok(Ok(Labels::Segments(segments)))
    }

    /// First samples of the segments of a track: the track is divided into equal parts, as many as segments fit without
    /// overlap but at most `max_segments`, and one segment starts at a random position in each part.
    fn segment_starts(&self, source: &str, samples: usize, seed: u64) -> Vec<usize> {
        let mut random = reproducible::generator(seed, source);
        let count = (samples / self.window).min(self.max_segments);
        let boundary = |index: usize| index * (samples - self.window) / count.max(1);
        (0..count).map(|index| random.random_range(boundary(index)..=boundary(index + 1))).collect()
    }

    /// The mean prediction of each vocabulary's teachers for the window centred on sample `middle` of `waveform`, which
    /// is at 16 kHz and is padded with zeros at both ends.
    fn predict(&self, waveform: &[f32], middle: usize, precision: Precision) -> Result<Vec<f32>> {
        let mut probabilities: Vec<f32> = Vec::new();
        for group in &self.vocabularies {
            let first = probabilities.len();
            probabilities.resize(first + group[0].tags().len(), 0.0);
            for teacher in group {
                let start = middle as i64 - teacher.window() as i64 / 2;
                let sample = |index: i64| {
                    usize::try_from(index).ok().and_then(|index| waveform.get(index)).copied().unwrap_or(0.0)
                };
                let window: Vec<f32> = (start..start + teacher.window() as i64).map(sample).collect();
                for (mean, probability) in probabilities[first..].iter_mut().zip(teacher.predict(&window, precision)?) {
                    *mean += probability / group.len() as f32;
                }
            }
        }
        Ok(probabilities)
    }
}

/// The recordings below the folder `audio`, except those whose path contains an entry of `exclude`. Each subfolder of
/// `audio` is a group.
///
/// # Errors
/// [`TrainerError`] where the folder cannot be read or has no recordings.
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
    require_any(sources, audio)
}
