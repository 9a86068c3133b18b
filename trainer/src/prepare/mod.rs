//! `prepare`: decodes and labels the recordings of a data set into a cache.

mod audio_index;
pub mod augmented_copies;
pub mod ensemble;
pub mod folder;
pub mod known_labels;
pub mod list;
mod located;
pub mod magnatagatune;
pub mod million_song;
pub mod offline_augmentation;
mod recording_labels;
pub mod shard;
mod teacher;
pub mod teachers;
pub mod voice_overs;

use crate::audio::{MonoStream, Notices};
use crate::data::cache::Entry;
use crate::data::duplicates::{self, Duplicate};
use crate::data::{Cache, CacheInfo, Labels, PartWriter, Source, TrackAudio};
use crate::error::{Result, TrainerError};
use crate::parallel;
use crate::progress::progress_bar;
use crate::reproducible;
use shard::Shard;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use tagvane_engine::SAMPLE_RATE;
use teachers::SegmentLabelling;

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

/// Decodes and labels sources into a cache with this `info`, in bounded memory: each is decoded twice. `labelling` begins the labels of a
/// source that has this many samples at the sample rate of the cache.
///
/// # Errors
/// [`TrainerError`] where the cache cannot be written or a teacher fails. A recording that cannot be used is skipped
/// and listed in the summary.
pub fn prepare_pseudo_labelled_sources<'a>(
    options: &PrepareOptions,
    info: impl Into<CacheInfo>,
    sources: &[Source],
    labelling: impl Fn(&Source, usize) -> Result<SegmentLabelling<'a>> + Sync,
) -> Result<PrepareSummary> {
    process(options, info.into(), sources, |source| {
        let (mut audio, mut samples) = (TrackAudio::new(&options.cache), 0);
        let decoded = decode(options, source, Notices::Printed, |block| {
            samples += block.len();
            audio.push(block).map_err(TrainerError::file(&options.cache))
        })?;
        if let Err(reason) = decoded {
            return Ok(Prepared::Skipped(reason));
        }
        let mut labelling = labelling(source, samples)?;
        if let Err(reason) = decode(options, source, Notices::Silent, |block| labelling.push(block))? {
            return Ok(Prepared::Skipped(reason));
        }
        Ok(match labelling.finish()? {
            LabelOutcome::Labelled(labels) => Prepared::Track(audio, labels),
            LabelOutcome::Skipped(reason) => Prepared::Skipped(reason),
        })
    })
}

/// Adds sources to a cache whose audio, mono at the sample rate of the cache, is made by `samples`. `label` takes a source
/// and its samples. An error of `samples` is the reason why the source is skipped.
///
/// # Errors
/// Those of [`prepare_pseudo_labelled_sources`].
pub fn prepare_sources_with(
    options: &PrepareOptions,
    info: impl Into<CacheInfo>,
    sources: &[Source],
    samples: impl Fn(&Source) -> std::result::Result<Vec<f32>, String> + Sync,
    label: impl Fn(&Source, &[f32]) -> Result<LabelOutcome> + Sync,
) -> Result<PrepareSummary> {
    let samples = |source: &Source| samples(source).map(|samples| (samples, ()));
    prepare_synthesized_sources(options, info, sources, samples, |source, samples, ()| label(source, samples))
}

/// Does the same as [`prepare_sources_with`] where `synthesize` returns, with the samples, what is known of them for
/// `label`.
///
/// # Errors
/// Those of [`prepare_pseudo_labelled_sources`].
pub fn prepare_synthesized_sources<T>(
    options: &PrepareOptions,
    info: impl Into<CacheInfo>,
    sources: &[Source],
    synthesize: impl Fn(&Source) -> std::result::Result<(Vec<f32>, T), String> + Sync,
    label: impl Fn(&Source, &[f32], &T) -> Result<LabelOutcome> + Sync,
) -> Result<PrepareSummary> {
    process(options, info.into(), sources, |source| {
        Ok(match synthesize(source) {
            Ok((samples, known)) => match label(source, &samples, &known)? {
                LabelOutcome::Labelled(labels) => Prepared::Track(TrackAudio::of(&samples), labels),
                LabelOutcome::Skipped(reason) => Prepared::Skipped(reason),
            },
            Err(reason) => Prepared::Skipped(reason),
        })
    })
}

/// Decodes sources whose labels the data set has into a cache, in bounded memory.
///
/// # Errors
/// Those of [`prepare_pseudo_labelled_sources`].
pub fn prepare_labelled_sources(
    options: &PrepareOptions,
    info: impl Into<CacheInfo>,
    sources: &[Source],
) -> Result<PrepareSummary> {
    process(options, info.into(), sources, |source| {
        let Some(labels) = source.labels.clone() else {
            return Ok(Prepared::Skipped("the data set has no labels for it".into()));
        };
        let mut audio = TrackAudio::new(&options.cache);
        let decoded = decode(options, source, Notices::Printed, |samples| {
            audio.push(samples).map_err(TrainerError::file(&options.cache))
        })?;
        Ok(match decoded {
            Ok(()) => Prepared::Track(audio, Labels::Clip(labels)),
            Err(reason) => Prepared::Skipped(reason),
        })
    })
}

/// What is made of a source.
enum Prepared {
    Track(TrackAudio, Labels),
    /// The reason why it is skipped.
    Skipped(String),
}

/// Adds to a cache what `prepare` makes of each source of this shard that is not in it.
fn process(
    options: &PrepareOptions,
    info: CacheInfo,
    sources: &[Source],
    prepare: impl Fn(&Source) -> Result<Prepared> + Sync,
) -> Result<PrepareSummary> {
    let shard = options.shard;
    let writer = PartWriter::open(&options.cache, &info, shard.number, shard.count)?;
    let selected = shard.select(sources.iter().collect());
    let (done, missing): (Vec<&Source>, Vec<&Source>) =
        selected.into_iter().partition(|source| writer.contains(&source.name));
    let bar = progress_bar(done.len() + missing.len(), done.len(), "recordings");
    let writer = Mutex::new(writer);
    parallel::map(&missing, options.jobs, |source| {
        let prepared = prepare(source)?;
        let file_hash = source.path.as_deref().and_then(|path| reproducible::hash_file(path).ok());
        let mut writer = writer.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let written = match prepared {
            Prepared::Track(audio, labels) => writer.add_track(source, audio, labels, file_hash),
            Prepared::Skipped(reason) => writer.skip(&source.name, &reason),
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

/// Decodes the file of a source to mono samples at the sample rate of the cache: all of them in memory, or the reason
/// why it is skipped.
fn decode_whole(options: &PrepareOptions, source: &Source) -> std::result::Result<Vec<f32>, String> {
    let mut samples = Vec::new();
    let take = |block: &[f32]| {
        samples.extend_from_slice(block);
        Ok::<_, Infallible>(())
    };
    let Ok(decoded) = decode(options, source, Notices::Printed, take);
    decoded.map(|()| samples)
}

/// Decodes the file of a source and passes its samples to `take`, mono at the sample rate of the cache. Decoding ends
/// with the maximum length. The result within is the reason why it is skipped.
///
/// # Errors
/// That of `take`.
fn decode<E>(
    options: &PrepareOptions,
    source: &Source,
    notices: Notices,
    mut take: impl FnMut(&[f32]) -> std::result::Result<(), E>,
) -> std::result::Result<std::result::Result<(), String>, E> {
    let PrepareOptions { min_seconds, max_seconds, .. } = options;
    let Some(path) = source.path.as_deref() else { return Ok(Err("it has no audio file".into())) };
    let mut stream = match MonoStream::open(path, SAMPLE_RATE, notices) {
        Ok(stream) => stream,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut rest = max_seconds.map_or(usize::MAX, |seconds| (seconds * f64::from(SAMPLE_RATE)) as usize);
    while rest > 0 || stream.seconds() < *min_seconds {
        let Some(block) = stream.next_block() else { break };
        let block = &block[..block.len().min(rest)];
        rest -= block.len();
        take(block)?;
    }
    let seconds = stream.seconds();
    if seconds < *min_seconds {
        return Ok(Err(format!("only {seconds:.1} s long, at least {min_seconds} s are required")));
    }
    Ok(Ok(()))
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
