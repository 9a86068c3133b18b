//! Peaks in time beside the bands they are in.

use crate::architecture;
use burn::module::Module;
use burn::tensor::module::max_pool1d;
use burn::tensor::{Tensor, backend::Backend};

/// An [`architecture::Prominence`]; it has no weights.
#[derive(Module, Clone, Debug)]
pub(crate) struct Prominence {
    pub(crate) spans: Vec<usize>,
}

impl Prominence {
    pub(crate) fn new(prominence: &architecture::Prominence) -> Self {
        Self { spans: prominence.spans.clone() }
    }

    pub(crate) fn forward<B: Backend>(&self, bands: Tensor<B, 3>) -> Tensor<B, 3> {
        let mut parts = vec![bands.clone()];
        for &span in &self.spans {
            let widest = |signal| max_pool1d(signal, span, 1, span / 2, 1, false);
            let eroded = widest(bands.clone().neg()).neg();
            parts.push(bands.clone() - widest(eroded));
        }
        Tensor::cat(parts, 1)
    }
}
