//! A process that other engines drive: a path a line in, a JSON object a line out.

use super::entry::{CatalogueEntry, Cataloguer, EntryTags, RowKind};
use super::inputs::lines;
use crate::error::{Result, TrainerError};
use crate::parallel;
use crate::tagging::{OrderedMap, WindowPrediction, ranked};
use serde::Serialize;
use std::io::{BufRead, Write};
use std::path::Path;

/// Lines that may wait for the answer before theirs, by threads.
const AHEAD: usize = 16;

/// The answer to a line.
#[derive(Serialize)]
struct Answer<'a> {
    path: String,
    model_sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'a str>,
    #[serde(flatten)]
    tags: Option<AnswerTags<'a>>,
}

#[derive(Serialize)]
struct AnswerTags<'a> {
    seconds: f64,
    mean: OrderedMap<'a>,
    max: OrderedMap<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<&'a [f32]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Timeline<'a>>,
}

/// The windows; their probabilities are in the order of `tags`.
#[derive(Serialize)]
struct Timeline<'a> {
    tags: &'a [String],
    windows: &'a [WindowPrediction],
}

/// Answers each line of `input`, which is a path or an address, with a line of JSON, in the order of the lines and as soon as
/// it is known. Returns how many recordings failed; they are answered with a sentence in `error`.
///
/// # Errors
/// [`TrainerError`] where `input` cannot be read or `output` cannot be written.
pub fn answer_lines(
    cataloguer: &Cataloguer<'_>,
    model_sha256: &str,
    jobs: usize,
    input: impl BufRead + Send,
    mut output: impl Write,
) -> Result<usize> {
    let mut failed = 0;
    parallel::map_in_order(
        lines(input),
        jobs,
        AHEAD * jobs,
        |location| {
            let location = location.map_err(TrainerError::file(Path::new("standard input")))?;
            let entry = cataloguer.entry(location, |_, _| {});
            Ok((answer(cataloguer, model_sha256, &entry)?, entry.result.is_err()))
        },
        |answered: Result<(Vec<u8>, bool)>| {
            let (line, has_failed) = answered?;
            failed += usize::from(has_failed);
            let written = output.write_all(&line).and_then(|()| output.flush());
            written.map_err(TrainerError::file(Path::new("standard output")))
        },
    )?;
    Ok(failed)
}

/// The line that answers with an entry.
fn answer(cataloguer: &Cataloguer<'_>, model_sha256: &str, entry: &CatalogueEntry) -> Result<Vec<u8>> {
    let names = cataloguer.tagger().tags();
    let tags = entry.result.as_ref().ok().map(|tags: &EntryTags| AnswerTags {
        seconds: tags.seconds,
        mean: OrderedMap(ranked(names, &tags.mean)),
        max: OrderedMap(ranked(names, &tags.maxima)),
        embedding: tags.embedding.as_deref(),
        timeline: (cataloguer.rows() == RowKind::Window).then_some(Timeline { tags: names, windows: &tags.windows }),
    });
    let path = entry.location.to_string();
    let error = entry.result.as_ref().err().map(String::as_str);
    let (sha256, notice) = (entry.sha256.as_deref(), entry.notice.as_deref());
    let answer = Answer { path, model_sha256, sha256, error, notice, tags };
    let mut line = serde_json::to_vec(&answer)
        .map_err(|error| TrainerError::content(entry.location.as_path(), error.to_string()))?;
    line.push(b'\n');
    Ok(line)
}
