//! What the catalogue says of a recording.

use super::location::Location;
use super::source::{Source, Stamp};
use super::stores::Stores;
use crate::audio::{MonoStream, Notices};
use crate::error::{Result, TrainerError, catch_panic};
use crate::tagging::{TaggedRecording, Tagger, WindowPrediction};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// A recording: the mean and the maximum of each tag
    Track,
    /// A window of a recording, with its start and end
    Window,
}

/// The predictions for a recording, as far as its rows need them.
#[derive(Debug)]
pub(crate) struct EntryTags {
    /// Length in seconds.
    pub(crate) seconds: f64,
    /// Mean probability of each tag.
    pub(crate) mean: Vec<f32>,
    /// Maximum probability of each tag.
    pub(crate) maxima: Vec<f32>,
    /// The mean of the embedding, if it was asked for.
    pub(crate) embedding: Option<Vec<f32>>,
    /// The windows; none with [`RowKind::Track`].
    pub(crate) windows: Vec<WindowPrediction>,
}

/// What the catalogue says of a recording.
#[derive(Debug)]
pub(crate) struct CatalogueEntry {
    /// The recording.
    pub(crate) location: Location,
    /// `None` if it could not be opened.
    pub(crate) stamp: Option<Stamp>,
    /// `None` if it could not be read to its end.
    pub(crate) sha256: Option<String>,
    /// What of it was left out or changed, in sentences.
    pub(crate) notice: Option<String>,
    /// The tags, or a sentence.
    pub(crate) result: std::result::Result<EntryTags, String>,
}

/// What an earlier run said of a recording.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct KnownTrack {
    pub(crate) stamp: Option<Stamp>,
    pub(crate) sha256: Option<String>,
    pub(crate) has_failed: bool,
}

/// Tags recordings wherever they are. A recording that cannot be tagged has an entry with a sentence.
pub struct Cataloguer<'a> {
    tagger: &'a Tagger,
    stores: &'a Stores,
    rows: RowKind,
}

impl<'a> Cataloguer<'a> {
    /// Makes entries with the predictions that rows of this kind need.
    pub fn new(tagger: &'a Tagger, stores: &'a Stores, rows: RowKind) -> Self {
        Self { tagger, stores, rows }
    }

    /// What predicts.
    pub fn tagger(&self) -> &'a Tagger {
        self.tagger
    }

    pub(crate) fn stores(&self) -> &'a Stores {
        self.stores
    }

    pub(crate) fn rows(&self) -> RowKind {
        self.rows
    }

    /// Whether a recording is still as it was when its row was made. Its SHA-256 decides where size and time differ.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be read.
    pub(crate) fn is_unchanged(&self, location: &Location, known: &KnownTrack) -> Result<bool> {
        let stamp = Stamp::of(location, self.stores)?;
        if known.stamp == Some(stamp) && stamp.modified.is_some() {
            return Ok(true);
        }
        Ok(known.sha256 == Some(Source::open(location, self.stores)?.sha256(location)?))
    }

    /// Tags a recording, and prints what of it was left out or changed.
    ///
    /// # Errors
    /// [`TrainerError`], which names the recording, where it cannot be read or decoded.
    pub fn tag(&self, location: &Location, on_progress: impl FnMut(f64, Option<f64>)) -> Result<TaggedRecording> {
        let source = Source::open(location, self.stores)?;
        let tag = || {
            let name = location.as_path();
            let mut stream = MonoStream::new(source.audio(location)?, name, self.rate(), Notices::Printed)?;
            self.tagger.tag_stream(name, &mut stream, on_progress)
        };
        let tagged = tag();
        // A source that broke off looks like a file of an unknown kind, or like a shorter one.
        source.check(location)?;
        tagged
    }

    /// Sample rate of the model in hertz.
    fn rate(&self) -> u32 {
        self.tagger.model().sample_rate()
    }

    /// Makes the entry of a recording. `on_progress` gets the seconds that are done, and the length that the file states.
    pub(crate) fn entry(&self, location: Location, on_progress: impl FnMut(f64, Option<f64>)) -> CatalogueEntry {
        let mut entry =
            CatalogueEntry { location, stamp: None, sha256: None, notice: None, result: Err(String::new()) };
        let tagged = catch_panic(|| self.fill(&mut entry, on_progress));
        let panicked = || {
            let what = "decoding it failed in an unexpected way; please report this file";
            Err(TrainerError::content(entry.location.as_path(), what))
        };
        entry.result = tagged.unwrap_or_else(panicked).map_err(|error| error.to_string());
        entry
    }

    fn fill(&self, entry: &mut CatalogueEntry, on_progress: impl FnMut(f64, Option<f64>)) -> Result<EntryTags> {
        let location = &entry.location;
        let source = Source::open(location, self.stores)?;
        entry.stamp = Some(source.stamp);
        let tagged = self.decode(&source, location, on_progress);
        // What cannot be decoded has a hash, too. A source that broke off says so itself.
        entry.sha256 = Some(source.sha256(location)?);
        let (tagged, notice) = tagged?;
        entry.notice = notice;
        Ok(tagged)
    }

    fn decode(
        &self,
        source: &Source,
        location: &Location,
        on_progress: impl FnMut(f64, Option<f64>),
    ) -> Result<(EntryTags, Option<String>)> {
        let name = location.as_path();
        let mut stream = MonoStream::new(source.audio(location)?, name, self.rate(), Notices::Silent)?;
        let tagged = self.tagger.tag_stream(name, &mut stream, on_progress)?;
        let (maxima, embedding) = (tagged.maxima(), tagged.mean_embedding());
        let TaggedRecording { seconds, mean, timeline, .. } = tagged;
        let windows = if self.rows == RowKind::Window { timeline } else { Vec::new() };
        Ok((EntryTags { seconds, mean, maxima, embedding, windows }, stream.notice()))
    }
}
