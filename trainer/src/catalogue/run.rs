//! A run over a catalogue: what is missing, failed or changed, in the order of its partitions.

use super::dataset::{Dataset, MAX_PARTITIONS, Settings, name_hash, partitions_for};
use super::entry::{CatalogueEntry, Cataloguer, KnownTrack, RowKind};
use super::inputs::Inputs;
use super::location::Location;
use super::rows::RowSchema;
use crate::error::{Result, TrainerError};
use crate::files;
use crate::parallel;
use crate::prepare::shard::Shard;
use crate::progress::CatalogueBars;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};
use tagvane_engine::Background;

/// Time after which the rows of a partition that is not complete are written, too.
const FLUSH: Duration = Duration::from_secs(60);

/// Entries that may wait for the one before them, by threads and by what a row is.
const TRACKS_AHEAD: usize = 128;
const WINDOWS_AHEAD: usize = 4;

/// From so many partitions a shard on, shards are about as large if each has partitions of its own.
const PARTITIONS_PER_SHARD: usize = 8;

/// What a run did.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct RunSummary {
    /// Recordings that were tagged.
    pub tagged: usize,
    /// Seconds of them.
    pub seconds: f64,
    /// Recordings that are in the catalogue as they are.
    pub unchanged: usize,
    /// Recordings and inputs that failed.
    pub failed: usize,
}

/// What became of a recording.
enum Outcome {
    Unchanged,
    Made(Box<CatalogueEntry>),
    /// It cannot be read, but has a row of an earlier run, which stays.
    Kept(String),
    /// Its partition cannot be read.
    Lost(String),
}

/// A recording that a run looks at.
struct Task {
    partition: usize,
    location: Location,
    /// The row that it has, or why that is not known.
    known: std::result::Result<Option<KnownTrack>, String>,
}

/// What a run writes where, and on how many threads.
pub struct CatalogueRun<'a> {
    /// What makes the entries.
    pub cataloguer: &'a Cataloguer<'a>,
    /// The model's file.
    pub model: &'a Path,
    /// The folder, or the prefix in a store.
    pub output: &'a Location,
    /// The part of the recordings that this run looks at.
    pub shard: Shard,
    /// Number of partitions of a new catalogue; `None` chooses one.
    pub partitions: Option<usize>,
    /// Number of threads.
    pub jobs: usize,
    /// Whether failures are printed, and progress shown.
    pub is_quiet: bool,
}

impl CatalogueRun<'_> {
    /// Tags the recordings that are missing in the catalogue, failed before or have changed. A recording that fails has a row
    /// with a sentence.
    ///
    /// # Errors
    /// [`TrainerError`] where the model or the catalogue cannot be read or written; what was written before is complete.
    pub fn run(&self, inputs: Inputs) -> Result<RunSummary> {
        let dataset = self.open(inputs.locations.len())?;
        let by_partition = dataset.partitions().is_multiple_of(self.shard.count)
            || dataset.partitions() >= PARTITIONS_PER_SHARD * self.shard.count;
        let mut tasks: Vec<(usize, Location)> =
            inputs.locations.into_iter().map(|location| (dataset.partition(&location), location)).collect();
        tasks.retain(|(partition, location)| {
            let number = if by_partition { *partition } else { (name_hash(location) >> 32) as usize };
            number % self.shard.count == self.shard.number - 1
        });
        tasks.sort_unstable();
        tasks.dedup();
        let bars = CatalogueBars::new(tasks.len(), self.is_quiet);
        let mut summary = RunSummary::default();
        for error in inputs.errors.iter().filter(|_| self.shard.number == 1) {
            summary.failed += 1;
            bars.print(error);
        }
        let mut writer = PartitionWriter::new(&dataset);
        let tasks = with_known(&dataset, tasks);
        let ahead = match self.cataloguer.rows() {
            RowKind::Track => TRACKS_AHEAD,
            RowKind::Window => WINDOWS_AHEAD,
        };
        let mut lost = None;
        parallel::map_in_order(
            tasks,
            self.jobs,
            ahead * self.jobs,
            |task| self.work(task),
            |(partition, outcome)| {
                match outcome {
                    Outcome::Unchanged => summary.unchanged += 1,
                    Outcome::Kept(error) => {
                        summary.failed += 1;
                        bars.print(&error);
                    }
                    Outcome::Lost(error) => {
                        summary.failed += 1;
                        // Once for all its recordings.
                        if lost.replace(partition) != Some(partition) {
                            bars.print(&error);
                        }
                    }
                    Outcome::Made(entry) => {
                        match &entry.result {
                            Ok(tags) => {
                                summary.tagged += 1;
                                summary.seconds += tags.seconds;
                            }
                            Err(error) => {
                                summary.failed += 1;
                                bars.print_failure(error);
                            }
                        }
                        writer.add(partition, *entry)?;
                    }
                }
                bars.update(summary.seconds, summary.failed);
                writer.flush_late()
            },
        )?;
        writer.flush()?;
        bars.finish();
        Ok(summary)
    }

    /// Opens the catalogue for this number of recordings.
    fn open(&self, recordings: usize) -> Result<Dataset> {
        let (tagger, rows) = (self.cataloguer.tagger(), self.cataloguer.rows());
        let sha256 = files::sha256_file(self.model)?;
        let has_embedding = tagger.gives_embeddings();
        let schema = RowSchema::new(rows, tagger.tags(), has_embedding, &sha256, self.metadata(&sha256));
        let wanted = self.partitions.map(|partitions| partitions.min(MAX_PARTITIONS));
        let partitions = wanted.unwrap_or(partitions_for(rows, recordings, self.shard.count));
        let settings = Settings { rows, hop: tagger.hop(), embedding: has_embedding, partitions };
        let dataset = Dataset::open(self.output, &sha256, schema, &settings, self.cataloguer.stores())?;
        match (wanted, dataset.partitions()) {
            (Some(wanted), found) if wanted != found => Err(TrainerError::Request(format!(
                "--partitions {wanted}: the catalogue in {} has {found}; leave it out, or give another folder",
                self.output
            ))),
            _ => Ok(dataset),
        }
    }

    /// What each Parquet file says of the model, its card among it.
    fn metadata(&self, sha256: &str) -> BTreeMap<String, String> {
        let tagger = self.cataloguer.tagger();
        let name = self.model.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut metadata = BTreeMap::from([
            ("tagvane.model".to_owned(), name),
            ("tagvane.model_sha256".to_owned(), sha256.to_owned()),
            ("tagvane.hop_seconds".to_owned(), tagger.hop().to_string()),
            ("tagvane.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        if let Ok(card) = std::fs::read_to_string(self.model.with_extension("md")) {
            metadata.insert("tagvane.model_card".to_owned(), card);
        }
        for (key, value) in tagger.model().metadata().to_properties() {
            // Tens of thousands of numbers for tags of a user's own.
            if key != Background::PROPERTY {
                metadata.insert(format!("tagvane.model.{key}"), value);
            }
        }
        metadata
    }

    fn work(&self, task: Task) -> (usize, Outcome) {
        let Task { partition, location, known } = task;
        let outcome = match known {
            Err(error) => Outcome::Lost(error),
            Ok(Some(known)) if !known.has_failed => match self.cataloguer.is_unchanged(&location, &known) {
                Ok(true) => Outcome::Unchanged,
                Ok(false) => self.make(location),
                Err(error) => Outcome::Kept(error.to_string()),
            },
            Ok(_) => self.make(location),
        };
        (partition, outcome)
    }

    fn make(&self, location: Location) -> Outcome {
        Outcome::Made(Box::new(self.cataloguer.entry(location, |_, _| {})))
    }
}

/// The rows of a partition by the names of their recordings, or why it cannot be read.
type KnownTracks = std::result::Result<HashMap<String, KnownTrack>, String>;

/// The recordings with their rows. Each partition is read when its first recording is reached.
fn with_known(dataset: &Dataset, tasks: Vec<(usize, Location)>) -> impl Iterator<Item = Task> {
    let mut current: Option<(usize, KnownTracks)> = None;
    tasks.into_iter().map(move |(partition, location)| {
        let known = match &mut current {
            Some((number, known)) if *number == partition => known,
            _ => {
                let known = dataset.known(partition).map_err(|error| error.to_string());
                &mut current.insert((partition, known)).1
            }
        };
        let known = match known {
            Ok(known) => Ok(known.remove(&location.to_string())),
            Err(error) => Err(error.clone()),
        };
        Task { partition, location, known }
    })
}

/// Collects the entries of a partition.
struct PartitionWriter<'a> {
    dataset: &'a Dataset,
    partition: usize,
    entries: Vec<CatalogueEntry>,
    flushed: Instant,
}

impl<'a> PartitionWriter<'a> {
    fn new(dataset: &'a Dataset) -> Self {
        Self { dataset, partition: 0, entries: Vec::new(), flushed: Instant::now() }
    }

    /// Adds an entry, and writes the partition before if this is another one.
    fn add(&mut self, partition: usize, entry: CatalogueEntry) -> Result<()> {
        if partition != self.partition {
            self.flush()?;
            self.partition = partition;
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Writes what has waited long.
    fn flush_late(&mut self) -> Result<()> {
        if self.flushed.elapsed() < FLUSH { Ok(()) } else { self.flush() }
    }

    /// Writes what there is.
    fn flush(&mut self) -> Result<()> {
        self.flushed = Instant::now();
        if self.entries.is_empty() {
            return Ok(());
        }
        self.dataset.add(self.partition, &self.entries)?;
        self.entries.clear();
        Ok(())
    }
}
