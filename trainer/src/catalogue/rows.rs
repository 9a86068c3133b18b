//! What the catalogue says of a recording, as rows of Arrow.

use super::entry::{CatalogueEntry, RowKind};
use crate::tagging::make_unique;
use arrow_array::builder::TimestampMillisecondBuilder;
use arrow_array::builder::{Float32Builder, Float64Builder, Int64Builder, ListBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The columns beside those of the tags. A tag with such a name is numbered, and so is one called as the folders of models are.
const COLUMNS: [&str; 12] = [
    "path",
    "sha256",
    "size",
    "modified",
    "model_sha256",
    "seconds",
    "start",
    "end",
    "error",
    "notice",
    "embedding",
    "model",
];

/// The columns of a catalogue.
#[derive(Debug, Clone)]
pub(crate) struct RowSchema {
    kind: RowKind,
    model_sha256: String,
    schema: SchemaRef,
    metadata: BTreeMap<String, String>,
    tags: usize,
    has_embedding: bool,
}

impl RowSchema {
    /// The columns for a model with these tags. `metadata` goes into every file.
    pub(crate) fn new(
        kind: RowKind,
        tags: &[String],
        has_embedding: bool,
        model_sha256: &str,
        metadata: BTreeMap<String, String>,
    ) -> Self {
        let optional = |name: &str, kind: DataType| Field::new(name, kind, true);
        let mut fields = vec![
            Field::new("path", DataType::Utf8, false),
            optional("sha256", DataType::Utf8),
            optional("size", DataType::Int64),
            optional("modified", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))),
            Field::new("model_sha256", DataType::Utf8, false),
            optional("seconds", DataType::Float64),
        ];
        if kind == RowKind::Window {
            fields.extend(["start", "end"].map(|name| optional(name, DataType::Float64)));
        }
        fields.extend(["error", "notice"].map(|name| optional(name, DataType::Utf8)));
        if has_embedding {
            fields.push(optional("embedding", DataType::List(Arc::new(Field::new("item", DataType::Float32, true)))));
        }
        let maxima = tags.iter().filter(|_| kind == RowKind::Track).map(|tag| format!("{tag} max"));
        let names = COLUMNS.iter().map(|name| (*name).to_owned()).chain(tags.iter().cloned()).chain(maxima);
        let names = make_unique(names, str::to_owned);
        fields.extend(names.iter().skip(COLUMNS.len()).map(|name| optional(name, DataType::Float32)));
        let (schema, model_sha256) = (Arc::new(Schema::new(fields)), model_sha256.to_owned());
        Self { kind, model_sha256, schema, metadata, tags: tags.len(), has_embedding }
    }

    /// The columns.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What each file says of itself.
    pub(crate) fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The rows of recordings.
    ///
    /// # Errors
    /// [`ArrowError`] where a recording has other tags.
    pub(crate) fn rows(&self, entries: &[CatalogueEntry]) -> Result<RecordBatch, ArrowError> {
        let mut columns = Columns::new(self);
        for entry in entries {
            match (&entry.result, self.kind) {
                (Err(error), _) => columns.push(entry, None, Some(error), None, &[], None),
                (Ok(tags), RowKind::Track) => {
                    let values: Vec<f32> = tags.mean.iter().chain(&tags.maxima).copied().collect();
                    columns.push(entry, Some(tags.seconds), None, None, &values, tags.embedding.as_deref());
                }
                (Ok(tags), RowKind::Window) => {
                    for window in &tags.windows {
                        let span = Some((window.start, window.end));
                        let embedding = Some(window.embedding.as_slice()).filter(|values| !values.is_empty());
                        columns.push(entry, Some(tags.seconds), None, span, &window.probabilities, embedding);
                    }
                }
            }
        }
        RecordBatch::try_new(self.schema.clone(), columns.finish())
    }
}

/// Columns that are filled row by row.
struct Columns<'a> {
    schema: &'a RowSchema,
    path: StringBuilder,
    sha256: StringBuilder,
    size: Int64Builder,
    modified: TimestampMillisecondBuilder,
    model_sha256: StringBuilder,
    seconds: Float64Builder,
    spans: [Float64Builder; 2],
    error: StringBuilder,
    notice: StringBuilder,
    embedding: ListBuilder<Float32Builder>,
    values: Vec<Float32Builder>,
}

impl<'a> Columns<'a> {
    fn new(schema: &'a RowSchema) -> Self {
        let values = if schema.kind == RowKind::Track { 2 * schema.tags } else { schema.tags };
        Self {
            schema,
            path: StringBuilder::new(),
            sha256: StringBuilder::new(),
            size: Int64Builder::new(),
            modified: TimestampMillisecondBuilder::new().with_timezone("UTC"),
            model_sha256: StringBuilder::new(),
            seconds: Float64Builder::new(),
            spans: Default::default(),
            error: StringBuilder::new(),
            notice: StringBuilder::new(),
            embedding: ListBuilder::new(Float32Builder::new()),
            values: (0..values).map(|_| Float32Builder::new()).collect(),
        }
    }

    fn push(
        &mut self,
        entry: &CatalogueEntry,
        seconds: Option<f64>,
        error: Option<&String>,
        span: Option<(f64, f64)>,
        values: &[f32],
        embedding: Option<&[f32]>,
    ) {
        self.path.append_value(entry.location.to_string());
        self.sha256.append_option(entry.sha256.as_deref());
        self.size.append_option(entry.stamp.map(|stamp| stamp.size));
        self.modified.append_option(entry.stamp.and_then(|stamp| stamp.modified));
        self.model_sha256.append_value(&self.schema.model_sha256);
        self.seconds.append_option(seconds);
        let [start, end] = &mut self.spans;
        start.append_option(span.map(|(start, _)| start));
        end.append_option(span.map(|(_, end)| end));
        self.error.append_option(error);
        self.notice.append_option(entry.notice.as_deref());
        if let Some(embedding) = embedding {
            self.embedding.values().append_slice(embedding);
        }
        self.embedding.append(embedding.is_some());
        self.values.iter_mut().enumerate().for_each(|(index, column)| column.append_option(values.get(index).copied()));
    }

    /// The columns in the order of the schema.
    fn finish(mut self) -> Vec<ArrayRef> {
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.path.finish()),
            Arc::new(self.sha256.finish()),
            Arc::new(self.size.finish()),
            Arc::new(self.modified.finish()),
            Arc::new(self.model_sha256.finish()),
            Arc::new(self.seconds.finish()),
        ];
        if self.schema.kind == RowKind::Window {
            arrays.extend(self.spans.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        }
        arrays.push(Arc::new(self.error.finish()));
        arrays.push(Arc::new(self.notice.finish()));
        if self.schema.has_embedding {
            arrays.push(Arc::new(self.embedding.finish()));
        }
        arrays.extend(self.values.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        arrays
    }
}
