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

use crate::kernels::mask::{FACTORS, SHIFTS};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Units of a cube that adds up partial sums; a power of two.
pub(super) const UNITS: u32 = 256;

/// Widens samples of 16 bits, two in each word, and multiplies them by the gain of their row.
#[cube(launch)]
pub(super) fn widen_samples(words: &Array<i32>, gains: &Array<f32>, output: &mut Array<f32>, window: usize) {
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
pub(super) fn draw_mask(output: &mut Array<f32>, key: u32, spread: u32, threshold: u32, scale: f32) {
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

/// Copies the receptive field of each output frame into a row `[taps, channels]`, zero over the padding. Rows
/// from `rows` on are zero.
#[cube(launch)]
pub(super) fn copy_columns(
    signal: &Array<f32>,
    columns: &mut Array<f32>,
    item_stride: usize,
    frame_stride: usize,
    channel_stride: usize,
    channels: usize,
    frames: usize,
    out_frames: usize,
    rows: usize,
    #[comptime] taps: usize,
    #[comptime] stride: usize,
    #[comptime] padding: usize,
) {
    let position = ABSOLUTE_POS;
    if position < columns.len() {
        let row = position / (channels * taps);
        let rest = position % (channels * taps);
        let tap = rest / channels;
        let channel = rest % channels;
        let mut value = f32::new(0.0);
        if row < rows {
            let item = row / out_frames;
            let padded = (row % out_frames) * stride + tap;
            if padded >= padding && padded < frames + padding {
                let frame = padded - padding;
                value = signal[item * item_stride + frame * frame_stride + channel * channel_stride];
            }
        }
        columns[position] = value;
    }
}

/// The reverse of [`copy_columns`]: adds up the columns' values that were copied from each frame.
#[cube(launch)]
pub(super) fn add_columns(
    columns: &Array<f32>,
    signal: &mut Array<f32>,
    channels: usize,
    frames: usize,
    out_frames: usize,
    #[comptime] taps: usize,
    #[comptime] stride: usize,
    #[comptime] padding: usize,
) {
    let position = ABSOLUTE_POS;
    if position < signal.len() {
        let channel = position % channels;
        let row = position / channels;
        let item = row / frames;
        let padded = row % frames + padding;
        let mut sum = f32::new(0.0);
        for tap in 0..taps {
            if padded >= tap && (padded - tap) % stride == 0 {
                let frame = (padded - tap) / stride;
                if frame < out_frames {
                    sum += columns[((item * out_frames + frame) * taps + tap) * channels + channel];
                }
            }
        }
        signal[position] = sum;
    }
}

/// The product of `rows` `[rows, width]` and `weight` `[width, filters]`, for few columns.
#[cube(launch)]
pub(super) fn narrow_product(
    rows: &Array<f32>,
    weight: &Array<f32>,
    output: &mut Array<f32>,
    filters: usize,
    #[comptime] width: usize,
) {
    let position = ABSOLUTE_POS;
    if position < output.len() {
        let row = position / filters;
        let filter = position % filters;
        let mut sum = f32::new(0.0);
        for column in 0..width {
            sum += rows[row * width + column] * weight[column * filters + filter];
        }
        output[position] = sum;
    }
}

/// Mean and sum of squared deviations of the values that each unit reads.
#[cube(launch)]
pub(super) fn partial_moments(values: &Array<f32>, means: &mut Array<f32>, deviations: &mut Array<f32>) {
    let unit = ABSOLUTE_POS;
    let units = means.len();
    let total = values.len();
    if unit < units {
        // Centred on a value, so that a large mean causes no cancellation.
        let origin = values[unit];
        let mut sum = f32::new(0.0);
        let mut squares = f32::new(0.0);
        for position in range_stepped(unit, total, units) {
            let value = values[position] - origin;
            sum += value;
            squares += value * value;
        }
        let count = f32::cast_from((total - unit + units - 1) / units);
        means[unit] = origin + sum / count;
        deviations[unit] = squares - sum * sum / count;
    }
}

/// Mean and variance of each filter over all `rows`, from [`partial_moments`]. The mean has the bias added.
#[cube(launch)]
pub(super) fn combine_moments(
    means: &Array<f32>,
    deviations: &Array<f32>,
    bias: &Array<f32>,
    mean: &mut Array<f32>,
    variance: &mut Array<f32>,
    rows: usize,
    #[comptime] units: u32,
) {
    let filters = mean.len();
    let filter = CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let partials = means.len();
    let total = rows * filters;
    let step = filters * (units as usize);
    let mut shared = SharedMemory::<f32>::new(units as usize);

    let mut sum = f32::new(0.0);
    for position in range_stepped(unit * filters + filter, partials, step) {
        sum += means[position] * f32::cast_from((total - position + partials - 1) / partials);
    }
    let average = sum_units(&mut shared, sum, units) / f32::cast_from(rows);
    let mut squares = f32::new(0.0);
    for position in range_stepped(unit * filters + filter, partials, step) {
        let difference = means[position] - average;
        let count = f32::cast_from((total - position + partials - 1) / partials);
        squares += deviations[position] + difference * difference * count;
    }
    let squares = sum_units(&mut shared, squares, units);
    if unit == 0 {
        mean[filter] = average + bias[filter];
        variance[filter] = squares / f32::cast_from(rows);
    }
}

/// The sum of a value of each unit of the cube.
#[cube]
fn sum_units(shared: &mut SharedMemory<f32>, value: f32, #[comptime] units: u32) -> f32 {
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut half = (units as usize / 2).runtime();
    while half > 0 {
        if unit < half {
            let other = shared[unit + half];
            shared[unit] += other;
        }
        sync_cube();
        half /= 2;
    }
    let sum = shared[0];
    sync_cube();
    sum
}

/// Batch normalisation, ReLU and max pooling of a convolution's output.
#[cube(launch)]
pub(super) fn normalise_relu_pool(
    sums: &Array<f32>,
    bias: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    mean: &Array<f32>,
    variance: &Array<f32>,
    output: &mut Array<f32>,
    epsilon: f32,
    frames: usize,
    pooled_frames: usize,
    #[comptime] pool: usize,
    #[comptime] has_relu: bool,
) {
    let position = ABSOLUTE_POS;
    if position < output.len() {
        let filters = gamma.len();
        let filter = position % filters;
        let row = position / filters;
        let scale = gamma[filter] / (variance[filter] + epsilon).sqrt();
        let shift = beta[filter] + (bias[filter] - mean[filter]) * scale;
        let first = ((row / pooled_frames) * frames + (row % pooled_frames) * pool) * filters + filter;
        let mut max = sums[first] * scale + shift;
        for frame in 1..pool {
            let value = sums[first + frame * filters] * scale + shift;
            if value > max {
                max = value;
            }
        }
        if comptime!(has_relu) {
            if max < 0.0 {
                max = f32::new(0.0);
            }
        }
        output[position] = max;
    }
}

/// Partial sums of the gradients of beta and gamma. The gradient of the output goes to the largest frame of
/// each pool if it passed the ReLU.
#[cube(launch)]
pub(super) fn partial_norm_gradients(
    sums: &Array<f32>,
    gradient: &Array<f32>,
    bias: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    mean: &Array<f32>,
    variance: &Array<f32>,
    betas: &mut Array<f32>,
    gammas: &mut Array<f32>,
    epsilon: f32,
    frames: usize,
    pooled_frames: usize,
    item_stride: usize,
    frame_stride: usize,
    channel_stride: usize,
    #[comptime] pool: usize,
    #[comptime] has_relu: bool,
) {
    let unit = ABSOLUTE_POS;
    let units = betas.len();
    if unit < units {
        let filters = gamma.len();
        let filter = unit % filters;
        let inv_std = 1.0 / (variance[filter] + epsilon).sqrt();
        let centre = mean[filter] - bias[filter];
        let scale = gamma[filter] * inv_std;
        let shift = beta[filter] - centre * scale;
        let mut sum_beta = f32::new(0.0);
        let mut sum_gamma = f32::new(0.0);
        for position in range_stepped(unit, gradient.len(), units) {
            let row = position / filters;
            let item = row / pooled_frames;
            let frame = row % pooled_frames;
            let first = (item * frames + frame * pool) * filters + filter;
            let mut largest = sums[first];
            let mut max = largest * scale + shift;
            for offset in 1..pool {
                let other = sums[first + offset * filters];
                let value = other * scale + shift;
                if value > max {
                    max = value;
                    largest = other;
                }
            }
            let mut passed = gradient[item * item_stride + frame * frame_stride + filter * channel_stride];
            if comptime!(has_relu) {
                if max <= 0.0 {
                    passed = f32::new(0.0);
                }
            }
            sum_beta += passed;
            sum_gamma += passed * (largest - centre) * inv_std;
        }
        betas[unit] = sum_beta;
        gammas[unit] = sum_gamma;
    }
}

/// Adds up partial sums of two gradients for each filter, and sets that of the bias to zero: a bias before a
/// normalisation has no effect.
#[cube(launch)]
pub(super) fn combine_norm_gradients(
    betas: &Array<f32>,
    gammas: &Array<f32>,
    beta: &mut Array<f32>,
    gamma: &mut Array<f32>,
    bias: &mut Array<f32>,
    #[comptime] units: u32,
) {
    let filters = beta.len();
    let filter = CUBE_POS_X as usize;
    let unit = UNIT_POS as usize;
    let mut shared = SharedMemory::<f32>::new(units as usize);
    let mut sum_beta = f32::new(0.0);
    let mut sum_gamma = f32::new(0.0);
    for position in range_stepped(unit * filters + filter, betas.len(), filters * (units as usize)) {
        sum_beta += betas[position];
        sum_gamma += gammas[position];
    }
    let sum_beta = sum_units(&mut shared, sum_beta, units);
    let sum_gamma = sum_units(&mut shared, sum_gamma, units);
    if unit == 0 {
        beta[filter] = sum_beta;
        gamma[filter] = sum_gamma;
        bias[filter] = f32::new(0.0);
    }
}

/// The gradient of the convolution's output (Ioffe and Szegedy 2015). Each unit computes the frames of one
/// pool; those after the last whole pool count as one. Units from `pools` on write the zero rows at the end.
#[cube(launch)]
pub(super) fn normalise_backward(
    sums: &Array<f32>,
    gradient: &Array<f32>,
    bias: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    mean: &Array<f32>,
    variance: &Array<f32>,
    grad_beta: &Array<f32>,
    grad_gamma: &Array<f32>,
    output: &mut Array<f32>,
    epsilon: f32,
    frames: usize,
    pooled_frames: usize,
    item_pools: usize,
    pools: usize,
    item_stride: usize,
    frame_stride: usize,
    channel_stride: usize,
    #[comptime] pool: usize,
    #[comptime] has_relu: bool,
) {
    let position = ABSOLUTE_POS;
    let filters = gamma.len();
    if position < pools * filters {
        let filter = position % filters;
        let row = position / filters;
        let item = row / item_pools;
        let frame = row % item_pools;
        let inv_std = 1.0 / (variance[filter] + epsilon).sqrt();
        let centre = mean[filter] - bias[filter];
        let scale = gamma[filter] * inv_std;
        let shift = beta[filter] - centre * scale;
        let count = f32::cast_from(sums.len() / filters);
        let mean_beta = grad_beta[filter] / count;
        let mean_gamma = grad_gamma[filter] / count;
        let first = (item * frames + frame * pool) * filters + filter;

        let mut passed = f32::new(0.0);
        let mut argmax = (0usize).runtime();
        if frame < pooled_frames {
            let mut max = sums[first] * scale + shift;
            for offset in 1..pool {
                let value = sums[first + offset * filters] * scale + shift;
                if value > max {
                    max = value;
                    argmax = offset;
                }
            }
            passed = gradient[item * item_stride + frame * frame_stride + filter * channel_stride];
            if comptime!(has_relu) {
                if max <= 0.0 {
                    passed = f32::new(0.0);
                }
            }
        }
        for offset in 0..pool {
            if frame * pool + offset < frames {
                let place = first + offset * filters;
                let mut routed = f32::new(0.0);
                if offset == argmax {
                    routed = passed;
                }
                let normalised = (sums[place] - centre) * inv_std;
                output[place] = scale * (routed - mean_beta - normalised * mean_gamma);
            }
        }
    } else {
        let place = sums.len() + (position - pools * filters);
        if place < output.len() {
            output[place] = f32::new(0.0);
        }
    }
}

/// Adds up the values that are a multiple of the output's length apart.
#[cube(launch)]
pub(super) fn partial_sums(values: &Array<f32>, output: &mut Array<f32>) {
    let unit = ABSOLUTE_POS;
    let units = output.len();
    if unit < units {
        let mut sum = f32::new(0.0);
        for position in range_stepped(unit, values.len(), units) {
            sum += values[position];
        }
        output[unit] = sum;
    }
}
