//! `prepare`: from a folder of music and its teachers to a cache of labelled
//! segments.

use crate::cache::{self, CacheInfo, Segment, Track};
use crate::error::{Result, TrainerError};
use crate::files;
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tagvane_engine::Model;
use tagvane_engine::resample::Resampler;

/// The rate the MagnaTagATune and Million Song teachers listen at, in hertz.
const TEACHER_RATE: f64 = 16_000.0;

/// What `prepare` is asked to do.
pub struct Request<'a> {
    /// The folder of music; each folder directly in it is a group.
    pub audio: &'a Path,
    /// The cache to fill; tracks that are in it already are left alone.
    pub cache: &'a Path,
    /// ONNX taggers at 16 kHz whose mean probabilities label each segment.
    pub teachers: &'a [PathBuf],
    /// The teachers' tags.
    pub tags: &'a [&'a str],
    /// The segment length, in samples.
    pub window: usize,
    /// At most so many segments a track.
    pub segments: usize,
    /// Shorter tracks are skipped, in seconds: jingles and sound effects.
    pub shortest: f64,
    /// Tracks whose path holds one of these are skipped.
    pub exclude: &'a [String],
    /// Places the segments.
    pub seed: u64,
    /// Tracks at a time.
    pub jobs: usize,
}

/// What `prepare` did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Tracks in the cache now.
    pub tracks: usize,
    /// Their segments.
    pub segments: usize,
    /// Files that gave nothing, and why, each one line.
    pub skipped: Vec<String>,
}

/// Decodes, cuts and labels all tracks below a folder.
///
/// # Errors
/// [`TrainerError`] where a folder or a teacher cannot be used at all; a file that
/// cannot be used is only named in the outcome.
pub fn prepare(request: &Request<'_>) -> Result<Outcome> {
    let teachers =
        request.teachers.iter().map(|path| open_teacher(path, request.tags.len())).collect::<Result<Vec<_>>>()?;
    if teachers.is_empty() {
        return Err(TrainerError::Request("give at least one --teacher".into()));
    }
    let info = CacheInfo {
        tags: request.tags.iter().map(|tag| (*tag).to_owned()).collect(),
        sample_rate: tagvane_engine::SAMPLE_RATE,
        window: request.window,
    };
    std::fs::create_dir_all(request.cache).map_err(TrainerError::file(request.cache))?;
    let about = request.cache.join("cache.json");
    if about.exists() && files::read_json::<CacheInfo>(&about)? != info {
        return Err(TrainerError::content(
            &about,
            "this cache has other tags or another window; choose another folder",
        ));
    }
    files::write_json(&about, &info)?;

    let mut sources = Vec::new();
    find_audio(request.audio, &mut sources)?;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} tracks, {eta} left  {msg}")
        .unwrap_or(ProgressStyle::default_bar());
    let progress = ProgressBar::new(sources.len() as u64).with_style(style);
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Outcome::default());
    let heard = Mutex::new(HashSet::new());
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..request.jobs.max(1) {
            scope.spawn(|| {
                while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match prepare_track(request, source, &teachers, &heard) {
                        Ok(Ok(segments)) => {
                            let mut outcome = lock(&outcome);
                            outcome.tracks += 1;
                            outcome.segments += segments;
                            progress.set_message(format!("{} segments", outcome.segments));
                        }
                        Ok(Err(why)) => lock(&outcome).skipped.push(why),
                        Err(error) => *lock(&failure) = Some(error),
                    }
                    progress.inc(1);
                    if lock(&failure).is_some() {
                        return;
                    }
                }
            });
        }
    });
    progress.finish_and_clear();
    match failure.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()) {
        Some(error) => Err(error),
        None => Ok(outcome.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner())),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn open_teacher(path: &Path, tags: usize) -> Result<Model> {
    let teacher = Model::open(path).map_err(|error| TrainerError::content(path, error.to_string()))?;
    if teacher.tags().len() != tags {
        let has = teacher.tags().len();
        return Err(TrainerError::content(path, format!("this teacher has {has} tags and the vocabulary has {tags}")));
    }
    Ok(teacher)
}

/// One track into the cache: the number of its segments, or why it was skipped.
fn prepare_track(
    request: &Request<'_>,
    path: &Path,
    teachers: &[Model],
    heard: &Mutex<HashSet<u64>>,
) -> Result<std::result::Result<usize, String>> {
    let relative = path.strip_prefix(request.audio).unwrap_or(path);
    let source = relative.to_string_lossy().into_owned();
    if let Some(word) = request.exclude.iter().find(|word| source.contains(word.as_str())) {
        return Ok(Err(format!("{source}: excluded by \"{word}\"")));
    }
    let group = relative.components().next().filter(|_| relative.components().count() > 1);
    let group = group.map_or("all".into(), |group| group.as_os_str().to_string_lossy().into_owned());
    let (audio, labels) = cache::track_paths(request.cache, &group, &source);
    if labels.exists() {
        let track: Track = files::read_json(&labels)?;
        lock(heard).insert(fingerprint(&std::fs::read(&audio).map_err(TrainerError::file(&audio))?));
        return Ok(Ok(track.segments.len()));
    }

    let recording = match tagvane_audio::read(path) {
        Ok(recording) => recording,
        Err(error) => return Ok(Err(error.to_string())),
    };
    if recording.seconds() < request.shortest {
        return Ok(Err(format!("{source}: only {:.1} s long", recording.seconds())));
    }
    let (rate, student_rate) = (f64::from(recording.sample_rate), f64::from(tagvane_engine::SAMPLE_RATE));
    let (student, teacher) = match (Resampler::new(rate, student_rate), Resampler::new(student_rate, TEACHER_RATE)) {
        (Ok(student), Ok(teacher)) => (student, teacher),
        (Err(error), _) | (_, Err(error)) => return Ok(Err(format!("{source}: {error}"))),
    };
    let samples = student.resample_all(&recording.mono());
    let pcm = cache::to_pcm(&samples);
    if !lock(heard).insert(fingerprint(&pcm)) {
        return Ok(Err(format!("{source}: the same audio as another track")));
    }

    let for_teachers = teacher.resample_all(&samples);
    let mut segments = Vec::new();
    for start in places(request, &source, samples.len()) {
        let window = &samples[start..start + request.window];
        if !window.iter().any(|sample| sample.abs() > 1e-3) {
            continue;
        }
        let middle = (start + request.window / 2) as f64 / student_rate * TEACHER_RATE;
        let probabilities = label(teachers, &for_teachers, middle as usize)?;
        segments.push(Segment { start, probabilities });
    }
    let track = Track { source, samples: samples.len(), segments };
    if let Some(folder) = audio.parent() {
        std::fs::create_dir_all(folder).map_err(TrainerError::file(folder))?;
    }
    files::write(&audio, &pcm)?;
    files::write_json(&labels, &track)?;
    Ok(Ok(track.segments.len()))
}

fn fingerprint(pcm: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    pcm.hash(&mut hasher);
    hasher.finish()
}

/// Where a track's segments start: one at random in each of as many equal parts as
/// segments are wanted and fit without overlapping.
fn places(request: &Request<'_>, source: &str, samples: usize) -> Vec<usize> {
    let mut hasher = DefaultHasher::new();
    (request.seed, source).hash(&mut hasher);
    let mut random = StdRng::seed_from_u64(hasher.finish());
    let count = (samples / request.window).min(request.segments);
    let room = |index: usize| index * (samples - request.window) / count.max(1);
    (0..count).map(|index| random.random_range(room(index)..=room(index + 1))).collect()
}

/// The mean of the teachers' probabilities over the window around sample `middle`
/// of `waveform`, both at their rate; a track's ends are padded with silence.
fn label(teachers: &[Model], waveform: &[f32], middle: usize) -> Result<Vec<f32>> {
    let mut mean = Vec::new();
    for teacher in teachers {
        let start = middle as i64 - teacher.window() as i64 / 2;
        let sample =
            |index: i64| usize::try_from(index).ok().and_then(|index| waveform.get(index)).copied().unwrap_or(0.0);
        let window: Vec<f32> = (start..start + teacher.window() as i64).map(sample).collect();
        let probabilities = teacher.probabilities(&window)?;
        mean.resize(probabilities.len(), 0.0);
        for (mean, probability) in mean.iter_mut().zip(probabilities) {
            *mean += probability / teachers.len() as f32;
        }
    }
    Ok(mean)
}

/// Every audio file below `folder`, in the order of their paths.
fn find_audio(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for path in cache::sorted_entries(folder)? {
        if path.is_symlink() {
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_lowercase();
        if path.is_dir() {
            find_audio(&path, found)?;
        } else if ["ogg", "oga", "mp3", "flac", "wav"].contains(&extension.as_str()) {
            found.push(path);
        }
    }
    Ok(())
}
