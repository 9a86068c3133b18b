//! Convolutions by im2col and matrix products.

use crate::kernels::ConvBlockOptions;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorMetadata as _;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// Size of the im2col buffer, in values: half a megabyte, which fits the L2 cache.
const CHUNK_VALUES: usize = 128 * 1_024;

/// The sizes of a convolution block.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvSizes {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) frames: usize,
    pub(super) filters: usize,
    pub(super) kernel_size: usize,
    /// Frames after the convolution.
    pub(super) out_frames: usize,
    /// Frames after the pooling.
    pub(super) pooled_frames: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) pool: usize,
}

impl ConvSizes {
    pub(super) fn of(signal: &FlexTensor, weight: &FlexTensor, options: ConvBlockOptions) -> Self {
        let [batch, channels, frames] = signal.shape().dims();
        let [filters, _, kernel_size] = weight.shape().dims();
        let ConvBlockOptions { stride, padding, pool, .. } = options;
        let out_frames = (frames + 2 * padding - kernel_size) / stride + 1;
        let pooled_frames = out_frames / pool;
        Self { batch, channels, frames, filters, kernel_size, out_frames, pooled_frames, stride, padding, pool }
    }

    /// Length of an im2col column: the receptive field of a filter at one output frame.
    fn column_len(&self) -> usize {
        self.channels * self.kernel_size
    }

    /// Items of a batch that one thread computes.
    fn items_per_thread(&self) -> usize {
        self.batch.div_ceil(rayon::current_num_threads()).max(1)
    }

    /// Columns in the im2col buffer.
    fn columns_per_chunk(&self) -> usize {
        (CHUNK_VALUES / self.column_len()).max(16)
    }

    /// Splits the columns `from..to`, which are numbered through all items, at the items' ends. Yields
    /// for each part its item, its first output frame and its number of output frames.
    fn runs(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let out_frames = self.out_frames;
        let mut next = from;
        std::iter::from_fn(move || {
            let (item, first) = (next / out_frames, next % out_frames);
            let count = (out_frames - first).min(to - next);
            next += count;
            (count > 0).then_some((item, first, count))
        })
    }

    /// Which of the `count` output frames from `out_frame` on have tap `tap` of the filter inside the
    /// signal and not over its padding. Returns `(early, frame, inside)`: the first `early` of them have it
    /// over the padding before the signal; the next `inside` have it on the signal's frames `frame`,
    /// `frame + stride` and so on; any others have it over the padding after the signal.
    fn valid_frames(&self, tap: usize, out_frame: usize, count: usize) -> (usize, usize, usize) {
        let first = (out_frame * self.stride + tap) as isize - self.padding as isize;
        let early = if first < 0 { (first.unsigned_abs()).div_ceil(self.stride).min(count) } else { 0 };
        let frame = (first + (early * self.stride) as isize).max(0) as usize;
        let inside = if frame < self.frames { (self.frames - 1 - frame) / self.stride + 1 } else { 0 };
        (early, frame, inside.min(count - early))
    }

    /// Copies the columns `from..to` into a matrix `[column_len, columns]`, zero outside the signal.
    fn im2col(&self, signal: &[f32], from: usize, to: usize, columns: &mut [f32]) {
        let width = to - from;
        let mut at = 0;
        for (item, out_frame, count) in self.runs(from, to) {
            for row in 0..self.column_len() {
                let (channel, tap) = (row / self.kernel_size, row % self.kernel_size);
                let frames = &signal[(item * self.channels + channel) * self.frames..][..self.frames];
                let (early, frame, inside) = self.valid_frames(tap, out_frame, count);
                let row = &mut columns[row * width + at..][..count];
                row[..early].fill(0.0);
                row[early + inside..].fill(0.0);
                let row = &mut row[early..early + inside];
                if self.stride == 1 {
                    row.copy_from_slice(&frames[frame..frame + inside]);
                } else {
                    row.iter_mut()
                        .zip(frames[frame.min(self.frames)..].iter().step_by(self.stride))
                        .for_each(|(to, from)| *to = *from);
                }
            }
            at += count;
        }
    }

    /// Adds columns to the frames that [`im2col`](Self::im2col) copied them from.
    fn col2im(&self, columns: &[f32], from: usize, to: usize, signal: &mut [f32]) {
        let width = to - from;
        let mut at = 0;
        for (item, out_frame, count) in self.runs(from, to) {
            for row in 0..self.column_len() {
                let (channel, tap) = (row / self.kernel_size, row % self.kernel_size);
                let frames = &mut signal[(item * self.channels + channel) * self.frames..][..self.frames];
                let (early, frame, inside) = self.valid_frames(tap, out_frame, count);
                let row = &columns[row * width + at + early..][..inside];
                if self.stride == 1 {
                    frames[frame..frame + inside].iter_mut().zip(row).for_each(|(to, from)| *to += from);
                } else {
                    let frames = frames[frame.min(self.frames)..].iter_mut().step_by(self.stride);
                    frames.zip(row).for_each(|(to, from)| *to += from);
                }
            }
            at += count;
        }
    }

    /// Calls `copy` for each contiguous run of the columns `from..to` of each filter: with the run's
    /// position in `[items, filters, out_frames]`, its position in `[filters, columns]`, its length.
    fn for_each_run(&self, from: usize, to: usize, mut copy: impl FnMut(usize, usize, usize)) {
        let width = to - from;
        let mut at = 0;
        for (item, out_frame, count) in self.runs(from, to) {
            for filter in 0..self.filters {
                copy((item * self.filters + filter) * self.out_frames + out_frame, filter * width + at, count);
            }
            at += count;
        }
    }
}

/// The convolution of `signal` with `weight`, into `[batch, filters, out_frames]`.
pub(super) fn convolve(sizes: ConvSizes, signal: &[f32], weight: &[f32], bias: &[f32], sums: &mut [f32]) {
    let items = sizes.items_per_thread();
    let signals = signal.par_chunks(items * sizes.channels * sizes.frames);
    sums.par_chunks_mut(items * sizes.filters * sizes.out_frames).zip(signals).for_each(|(sums, signal)| {
        let all = sums.len() / sizes.filters;
        let chunk = sizes.columns_per_chunk().min(all);
        let mut columns = vec![0.0; sizes.column_len() * chunk];
        let mut products = vec![0.0; sizes.filters * chunk];
        for from in (0..all).step_by(chunk) {
            let to = (from + chunk).min(all);
            let width = to - from;
            sizes.im2col(signal, from, to, &mut columns);
            gemm(
                matrix(weight, sizes.filters, sizes.column_len()),
                matrix(&columns, sizes.column_len(), width),
                0.0,
                matrix_mut(&mut products, sizes.filters, width),
            );
            sizes.for_each_run(from, to, |position, column, count| {
                let bias = bias[(position / sizes.out_frames) % sizes.filters];
                let sums = sums[position..position + count].iter_mut();
                sums.zip(&products[column..column + count]).for_each(|(sum, product)| *sum = product + bias);
            });
        }
    });
}

/// The gradients of a convolution's signal (if needed), weights and biases from that of its output.
pub(super) fn convolve_backward(
    sizes: ConvSizes,
    signal: &[f32],
    weight: &[f32],
    gradient: &[f32],
    needs_signal_gradient: bool,
) -> (Option<Vec<f32>>, Vec<f32>, Vec<f32>) {
    let items = sizes.items_per_thread();
    let item = sizes.channels * sizes.frames;
    let mut grad_signal = vec![0.0; if needs_signal_gradient { signal.len() } else { 0 }];
    // Without a signal gradient, each thread gets an empty slice.
    let chunks = sizes.batch.div_ceil(items);
    let grad_signals: Vec<&mut [f32]> = if needs_signal_gradient {
        grad_signal.chunks_mut(items * item).collect()
    } else {
        (0..chunks).map(|_| &mut [][..]).collect()
    };
    let work = grad_signals.into_par_iter().zip(signal.par_chunks(items * item));
    let work = work.zip(gradient.par_chunks(items * sizes.filters * sizes.out_frames));
    let parts: Vec<(Vec<f32>, Vec<f32>)> = work
        .map(|((grad_signal, signal), gradient)| {
            let mut grad_weight = vec![0.0; sizes.filters * sizes.column_len()];
            let all = gradient.len() / sizes.filters;
            let chunk = sizes.columns_per_chunk().min(all);
            let mut columns = vec![0.0; sizes.column_len() * chunk];
            let mut gradients = vec![0.0; sizes.filters * chunk];
            for from in (0..all).step_by(chunk) {
                let to = (from + chunk).min(all);
                let width = to - from;
                sizes.for_each_run(from, to, |position, column, count| {
                    gradients[column..column + count].copy_from_slice(&gradient[position..position + count]);
                });
                sizes.im2col(signal, from, to, &mut columns);
                let gradients = matrix(&gradients, sizes.filters, width);
                gemm(
                    gradients,
                    matrix(&columns, sizes.column_len(), width).reversed_axes(),
                    1.0,
                    matrix_mut(&mut grad_weight, sizes.filters, sizes.column_len()),
                );
                if needs_signal_gradient {
                    gemm(
                        matrix(weight, sizes.filters, sizes.column_len()).reversed_axes(),
                        gradients,
                        0.0,
                        matrix_mut(&mut columns, sizes.column_len(), width),
                    );
                    sizes.col2im(&columns, from, to, grad_signal);
                }
            }
            let mut grad_bias = vec![0.0; sizes.filters];
            for (row, gradient) in gradient.chunks_exact(sizes.out_frames).enumerate() {
                grad_bias[row % sizes.filters] += gradient.iter().sum::<f32>();
            }
            (grad_weight, grad_bias)
        })
        .collect();
    let sum = |mut sum: (Vec<f32>, Vec<f32>), part: (Vec<f32>, Vec<f32>)| {
        sum.0.iter_mut().zip(part.0).for_each(|(sum, part)| *sum += part);
        sum.1.iter_mut().zip(part.1).for_each(|(sum, part)| *sum += part);
        sum
    };
    let (grad_weight, grad_bias) = parts.into_iter().reduce(sum).unwrap_or_default();
    (needs_signal_gradient.then_some(grad_signal), grad_weight, grad_bias)
}

fn matrix(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    let view = ArrayView2::from_shape((rows, columns), &values[..rows * columns]);
    view.unwrap_or_else(|_| unreachable!("the slice has the matrix's size"))
}

fn matrix_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    let view = ArrayViewMut2::from_shape((rows, columns), &mut values[..rows * columns]);
    view.unwrap_or_else(|_| unreachable!("the slice has the matrix's size"))
}

/// `c = a b + beta c`.
fn gemm(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, beta: f32, mut c: ArrayViewMut2<'_, f32>) {
    general_mat_mul(1.0, &a, &b, beta, &mut c);
}
