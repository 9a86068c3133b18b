//! Any tagger, run by tract over one whole window after another.

use super::{MAX_TAGS, ModelError, bounds, check, one_line};
use std::sync::Arc;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

/// A plan for one window at a time.
pub(super) struct FullWindows {
    plan: Arc<TypedRunnableModel>,
    shape: TVec<usize>,
    tags: usize,
}

impl FullWindows {
    /// Plans a graph whose input has the shape `shape`; its answer is the output of the name
    /// `output`. Every promise is checked on the way.
    pub(super) fn of(mut proto: ModelProto, shape: &[usize], output: &str) -> Result<Self, ModelError> {
        let refused = |error: TractError| ModelError::Refused(one_line(&error));
        let graph = proto.graph.as_mut().ok_or(ModelError::NotOnnx)?;
        check::keep_what_counts(graph, output)?;
        let mut model = tract_onnx::onnx().parse(&proto, None).map_err(refused)?.model;
        let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
        model.set_input_fact(0, fact).map_err(refused)?;
        bounds::check_constants(&model)?;
        let typed = model.into_typed().map_err(refused)?;
        bounds::check_work(&typed)?;
        let tags = tags(&typed)?;
        let plan = typed.into_optimized().and_then(|model| model.into_runnable()).map_err(refused)?;
        Ok(Self { plan, shape: shape.into(), tags })
    }

    /// How many tags it answers with.
    pub(super) fn tags(&self) -> usize {
        self.tags
    }

    /// The answer to one window of as many samples as it was planned for.
    pub(super) fn run(&self, window: &[f32]) -> TractResult<Vec<f32>> {
        let input = Tensor::from_shape(&self.shape, window)?;
        let output = self.plan.run(tvec!(input.into_tvalue()))?;
        let values = output[0].to_plain_array_view::<f32>()?;
        Ok(values.iter().copied().collect())
    }
}

/// Checks that a graph's output is one row of floats; tells how many.
fn tags(model: &TypedModel) -> Result<usize, ModelError> {
    let output = model.output_fact(0).map_err(|error| ModelError::Refused(one_line(&error)))?;
    match output.shape.as_concrete() {
        Some([1, tags]) if output.datum_type == f32::datum_type() && (1..=MAX_TAGS).contains(tags) => Ok(*tags),
        _ => Err(ModelError::Refused("its output is not one probability a tag, of shape [batch, tags]".into())),
    }
}
