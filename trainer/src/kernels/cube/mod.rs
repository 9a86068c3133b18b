//! Convolution blocks on burn's CubeBackend: CUDA without PyTorch, and Vulkan.
//!
//! burn reduces over batch and frames on few units and computes the gradients of weights by a direct
//! convolution, which takes hundreds of times as long as a matrix product. Here a convolution is a
//! product over columns that are copied side by side, the weights' gradient is a batched product over
//! parts of the rows, and [`device`] has the rest. Signals are channels-last in memory.

mod cache;
mod device;

pub use cache::cache_kernels;

use super::mask;
use super::{ConvBlockGradients, ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, ConvBlockOutput, NetworkBackend};
use burn::tensor::DType;
use burn::tensor::Shape;
use burn::tensor::TensorMetadata as _;
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::ir::StorageType;
use burn_cubecl::cubecl::prelude::{ArrayArg, CubeCount, CubeDim};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::launch::{Strategy, launch_ref};
use cubek::std::InputBinding;
use device::UNITS;
use std::sync::LazyLock;

/// The source of [`device`], which compiled kernels depend on.
const DEVICE_SOURCE: &[u8] = include_bytes!("device.rs");

/// Units that compute partial sums: enough to fill any device.
const PARTIAL_UNITS: usize = 65_536;

/// Rows of a part of the weights' gradient, and the most parts.
const PART_ROWS: usize = 512;
const MAX_PARTS: usize = 1_024;

/// Columns up to which a program of its own is faster than burn's product, whose tiles have eight in TF32 at least.
const NARROW: usize = 12;

/// The sizes of a convolution block.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    batch: usize,
    channels: usize,
    frames: usize,
    filters: usize,
    taps: usize,
    out_frames: usize,
    pooled_frames: usize,
}

impl Sizes {
    fn of<R: CubeRuntime>(signal: &CubeTensor<R>, weight: &CubeTensor<R>, options: ConvBlockOptions) -> Self {
        let [batch, channels, frames] = signal.shape().dims();
        let [filters, _, taps] = weight.shape().dims();
        let out_frames = (frames + 2 * options.padding - taps) / options.stride + 1;
        Self { batch, channels, frames, filters, taps, out_frames, pooled_frames: out_frames / options.pool }
    }

    /// Rows of the convolution's output.
    fn rows(&self) -> usize {
        self.batch * self.out_frames
    }

    /// Length of a column: the receptive field of a filter at one output frame.
    fn width(&self) -> usize {
        self.taps * self.channels
    }

    /// Parts of the rows, and the rows of each, for the weights' gradient. The last part may be shorter.
    fn parts(&self) -> (usize, usize) {
        let parts = (self.rows() / PART_ROWS).clamp(1, MAX_PARTS);
        let part_rows = self.rows().div_ceil(parts);
        (self.rows().div_ceil(part_rows), part_rows)
    }
}

/// A signal `[batch, channels, frames]` in one of two layouts, with its strides by item, frame and channel.
#[derive(Clone, Debug)]
struct Signal<R: CubeRuntime> {
    tensor: CubeTensor<R>,
    strides: [usize; 3],
}

impl<R: CubeRuntime> Signal<R> {
    fn new(signal: CubeTensor<R>) -> Self {
        let rows = permute(signal.clone(), &[0, 2, 1]);
        let [_, channels, frames] = signal.shape().dims();
        if rows.is_contiguous() {
            return Self { tensor: rows, strides: [channels * frames, channels, 1] };
        }
        Self { tensor: into_contiguous(signal), strides: [channels * frames, 1, frames] }
    }

    /// Whether it is rows of channels.
    fn is_rows(&self) -> bool {
        self.strides[2] == 1
    }
}

/// A contiguous tensor of single precision beside `like`, with arbitrary values.
fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: &[usize]) -> CubeTensor<R> {
    let shape = Shape::from(shape.to_vec());
    let handle = like.client.empty(shape.num_elements() * size_of::<f32>());
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, handle, DType::F32)
}

/// A contiguous tensor with another shape.
fn reshape<R: CubeRuntime>(tensor: &CubeTensor<R>, shape: &[usize]) -> CubeTensor<R> {
    let CubeTensor { client, device, handle, dtype, .. } = tensor.clone();
    CubeTensor::new_contiguous(client, device, Shape::from(shape.to_vec()), handle, dtype)
}

fn array<R: CubeRuntime>(tensor: &CubeTensor<R>) -> ArrayArg<R> {
    tensor.clone().into_array_arg()
}

/// Cubes with a unit for each of `units` values.
fn elementwise<R: CubeRuntime>(like: &CubeTensor<R>, units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(UNITS);
    (calculate_cube_count_elemwise(&like.client, units, dim), dim)
}

/// Whether products are computed in single precision instead of TF32, by the variable that NVIDIA's libraries read.
fn is_exact() -> bool {
    static IS_EXACT: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("NVIDIA_TF32_OVERRIDE").is_some_and(|value| value == "0"));
    *IS_EXACT
}

fn product<R: CubeRuntime>(lhs: CubeTensor<R>, rhs: CubeTensor<R>, output: &CubeTensor<R>) {
    // Auto takes tensor cores where there are any.
    let strategy = if is_exact() { Strategy::SimpleUnit(Default::default()) } else { Strategy::Auto };
    let dtype = StorageType::from(DType::F32);
    let mut dtypes = MatmulElems::from_globals(&MatmulGlobalElems { lhs: dtype, rhs: dtype, out: dtype });
    let input = |tensor: CubeTensor<R>| InputBinding::new(tensor.binding(), dtype);
    let client = output.client.clone();
    let done = launch_ref(&strategy, &client, input(lhs), input(rhs), output.clone().binding(), &mut dtypes);
    if let Err(error) = done {
        panic!("the device cannot multiply these matrices: {error:?}");
    }
}

/// The columns `[rows, taps * channels]`, with zero rows up to `rows`.
fn columns<R: CubeRuntime>(sizes: Sizes, signal: &Signal<R>, options: ConvBlockOptions, rows: usize) -> CubeTensor<R> {
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
fn weight_matrix<R: CubeRuntime>(sizes: Sizes, weight: CubeTensor<R>) -> CubeTensor<R> {
    let matrix = into_contiguous(permute(weight, &[2, 1, 0]));
    reshape(&matrix, &[sizes.width(), sizes.filters])
}

/// The convolution without its bias, `[rows, filters]`.
fn convolve<R: CubeRuntime>(
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
fn rows_product<R: CubeRuntime>(rows: CubeTensor<R>, matrix: CubeTensor<R>, output: &CubeTensor<R>) {
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

/// The parameters of a batch normalisation, contiguous.
#[derive(Debug, Clone)]
struct Norm<R: CubeRuntime> {
    bias: CubeTensor<R>,
    gamma: CubeTensor<R>,
    beta: CubeTensor<R>,
    /// Of the convolution's output with its bias.
    mean: CubeTensor<R>,
    variance: CubeTensor<R>,
}

/// Mean (with the bias) and variance of each filter over all rows.
fn moments<R: CubeRuntime>(sizes: Sizes, sums: &CubeTensor<R>, bias: &CubeTensor<R>) -> (CubeTensor<R>, CubeTensor<R>) {
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
fn normalise_relu_pool<R: CubeRuntime>(
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

/// Adds up `parts` matrices of `size` values each, in two steps where there are many.
fn sum_parts<R: CubeRuntime>(parts: &CubeTensor<R>, count: usize, size: usize) -> CubeTensor<R> {
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

/// What the forward pass saves for the backward pass.
#[derive(Debug, Clone)]
pub struct CubeSaved<R: CubeRuntime> {
    sizes: Sizes,
    options: ConvBlockOptions,
    signal: Signal<R>,
    matrix: CubeTensor<R>,
    /// The convolution without its bias, `[rows, filters]`.
    sums: CubeTensor<R>,
    norm: Norm<R>,
    needs_signal_gradient: bool,
}

impl<R: CubeRuntime, B: BoolElement> NetworkBackend for CubeBackend<R, f32, i32, B> {
    fn upload_samples(samples: &[i16], gains: &[f32], shape: [usize; 2], device: &R::CubeDevice) -> CubeTensor<R> {
        let client = R::client(device);
        // Two samples a word, the first one in its lower half.
        let words = samples.len().div_ceil(2);
        let tensor = |bytes: &[u8], length: usize, dtype| {
            let handle = client.create_from_slice(bytes);
            CubeTensor::new_contiguous(client.clone(), device.clone(), Shape::from([length]), handle, dtype)
        };
        let packed = if samples.len().is_multiple_of(2) {
            tensor(bytemuck::cast_slice(samples), words, DType::I32)
        } else {
            tensor(bytemuck::cast_slice(&[samples, &[0]].concat()), words, DType::I32)
        };
        let ones = vec![1.0; shape[0]];
        let gains = tensor(bytemuck::cast_slice(if gains.is_empty() { &ones } else { gains }), shape[0], DType::F32);
        let output = empty(&packed, &shape);
        let (count, dim) = elementwise(&output, words);
        let arguments = (array(&packed), array(&gains), array(&output));
        device::widen_samples::launch::<R>(&client, count, dim, arguments.0, arguments.1, arguments.2, shape[1]);
        output
    }

    fn dropout_mask(shape: Shape, seed: u64, keep: f64, device: &R::CubeDevice) -> CubeTensor<R> {
        let client = R::client(device);
        let length = shape.num_elements();
        let handle = client.empty(length * size_of::<f32>());
        let output = CubeTensor::new_contiguous(client.clone(), device.clone(), shape, handle, DType::F32);
        let (count, dim) = elementwise(&output, length);
        let (key, threshold) = (mask::key(seed), mask::threshold(keep));
        device::draw_mask::launch::<R>(
            &client,
            count,
            dim,
            array(&output),
            key,
            mask::SPREAD,
            threshold,
            (1.0 / keep) as f32,
        );
        output
    }

    fn eval_conv_block(
        inputs: ConvBlockInputs<Self>,
        mean: CubeTensor<R>,
        variance: CubeTensor<R>,
        options: ConvBlockOptions,
    ) -> Option<CubeTensor<R>> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let sizes = Sizes::of(&signal, &weight, options);
        let sums = convolve(sizes, &Signal::new(signal), &weight_matrix(sizes, weight), options);
        let [bias, gamma, beta, mean, variance] = [bias, gamma, beta, mean, variance].map(into_contiguous);
        Some(normalise_relu_pool(sizes, &sums, &Norm { bias, gamma, beta, mean, variance }, options))
    }
}

impl<R: CubeRuntime, B: BoolElement> ConvBlockKernel for CubeBackend<R, f32, i32, B> {
    type SavedForBackward = CubeSaved<R>;

    fn conv_block_forward(
        inputs: ConvBlockInputs<Self>,
        options: ConvBlockOptions,
        needs_signal_gradient: bool,
    ) -> Option<(ConvBlockOutput<Self>, CubeSaved<R>)> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let sizes = Sizes::of(&signal, &weight, options);
        let (signal, matrix) = (Signal::new(signal), weight_matrix(sizes, weight));
        let sums = convolve(sizes, &signal, &matrix, options);
        let [bias, gamma, beta] = [bias, gamma, beta].map(into_contiguous);
        let (mean, variance) = moments(sizes, &sums, &bias);
        let norm = Norm { bias, gamma, beta, mean: mean.clone(), variance: variance.clone() };
        let output = normalise_relu_pool(sizes, &sums, &norm, options);
        let saved = CubeSaved { sizes, options, signal, matrix, sums, norm, needs_signal_gradient };
        Some((ConvBlockOutput { signal: output, mean, variance }, saved))
    }

    fn conv_block_backward(saved: CubeSaved<R>, gradient: CubeTensor<R>) -> ConvBlockGradients<Self> {
        let CubeSaved { sizes, options, signal, matrix, sums, norm, needs_signal_gradient } = saved;
        let gradient = Signal::new(gradient);
        let (beta, gamma, bias) = norm_gradients(sizes, &sums, &gradient, &norm, options);
        let (parts, part_rows) = sizes.parts();
        let rows = parts * part_rows;
        let grad_sums = sums_gradient(sizes, &sums, &gradient, &norm, (&beta, &gamma), options, rows);

        // Each part of the rows is one product of a batch.
        let columns = columns(sizes, &signal, options, rows);
        let (width, filters) = (sizes.width(), sizes.filters);
        let by_part = empty(&sums, &[parts, width, filters]);
        let lhs = permute(reshape(&columns, &[parts, part_rows, width]), &[0, 2, 1]);
        product(lhs, reshape(&grad_sums, &[parts, part_rows, filters]), &by_part);
        let weight = sum_parts(&by_part, parts, width * filters);
        let weight = permute(reshape(&weight, &[sizes.taps, sizes.channels, filters]), &[2, 1, 0]);

        let grad_signal = needs_signal_gradient.then(|| {
            let grad_columns = empty(&sums, &[rows, width]);
            rows_product(grad_sums, permute(matrix, &[1, 0]), &grad_columns);
            signal_gradient(sizes, &grad_columns, options)
        });
        ConvBlockGradients { signal: grad_signal, weight, bias, gamma, beta }
    }
}

/// The gradients of beta, gamma and the bias.
fn norm_gradients<R: CubeRuntime>(
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
fn sums_gradient<R: CubeRuntime>(
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

/// The gradient of the signal, `[batch, channels, frames]`, from that of its columns.
fn signal_gradient<R: CubeRuntime>(
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
