//! Dropout whose masks depend on a seed alone, and not on the backend.

use crate::kernels::NetworkBackend;
use burn::nn::Dropout;
use burn::tensor::{Tensor, TensorPrimitive};
use std::cell::Cell;

thread_local! {
    /// The seed of the next mask. Each device of a data-parallel step has a thread of its own.
    static NEXT_SEED: Cell<u64> = const { Cell::new(0) };
}

/// Sets the seed of the masks that this thread draws from now on.
pub(crate) fn seed_dropout(seed: u64) {
    NEXT_SEED.set(seed);
}

/// Sets values to zero at random in training, and scales the others up to keep the mean.
pub(super) fn dropout<B: NetworkBackend, const D: usize>(dropout: &Dropout, input: Tensor<B, D>) -> Tensor<B, D> {
    let device = input.device();
    if !B::ad_enabled(&device) || dropout.prob == 0.0 {
        return input;
    }
    let seed = NEXT_SEED.get();
    NEXT_SEED.set(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1));
    let keep = 1.0 - dropout.prob;
    let mask = B::dropout_mask(input.shape(), seed, keep, &device);
    input * Tensor::from_primitive(TensorPrimitive::Float(mask))
}
