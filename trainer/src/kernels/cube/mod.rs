//! Convolution blocks on burn's CubeBackend: CUDA without PyTorch, and Vulkan.
//!
//! burn reduces over batch and frames on few units and computes the gradients of weights by a direct
//! convolution, which takes hundreds of times as long as a matrix product. Here a convolution is a
//! product over columns that are copied side by side, the weights' gradient is a batched product over
//! parts of the rows, and [`device`] has the rest. Signals are channels-last in memory.

mod cache;
mod device;
mod normalisation;
mod products;
mod tensors;

#[cfg(feature = "cuda")]
pub use cache::cache_cuda_kernels;
#[cfg(feature = "vulkan")]
pub use cache::cache_vulkan_kernels;

use super::mask;
use super::{ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, ConvBlockOutput, ConvGradients, NetworkBackend};
use crate::data::waveforms::widen;
use burn::tensor::ops::FloatTensorOps as _;
use burn::tensor::{DType, Shape, TensorData, TensorMetadata as _};
use burn_cubecl::cubecl::stream_id::StreamId;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{BoolElement, CubeBackend, CubeRuntime};
use normalisation::{Norm, moments, norm_gradients, normalise_relu_pool, sums_gradient};
use products::{columns, convolve, is_exact, product, rows_product, signal_gradient, sum_parts, weight_matrix};
use tensors::{MAX_VALUES, Signal, Sizes, array, elementwise, empty, reshape};

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
    /// burn's two-dimensional convolutions are direct ones here, and so are their gradients.
    const CONV2D_BY_ROWS: bool = true;

    /// cubecl has a stream for each thread, and each has a pool of memory that is never given back.
    fn on_stream<T>(stream: u64, work: impl FnOnce() -> T) -> T {
        StreamId { value: stream }.executes(work)
    }

    /// burn computes in TF32 wherever there is any.
    fn matmul(lhs: CubeTensor<R>, rhs: CubeTensor<R>) -> CubeTensor<R> {
        if !is_exact() {
            return Self::float_matmul(lhs, rhs);
        }
        let output = empty(&lhs, &[lhs.shape()[0], rhs.shape()[1]]);
        product(lhs, rhs, &output);
        output
    }

    fn upload_samples(samples: &[i16], gains: &[f32], shape: [usize; 2], device: &R::CubeDevice) -> CubeTensor<R> {
        if samples.len() > MAX_VALUES {
            return Self::float_from_data(TensorData::new(widen(samples, gains, shape[1]), shape), device);
        }
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
        let length = shape.num_elements();
        if length > MAX_VALUES {
            return Self::float_from_data(TensorData::new(mask::mask(length, seed, keep), shape), device);
        }
        let client = R::client(device);
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
        let sizes = Sizes::of(&signal, &weight, options)?;
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
        let sizes = Sizes::of(&signal, &weight, options)?;
        let (signal, matrix) = (Signal::new(signal), weight_matrix(sizes, weight));
        let sums = convolve(sizes, &signal, &matrix, options);
        let [bias, gamma, beta] = [bias, gamma, beta].map(into_contiguous);
        let (mean, variance) = moments(sizes, &sums, &bias);
        let norm = Norm { bias, gamma, beta, mean: mean.clone(), variance: variance.clone() };
        let output = normalise_relu_pool(sizes, &sums, &norm, options);
        let saved = CubeSaved { sizes, options, signal, matrix, sums, norm, needs_signal_gradient };
        Some((ConvBlockOutput { signal: output, mean, variance }, saved))
    }

    fn conv_backward(saved: CubeSaved<R>, gradient: CubeTensor<R>) -> ConvGradients<Self> {
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
        ConvGradients { signal: grad_signal, parameters: vec![[weight, bias, gamma, beta]] }
    }
}
