//! The white top-hat transform of each band over time.

use crate::architecture;
use burn::module::Module;
use burn::tensor::module::max_pool1d;
use burn::tensor::{Tensor, backend::Backend};

/// An [`architecture::Prominence`]. It has no weights.
#[derive(Module, Clone, Debug)]
pub(crate) struct ProminenceLayer {
    pub(crate) spans: Vec<usize>,
}

impl ProminenceLayer {
    pub(crate) fn new(prominence: &architecture::Prominence) -> Self {
        Self { spans: prominence.spans.clone() }
    }

    pub(crate) fn forward<B: Backend>(&self, bands: Tensor<B, 3>) -> Tensor<B, 3> {
        let mut parts = vec![bands.clone()];
        for &span in &self.spans {
            // Erosion and dilation by max pooling.
            let dilate = |signal| max_pool1d(signal, span, 1, span / 2, 1, false);
            let eroded = dilate(bands.clone().neg()).neg();
            parts.push(bands.clone() - dilate(eroded));
        }
        Tensor::cat(parts, 1)
    }
}
