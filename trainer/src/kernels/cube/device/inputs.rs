//! Samples and dropout masks.

use crate::kernels::mask::{FACTORS, SHIFTS};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Widens samples of 16 bits, two in each word, and multiplies them by the gain of their row.
#[cube(launch)]
pub(crate) fn widen_samples(words: &Array<i32>, gains: &Array<f32>, output: &mut Array<f32>, window: usize) {
    let word = ABSOLUTE_POS;
    if word < words.len() {
        let both = words[word];
        let first = 2 * word;
        output[first] = f32::cast_from((both << 16) >> 16) / 32_767.0 * gains[first / window];
        if first + 1 < output.len() {
            output[first + 1] = f32::cast_from(both >> 16) / 32_767.0 * gains[(first + 1) / window];
        }
    }
}

/// A dropout mask, as [`mask`](crate::kernels::mask) has it.
#[cube(launch)]
pub(crate) fn draw_mask(output: &mut Array<f32>, key: u32, spread: u32, threshold: u32, scale: f32) {
    let position = ABSOLUTE_POS;
    if position < output.len() {
        let mut x = ((position as u32) * spread) ^ key;
        x = (x ^ (x >> comptime!(SHIFTS[0]))) * comptime!(FACTORS[0]);
        x = (x ^ (x >> comptime!(SHIFTS[1]))) * comptime!(FACTORS[1]);
        x = x ^ (x >> comptime!(SHIFTS[2]));
        let mut value = f32::new(0.0);
        if x < threshold {
            value = scale;
        }
        output[position] = value;
    }
}
