//! Taggers: loaded from ONNX files, run by tract.

mod background;
mod batch_norm;
mod compute_limits;
mod encoded_size;
mod exporters;
mod full_windows;
mod metadata;
mod output;
pub(crate) mod sidecar;
mod single_precision;
mod sliding;
mod stream_state;
mod validation;

pub use background::{Background, WHITENED_EMBEDDING, to_steps};
pub(crate) use background::{STEPS, decode_steps, encode_steps, from_steps};
pub use batch_norm::ChannelAffine;
pub(crate) use full_windows::FULL_WINDOWS_SHARE;
pub(crate) use metadata::tag_name;
pub use metadata::{MAX_VOCABULARIES, Metadata, VOCABULARY_SEPARATOR, Vocabulary, unnamed_tag};
pub(crate) use sliding::HopChoice;
pub use stream_state::{Prediction, StreamState};

use cpu_time::ThreadTime;
use full_windows::FullWindowPlan;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use sliding::SlidingNetwork;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::TractError;
use validation::InputShape;
pub use validation::WINDOWS;

/// The sample rate of the audio queue and of the shipped models, in hertz. It is assumed for a model
/// whose metadata has none.
pub const SAMPLE_RATE: u32 = 22_050;

/// The hop of a model that is run by full windows, in samples: 0.1 s at [`SAMPLE_RATE`], which is also
/// the hop of a 3^9 network.
const HOP: usize = 2_187;

/// The window that is assumed where neither the file nor anything beside it states one, in seconds: the one of the
/// shipped models.
const ASSUMED_WINDOW: f64 = 59_049.0 / SAMPLE_RATE as f64;

/// The most tags that a model may have.
pub const MAX_TAGS: usize = 1_024;

/// Why a model cannot be used. The text is one sentence for a person, to follow the file's name and a
/// colon.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("the model file cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file is larger than 64 MiB.
    #[error("the model file is too large (at most 64 MiB are allowed); export a smaller model")]
    TooLarge,
    /// The bytes are not an ONNX model, or a truncated one.
    #[error("the file is not an ONNX model, or it is truncated; export it again")]
    NotOnnx,
    /// The ONNX model is not supported.
    #[error("this model cannot be used: {0}")]
    Refused(String),
    /// Inference failed.
    #[error("the model failed while running: {0}")]
    Failed(String),
}

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InferenceMode {
    /// By exact sliding inference: a hop computes only the frames that are new. For m^n networks.
    Sliding,
    /// Every window is computed from the beginning. For any model.
    FullWindows,
}

/// A loaded tagger. Clones are cheap: they share the plan and the weights.
///
/// # Examples
///
/// ```no_run
/// use std::path::Path;
/// use tagvane_engine::{InferenceMode, Model};
///
/// let model = Model::open(Path::new("model.onnx"), InferenceMode::FullWindows)?;
/// let window = vec![0.0; model.window()];
/// for (tag, probability) in model.tags().iter().zip(model.predict(&window)?) {
///     println!("{tag}: {probability:.3}");
/// }
/// # Ok::<(), tagvane_engine::ModelError>(())
/// ```
#[derive(Clone)]
pub struct Model(Arc<LoadedModel>);

struct LoadedModel {
    runtime: Runtime,
    /// What the file says, and what is stated elsewhere in the place of what it lacks.
    metadata: Metadata,
    /// What the file itself says; its window is the length of its input, if that is fixed.
    file_metadata: Metadata,
    /// In samples.
    window: usize,
    /// In samples.
    hop: usize,
    /// Whether the outputs of `runtime` are logits, in contrast to probabilities.
    is_logits: bool,
}

/// What runs a model.
enum Runtime {
    Sliding(Box<SlidingNetwork>),
    FullWindows(FullWindowPlan),
}

/// A handle that does not keep a model loaded.
pub(crate) struct WeakModel(Weak<LoadedModel>);

impl WeakModel {
    /// The model, if it is still loaded.
    pub(crate) fn upgrade(&self) -> Option<Model> {
        self.0.upgrade().map(Model)
    }
}

impl Model {
    /// Loads a model file of at most 64 MiB, as [`with`](Self::with) does. What its metadata lacks is read
    /// from files beside it: `NAME.json`, `NAME.labels.txt`, or Hugging Face's `config.json` and
    /// `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ModelError`] if the file cannot be read or its model cannot be used. The text does not repeat
    /// the path.
    pub fn open(path: &Path, inference: InferenceMode) -> Result<Self, ModelError> {
        Self::load(&Self::read(path)?, inference, HopChoice::Live, sidecar::read(path))
    }

    /// Loads a model file as [`open`](Self::open) does. What its metadata lacks is read from such files in the folder
    /// `sidecars` first, and then from those beside it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_sidecars(path: &Path, inference: InferenceMode, sidecars: &Path) -> Result<Self, ModelError> {
        let stated = sidecar::read(&sidecars.join(path.file_name().unwrap_or_default()));
        Self::load(&Self::read(path)?, inference, HopChoice::Live, stated.or(sidecar::read(path)))
    }

    /// Loads a model file as [`open`](Self::open) does, for windows of recordings that are `hop` seconds apart: for sliding
    /// inference with the longest [`hop`](Self::hop) of which that is a multiple, for example a third of a window. Without
    /// a `hop` it is the longest up to half a window. A model or a hop for which full windows are faster is run by these.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_for_recordings(path: &Path, hop: Option<f64>) -> Result<Self, ModelError> {
        Self::load(&Self::read(path)?, InferenceMode::Sliding, HopChoice::Recording(hop), sidecar::read(path))
    }

    /// Loads a model from the bytes of an ONNX file: an m^n network for sliding inference, any other
    /// for full windows.
    ///
    /// The model has one float input of shape `[window]`, `[batch, window]`, `[batch, 1, window]` or
    /// `[batch, window, 1]`, and an output of shape `[batch, tags]` with probabilities or logits: the output called `probabilities`, the
    /// one whose width is the number of tags in the metadata, or the only one. The sigmoid is applied
    /// to logits. External data is refused, so no other file is opened. A panic of tract is an error.
    ///
    /// # Errors
    /// [`ModelError`] if the bytes are not such a model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::with(bytes, InferenceMode::Sliding, None)
    }

    /// The bytes of a model file; one byte more than the limit if the file is too large.
    pub(crate) fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
        // Before it is opened: opening a pipe would block.
        if !std::fs::metadata(path)?.is_file() {
            return Err(ModelError::Refused("it is not a file".into()));
        }
        let file = std::fs::File::open(path)?;
        // The file's size may be wrong or change, so the limit applies to what is read.
        let mut bytes = Vec::new();
        file.take(validation::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Loads a model as [`from_bytes`](Self::from_bytes) does, for the given inference mode and with a
    /// hop of `hop` samples, from 1 to a window. For sliding inference the hop is a product of the
    /// lengths of the first one or more layers; `None` chooses one.
    ///
    /// # Errors
    /// [`ModelError`] if the bytes are not such a model, or its inference does not support the hop.
    pub fn with(bytes: &[u8], inference: InferenceMode, hop: Option<usize>) -> Result<Self, ModelError> {
        Self::load(bytes, inference, hop.map_or(HopChoice::Live, HopChoice::Samples), Metadata::default())
    }

    /// Does the same as [`with`](Self::with); `stated` has what the metadata of the file may lack.
    pub(crate) fn load(
        bytes: &[u8],
        inference: InferenceMode,
        hop: HopChoice,
        stated: Metadata,
    ) -> Result<Self, ModelError> {
        if bytes.len() > validation::MAX_BYTES {
            return Err(ModelError::TooLarge);
        }
        encoded_size::check(bytes)?;
        let proto = ModelProto::decode(bytes).map_err(|_| ModelError::NotOnnx)?;
        catch_unwind(AssertUnwindSafe(|| build(proto, inference, hop, stated)))
            .unwrap_or_else(|_| Err(ModelError::Refused("reading its graph panicked; export it again".into())))
    }

    /// A handle that does not keep the model loaded.
    pub(crate) fn downgrade(&self) -> WeakModel {
        WeakModel(Arc::downgrade(&self.0))
    }

    /// The names of the tags, in the order of the probabilities. Tags without a name in the metadata are
    /// called `tag 1`, `tag 2`, ….
    pub fn tags(&self) -> &[String] {
        &self.0.metadata.tags
    }

    /// The length of a window, in samples.
    pub fn window(&self) -> usize {
        self.0.window
    }

    /// The hop between two windows, in samples.
    pub fn hop(&self) -> usize {
        self.0.hop
    }

    /// The number of values of the whitened embedding; 0 if the model has none.
    pub fn embedding_size(&self) -> usize {
        match &self.0.runtime {
            Runtime::Sliding(network) => network.embedding_size(),
            Runtime::FullWindows(plan) => plan.embedding_size(),
        }
    }

    /// How the model is run.
    pub fn inference(&self) -> InferenceMode {
        match self.0.runtime {
            Runtime::Sliding(_) => InferenceMode::Sliding,
            Runtime::FullWindows(_) => InferenceMode::FullWindows,
        }
    }

    /// The sample rate of a window, in hertz: the metadata's, or [`SAMPLE_RATE`].
    pub fn sample_rate(&self) -> u32 {
        self.0.metadata.sample_rate.unwrap_or(SAMPLE_RATE)
    }

    /// Whether [`sample_rate`](Self::sample_rate) is assumed, because the metadata has none.
    pub fn is_sample_rate_assumed(&self) -> bool {
        self.0.metadata.sample_rate.is_none()
    }

    /// Whether [`window`](Self::window) is assumed, because the length of the input is not fixed and nothing states it.
    pub fn is_window_assumed(&self) -> bool {
        self.0.metadata.window.is_none()
    }

    /// The metadata of the file, and what is stated elsewhere in the place of what it lacks.
    pub fn metadata(&self) -> &Metadata {
        &self.0.metadata
    }

    /// What the file itself says; the window is the length of its input, if that is fixed.
    pub fn file_metadata(&self) -> &Metadata {
        &self.0.file_metadata
    }

    /// Measures the processor time of one prediction in a stream: the least of up to three, which together take little
    /// more than a fifth of a second.
    ///
    /// # Errors
    /// [`ModelError::Failed`] if inference fails.
    pub(crate) fn measure(&self) -> Result<Duration, ModelError> {
        const ENOUGH: Duration = Duration::from_millis(200);
        // Not silence, which is faster to multiply where the processor has denormals.
        let samples: Vec<f32> = (0..self.window()).map(|index| (index as f32 * 0.37).sin() * 0.1).collect();
        let mut state = StreamState::new(self.clone());
        state.prime(&samples)?;
        let (mut least, mut total) = (Duration::MAX, Duration::ZERO);
        for _ in 0..3 {
            let start = ThreadTime::now();
            state.step(&samples)?;
            state.predict(&samples)?;
            let time = start.elapsed();
            (least, total) = (least.min(time), total + time);
            if total > ENOUGH {
                break;
            }
        }
        Ok(least)
    }

    /// Predicts one window of mono samples in -1..=1 at [`sample_rate`](Self::sample_rate): the
    /// probability of each tag, in 0..=1.
    ///
    /// Allocates: not for the audio thread. For successive windows a [`StreamState`] is faster; for
    /// separate windows [`InferenceMode::FullWindows`] is faster.
    ///
    /// # Errors
    /// [`ModelError::Failed`] if the window has another length, inference fails, or a finite value of the
    /// output is not a probability. Values that are not finite count as 0.
    pub fn predict(&self, window: &[f32]) -> Result<Vec<f32>, ModelError> {
        Ok(self.predict_with_embedding(window)?.probabilities)
    }

    /// Predicts one window as [`predict`](Self::predict) does, and gives its embedding, too.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn predict_with_embedding(&self, window: &[f32]) -> Result<Prediction, ModelError> {
        if window.len() != self.window() {
            let (expected, given) = (self.window(), window.len());
            return Err(ModelError::Failed(format!("its window has {expected} samples, but {given} were given")));
        }
        let mut state = StreamState::new(self.clone());
        state.prime(window)?;
        state.predict(window)
    }
}

/// Validates a decoded file and prepares its model.
fn build(
    mut proto: ModelProto,
    inference: InferenceMode,
    hop: HopChoice,
    stated: Metadata,
) -> Result<Model, ModelError> {
    let with_valid_rate = |mut metadata: Metadata| {
        metadata.sample_rate = metadata.sample_rate.filter(|rate| crate::resample::RATES.contains(&f64::from(*rate)));
        metadata
    };
    let mut file_metadata = with_valid_rate(Metadata::from_proto(&proto));
    let mut metadata = file_metadata.clone().or(with_valid_rate(stated));
    let graph = validation::check(&mut proto)?;
    single_precision::convert(graph)?;
    exporters::adapt(graph);
    let rate = metadata.sample_rate.unwrap_or(SAMPLE_RATE);
    let assumed = (ASSUMED_WINDOW * f64::from(rate)).round() as usize;
    let input = validation::input_shape(graph, metadata.window.unwrap_or(assumed))?;
    if input.is_fixed {
        (metadata.window, file_metadata.window) = (Some(input.window), Some(input.window));
    }
    let window = input.window;
    let is_assumed = metadata.window.is_none();
    let Prepared { runtime, tags, hop, is_logits } = prepare(proto, inference, hop, &input, rate, metadata.tags.len())
        .map_err(|error| match error {
            ModelError::Refused(why) if is_assumed => ModelError::Refused(format!(
                "its window is open, and with the assumed one of {window} samples {why}; give its window on the page \
                 Model or in a file beside it"
            )),
            error => error,
        })?;
    if metadata.tags.len() != tags {
        metadata.vocabularies.clear();
    }
    metadata.tags.resize(tags, String::new());
    for (index, tag) in metadata.tags.iter_mut().enumerate().filter(|(_, tag)| tag.trim().is_empty()) {
        *tag = unnamed_tag(index);
    }
    Ok(Model(Arc::new(LoadedModel { runtime, metadata, file_metadata, window, hop, is_logits })))
}

/// A graph that is ready to run.
struct Prepared {
    runtime: Runtime,
    tags: usize,
    /// In samples.
    hop: usize,
    is_logits: bool,
}

/// Prepares a validated graph whose metadata has `tag_count` tags, 0 if none.
fn prepare(
    mut proto: ModelProto,
    inference: InferenceMode,
    choice: HopChoice,
    input: &InputShape,
    rate: u32,
    tag_count: usize,
) -> Result<Prepared, ModelError> {
    let InputShape { shape, window, .. } = input;
    let window = *window;
    let graph = proto.graph.as_mut().ok_or(ModelError::NotOnnx)?;
    let hop = if let HopChoice::Samples(hop) = choice { Some(hop) } else { None };
    if let Some(hop) = hop.filter(|hop| !(1..=window).contains(hop)) {
        return Err(ModelError::Refused(format!("a hop of {hop} samples is outside 1 to {window}, its window")));
    }
    let has_several_outputs = graph.output.len() > 1;
    let output = output::select_output(graph, tag_count)?;
    let embedding = output::select_embedding(graph)?;
    let is_sliding = inference == InferenceMode::Sliding;
    let network = if is_sliding {
        let embedding = embedding.as_ref().map(|(name, _)| name.as_str());
        SlidingNetwork::from_proto(&proto, &output, embedding, window, rate, choice)
    } else {
        None
    };
    let (runtime, tags, hop) = match (network, hop) {
        (Some(network), _) => {
            let (tags, hop) = (network.tags(), network.hop());
            (Runtime::Sliding(Box::new(network)), tags, hop)
        }
        (None, Some(hop)) if is_sliding => {
            return Err(ModelError::Refused(format!("sliding inference does not support a hop of {hop} samples")));
        }
        (None, hop) => {
            let plan = FullWindowPlan::new(proto, shape, &output.name, embedding.as_ref())?;
            let tags = plan.tags();
            (Runtime::FullWindows(plan), tags, hop.unwrap_or(HOP))
        }
    };
    if !(1..=MAX_TAGS).contains(&tags) {
        return Err(ModelError::Refused(format!("it has {tags} tags, but at most {MAX_TAGS} are allowed")));
    }
    if has_several_outputs && tag_count > 0 && tags != tag_count {
        return Err(output::no_output_of_width(tag_count));
    }
    Ok(Prepared { runtime, tags, hop, is_logits: output.is_logits })
}

/// The root cause of a tract error, on one line of at most 200 characters.
fn one_line(error: &TractError) -> String {
    let text = error.root_cause().to_string();
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}
