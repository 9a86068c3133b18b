//! `prepare`: decodes and labels the recordings of a data set into a cache.

mod audio_index;
pub mod augmented_copies;
pub mod folder;
pub mod list;
mod located;
pub mod magnatagatune;
pub mod million_song;
pub mod offline_augmentation;
pub mod shard;
mod teacher;
pub mod teachers;

use crate::audio::decode_mono;
use crate::data::cache::Entry;
use crate::data::duplicates::{self, Duplicate};
use crate::data::{Cache, CacheInfo, Labels, PartWriter, Source};
use crate::error::{Result, TrainerError};
use crate::parallel;
use crate::progress::progress_bar;
use crate::reproducible;
use shard::Shard;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tagvane_engine::SAMPLE_RATE;

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
    /// The recordings that the cache leaves out because other parts have the same audio, in a sentence; `None` where
    /// there are none or parts are missing.
    pub duplicates_in_cache: Option<String>,
}

/// The result of labelling a source.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelOutcome {
    /// The labels.
    Labelled(Labels),
    /// There are none, so that the source is skipped; the reason, in a sentence.
    Skipped(String),
}

/// Decodes and labels sources into a cache. `label` takes a source and its samples at the sample rate of the cache.
///
/// # Errors
/// [`TrainerError`] where the cache cannot be written or a teacher fails. A recording that cannot be used is skipped
/// and listed in the summary.
pub fn prepare_sources(
    options: &PrepareOptions,
    tags: Vec<String>,
    sources: &[Source],
    label: impl Fn(&Source, &[f32]) -> Result<LabelOutcome> + Sync,
) -> Result<PrepareSummary> {
    prepare_sources_with(options, tags, sources, |source| decode(options, source), label)
}

/// Like [`prepare_sources`], but takes the audio of a source from `samples`, mono at the sample rate of the cache,
/// instead of decoding its file. An error of `samples` is the reason why the source is skipped.
///
/// # Errors
/// Those of [`prepare_sources`].
pub fn prepare_sources_with(
    options: &PrepareOptions,
    tags: Vec<String>,
    sources: &[Source],
    samples: impl Fn(&Source) -> std::result::Result<Vec<f32>, String> + Sync,
    label: impl Fn(&Source, &[f32]) -> Result<LabelOutcome> + Sync,
) -> Result<PrepareSummary> {
    let shard = options.shard;
    let writer = PartWriter::open(&options.cache, &CacheInfo::new(tags), shard.number, shard.count)?;
    let selected = shard.select(sources.iter().collect());
    let (done, missing): (Vec<&Source>, Vec<&Source>) =
        selected.into_iter().partition(|source| writer.contains(&source.name));
    let bar = progress_bar(done.len() + missing.len(), done.len(), "recordings");
    let writer = Mutex::new(writer);
    parallel::map(&missing, options.jobs, |source| {
        let (samples, outcome) = match samples(source) {
            Ok(samples) => {
                let outcome = label(source, &samples)?;
                (samples, outcome)
            }
            Err(reason) => (Vec::new(), LabelOutcome::Skipped(reason)),
        };
        let file_hash = source.path.as_deref().and_then(|path| reproducible::hash_file(path).ok());
        let mut writer = writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let written = match outcome {
            LabelOutcome::Labelled(labels) => writer.add_track(source, &samples, labels, file_hash),
            LabelOutcome::Skipped(reason) => writer.skip(&source.name, &reason),
        };
        bar.inc(1);
        written
    })?;
    bar.finish_and_clear();
    let entries = writer.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).finish()?;
    let mut summary = PrepareSummary::default();
    let mut tracks = Vec::new();
    for entry in entries {
        match entry {
            Entry::Kept(track) => tracks.push((track, ())),
            Entry::Skipped { source, reason } => summary.skipped.push(format!("{source}: {reason}")),
        }
    }
    let (tracks, duplicates) = duplicates::resolve(tracks);
    summary.skipped.extend(duplicates.iter().map(Duplicate::to_string));
    summary.tracks = tracks.len();
    for (track, ()) in tracks {
        if let Labels::Segments(segments) = track.labels {
            summary.segments += segments.len();
        }
    }
    // Other parts may not be complete yet; the last one that is completed reports on all.
    if let (2.., Ok(cache)) = (shard.count, Cache::open(&options.cache, |_| true)) {
        summary.duplicates_in_cache = duplicates::summary(cache.duplicates());
    }
    Ok(summary)
}

/// The labels of the data set, for the `label` parameter of [`prepare_sources`].
///
/// # Errors
/// Never.
pub fn dataset_labels(source: &Source, _samples: &[f32]) -> Result<LabelOutcome> {
    let labels = source.labels.clone();
    let missing = || LabelOutcome::Skipped("the data set has no labels for it".into());
    Ok(labels.map_or_else(missing, |labels| LabelOutcome::Labelled(Labels::Clip(labels))))
}

/// Decodes the file of a source: mono samples at the sample rate of the cache, or the reason why it is skipped.
fn decode(options: &PrepareOptions, source: &Source) -> std::result::Result<Vec<f32>, String> {
    let path = source.path.as_deref().ok_or("it has no audio file")?;
    let mut audio = decode_mono(path, SAMPLE_RATE).map_err(|error| error.to_string())?;
    let PrepareOptions { min_seconds, max_seconds, .. } = options;
    if audio.seconds < *min_seconds {
        return Err(format!("only {:.1} s long, at least {min_seconds} s are required", audio.seconds));
    }
    if let Some(max_seconds) = max_seconds {
        audio.samples.truncate((max_seconds * f64::from(SAMPLE_RATE)) as usize);
    }
    Ok(audio.samples)
}

/// The line of a CSV file that a record starts in, from 1.
fn line_of(record: &csv::StringRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
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
