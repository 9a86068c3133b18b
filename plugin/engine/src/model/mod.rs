//! A tagger, read from an ONNX file and run by tract.

mod bounds;
mod check;
mod full;
mod hearing;
mod metadata;
mod output;
mod sliding;
mod wire;

pub use hearing::Hearing;
pub use metadata::{FORMAT, Metadata};

use full::FullWindows;
use prost::Message as _;
use sliding::Sliding;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Weak};
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::TractError;

/// The rate that every shipped model listens at, and that one without metadata is
/// assumed to, in hertz.
pub const SAMPLE_RATE: u32 = 22_050;

/// Samples between two windows of a model that is run by full windows: ten a second at
/// [`SAMPLE_RATE`]. A 3^9 network slides by as many.
const HOP: usize = 2_187;

/// The most tags a model may have.
pub const MAX_TAGS: usize = 1_024;

/// Why a model file cannot be used; the text is one sentence for a person, to be
/// read after the file's name and a colon.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("the model file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file is longer than any tagger.
    #[error("the model file is too large (at most 64 MB are allowed)")]
    TooLarge,
    /// The bytes are no ONNX model, or end early.
    #[error("this is no ONNX model, or it is cut off; export it again")]
    NotOnnx,
    /// It is an ONNX model, and not one that can be run here.
    #[error("this model cannot be used: {0}")]
    Refused(String),
    /// It was accepted and failed while running.
    #[error("the model failed while running: {0}")]
    Failed(String),
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Inference {
    /// By exact sliding steps: only what is new is computed. For m^n networks.
    Sliding,
    /// Every window as a whole. For any other model.
    FullWindows,
}

/// A loaded tagger. Cloning is cheap: the plan and the weights are shared.
#[derive(Clone)]
pub struct Model(Arc<Inner>);

struct Inner {
    way: Way,
    metadata: Metadata,
    window: usize,
    hop: usize,
    /// The numbers of the output have yet to go through the sigmoid.
    is_logits: bool,
}

enum Way {
    Sliding(Sliding),
    Full(FullWindows),
}

/// A handle of a model that does not keep it.
pub(crate) struct WeakModel(Weak<Inner>);

impl WeakModel {
    /// The model, if somebody still uses it.
    pub(crate) fn upgrade(&self) -> Option<Model> {
        self.0.upgrade().map(Model)
    }
}

impl Model {
    /// Reads a model file of at most 64 MB, as [`with`](Self::with) does.
    ///
    /// # Errors
    /// [`ModelError`], whose text does not repeat the path.
    pub fn open(path: &Path, inference: Inference) -> Result<Self, ModelError> {
        Self::with(&Self::read(path)?, inference, None)
    }

    /// Reads a model from the bytes of an ONNX file. It is run by sliding steps where
    /// it is an m^n network, else by full windows.
    ///
    /// The model has one float input, `[batch, window]` or `[batch, 1, window]`, and
    /// gives probabilities or logits `[batch, tags]`: as the output named `probabilities`, as the
    /// one that is as wide as the tags that its metadata names, or as the only one. Logits go
    /// through the sigmoid. No path that the file names is opened, and a panic while reading it is
    /// an error like any other.
    ///
    /// # Errors
    /// [`ModelError`] where any of that does not hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::with(bytes, Inference::Sliding, None)
    }

    /// The bytes of a model file, at most as many as are allowed.
    pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
        // Asked before it is opened: a pipe would have its reader wait.
        if !std::fs::metadata(path)?.is_file() {
            return Err(ModelError::Refused("it is not a file".into()));
        }
        let file = std::fs::File::open(path)?;
        // A file may grow, or hold more than it says: one byte too many is enough to know.
        let mut bytes = Vec::new();
        file.take(check::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// As [`from_bytes`](Self::from_bytes), run by full windows where `inference` says
    /// so, and with windows `hop` samples apart: for an m^n network a product of the
    /// lengths of its first layers, at least of two of them.
    ///
    /// # Errors
    /// [`ModelError`] as there, and where the network cannot slide by that hop.
    pub fn with(bytes: &[u8], inference: Inference, hop: Option<usize>) -> Result<Self, ModelError> {
        if bytes.len() > check::MAX_BYTES {
            return Err(ModelError::TooLarge);
        }
        wire::check(bytes)?;
        let proto = ModelProto::decode(bytes).map_err(|_| ModelError::NotOnnx)?;
        catch_unwind(AssertUnwindSafe(|| build(proto, inference, hop)))
            .unwrap_or_else(|_| Err(ModelError::Refused("its graph makes no sense".into())))
    }

    /// A handle that does not keep the model.
    pub(crate) fn downgrade(&self) -> WeakModel {
        WeakModel(Arc::downgrade(&self.0))
    }

    /// The tags, in the order of the probabilities: the model's own, or `tag 1`,
    /// `tag 2`, … for those it does not name.
    pub fn tags(&self) -> &[String] {
        &self.0.metadata.tags
    }

    /// The window, in samples.
    pub fn window(&self) -> usize {
        self.0.window
    }

    /// Samples from one window to the next when it listens.
    pub fn hop(&self) -> usize {
        self.0.hop
    }

    /// How it is run.
    pub fn inference(&self) -> Inference {
        match self.0.way {
            Way::Sliding(_) => Inference::Sliding,
            Way::Full(_) => Inference::FullWindows,
        }
    }

    /// The rate the window is expected at, in hertz: what the metadata says, or
    /// [`SAMPLE_RATE`].
    pub fn sample_rate(&self) -> u32 {
        self.0.metadata.sample_rate.unwrap_or(SAMPLE_RATE)
    }

    /// Whether [`sample_rate`](Self::sample_rate) is assumed, since the file does not tell it.
    pub fn is_sample_rate_assumed(&self) -> bool {
        self.0.metadata.sample_rate.is_none()
    }

    /// What the model says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// The probability of every tag, each in 0..=1, for one window of mono samples in
    /// -1..1 at [`sample_rate`](Self::sample_rate). Allocates: not for the audio
    /// thread. For windows that follow one another a [`Hearing`] is faster; for others, a
    /// model that is run by full windows.
    ///
    /// # Errors
    /// [`ModelError::Failed`] where the window has another length, the graph cannot
    /// run, or its answer is not one number a tag.
    pub fn probabilities(&self, window: &[f32]) -> Result<Vec<f32>, ModelError> {
        if window.len() != self.window() {
            let (got, wanted) = (window.len(), self.window());
            return Err(ModelError::Failed(format!("it takes {wanted} samples and was given {got}")));
        }
        let mut hearing = Hearing::new(self.clone());
        hearing.catch_up(window)?;
        hearing.probabilities(window)
    }
}

/// From a decoded file to a model, every promise checked on the way.
fn build(proto: ModelProto, inference: Inference, hop: Option<usize>) -> Result<Model, ModelError> {
    let graph = check::check(&proto)?;
    let shape = check::waveform(graph)?;
    let window = shape[shape.len() - 1];
    let mut metadata = Metadata::of(&proto);
    metadata.sample_rate = metadata.sample_rate.filter(|rate| crate::resample::RATES.contains(&f64::from(*rate)));

    let (named, several) = (metadata.tags.len(), graph.output.len() > 1);
    let output = output::choose(graph, named)?;
    let rate = metadata.sample_rate.unwrap_or(SAMPLE_RATE);
    let slides = inference == Inference::Sliding;
    let sliding = if slides { Sliding::of(&proto, &output, window, rate, hop) } else { None };
    let (way, tags, hop) = match (sliding, hop) {
        (Some(sliding), _) => {
            let (tags, hop) = (sliding.tags(), sliding.hop());
            (Way::Sliding(sliding), tags, hop)
        }
        (None, Some(hop)) if slides => {
            return Err(ModelError::Refused(format!("it cannot slide by {hop} samples")));
        }
        (None, hop) => {
            let full = FullWindows::of(proto, &shape, &output.name)?;
            let tags = full.tags();
            (Way::Full(full), tags, hop.unwrap_or(HOP))
        }
    };
    if !(1..=MAX_TAGS).contains(&tags) {
        return Err(ModelError::Refused(format!("it has {tags} tags; at most {MAX_TAGS} are allowed")));
    }
    if several && named > 0 && tags != named {
        return Err(ModelError::Refused(format!("it names {named} tags, and none of its outputs is as wide")));
    }
    metadata.tags.resize(tags, String::new());
    for (index, tag) in metadata.tags.iter_mut().enumerate().filter(|(_, tag)| tag.trim().is_empty()) {
        *tag = format!("tag {}", index + 1);
    }
    Ok(Model(Arc::new(Inner { way, metadata, window, hop, is_logits: output.is_logits })))
}

/// The innermost cause of a tract error, as one short line.
fn one_line(error: &TractError) -> String {
    let text = error.root_cause().to_string();
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}
