//! Matrix products with fixed weights, by tract.

use std::sync::{Arc, Mutex, MutexGuard};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::einsum::EinSum;

/// The product of a fixed number of rows with weights that tract has packed for its kernels.
pub(super) struct PackedMatmul {
    plan: Arc<TypedRunnableModel>,
    /// Rows and columns of the input.
    shape: [usize; 2],
    /// Input tensors of earlier runs, for reuse: to allocate and clear one takes as long as some layers.
    spare_inputs: Mutex<Vec<Arc<Tensor>>>,
}

impl PackedMatmul {
    /// Packs `weight`, stored by output, then by input, for inputs of `rows` rows and `inputs` columns.
    pub(super) fn new(rows: usize, inputs: usize, weight: &[f32]) -> TractResult<Self> {
        let outputs = weight.len() / inputs;
        let mut model = TypedModel::default();
        let data = model.add_source("rows", f32::fact([rows, inputs]))?;
        let weight = model.add_const("weight", Tensor::from_shape(&[outputs, inputs], weight)?)?;
        let product = EinSum::new("ri,oi->ro".parse()?, f32::datum_type());
        let sums = model.wire_node("product", product, &[data, weight])?;
        model.select_output_outlets(&sums)?;
        let plan = model.into_optimized()?.into_runnable()?;
        Ok(Self { plan, shape: [rows, inputs], spare_inputs: Mutex::default() })
    }

    /// Multiplies the rows that `fill` writes. It must write all of them, because tensors are reused. The
    /// result is stored by row, then by output.
    pub(super) fn run(&self, fill: impl FnOnce(&mut [f32])) -> TractResult<TValue> {
        let spare = self.spare_inputs().pop();
        let mut rows =
            spare.map_or_else(|| Tensor::zero::<f32>(&self.shape), |spare| Ok(Arc::unwrap_or_clone(spare)))?;
        fill(rows.try_as_plain_ram_mut()?.as_slice_mut()?);
        let rows = Arc::new(rows);
        let sums = self.plan.run(tvec!(TValue::from_const(Arc::clone(&rows))))?.remove(0);
        self.spare_inputs().push(rows);
        Ok(sums)
    }

    fn spare_inputs(&self) -> MutexGuard<'_, Vec<Arc<Tensor>>> {
        self.spare_inputs.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
