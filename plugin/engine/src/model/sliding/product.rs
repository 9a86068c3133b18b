//! Rows of numbers times a layer's weights, by tract.

use std::sync::{Arc, Mutex, MutexGuard};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

/// A product of so many rows with fixed weights, which tract packs once for its
/// kernels.
pub(super) struct Product {
    plan: Arc<TypedRunnableModel>,
    shape: [usize; 2],
    /// Rows of earlier runs, to be written over: to clear and to allocate them takes as
    /// long as some layers.
    spare: Mutex<Vec<Arc<Tensor>>>,
}

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
        let plan = model.into_optimized()?.into_runnable()?;
        Ok(Self { plan, shape: [rows, inputs], spare: Mutex::default() })
    }

    /// The sums, by row, then by output, of the rows that `fill` writes.
    pub(super) fn run(&self, fill: impl FnOnce(&mut [f32])) -> TractResult<TValue> {
        let spare = self.spare().pop();
        let mut rows =
            spare.map_or_else(|| Tensor::zero::<f32>(&self.shape), |spare| Ok(Arc::unwrap_or_clone(spare)))?;
        fill(rows.try_as_plain_ram_mut()?.as_slice_mut()?);
        let rows = Arc::new(rows);
        let sums = self.plan.run(tvec!(TValue::from_const(Arc::clone(&rows))))?.remove(0);
        self.spare().push(rows);
        Ok(sums)
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Arc<Tensor>>> {
        self.spare.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
