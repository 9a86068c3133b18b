//! The programs that run on the device, in cubecl's subset of Rust.
//!
//! Signals are rows `[batch * frames, channels]`: neighbouring units read neighbouring channels. Each
//! unit of an elementwise program computes one value. A sum over all rows has two steps: every unit of
//! the first adds up the values that are a multiple of the number of units apart, which belong to one
//! channel, and one cube for each channel adds up the partial sums.

#![expect(
    clippy::collapsible_if,
    clippy::manual_div_ceil,
    clippy::manual_is_multiple_of,
    reason = "cubecl's subset of Rust has neither of the two functions, nor conditions that join compile time and run time"
)]

mod inputs;
mod normalisation;
mod products;

pub(super) use inputs::{draw_mask, widen_samples};
pub(super) use normalisation::{
    combine_moments, combine_norm_gradients, normalise_backward, normalise_relu_pool, partial_moments,
    partial_norm_gradients,
};
pub(super) use products::{add_columns, copy_columns, narrow_product, partial_sums};

/// Units of a cube that adds up partial sums; a power of two.
pub(super) const UNITS: u32 = 256;

/// What compiled kernels depend on: the sources of all programs, and of the constants in them.
pub(super) const SOURCES: [&[u8]; 5] = [
    include_bytes!("inputs.rs"),
    include_bytes!("mod.rs"),
    include_bytes!("normalisation.rs"),
    include_bytes!("products.rs"),
    include_bytes!("../../mask.rs"),
];
