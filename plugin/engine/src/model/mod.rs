//! A tagger, read from an ONNX file and run by tract.

mod check;
mod metadata;

pub use metadata::{FORMAT, Metadata};

use prost::Message as _;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::tract_hir::internal::DimLike as _;

/// The rate that every shipped model listens at, and that one without metadata is
/// assumed to, in hertz.
pub const SAMPLE_RATE: u32 = 22_050;

/// The windows a model may have, in samples: from two milliseconds to a minute at
/// [`SAMPLE_RATE`].
const WINDOWS: std::ops::RangeInclusive<usize> = 48..=(60 * SAMPLE_RATE as usize);

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
    #[error("the model file is too large (at most 256 MB are allowed)")]
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

/// A loaded tagger. Cloning is cheap: the plan and the weights are shared.
#[derive(Clone)]
pub struct Model {
    plan: Arc<TypedRunnableModel>,
    metadata: Arc<Metadata>,
    window: usize,
    input_rank: usize,
}

impl Model {
    /// Reads a model file of at most 256 MB.
    ///
    /// # Errors
    /// [`ModelError`], whose text does not repeat the path.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let file = std::fs::File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(ModelError::Refused("it is not a file".into()));
        }
        // A file may grow, or hold more than it says: one byte too many is enough to know.
        let mut bytes = Vec::new();
        file.take(check::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Self::from_bytes(&bytes)
    }

    /// Reads a model from the bytes of an ONNX file.
    ///
    /// The model has one float input, `[batch, window]` or `[batch, 1, window]`, and
    /// gives probabilities `[batch, tags]`, either as the output named
    /// `probabilities` or as its first. No path that the file names is opened, and a
    /// panic while reading it is an error like any other.
    ///
    /// # Errors
    /// [`ModelError`] where any of that does not hold.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        if bytes.len() > check::MAX_BYTES {
            return Err(ModelError::TooLarge);
        }
        let proto = ModelProto::decode(bytes).map_err(|_| ModelError::NotOnnx)?;
        catch_unwind(AssertUnwindSafe(|| build(&proto)))
            .unwrap_or_else(|_| Err(ModelError::Refused("its graph makes no sense".into())))
    }

    /// The tags, in the order of [`probabilities`](Self::probabilities): the model's
    /// own, or `tag 1`, `tag 2`, … for those it does not name.
    pub fn tags(&self) -> &[String] {
        &self.metadata.tags
    }

    /// The window, in samples.
    pub fn window(&self) -> usize {
        self.window
    }

    /// The rate the window is expected at, in hertz.
    pub fn sample_rate(&self) -> u32 {
        self.metadata.sample_rate.unwrap_or(SAMPLE_RATE)
    }

    /// What the model says about itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The probability of every tag, each in 0..=1, for one window of mono samples in
    /// -1..1 at [`sample_rate`](Self::sample_rate). Allocates: not for the audio
    /// thread.
    ///
    /// # Errors
    /// [`ModelError::Failed`] where the window has another length, the graph cannot
    /// run, or its answer is not one number a tag.
    pub fn probabilities(&self, window: &[f32]) -> Result<Vec<f32>, ModelError> {
        if window.len() != self.window {
            let (got, wanted) = (window.len(), self.window);
            return Err(ModelError::Failed(format!("it takes {wanted} samples and was given {got}")));
        }
        let shape: &[usize] = if self.input_rank == 2 { &[1, self.window] } else { &[1, 1, self.window] };
        let run = || -> TractResult<Vec<f32>> {
            let input = Tensor::from_shape(shape, window)?;
            let output = self.plan.run(tvec!(input.into_tvalue()))?;
            let values = output[0].to_plain_array_view::<f32>()?;
            Ok(values.iter().copied().collect())
        };
        let values = catch_unwind(AssertUnwindSafe(run))
            .unwrap_or_else(|_| Err(TractError::msg("it panicked")))
            .map_err(|error| ModelError::Failed(one_line(&error)))?;
        if values.len() != self.tags().len() {
            return Err(ModelError::Failed("it gave another number of tags than it promised".into()));
        }
        let safe = |value: f32| if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
        Ok(values.into_iter().map(safe).collect())
    }
}

/// From a decoded file to a plan, every promise checked on the way.
fn build(proto: &ModelProto) -> Result<Model, ModelError> {
    let graph = check::check(proto)?;
    let refused = |error: TractError| ModelError::Refused(one_line(&error));

    let mut model = tract_onnx::onnx().parse(proto, None).map_err(refused)?.model;
    let [input] = model.input_outlets().map_err(refused)? else {
        return Err(ModelError::Refused("it needs exactly one input, the waveform".into()));
    };
    let fact = model.outlet_fact(*input).map_err(refused)?;
    let dims: Vec<Option<usize>> =
        fact.shape.dims().map(|dim| dim.concretize().and_then(|dim| dim.to_usize().ok())).collect();
    let window = match dims.as_slice() {
        [_, Some(window)] | [_, Some(1) | None, Some(window)] if WINDOWS.contains(window) => *window,
        _ => {
            return Err(ModelError::Refused(
                "its input is not a waveform of shape [batch, samples] or [batch, 1, samples]".into(),
            ));
        }
    };
    let shape: TVec<usize> = if dims.len() == 2 { tvec!(1, window) } else { tvec!(1, 1, window) };
    let fact = InferenceFact::dt_shape(f32::datum_type(), &shape);
    model.set_input_fact(0, fact).map_err(refused)?;

    let probabilities = graph.output.iter().position(|output| output.name == "probabilities").unwrap_or(0);
    let output = *model
        .output_outlets()
        .map_err(refused)?
        .get(probabilities)
        .ok_or_else(|| ModelError::Refused("it has no output".into()))?;
    model.select_output_outlets(&[output]).map_err(refused)?;

    let typed = model.into_typed().map_err(refused)?;
    let tags = check_shapes(&typed)?;
    let plan = typed.into_optimized().and_then(|model| model.into_runnable()).map_err(refused)?;

    let mut metadata = Metadata::of(proto);
    metadata.sample_rate = metadata.sample_rate.filter(|rate| crate::resample::RATES.contains(&f64::from(*rate)));
    metadata.tags.resize(tags, String::new());
    for (index, tag) in metadata.tags.iter_mut().enumerate().filter(|(_, tag)| tag.trim().is_empty()) {
        *tag = format!("tag {}", index + 1);
    }
    Ok(Model { plan, metadata: Arc::new(metadata), window, input_rank: dims.len() })
}

/// Checks that nothing the graph computes is larger than allowed and that its
/// output is one row of floats; tells how many.
fn check_shapes(model: &TypedModel) -> Result<usize, ModelError> {
    let volume = |fact: &TypedFact| {
        let dims = fact.shape.as_concrete()?;
        dims.iter().try_fold(1_u64, |volume, dim| volume.checked_mul(*dim as u64))
    };
    for fact in model.nodes().iter().flat_map(|node| &node.outputs).map(|outlet| &outlet.fact) {
        if volume(fact).is_none_or(|volume| volume > check::MAX_ELEMENTS) {
            return Err(ModelError::Refused("it computes tensors that are too large or of no fixed size".into()));
        }
    }
    let output = model.output_fact(0).map_err(|error| ModelError::Refused(one_line(&error)))?;
    match output.shape.as_concrete() {
        Some([1, tags]) if output.datum_type == f32::datum_type() && (1..=MAX_TAGS).contains(tags) => Ok(*tags),
        _ => Err(ModelError::Refused("its output is not one probability a tag, of shape [batch, tags]".into())),
    }
}

/// The innermost cause of a tract error, as one short line.
fn one_line(error: &TractError) -> String {
    let text = error.root_cause().to_string();
    text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
}
