//! `prepare`: decodes and labels the recordings of a data set into a cache.

pub mod augmented_copies;
pub mod folder;
pub mod magnatagatune;
pub mod million_song;
pub mod offline_augmentation;
pub mod shard;
mod teacher;
pub mod teachers;

use crate::data::cache::Entry;
use crate::data::{CacheInfo, Labels, PartWriter, Source};
use crate::error::{Result, TrainerError};
use indicatif::{ProgressBar, ProgressStyle};
use shard::Shard;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tagvane_engine::resample::Resampler;

/// Options that all data sets share.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// The cache to fill; sources that it already has are not processed again.
    pub cache: PathBuf,
    /// The shard of the sources to process.
    pub shard: Shard,
    /// Shorter recordings are skipped.
    pub min_seconds: f64,
    /// Longer recordings are truncated.
    pub max_seconds: Option<f64>,
    /// Number of threads.
    pub jobs: usize,
}

/// The content of one part of a cache.
#[derive(Debug, Default, PartialEq)]
pub struct PrepareSummary {
    /// Number of tracks.
    pub tracks: usize,
    /// Number of labelled segments; 0 where whole clips are labelled.
    pub segments: usize,
    /// One line per skipped source, with the reason.
    pub skipped: Vec<String>,
}

/// Decodes and labels sources into a cache. `label` takes a source and its samples at the sample rate of the cache,
/// and returns the labels, or the reason why the source is skipped.
///
/// # Errors
/// [`TrainerError`] where the cache cannot be written or a teacher fails. A recording that cannot be used is skipped
/// and listed in the summary.
pub fn prepare_sources(
    options: &PrepareOptions,
    tags: Vec<String>,
    sources: &[Source],
    label: impl Fn(&Source, &[f32]) -> Result<std::result::Result<Labels, String>> + Sync,
) -> Result<PrepareSummary> {
    prepare_sources_with(options, tags, sources, |source| decode(options, source), label)
}

/// Like [`prepare_sources`], but takes the audio of a source from `samples`, mono at the sample rate of the cache,
/// instead of decoding its file.
///
/// # Errors
/// Those of [`prepare_sources`].
pub fn prepare_sources_with(
    options: &PrepareOptions,
    tags: Vec<String>,
    sources: &[Source],
    samples: impl Fn(&Source) -> std::result::Result<Vec<f32>, String> + Sync,
    label: impl Fn(&Source, &[f32]) -> Result<std::result::Result<Labels, String>> + Sync,
) -> Result<PrepareSummary> {
    let Shard { number, count } = options.shard;
    let writer = PartWriter::open(&options.cache, &CacheInfo::new(tags), number, count)?;
    let shard = sources.iter().skip(number - 1).step_by(count);
    let (done, missing): (Vec<&Source>, Vec<&Source>) = shard.partition(|source| writer.contains(&source.name));
    let bar = progress_bar(done.len() + missing.len(), done.len());
    let writer = Mutex::new(writer);
    crate::parallel::map(&missing, options.jobs, |source| {
        let labelled = samples(source).map_or_else(
            |reason| Ok(Err(reason)),
            |samples| Ok::<_, TrainerError>(label(source, &samples)?.map(|labels| (samples, labels))),
        )?;
        let mut writer = writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let written = match labelled {
            Ok((samples, labels)) => writer.add_track(&source.name, &source.group, &samples, labels),
            Err(reason) => writer.skip(&source.name, &reason),
        };
        bar.inc(1);
        written
    })?;
    bar.finish_and_clear();
    let entries = writer.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).finish()?;
    let mut summary = PrepareSummary::default();
    for entry in entries {
        match entry {
            Entry::Kept(track) => {
                summary.tracks += 1;
                if let Labels::Segments(segments) = &track.labels {
                    summary.segments += segments.len();
                }
            }
            Entry::Skipped { source, reason } => summary.skipped.push(format!("{source}: {reason}")),
        }
    }
    Ok(summary)
}

/// The labels of the data set, for the `label` parameter of [`prepare_sources`].
///
/// # Errors
/// Never.
pub fn dataset_labels(source: &Source, _samples: &[f32]) -> Result<std::result::Result<Labels, String>> {
    Ok(Ok(Labels::Clip(source.labels.clone())))
}

/// The style of a progress bar that counts `name`.
pub(crate) fn progress_style(name: &str) -> ProgressStyle {
    let template = format!("{{bar:30}} {{pos}}/{{len}} {name}, {{per_sec}}, {{eta}} left");
    ProgressStyle::with_template(&template).unwrap_or(ProgressStyle::default_bar())
}

fn progress_bar(total: usize, done: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64).with_style(progress_style("recordings"));
    bar.set_position(done as u64);
    bar.reset_eta();
    bar
}

/// Decodes the file of a source: mono samples at the sample rate of the cache, or the reason why it is skipped.
fn decode(options: &PrepareOptions, source: &Source) -> std::result::Result<Vec<f32>, String> {
    let recording = tagvane_audio::read(&source.path).map_err(|error| error.to_string())?;
    if recording.seconds() < options.min_seconds {
        return Err(format!("only {:.1} s long, at least {} s are required", recording.seconds(), options.min_seconds));
    }
    let rate = f64::from(tagvane_engine::SAMPLE_RATE);
    let resampler = Resampler::new(f64::from(recording.sample_rate), rate).map_err(|error| error.to_string())?;
    let mut samples = resampler.resample_all(&recording.mono());
    if let Some(max_seconds) = options.max_seconds {
        samples.truncate((max_seconds * rate) as usize);
    }
    if samples.iter().any(|sample| !sample.is_finite()) {
        return Err("it has samples that are not finite numbers".into());
    }
    Ok(samples)
}

/// Returns `sources`, which were listed in `origin`, if there are any.
///
/// # Errors
/// [`TrainerError::Content`] where there are none.
pub(crate) fn require_any(sources: Vec<Source>, origin: &Path) -> Result<Vec<Source>> {
    if sources.is_empty() {
        return Err(TrainerError::content(origin, "no recordings were found here; give another file or folder"));
    }
    Ok(sources)
}
