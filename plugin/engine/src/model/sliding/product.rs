//! Rows of numbers times a layer's weights, by tract.

use std::sync::Arc;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

/// A product of so many rows with fixed weights, which tract packs once for its
/// kernels.
pub(super) struct Product(Arc<TypedRunnableModel>);

impl Product {
    /// For `rows` rows of `inputs` numbers, and `weight` by output, then by input.
    pub(super) fn new(rows: usize, inputs: usize, weight: &[f32]) -> TractResult<Self> {
        let outputs = weight.len() / inputs;
        let mut model = TypedModel::default();
        let data = model.add_source("rows", f32::fact([rows, inputs]))?;
        let weight = model.add_const("weight", Tensor::from_shape(&[outputs, inputs], weight)?)?;
        let product = EinSum::new("ri,oi->ro".parse()?, f32::datum_type());
        let sums = model.wire_node("product", product, &[data, weight])?;
        model.select_output_outlets(&sums)?;
        Ok(Self(model.into_optimized()?.into_runnable()?))
    }

    /// The sums, by row, then by output.
    pub(super) fn run(&self, rows: Tensor) -> TractResult<Tensor> {
        let mut sums = self.0.run(tvec!(rows.into_tvalue()))?;
        Ok(sums.remove(0).into_tensor())
    }
}
