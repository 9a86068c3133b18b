//! The Parquet files of a catalogue.
//!
//! A catalogue has a folder for each model, `model=` and the first digits of its SHA-256, which readers of data sets know
//! as a column. In it are partitions, `part-00001-of-00004.parquet`, and `_catalogue.json` with what they have in
//! common. Which partition a recording is in follows from the hash of its name, so two runs write it to the same one.

use super::entry::{CatalogueEntry, KnownTrack, RowKind};
use super::folder::Folder;
use super::location::Location;
use super::rows::RowSchema;
use super::source::Stamp;
use super::stores::Stores;
use crate::error::{Result, TrainerError};
use crate::files;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array as _, BooleanArray, RecordBatch, UInt64Array};
use arrow_select::concat::concat_batches;
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take_record_batch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Recordings of a partition, about, by what a row is.
const TRACKS_PER_PARTITION: usize = 4_096;
const TRACKS_PER_WINDOW_PARTITION: usize = 64;

/// The most partitions: their names have five digits.
pub(crate) const MAX_PARTITIONS: usize = 99_999;

/// Digits of a model's hash in the name of its folder.
const HASH_DIGITS: usize = 16;

/// The file with the [`Settings`].
const SETTINGS: &str = "_catalogue.json";

/// What all partitions of a model have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// What a row is.
    pub(crate) rows: RowKind,
    /// Hop between windows in seconds.
    pub(crate) hop: f64,
    /// Whether there is a column with the embedding.
    pub(crate) embedding: bool,
    /// Number of partitions.
    pub(crate) partitions: usize,
}

/// The partitions of one model.
pub(crate) struct Dataset {
    folder: Folder,
    schema: RowSchema,
    partitions: usize,
}

/// The hash that a recording's partition and shard follow from.
pub(crate) fn name_hash(location: &Location) -> u64 {
    xxh3_64(location.to_string().as_bytes())
}

/// The partitions for a number of recordings, as many for each of `shards` shards.
pub(crate) fn partitions_for(kind: RowKind, recordings: usize, shards: usize) -> usize {
    let size = match kind {
        RowKind::Track => TRACKS_PER_PARTITION,
        RowKind::Window => TRACKS_PER_WINDOW_PARTITION,
    };
    let wanted = recordings.div_ceil(size).clamp(1, MAX_PARTITIONS);
    (wanted.div_ceil(shards) * shards).min(MAX_PARTITIONS)
}

impl Dataset {
    /// Opens the partitions of a model in `output`, or begins them with `settings`.
    ///
    /// # Errors
    /// [`TrainerError`] where they cannot be read or created, or were begun with other settings.
    pub(crate) fn open(
        output: &Location,
        model_sha256: &str,
        schema: RowSchema,
        settings: &Settings,
        stores: &Stores,
    ) -> Result<Self> {
        let name = format!("model={}", &model_sha256[..HASH_DIGITS.min(model_sha256.len())]);
        let folder = Folder::open(output, &name, stores)?;
        let path = folder.name(SETTINGS);
        if folder.read(SETTINGS)?.is_none() {
            // Another run may begin it at the same time, and then its settings count.
            folder.update(SETTINGS, |current| match current {
                Some(bytes) => Ok(bytes.to_vec()),
                None => serde_json::to_vec(settings).map_err(|error| TrainerError::content(&path, error.to_string())),
            })?;
        }
        let found = folder.read(SETTINGS)?.unwrap_or_default();
        let found: Settings = files::from_json(&path, &found)?;
        if !(1..=MAX_PARTITIONS).contains(&found.partitions) {
            return Err(TrainerError::content(&path, "its number of partitions is not valid; give another folder"));
        }
        let partitions = found.partitions;
        if (Settings { partitions, ..settings.clone() }) != found {
            let Settings { rows, hop, embedding, .. } = &found;
            let rows = format!("{rows:?}").to_lowercase();
            return Err(TrainerError::content(
                &path,
                format!(
                    "the catalogue was begun with --rows {rows} --hop {hop}{}; give the same, or another folder",
                    if *embedding { " --embedding" } else { "" }
                ),
            ));
        }
        Ok(Self { folder, schema, partitions })
    }

    /// Number of partitions.
    pub(crate) fn partitions(&self) -> usize {
        self.partitions
    }

    /// The partition of a recording, from 0.
    pub(crate) fn partition(&self, location: &Location) -> usize {
        (name_hash(location) % self.partitions as u64) as usize
    }

    fn file_name(&self, partition: usize) -> String {
        format!("part-{:05}-of-{:05}.parquet", partition + 1, self.partitions)
    }

    /// What a partition says of its recordings, by their names.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be read, or has other columns.
    pub(crate) fn known(&self, partition: usize) -> Result<HashMap<String, KnownTrack>> {
        let name = self.file_name(partition);
        let Some(bytes) = self.folder.read(&name)? else { return Ok(HashMap::new()) };
        let batches = self.read(&self.folder.name(&name), bytes, &["path", "sha256", "size", "modified", "error"])?;
        let mut known = HashMap::new();
        for batch in batches {
            let text = |column: usize| batch.column(column).as_string::<i32>();
            let (size, modified) = (
                batch.column(2).as_primitive::<Int64Type>(),
                batch.column(3).as_primitive::<TimestampMillisecondType>(),
            );
            for row in 0..batch.num_rows() {
                let modified = modified.is_valid(row).then(|| modified.value(row));
                let track = KnownTrack {
                    stamp: size.is_valid(row).then(|| Stamp { size: size.value(row), modified }),
                    sha256: text(1).is_valid(row).then(|| text(1).value(row).to_owned()),
                    has_failed: text(4).is_valid(row),
                };
                known.insert(text(0).value(row).to_owned(), track);
            }
        }
        Ok(known)
    }

    /// Adds the rows of recordings to a partition, in the place of rows that it has of them. The rows are sorted by the
    /// names of the recordings.
    ///
    /// # Errors
    /// [`TrainerError`], with the partition as before.
    pub(crate) fn add(&self, partition: usize, entries: &[CatalogueEntry]) -> Result<()> {
        let name = self.file_name(partition);
        let path = self.folder.name(&name);
        let wrong = |error: arrow_schema::ArrowError| TrainerError::content(&path, error.to_string());
        let added = self.schema.rows(entries).map_err(wrong)?;
        let replaced: HashSet<String> = entries.iter().map(|entry| entry.location.to_string()).collect();
        self.folder.update(&name, |current| {
            let mut batches = vec![added.clone()];
            if let Some(bytes) = current {
                for batch in self.read(&path, bytes, &[])? {
                    let names = batch.column(0).as_string::<i32>();
                    let is_kept: BooleanArray =
                        names.iter().map(|name| Some(!name.is_some_and(|name| replaced.contains(name)))).collect();
                    batches.push(filter_record_batch(&batch, &is_kept).map_err(wrong)?);
                }
            }
            self.encode(&batches).map_err(wrong)
        })
    }

    /// Decodes a partition. `columns` are their names; none means all.
    fn read(&self, path: &Path, bytes: Bytes, columns: &[&str]) -> Result<Vec<RecordBatch>> {
        let wrong = |why: &dyn std::fmt::Display| {
            TrainerError::content(
                path,
                format!("this partition cannot be read: {why}; remove it, and the run makes it again"),
            )
        };
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| wrong(&error))?;
        if reader.schema().fields() != self.schema.schema().fields() {
            return Err(wrong(&"it has other columns than this run writes"));
        }
        let reader = if columns.is_empty() {
            reader
        } else {
            let mask = ProjectionMask::columns(reader.parquet_schema(), columns.iter().copied());
            reader.with_projection(mask)
        };
        let reader = reader.build().map_err(|error| wrong(&error))?;
        reader.collect::<std::result::Result<_, _>>().map_err(|error| wrong(&error))
    }

    /// Encodes rows, sorted by the names of the recordings.
    fn encode(&self, batches: &[RecordBatch]) -> std::result::Result<Vec<u8>, arrow_schema::ArrowError> {
        let schema = self.schema.schema();
        // Those of a file have its metadata.
        let batches: Vec<RecordBatch> = batches
            .iter()
            .map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()))
            .collect::<std::result::Result<_, _>>()?;
        let all = concat_batches(schema, &batches)?;
        let names = all.column(0).as_string::<i32>();
        let mut order: Vec<u64> = (0..all.num_rows() as u64).collect();
        // Stable, so the windows of a recording stay in order.
        order.sort_by_key(|row| names.value(*row as usize));
        let sorted = take_record_batch(&all, &UInt64Array::from(order))?;
        let pair = |(key, value): (&String, &String)| KeyValue::new(key.clone(), value.clone());
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("tagvane {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(self.schema.metadata().iter().map(pair).collect()))
            .build();
        let mut writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        writer.write(&sorted)?;
        Ok(writer.into_inner()?)
    }
}
