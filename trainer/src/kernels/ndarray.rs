//! burn-ndarray has no fused kernels; it runs burn's modules.

use super::{ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, ConvBlockOutput, ConvGradients, NetworkBackend};
use burn::backend::NdArray;
use burn::tensor::ops::FloatTensor;
use std::convert::Infallible;

impl NetworkBackend for NdArray {}

impl ConvBlockKernel for NdArray {
    type SavedForBackward = Infallible;

    fn conv_block_forward(
        _: ConvBlockInputs<Self>,
        _: ConvBlockOptions,
        _: bool,
    ) -> Option<(ConvBlockOutput<Self>, Infallible)> {
        None
    }

    fn conv_backward(saved: Infallible, _: FloatTensor<Self>) -> ConvGradients<Self> {
        match saved {}
    }
}
