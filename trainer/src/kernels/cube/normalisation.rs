//! Batch normalisation with ReLU and max pooling, forward and backward.

use super::device::{self, UNITS};
use super::tensors::{PARTIAL_UNITS, Signal, Sizes, array, elementwise, empty};
use crate::kernels::ConvBlockOptions;
use burn_cubecl::CubeRuntime;
use burn_cubecl::cubecl::prelude::{CubeCount, CubeDim};
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;

/// The parameters of a batch normalisation, contiguous.
#[derive(Debug, Clone)]
pub(super) struct Norm<R: CubeRuntime> {
    pub(super) bias: CubeTensor<R>,
    pub(super) gamma: CubeTensor<R>,
    pub(super) beta: CubeTensor<R>,
    /// Of the convolution's output with its bias.
    pub(super) mean: CubeTensor<R>,
    pub(super) variance: CubeTensor<R>,
}

/// Mean (with the bias) and variance of each filter over all rows.
pub(super) fn moments<R: CubeRuntime>(
    sizes: Sizes,
    sums: &CubeTensor<R>,
    bias: &CubeTensor<R>,
) -> (CubeTensor<R>, CubeTensor<R>) {
    let filters = sizes.filters;
    let units = filters * (PARTIAL_UNITS / filters).clamp(1, sizes.rows());
    let [means, deviations] = [(); 2].map(|()| empty(sums, &[units]));
    let (count, dim) = elementwise(sums, units);
    device::partial_moments::launch::<R>(&sums.client, count, dim, array(sums), array(&means), array(&deviations));
    let [mean, variance] = [(); 2].map(|()| empty(sums, &[filters]));
    device::combine_moments::launch::<R>(
        &sums.client,
        CubeCount::new_1d(filters as u32),
        CubeDim::new_1d(UNITS),
        array(&means),
        array(&deviations),
        array(bias),
        array(&mean),
        array(&variance),
        sizes.rows(),
        UNITS,
    );
    (mean, variance)
}

/// Normalises and pools the sums, into `[batch, filters, frames]`.
pub(super) fn normalise_relu_pool<R: CubeRuntime>(
    sizes: Sizes,
    sums: &CubeTensor<R>,
    norm: &Norm<R>,
    options: ConvBlockOptions,
) -> CubeTensor<R> {
    let Sizes { batch, filters, pooled_frames, .. } = sizes;
    let output = empty(sums, &[batch, pooled_frames, filters]);
    let (count, dim) = elementwise(&output, batch * pooled_frames * filters);
    device::normalise_relu_pool::launch::<R>(
        &output.client,
        count,
        dim,
        array(sums),
        array(&norm.bias),
        array(&norm.gamma),
        array(&norm.beta),
        array(&norm.mean),
        array(&norm.variance),
        array(&output),
        options.epsilon as f32,
        sizes.out_frames,
        pooled_frames,
        options.pool,
        options.has_relu,
    );
    permute(output, &[0, 2, 1])
}

/// The gradients of beta, gamma and the bias.
pub(super) fn norm_gradients<R: CubeRuntime>(
    sizes: Sizes,
    sums: &CubeTensor<R>,
    gradient: &Signal<R>,
    norm: &Norm<R>,
    options: ConvBlockOptions,
) -> (CubeTensor<R>, CubeTensor<R>, CubeTensor<R>) {
    let filters = sizes.filters;
    let units = filters * (PARTIAL_UNITS / filters).clamp(1, sizes.batch * sizes.pooled_frames);
    let [betas, gammas] = [(); 2].map(|()| empty(sums, &[units]));
    let (count, dim) = elementwise(sums, units);
    let [item, frame, channel] = gradient.strides;
    device::partial_norm_gradients::launch::<R>(
        &sums.client,
        count,
        dim,
        array(sums),
        array(&gradient.tensor),
        array(&norm.bias),
        array(&norm.gamma),
        array(&norm.beta),
        array(&norm.mean),
        array(&norm.variance),
        array(&betas),
        array(&gammas),
        options.epsilon as f32,
        sizes.out_frames,
        sizes.pooled_frames,
        item,
        frame,
        channel,
        options.pool,
        options.has_relu,
    );
    let [beta, gamma, bias] = [(); 3].map(|()| empty(sums, &[filters]));
    device::combine_norm_gradients::launch::<R>(
        &sums.client,
        CubeCount::new_1d(filters as u32),
        CubeDim::new_1d(UNITS),
        array(&betas),
        array(&gammas),
        array(&beta),
        array(&gamma),
        array(&bias),
        UNITS,
    );
    (beta, gamma, bias)
}

/// The gradient of the convolution's output, `[rows, filters]`, with zero rows up to `rows`.
pub(super) fn sums_gradient<R: CubeRuntime>(
    sizes: Sizes,
    sums: &CubeTensor<R>,
    gradient: &Signal<R>,
    norm: &Norm<R>,
    (grad_beta, grad_gamma): (&CubeTensor<R>, &CubeTensor<R>),
    options: ConvBlockOptions,
    rows: usize,
) -> CubeTensor<R> {
    let output = empty(sums, &[rows, sizes.filters]);
    let item_pools = sizes.out_frames.div_ceil(options.pool);
    let pools = sizes.batch * item_pools;
    let (count, dim) = elementwise(sums, (pools + rows - sizes.rows()) * sizes.filters);
    let [item, frame, channel] = gradient.strides;
    device::normalise_backward::launch::<R>(
        &sums.client,
        count,
        dim,
        array(sums),
        array(&gradient.tensor),
        array(&norm.bias),
        array(&norm.gamma),
        array(&norm.beta),
        array(&norm.mean),
        array(&norm.variance),
        array(grad_beta),
        array(grad_gamma),
        array(&output),
        options.epsilon as f32,
        sizes.out_frames,
        sizes.pooled_frames,
        item_pools,
        pools,
        item,
        frame,
        channel,
        options.pool,
        options.has_relu,
    );
    output
}
