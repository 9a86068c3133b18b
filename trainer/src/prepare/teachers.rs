//! Pseudo-labels: the weighted mean prediction of ONNX taggers, the teachers, for segments of a recording. A teacher whose window
//! is much shorter than a segment predicts several windows in it. One whose window is longer than 10 s predicts the
//! recording, and each segment gets the mean over its windows.

use super::ensemble::{Ensemble, SharedClasses};
use super::recording_labels::RecordingLabelling;
use super::teacher::{RATE, Teacher, is_silent};
use super::{LabelOutcome, require_any};
use crate::data::vocabularies;
use crate::data::{CacheInfo, Labels, Segment, Source};
use crate::error::{Result, TrainerError};
use crate::evaluation::PlattScaling;
use crate::files;
use crate::network::Precision;
use crate::reproducible;
use rand::Rng as _;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use tagvane_engine::resample::{RecordingResampler, Resampler};

/// Usual length of a labelled segment, in samples at 22050 Hz: the window of the best network in the paper.
pub const SEGMENT_LENGTH: usize = 59_049;

/// Labels segments of recordings by the mean predictions of teachers.
pub struct PseudoLabeller {
    /// The teachers of each vocabulary.
    vocabularies: Vec<Vec<WeightedTeacher>>,
    shared: SharedClasses,
    /// The names of the teachers.
    names: Vec<String>,
    /// The hashes of the teachers' files, and the ensemble as JSON.
    settings: Vec<String>,
    /// In samples at 22050 Hz.
    segment_length: usize,
    /// Maximum number of segments per track.
    max_segments: usize,
}

/// A teacher and, for each of its tags, its part in the mean of its vocabulary's teachers.
struct WeightedTeacher {
    teacher: Teacher,
    /// What its logits go through; `None` where they stay as they are.
    scaling: Option<PlattScaling>,
    shares: Vec<f32>,
}

impl WeightedTeacher {
    /// Adds its part to the mean of its vocabulary, at `mean`: its prediction times its shares times `factor`.
    fn add(&self, mean: &mut [f32], predicted: &[f32], factor: f32) {
        for ((mean, probability), share) in mean.iter_mut().zip(predicted).zip(&self.shares) {
            let scaled = self.scaling.map_or(*probability, |scaling| scaling.apply_to_probability(*probability));
            *mean += scaled * share * factor;
        }
    }
}

impl PseudoLabeller {
    /// Opens ONNX taggers for audio at 16 kHz. The predictions of teachers with the same tags are averaged, with the weights
    /// of `ensemble`. They label at most `max_segments` segments per track, each of `segment_length` samples at 22050 Hz.
    ///
    /// # Errors
    /// [`TrainerError`] where there is no teacher or none with a weight for a tag, one cannot be loaded, the ensemble names a
    /// tag that a teacher or its vocabulary does not have, or one of the numbers is 0.
    pub fn open(paths: &[PathBuf], ensemble: &Ensemble, segment_length: usize, max_segments: usize) -> Result<Self> {
        if paths.is_empty() {
            return Err(TrainerError::Request("give at least one --teacher".into()));
        }
        if segment_length == 0 || max_segments == 0 {
            return Err(TrainerError::Request(format!(
                "at most {max_segments} segments of {segment_length} samples give no labels; give numbers above 0"
            )));
        }
        let mut vocabularies: Vec<Vec<WeightedTeacher>> = Vec::new();
        let (mut names, mut settings) = (Vec::new(), Vec::new());
        for path in paths {
            let teacher = Teacher::open(path)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            names.push(name.clone().into_owned());
            settings.push(reproducible::hash_file(path).map_err(TrainerError::file(path))?);
            let known = ensemble.teacher(&name);
            let shares = match known {
                Some(known) => known.weights(teacher.tags())?,
                None => vec![1.0; teacher.tags().len()],
            };
            let scaling = known.map(|known| known.scaling).filter(|scaling| *scaling != PlattScaling::IDENTITY);
            let weighted = WeightedTeacher { teacher, scaling, shares };
            match vocabularies.iter_mut().find(|group| group[0].teacher.tags() == weighted.teacher.tags()) {
                Some(group) => group.push(weighted),
                None => vocabularies.push(vec![weighted]),
            }
        }
        vocabularies.iter_mut().try_for_each(|group| normalise_shares(group))?;
        let shared = ensemble.resolve(&joined_tags(&vocabularies))?;
        settings.push(serde_json::to_string(ensemble).map_err(|error| TrainerError::Request(error.to_string()))?);
        Ok(Self { vocabularies, shared, names, settings, segment_length, max_segments })
    }

    /// The tags of all vocabularies, in the order of the labels, joined by [`vocabularies::join`].
    pub fn tags(&self) -> Vec<String> {
        joined_tags(&self.vocabularies)
    }

    /// The metadata of a cache with its labels, which are moved towards what is known by `known_share`.
    pub fn cache_info(&self, known_share: f32) -> CacheInfo {
        let settings: Vec<&[u8]> = self.settings.iter().map(String::as_bytes).collect();
        let hash = reproducible::hash(&[&settings[..], &[&known_share.to_le_bytes()[..]]].concat());
        let labelled_by = format!("{} with settings {hash:016x}", self.names.join(", "));
        CacheInfo { labelled_by: Some(labelled_by), ..CacheInfo::new(self.tags()) }
    }

    /// Labels segments of a track at random positions drawn from `seed`; silent segments are left out. `samples` are
    /// mono at 22050 Hz.
    ///
    /// # Errors
    /// [`TrainerError`] where inference fails.
    pub fn pseudo_label(
        &self,
        source: &Source,
        samples: &[f32],
        seed: u64,
        precision: Precision,
    ) -> Result<LabelOutcome> {
        let mut labelling = self.labelling(source, samples.len(), seed, precision)?;
        labelling.push(samples)?;
        labelling.finish()
    }

    /// Labels a track like [`pseudo_label`](Self::pseudo_label) as its samples arrive, of which there are `samples`.
    ///
    /// # Errors
    /// [`TrainerError`] where the audio cannot be resampled.
    pub fn labelling(
        &self,
        source: &Source,
        samples: usize,
        seed: u64,
        precision: Precision,
    ) -> Result<SegmentLabelling<'_>> {
        let resampler = Resampler::new(f64::from(tagvane_engine::SAMPLE_RATE), f64::from(RATE))
            .map_err(|error| TrainerError::Request(error.to_string()))?;
        let starts = self.segment_starts(&source.name, samples, seed);
        let recordings = if starts.is_empty() { Vec::new() } else { self.recording_labels(precision) };
        Ok(SegmentLabelling {
            labeller: self,
            precision,
            resampler: Some(RecordingResampler::new(resampler)),
            pending: starts.into_iter().map(|start| PendingSegment { start, is_silent: true }).collect(),
            samples: 0,
            input: Vec::new(),
            input_start: 0,
            segments: Vec::new(),
            recordings,
        })
    }

    /// How far a teacher that labels segments listens to both sides of their middle, in samples at 16 kHz.
    fn reach(&self) -> usize {
        let teachers = self.vocabularies.iter().flatten().map(|weighted| &weighted.teacher);
        let teachers = teachers.filter(|teacher| !teacher.labels_recordings());
        // The windows lie the same way on both sides, but for rounding.
        let reach = |teacher: &Teacher| self.window_starts(teacher)[0].unsigned_abs() as usize + 2;
        teachers.map(reach).max().unwrap_or(0)
    }

    /// Where the windows of a teacher that labels segments start, in samples at 16 kHz after the middle of a segment: one
    /// in the middle, or as many as come closest to its length, evenly spaced.
    fn window_starts(&self, teacher: &Teacher) -> Vec<i64> {
        let length = self.segment_length as f64 / f64::from(tagvane_engine::SAMPLE_RATE) * f64::from(RATE);
        let count = (length / teacher.window() as f64).round().max(1.0);
        let middle = |index: usize| (index as f64 + 0.5 - count / 2.0) * length / count;
        (0..count as usize).map(|index| middle(index) as i64 - teacher.window() as i64 / 2).collect()
    }

    /// The labelling by each teacher that labels recordings.
    fn recording_labels(&self, precision: Precision) -> Vec<RecordingShare<'_>> {
        let (mut recordings, mut first_tag) = (Vec::new(), 0);
        for group in &self.vocabularies {
            for weighted in group.iter().filter(|weighted| weighted.teacher.labels_recordings()) {
                let labelling = RecordingLabelling::new(&weighted.teacher, precision);
                recordings.push(RecordingShare { first_tag, weighted, labelling });
            }
            first_tag += group[0].shares.len();
        }
        recordings
    }

    /// First samples of the segments of a track: the track is divided into equal parts, as many as segments fit without
    /// overlap but at most `max_segments`, and one segment starts at a random position in each part.
    fn segment_starts(&self, source: &str, samples: usize, seed: u64) -> Vec<usize> {
        let mut random = reproducible::generator(seed, source);
        let count = (samples / self.segment_length).min(self.max_segments);
        let boundary = |index: usize| index * (samples - self.segment_length) / count.max(1);
        (0..count).map(|index| random.random_range(boundary(index)..=boundary(index + 1))).collect()
    }

    /// The mean prediction of each vocabulary's teachers for the segment whose middle is sample `middle` of `waveform`,
    /// which is at 16 kHz and is padded with zeros at both ends. Those that label recordings count as zeros.
    fn predict(&self, waveform: &[f32], middle: i64, precision: Precision) -> Result<Vec<f32>> {
        let mut probabilities: Vec<f32> = Vec::new();
        for group in &self.vocabularies {
            let first = probabilities.len();
            probabilities.resize(first + group[0].shares.len(), 0.0);
            for weighted in group.iter().filter(|weighted| !weighted.teacher.labels_recordings()) {
                let teacher = &weighted.teacher;
                let sample = |index: i64| {
                    usize::try_from(index).ok().and_then(|index| waveform.get(index)).copied().unwrap_or(0.0)
                };
                let starts = self.window_starts(teacher);
                let count = starts.len() as f32;
                for start in starts.into_iter().map(|start| middle + start) {
                    let window: Vec<f32> = (start..start + teacher.window() as i64).map(sample).collect();
                    let predicted = teacher.predict(&window, precision)?;
                    weighted.add(&mut probabilities[first..], &predicted, 1.0 / count);
                }
            }
        }
        Ok(probabilities)
    }
}

/// The tags of all vocabularies, joined.
fn joined_tags(vocabularies: &[Vec<WeightedTeacher>]) -> Vec<String> {
    let lists: Vec<&[String]> = vocabularies.iter().map(|group| group[0].teacher.tags()).collect();
    vocabularies::join(&lists)
}

/// Makes the weights of the teachers of a vocabulary their parts in the mean.
///
/// # Errors
/// [`TrainerError::Request`] where all weights for a tag are 0.
fn normalise_shares(group: &mut [WeightedTeacher]) -> Result<()> {
    for tag in 0..group[0].shares.len() {
        let sum: f32 = group.iter().map(|weighted| weighted.shares[tag]).sum();
        if sum == 0.0 {
            let tag = &group[0].teacher.tags()[tag];
            let what = format!("no teacher has a weight for {tag}; give another teacher or another weight");
            return Err(TrainerError::Request(what));
        }
        group.iter_mut().for_each(|weighted| weighted.shares[tag] /= sum);
    }
    Ok(())
}

/// The labelling of a track as its samples arrive; it holds the audio around the segments that are not complete.
pub struct SegmentLabelling<'a> {
    labeller: &'a PseudoLabeller,
    precision: Precision,
    /// To the teachers' rate; `None` after the end.
    resampler: Option<RecordingResampler>,
    /// Segments without labels, in their order.
    pending: VecDeque<PendingSegment>,
    /// Samples so far.
    samples: usize,
    /// The teachers' input from its sample `input_start` on.
    input: Vec<f32>,
    input_start: usize,
    segments: Vec<Segment>,
    recordings: Vec<RecordingShare<'a>>,
}

/// The part of a teacher that labels the recording.
struct RecordingShare<'a> {
    /// Where the tags of its vocabulary begin.
    first_tag: usize,
    weighted: &'a WeightedTeacher,
    labelling: RecordingLabelling<'a>,
}

/// A segment without labels.
struct PendingSegment {
    start: usize,
    /// Whether all its samples so far are silent.
    is_silent: bool,
}

impl SegmentLabelling<'_> {
    /// Takes the next samples, mono at 22050 Hz.
    ///
    /// # Errors
    /// [`TrainerError`] where inference fails.
    pub fn push(&mut self, samples: &[f32]) -> Result<()> {
        for samples in samples.chunks(self.labeller.segment_length) {
            let end = self.samples + samples.len();
            for segment in self.pending.iter_mut().take_while(|segment| segment.start < end) {
                let from = segment.start.saturating_sub(self.samples).min(samples.len());
                let to = (segment.start + self.labeller.segment_length).saturating_sub(self.samples).min(samples.len());
                segment.is_silent &= is_silent(&samples[from..to]);
            }
            self.samples = end;
            let before = self.input.len();
            if let Some(resampler) = &mut self.resampler {
                resampler.push(samples, |block| self.input.extend_from_slice(block));
            }
            self.label_recording(before)?;
            self.label()?;
        }
        Ok(())
    }

    /// Ends the track.
    ///
    /// # Errors
    /// [`TrainerError`] where inference fails.
    pub fn finish(mut self) -> Result<LabelOutcome> {
        let before = self.input.len();
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(|block| self.input.extend_from_slice(block));
        }
        self.label_recording(before)?;
        self.label()?;
        if self.segments.is_empty() {
            return Ok(LabelOutcome::Skipped("it is silent or shorter than a segment".into()));
        }
        for RecordingShare { first_tag, weighted, labelling } in self.recordings {
            let label = labelling.finish()?;
            for segment in &mut self.segments {
                weighted.add(&mut segment.probabilities[first_tag..], &label, 1.0);
            }
        }
        self.segments.iter_mut().for_each(|segment| self.labeller.shared.apply(&mut segment.probabilities));
        Ok(LabelOutcome::Labelled(Labels::Segments(self.segments)))
    }

    /// Passes the input from sample `first` of the buffer on to the teachers that label the recording.
    fn label_recording(&mut self, first: usize) -> Result<()> {
        self.recordings.iter_mut().try_for_each(|recording| recording.labelling.push(&self.input[first..]))
    }

    /// Labels the segments whose audio is complete, and drops the teachers' input that no other segment needs.
    fn label(&mut self) -> Result<()> {
        let Self { labeller, pending, .. } = self;
        let (length, reach) = (labeller.segment_length, labeller.reach());
        let middle_of = |start: usize| {
            let middle = (start + length / 2) as f64 / f64::from(tagvane_engine::SAMPLE_RATE) * f64::from(RATE);
            middle as usize
        };
        let is_ended = self.resampler.is_none();
        while let Some(&PendingSegment { start, is_silent }) = pending.front() {
            let input_end = self.input_start + self.input.len();
            let is_complete = start + length <= self.samples && middle_of(start) + reach <= input_end;
            if !(is_complete || is_ended) {
                break;
            }
            if !is_silent {
                let middle = middle_of(start) as i64 - self.input_start as i64;
                let probabilities = labeller.predict(&self.input, middle, self.precision)?;
                self.segments.push(Segment { start, length, probabilities });
            }
            pending.pop_front();
        }
        let needed = pending.front().map(|segment| middle_of(segment.start).saturating_sub(reach));
        let unused = needed.map_or(self.input.len(), |needed| needed.saturating_sub(self.input_start));
        // Not for a few samples, which would move the rest each time.
        if unused >= self.input.len() / 2 {
            let unused = unused.min(self.input.len());
            self.input.drain(..unused);
            self.input_start += unused;
        }
        Ok(())
    }
}

/// The recordings below the folder `audio`, except those whose path below it contains an entry of `exclude`. Each
/// subfolder of `audio` is a group; the recordings in `audio` itself are the group `all`.
///
/// # Errors
/// [`TrainerError`] where the folder cannot be read or has no recordings.
pub fn sources(audio: &Path, exclude: &[String]) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in files::find_audio(audio)? {
        let name = files::relative_name(&path, audio);
        let group = name.split_once('/').map_or("all", |(group, _)| group).to_owned();
        if !exclude.iter().any(|word| name.contains(word.as_str())) {
            sources.push(Source { name, path: Some(path), group, labels: None });
        }
    }
    require_any(sources, audio)
}
