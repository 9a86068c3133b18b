//! `prepare`: from data sets as they come to a cache that networks learn from.

pub mod copies;
pub mod folder;
pub mod magnatagatune;
pub mod million_song;
pub mod shard;
mod teacher;
pub mod teachers;
pub mod vary;

use crate::data::cache::Entry;
use crate::data::{CacheInfo, Labels, PartWriter};
use crate::error::{Result, TrainerError};
use indicatif::{ProgressBar, ProgressStyle};
use shard::Shard;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tagvane_engine::resample::Resampler;

/// The endings of audio files that can be decoded.
pub(crate) const AUDIO: [&str; 6] = ["ogg", "oga", "opus", "mp3", "flac", "wav"];

/// One recording of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// How the data set names it; unique in it.
    pub name: String,
    /// The audio file; empty where the sound is made.
    pub path: PathBuf,
    /// What is held out as a whole.
    pub group: String,
    /// What the data set says of it, one value a tag; empty where teachers will say it.
    pub labels: Vec<f32>,
}

/// What all data sets can be asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// The cache to fill; what is in it already is left alone.
    pub cache: PathBuf,
    /// Which part of the work this is.
    pub shard: Shard,
    /// Shorter recordings are skipped, in seconds.
    pub shortest: f64,
    /// Longer ones are cut, in seconds.
    pub longest: Option<f64>,
    /// Recordings at a time.
    pub jobs: usize,
}

/// What a part of the cache has now.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Recordings in it.
    pub tracks: usize,
    /// Their labelled segments, where segments are labelled.
    pub segments: usize,
    /// Sources that gave nothing, and why, each a line.
    pub skipped: Vec<String>,
}

/// Decodes and labels sources into a cache, several at a time. `label` is given a
/// source and its samples at the cache's rate, and gives the labels, or in words why
/// there are none.
///
/// # Errors
/// [`TrainerError`] where the cache cannot be written or a teacher fails; a recording
/// that cannot be used is only named in the outcome.
pub fn run(
    request: &Request,
    tags: Vec<String>,
    sources: &[Source],
    label: impl Fn(&Source, &[f32]) -> Result<std::result::Result<Labels, String>> + Sync,
) -> Result<Outcome> {
    run_with(request, tags, sources, |source| decode(request, source), label)
}

/// As [`run`], with sound that `samples` makes, mono, at the cache's rate, in the place of
/// files.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    request: &Request,
    tags: Vec<String>,
    sources: &[Source],
    samples: impl Fn(&Source) -> std::result::Result<Vec<f32>, String> + Sync,
    label: impl Fn(&Source, &[f32]) -> Result<std::result::Result<Labels, String>> + Sync,
) -> Result<Outcome> {
    let Shard { number, of } = request.shard;
    let writer = PartWriter::open(&request.cache, &CacheInfo::new(tags), number, of)?;
    let mine = sources.iter().skip(number - 1).step_by(of);
    let (there, missing): (Vec<&Source>, Vec<&Source>) = mine.partition(|source| writer.has(&source.name));
    let bar = bar(there.len() + missing.len(), there.len());
    let writer = Mutex::new(writer);
    crate::parallel::map(&missing, request.jobs, |source| {
        let found = samples(source).map_or_else(
            |why| Ok(Err(why)),
            |samples| Ok::<_, TrainerError>(label(source, &samples)?.map(|labels| (samples, labels))),
        )?;
        let mut writer = writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let written = match found {
            Ok((samples, labels)) => writer.keep(&source.name, &source.group, &samples, labels),
            Err(why) => writer.skip(&source.name, &why),
        };
        bar.inc(1);
        written
    })?;
    bar.finish_and_clear();
    let entries = writer.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).finish()?;
    let mut outcome = Outcome::default();
    for entry in entries {
        match entry {
            Entry::Kept(track) => {
                outcome.tracks += 1;
                if let Labels::Segments(segments) = &track.labels {
                    outcome.segments += segments.len();
                }
            }
            Entry::Skipped { source, reason } => outcome.skipped.push(format!("{source}: {reason}")),
        }
    }
    Ok(outcome)
}

/// Labels that the data set itself gives.
///
/// # Errors
/// None; the type is that of a labelling that can fail.
pub fn given(source: &Source, _samples: &[f32]) -> Result<std::result::Result<Labels, String>> {
    Ok(Ok(Labels::Clip(source.labels.clone())))
}

/// How the progress through things of this name is shown.
pub(crate) fn style(name: &str) -> ProgressStyle {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {name}, {{per_sec}}, {{eta}} left");
    ProgressStyle::with_template(&template).unwrap_or(ProgressStyle::default_bar())
}

fn bar(all: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(all as u64).with_style(style("recordings"));
    bar.set_position(done as u64);
    bar.reset_eta();
    bar
}

/// The samples of a source's file, mono, at the cache's rate, or why there are none.
fn decode(request: &Request, source: &Source) -> std::result::Result<Vec<f32>, String> {
    let recording = tagvane_audio::read(&source.path).map_err(|error| error.to_string())?;
    if recording.seconds() < request.shortest {
        return Err(format!("only {:.1} s long, at least {} s are wanted", recording.seconds(), request.shortest));
    }
    let rate = f64::from(tagvane_engine::SAMPLE_RATE);
    let resampler = Resampler::new(f64::from(recording.sample_rate), rate).map_err(|error| error.to_string())?;
    let mut samples = resampler.resample_all(&recording.mono());
    if let Some(longest) = request.longest {
        samples.truncate((longest * rate) as usize);
    }
    if samples.iter().any(|sample| !sample.is_finite()) {
        return Err("it holds samples that are not finite numbers".into());
    }
    Ok(samples)
}

/// Every audio file below a folder, in the order of their paths. Links are not
/// followed.
///
/// # Errors
/// [`TrainerError::File`].
pub(crate) fn find_audio(folder: &Path) -> Result<Vec<PathBuf>> {
    crate::files::below(folder, &AUDIO)
}

/// Checks that a list of sources is worth starting with.
///
/// # Errors
/// [`TrainerError::Request`] where it is empty.
pub(crate) fn some(sources: Vec<Source>, where_from: &Path) -> Result<Vec<Source>> {
    if sources.is_empty() {
        return Err(TrainerError::content(where_from, "no recordings were found here"));
    }
    Ok(sources)
}
