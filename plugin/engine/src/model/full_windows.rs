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
    /// The number of values of the whitened embedding; 0 without one.
    embedding_size: usize,
}

impl FullWindowPlan {
    /// Plans a graph whose input has the shape `shape` and whose tags are the output called `output`. `embedding` is the
    /// output with the embedding, if there is one, and its number of values.
    ///
    /// # Errors
    /// [`ModelError::Refused`] if the graph exceeds a limit, tract does not support it, or an output
    /// has another shape than `[1, tags]`, or `[1, values]`.
    pub(super) fn new(
        mut proto: ModelProto,
        shape: &[usize],
        output: &str,
        embedding: Option<&(String, usize)>,
    ) -> Result<Self, ModelError> {
        let refused = |error: TractError| ModelError::Refused(one_line(&error));
        let graph = proto.graph.as_mut().ok_or(ModelError::NotOnnx)?;
        let outputs: Vec<&str> = [output].into_iter().chain(embedding.map(|(name, _)| name.as_str())).collect();
        validation::prune(graph, &outputs)?;
        let mut model = tract_onnx::onnx().parse(&proto, None).map_err(refused)?.model;
        let fact = InferenceFact::dt_shape(f32::datum_type(), shape);
        model.set_input_fact(0, fact).map_err(refused)?;
        compute_limits::check_constants(&model)?;
        let typed = model.into_typed().map_err(refused)?;
        compute_limits::check_work(&typed)?;
        let tags = output_width(&typed, 0)?;
        let embedding_size = embedding.map_or(0, |(_, size)| *size);
        if embedding_size > 0 && output_width(&typed, 1)? != embedding_size {
            let what = format!(
                "its embedding does not have the {embedding_size} values that the file states; export it again"
            );
            return Err(ModelError::Refused(what));
        }
        let plan = typed.into_optimized().and_then(|model| model.into_runnable()).map_err(refused)?;
        Ok(Self { plan, shape: shape.into(), tags, embedding_size })
    }

    /// The number of tags.
    pub(super) fn tags(&self) -> usize {
        self.tags
    }

    /// The number of values of the whitened embedding; 0 without one.
    pub(super) fn embedding_size(&self) -> usize {
        self.embedding_size
    }

    /// The outputs for one window: a probability or a logit of each tag, and the embedding, which is empty without one.
    pub(super) fn run(&self, window: &[f32]) -> TractResult<(Vec<f32>, Vec<f32>)> {
        let input = Tensor::from_shape(&self.shape, window)?;
        let outputs = self.plan.run(tvec!(input.into_tvalue()))?;
        let values = |output: &TValue| -> TractResult<Vec<f32>> {
            Ok(output.to_plain_array_view::<f32>()?.iter().copied().collect())
        };
        Ok((values(&outputs[0])?, outputs.get(1).map_or(Ok(Vec::new()), values)?))
    }
}

/// The number of values in output `index` of a graph.
fn output_width(model: &TypedModel, index: usize) -> Result<usize, ModelError> {
    let output = model.output_fact(index).map_err(|error| ModelError::Refused(one_line(&error)))?;
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
