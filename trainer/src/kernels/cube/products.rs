//! Convolutions as matrix products over columns.

use super::device;
use super::tensors::{Signal, Sizes, array, elementwise, empty, reshape};
use crate::kernels::ConvBlockOptions;
use burn::tensor::{DType, TensorMetadata as _};
use burn_cubecl::CubeRuntime;
use burn_cubecl::cubecl::ir::StorageType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::std::InputBinding;
use std::sync::LazyLock;

/// Columns up to which a program of its own is faster than burn's product, whose tiles have eight in TF32 at least.
const NARROW: usize = 12;

/// Whether products are computed in single precision instead of TF32, by the variable that NVIDIA's libraries read.
pub(super) fn is_exact() -> bool {
    static IS_EXACT: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("NVIDIA_TF32_OVERRIDE").is_some_and(|value| value == "0"));
    *IS_EXACT
}

pub(super) fn product<R: CubeRuntime>(lhs: CubeTensor<R>, rhs: CubeTensor<R>, output: &CubeTensor<R>) {
    // Auto takes tensor cores where there are any.
    let strategy = if is_exact() { Strategy::SimpleUnit(Default::default()) } else { Strategy::Auto };
    let dtype = StorageType::from(DType::F32);
    let mut dtypes = MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: dtype });
    let input = |tensor: CubeTensor<R>| InputBinding::new(tensor.binding(), dtype);
    let client = output.client.clone();
    let done = launch_ref(&strategy, &client, input(lhs), input(rhs), output.clone().binding(), &mut dtypes);
    if let Err(error) = done {
        panic!("this device cannot multiply the matrices of a convolution; use another --backend: {error:?}");
    }
}

/// The columns `[rows, taps * channels]`, with zero rows up to `rows`.
pub(super) fn columns<R: CubeRuntime>(
    sizes: Sizes,
    signal: &Signal<R>,
    options: ConvBlockOptions,
    rows: usize,
) -> CubeTensor<R> {
    let Sizes { channels, frames, taps, out_frames, .. } = sizes;
    if taps == 1 && options.stride == 1 && options.padding == 0 && signal.is_rows() && rows == sizes.rows() {
        return reshape(&signal.tensor, &[rows, channels]);
    }
    let output = empty(&signal.tensor, &[rows, sizes.width()]);
    let (count, dim) = elementwise(&output, rows * sizes.width());
    let [item, frame, channel] = signal.strides;
    device::copy_columns::launch::<R>(
        &output.client,
        count,
        dim,
        array(&signal.tensor),
        array(&output),
        item,
        frame,
        channel,
        channels,
        frames,
        out_frames,
        sizes.rows(),
        taps,
        options.stride,
        options.padding,
    );
    output
}

/// The weights as a matrix `[taps * channels, filters]`.
pub(super) fn weight_matrix<R: CubeRuntime>(sizes: Sizes, weight: CubeTensor<R>) -> CubeTensor<R> {
    let matrix = into_contiguous(permute(weight, &[2, 1, 0]));
    reshape(&matrix, &[sizes.width(), sizes.filters])
}

/// The convolution without its bias, `[rows, filters]`.
pub(super) fn convolve<R: CubeRuntime>(
    sizes: Sizes,
    signal: &Signal<R>,
    matrix: &CubeTensor<R>,
    options: ConvBlockOptions,
) -> CubeTensor<R> {
    let columns = columns(sizes, signal, options, sizes.rows());
    let output = empty(matrix, &[sizes.rows(), sizes.filters]);
    rows_product(columns, matrix.clone(), &output);
    output
}

/// The product of many rows and a small matrix.
pub(super) fn rows_product<R: CubeRuntime>(rows: CubeTensor<R>, matrix: CubeTensor<R>, output: &CubeTensor<R>) {
    let [width, filters] = matrix.shape().dims();
    if width > NARROW {
        return product(rows, matrix, output);
    }
    let matrix = into_contiguous(matrix);
    let (count, dim) = elementwise(output, output.shape().num_elements());
    let arguments = (array(&rows), array(&matrix), array(output));
    device::narrow_product::launch::<R>(
        &output.client,
        count,
        dim,
        arguments.0,
        arguments.1,
        arguments.2,
        filters,
        width,
    );
}

/// Adds up `parts` matrices of `size` values each, in two steps where there are many.
pub(super) fn sum_parts<R: CubeRuntime>(parts: &CubeTensor<R>, count: usize, size: usize) -> CubeTensor<R> {
    const GROUPS: usize = 32;
    if count == 1 {
        return parts.clone();
    }
    let add = |values: &CubeTensor<R>, groups: usize| {
        let output = empty(values, &[groups * size]);
        let (count, dim) = elementwise(&output, groups * size);
        device::partial_sums::launch::<R>(&output.client, count, dim, array(values), array(&output));
        output
    };
    if count > 2 * GROUPS { add(&add(parts, GROUPS), 1) } else { add(parts, 1) }
}

/// The gradient of the signal, `[batch, channels, frames]`, from that of its columns.
pub(super) fn signal_gradient<R: CubeRuntime>(
    sizes: Sizes,
    grad_columns: &CubeTensor<R>,
    options: ConvBlockOptions,
) -> CubeTensor<R> {
    let Sizes { batch, channels, frames, .. } = sizes;
    let output = empty(grad_columns, &[batch, frames, channels]);
    let (count, dim) = elementwise(&output, batch * frames * channels);
    device::add_columns::launch::<R>(
        &output.client,
        count,
        dim,
        array(grad_columns),
        array(&output),
        channels,
        frames,
        sizes.out_frames,
        sizes.taps,
        options.stride,
        options.padding,
    );
    permute(output, &[0, 2, 1])
}
