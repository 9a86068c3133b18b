//! Tags of a user's own, taught to a model by a list of spans, as the plug-in teaches them.

use crate::audio::decode_mono;
use crate::error::{Result, TrainerError};
use crate::files::sha256;
use csv::StringRecord;
use std::path::{Path, PathBuf};
use tagvane_engine::teaching::{Confidence, Lesson, MarkedSpan, Mine};
use tagvane_engine::{InferenceMode, Model, StreamState, to_steps};

/// The columns of a list.
const COLUMNS: [&str; 5] = ["file", "start", "end", "tag", "is"];

/// A span of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedSpan {
    /// The audio file.
    pub file: PathBuf,
    /// Start and end, in seconds.
    pub seconds: (f64, f64),
    /// The tag.
    pub tag: String,
    /// Whether it is an example of the tag, in contrast to a counterexample.
    pub is_example: bool,
}

/// Reads a list of spans: a CSV file with the columns `file`, relative to its folder, `start` and `end` in seconds, `tag`,
/// and `is`, which is `yes` or `no`.
///
/// # Errors
/// [`TrainerError`], which names the line, where the list is malformed.
pub fn read_spans(path: &Path) -> Result<Vec<ListedSpan>> {
    let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
    let fail = |what: String| TrainerError::content(path, what);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
    let header = reader.headers().map_err(|error| fail(error.to_string()))?.clone();
    let column = |name: &str| {
        let found = header.iter().position(|other| other == name);
        found.ok_or_else(|| fail(format!("there is no column {name}; a list has {}", COLUMNS.join(", "))))
    };
    let [file, start, end, tag, is] = COLUMNS.map(column);
    let (file, start, end, tag, is) = (file?, start?, end?, tag?, is?);
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut spans = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| fail(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let fail = |what: &str| fail(format!("line {line}: {what}"));
        let seconds = |column| cell(&record, column).parse::<f64>().ok().filter(|seconds| (0.0..1e6).contains(seconds));
        let (Some(from), Some(to)) = (seconds(start), seconds(end)) else {
            return Err(fail("start and end are seconds, such as 12.5"));
        };
        if from >= to {
            return Err(fail("the span ends before it starts; exchange start and end"));
        }
        let is_example = match cell(&record, is).to_lowercase().as_str() {
            "yes" | "1" | "true" => true,
            "no" | "0" | "false" => false,
            _ => return Err(fail("the column is has yes or no")),
        };
        let (file, tag) = (cell(&record, file), cell(&record, tag));
        if file.is_empty() || tag.is_empty() {
            return Err(fail("a span needs a file and a tag"));
        }
        spans.push(ListedSpan { file: folder.join(file), seconds: (from, to), tag: tag.into(), is_example });
    }
    if spans.is_empty() { Err(fail("there is no span in it".into())) } else { Ok(spans) }
}

fn cell(record: &StringRecord, column: usize) -> &str {
    record.get(column).unwrap_or_default()
}

/// Tags of a user's own, and how well each tells its spans apart.
pub struct Taught {
    /// The tags.
    pub mine: Mine,
    /// In the order of the tags.
    pub confidences: Vec<Confidence>,
}

/// A model to which tags can be taught.
struct TeachableModel {
    model: Model,
    /// The SHA-256 of its file.
    hash: String,
}

impl TeachableModel {
    fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
        let model = Model::with(&bytes, InferenceMode::Sliding, None)
            .map_err(|error| TrainerError::content(path, error.to_string()))?;
        let size = model.metadata().background.size();
        if size == 0 || size != model.embedding_size() {
            let what = "no tags can be taught to it: it has no whitened embedding; add one with make-teachable";
            return Err(TrainerError::content(path, what));
        }
        Ok(Self { model, hash: sha256(&bytes) })
    }

    /// Learns all tags from their spans.
    fn learn(&self, mut mine: Mine) -> Taught {
        let background = &self.model.metadata().background;
        let learned: Vec<Lesson> = mine
            .lessons()
            .iter()
            .map(|lesson| Lesson { function: lesson.learn(background), ..lesson.clone() })
            .collect();
        learned.iter().for_each(|lesson| mine.set_learned(lesson));
        let confidences = learned.iter().map(|lesson| lesson.confidence(background)).collect();
        Taught { mine, confidences }
    }
}

/// Teaches tags to the model in a file, by these spans.
///
/// # Errors
/// [`TrainerError`] where nothing can be taught to the model, a recording cannot be decoded, or a span has no audio.
pub fn teach(model_file: &Path, spans: &[ListedSpan]) -> Result<Taught> {
    let teachable = TeachableModel::open(model_file)?;
    let mut mine = Mine::default();
    let mut decoded: Option<(&Path, Vec<f32>)> = None;
    for span in spans {
        if decoded.as_ref().is_none_or(|(file, _)| *file != span.file) {
            decoded = Some((&span.file, decode_mono(&span.file, teachable.model.sample_rate())?));
        }
        let samples = decoded.as_ref().map_or(&[][..], |(_, samples)| samples);
        let marked = mark(&teachable.model, samples, span)?;
        let add = mine.mark(&span.tag, &teachable.hash, marked);
        add.map_err(|why| TrainerError::content(&span.file, why))?;
    }
    Ok(teachable.learn(mine))
}

/// Learns the tags of a file of the plug-in's window again, by their spans.
///
/// # Errors
/// [`TrainerError`] where nothing can be taught to the model, the file has no taught tags, or they belong to another model.
pub fn learn_again(model_file: &Path, mine_file: &Path) -> Result<Taught> {
    let teachable = TeachableModel::open(model_file)?;
    let bytes = std::fs::read(mine_file).map_err(TrainerError::file(mine_file))?;
    let fail = |what: String| TrainerError::content(mine_file, what);
    let mine = Mine::from_file(&bytes).map_err(fail)?;
    if let Some(lesson) = mine.lessons().iter().find(|lesson| lesson.model != teachable.hash) {
        let what = format!("the tag {} was taught on another model file than {}", lesson.name, model_file.display());
        return Err(fail(format!("{what}; give that one, or mark its spans again")));
    }
    Ok(teachable.learn(mine))
}

/// The embeddings of the windows whose middles are in a span.
fn mark(model: &Model, samples: &[f32], span: &ListedSpan) -> Result<MarkedSpan> {
    let fail = |what: String| TrainerError::content(&span.file, what);
    let failed = |error: tagvane_engine::ModelError| fail(error.to_string());
    let rate = f64::from(model.sample_rate());
    let (window, hop) = (model.window(), model.hop());
    let (start, end) = span.seconds;
    let half = window as f64 / 2.0;
    let hops = |seconds: f64| ((seconds * rate + half) / hop as f64).ceil().max(1.0) as usize;
    let last = (samples.len() / hop).min(hops(end).saturating_sub(1));
    let first = hops(start).max(window.div_ceil(hop));
    let mut state = StreamState::new(model.clone());
    let mut embeddings: Vec<Vec<i8>> = Vec::new();
    for end in first..=last {
        let latest = &samples[end * hop - window.min(end * hop)..end * hop];
        if end == first {
            state.prime(&latest[latest.len() % hop..]).map_err(failed)?;
        } else {
            state.step(latest).map_err(failed)?;
        }
        if latest.len() == window {
            embeddings.push(to_steps(&state.predict(latest).map_err(failed)?.embedding));
        }
    }
    let rows: Vec<&[i8]> = embeddings.iter().map(Vec::as_slice).collect();
    // Places in several recordings are not places in one song.
    MarkedSpan::new(span.is_example, None, end - start, &rows).ok_or_else(|| {
        let (needed, length) = (window as f64 / rate, samples.len() as f64 / rate);
        fail(format!(
            "no window of {needed:.1} s has its middle between {start} s and {end} s of its {length:.1} s; give a longer span"
        ))
    })
}
