//! Batch normalisation with ReLU and max pooling, forward and backward.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Mean and sum of squared deviations of the values that each unit reads.
#[cube(launch)]
pub(crate) fn partial_moments(values: &Array<f32>, means: &mut Array<f32>, deviations: &mut Array<f32>) {
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
pub(crate) fn combine_moments(
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
pub(crate) fn normalise_relu_pool(
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
pub(crate) fn partial_norm_gradients(
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
pub(crate) fn combine_norm_gradients(
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
pub(crate) fn normalise_backward(
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
