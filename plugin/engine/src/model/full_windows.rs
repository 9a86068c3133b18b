//! Inference by full windows, for any tagger.

use super::{ModelError, compute_limits, one_line, validation};
use std::sync::Arc;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

/// The share of a core that a model run by full windows may take in real time.
pub(crate) const FULL_WINDOWS_SHARE: f64 = 0.1;

/// tract's plan of a graph, for one window at a time.
pub(super) struct FullWindowPlan {
    plan: Arc<TypedRunnableModel>,
    /// The shape of the input.
    shape: TVec<usize>,
    tags: usize,
}

impl FullWindowPlan {
    /// Plans a graph whose input has the shape `shape` and whose tags are the output called `output`.
    ///
    /// # Errors
    /// [`ModelError::Refused`] if the graph exceeds a limit, tract does not support it, or the output
    /// has another shape than `[1, tags]`.
    pub(super) fn new(mut proto: ModelProto, shape: &[usize], output: &str) -> Result<Self, ModelError> {
        let refused = |error: TractError| ModelError::Refused(one_line(&error));
        let graph = proto.graph.as_mut().ok_or(ModelError::NotOnnx)?;
        validation::prune(graph, output)?;
        let mut model = tract_onnx::onnx().parse(&proto, None).map_err(refused)?.model;
        let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
        model.set_input_fact(0, fact).map_err(refused)?;
        compute_limits::check_constants(&model)?;
        let typed = model.into_typed().map_err(refused)?;
        compute_limits::check_work(&typed)?;
        let tags = output_width(&typed)?;
        let plan = typed.into_optimized().and_then(|model| model.into_runnable()).map_err(refused)?;
        Ok(Self { plan, shape: shape.into(), tags })
    }

    /// The number of tags.
    pub(super) fn tags(&self) -> usize {
        self.tags
    }

    /// The output for one window: a probability or a logit of each tag.
    pub(super) fn run(&self, window: &[f32]) -> TractResult<Vec<f32>> {
        let input = Tensor::from_shape(&self.shape, window)?;
        let output = self.plan.run(tvec!(input.into_tvalue()))?;
        let values = output[0].to_plain_array_view::<f32>()?;
        Ok(values.iter().copied().collect())
    }
}

/// The number of tags in the output of a graph.
fn output_width(model: &TypedModel) -> Result<usize, ModelError> {
    let output = model.output_fact(0).map_err(|error| ModelError::Refused(one_line(&error)))?;
    match output.shape.as_concrete() {
        // One axis has the tags; exporters leave others of length 1 around it.
        Some(shape)
            if output.datum_type == f32::datum_type() && shape.iter().filter(|size| **size != 1).count() <= 1 =>
        {
            Ok(shape.iter().product())
        }
        _ => Err(ModelError::Refused(
            "its output is not a float tensor of shape [batch, tags]; export it with one row of tags".into(),
        )),
    }
}
