//! Convolutions as products of matrices over copied columns.

use crate::kernels::StageKind;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorMetadata as _;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use rayon::prelude::*;

/// Values of copied columns at a time: half a megabyte, which fits the second cache.
const PIECE: usize = 128 * 1_024;

/// The sizes of a stage.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) frames: usize,
    pub(super) filters: usize,
    pub(super) length: usize,
    /// Frames after the convolution.
    pub(super) places: usize,
    /// Frames after the pooling.
    pub(super) pooled: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) pool: usize,
}

impl Sizes {
    pub(super) fn of(signal: &FlexTensor, weight: &FlexTensor, kind: StageKind) -> Self {
        let [batch, channels, frames] = signal.shape().dims();
        let [filters, _, length] = weight.shape().dims();
        let StageKind { stride, padding, pool, .. } = kind;
        let places = (frames + 2 * padding - length) / stride + 1;
        let pooled = places / pool;
        Self { batch, channels, frames, filters, length, places, pooled, stride, padding, pool }
    }

    /// Values of one column: what a filter sees at one place.
    fn column(&self) -> usize {
        self.channels * self.length
    }

    /// Items of a batch that one core takes.
    fn share(&self) -> usize {
        self.batch.div_ceil(rayon::current_num_threads()).max(1)
    }

    /// Columns at a time.
    fn piece(&self) -> usize {
        (PIECE / self.column()).max(16)
    }

    /// The columns `from..to` of some items, counted over all their places: for each,
    /// the item, the place, and how many follow in the same item.
    fn runs(&self, from: usize, to: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let places = self.places;
        let mut next = from;
        std::iter::from_fn(move || {
            let (item, place) = (next / places, next % places);
            let count = (places - place).min(to - next);
            next += count;
            (count > 0).then_some((item, place, count))
        })
    }

    /// The frames that offset `offset` of a filter sees from `place` on for `count`
    /// places: how many of the places come too early, the first frame, and how many
    /// places have a frame.
    fn seen(&self, offset: usize, place: usize, count: usize) -> (usize, usize, usize) {
        let first = (place * self.stride + offset) as isize - self.padding as isize;
        let early = if first < 0 { (first.unsigned_abs()).div_ceil(self.stride).min(count) } else { 0 };
        let frame = (first + (early * self.stride) as isize).max(0) as usize;
        let there = if frame < self.frames { (self.frames - 1 - frame) / self.stride + 1 } else { 0 };
        (early, frame, there.min(count - early))
    }

    /// Copies columns into `[column, columns]`; outside of the signal there are zeros.
    fn gather(&self, signal: &[f32], from: usize, to: usize, columns: &mut [f32]) {
        let width = to - from;
        let mut at = 0;
        for (item, place, count) in self.runs(from, to) {
            for row in 0..self.column() {
                let (channel, offset) = (row / self.length, row % self.length);
                let frames = &signal[(item * self.channels + channel) * self.frames..][..self.frames];
                let (early, frame, there) = self.seen(offset, place, count);
                let row = &mut columns[row * width + at..][..count];
                row[..early].fill(0.0);
                row[early + there..].fill(0.0);
                let row = &mut row[early..early + there];
                if self.stride == 1 {
                    row.copy_from_slice(&frames[frame..frame + there]);
                } else {
                    row.iter_mut()
                        .zip(frames[frame.min(self.frames)..].iter().step_by(self.stride))
                        .for_each(|(to, from)| *to = *from);
                }
            }
            at += count;
        }
    }

    /// Adds columns back to where [`gather`](Self::gather) took them from.
    fn scatter(&self, columns: &[f32], from: usize, to: usize, signal: &mut [f32]) {
        let width = to - from;
        let mut at = 0;
        for (item, place, count) in self.runs(from, to) {
            for row in 0..self.column() {
                let (channel, offset) = (row / self.length, row % self.length);
                let frames = &mut signal[(item * self.channels + channel) * self.frames..][..self.frames];
                let (early, frame, there) = self.seen(offset, place, count);
                let row = &columns[row * width + at + early..][..there];
                if self.stride == 1 {
                    frames[frame..frame + there].iter_mut().zip(row).for_each(|(to, from)| *to += from);
                } else {
                    let frames = frames[frame.min(self.frames)..].iter_mut().step_by(self.stride);
                    frames.zip(row).for_each(|(to, from)| *to += from);
                }
            }
            at += count;
        }
    }

    /// Copies `[filters, columns]` to or from `[items, filters, places]`.
    fn each_row(&self, from: usize, to: usize, mut copy: impl FnMut(usize, usize, usize)) {
        let width = to - from;
        let mut at = 0;
        for (item, place, count) in self.runs(from, to) {
            for filter in 0..self.filters {
                copy((item * self.filters + filter) * self.places + place, filter * width + at, count);
            }
            at += count;
        }
    }
}

/// The convolution of `signal` with `weight`, into `[batch, filters, places]`.
pub(super) fn convolve(sizes: Sizes, signal: &[f32], weight: &[f32], bias: &[f32], sums: &mut [f32]) {
    let share = sizes.share();
    let signals = signal.par_chunks(share * sizes.channels * sizes.frames);
    sums.par_chunks_mut(share * sizes.filters * sizes.places).zip(signals).for_each(|(sums, signal)| {
        let all = sums.len() / sizes.filters;
        let piece = sizes.piece().min(all);
        let mut columns = vec![0.0; sizes.column() * piece];
        let mut products = vec![0.0; sizes.filters * piece];
        for from in (0..all).step_by(piece) {
            let to = (from + piece).min(all);
            let width = to - from;
            sizes.gather(signal, from, to, &mut columns);
            product(
                matrix(weight, sizes.filters, sizes.column()),
                matrix(&columns, sizes.column(), width),
                0.0,
                matrix_mut(&mut products, sizes.filters, width),
            );
            sizes.each_row(from, to, |place, column, count| {
                let bias = bias[(place / sizes.places) % sizes.filters];
                let sums = sums[place..place + count].iter_mut();
                sums.zip(&products[column..column + count]).for_each(|(sum, product)| *sum = product + bias);
            });
        }
    });
}

/// The gradients of a convolution's signal (where wanted), weights and biases, from
/// that of its sums.
pub(super) fn convolve_backward(
    sizes: Sizes,
    signal: &[f32],
    weight: &[f32],
    gradient: &[f32],
    back: bool,
) -> (Option<Vec<f32>>, Vec<f32>, Vec<f32>) {
    let share = sizes.share();
    let item = sizes.channels * sizes.frames;
    let mut to_signal = vec![0.0; if back { signal.len() } else { 0 }];
    // One empty place for each core's share where the signal's gradient is not wanted.
    let shares = sizes.batch.div_ceil(share);
    let to_signals: Vec<&mut [f32]> =
        if back { to_signal.chunks_mut(share * item).collect() } else { (0..shares).map(|_| &mut [][..]).collect() };
    let work = to_signals.into_par_iter().zip(signal.par_chunks(share * item));
    let work = work.zip(gradient.par_chunks(share * sizes.filters * sizes.places));
    let parts: Vec<(Vec<f32>, Vec<f32>)> = work
        .map(|((to_signal, signal), gradient)| {
            let mut to_weight = vec![0.0; sizes.filters * sizes.column()];
            let all = gradient.len() / sizes.filters;
            let piece = sizes.piece().min(all);
            let mut columns = vec![0.0; sizes.column() * piece];
            let mut gradients = vec![0.0; sizes.filters * piece];
            for from in (0..all).step_by(piece) {
                let to = (from + piece).min(all);
                let width = to - from;
                sizes.each_row(from, to, |place, column, count| {
                    gradients[column..column + count].copy_from_slice(&gradient[place..place + count]);
                });
                sizes.gather(signal, from, to, &mut columns);
                let gradients = matrix(&gradients, sizes.filters, width);
                product(
                    gradients,
                    matrix(&columns, sizes.column(), width).reversed_axes(),
                    1.0,
                    matrix_mut(&mut to_weight, sizes.filters, sizes.column()),
                );
                if back {
                    product(
                        matrix(weight, sizes.filters, sizes.column()).reversed_axes(),
                        gradients,
                        0.0,
                        matrix_mut(&mut columns, sizes.column(), width),
                    );
                    sizes.scatter(&columns, from, to, to_signal);
                }
            }
            let mut to_bias = vec![0.0; sizes.filters];
            for (row, gradient) in gradient.chunks_exact(sizes.places).enumerate() {
                to_bias[row % sizes.filters] += gradient.iter().sum::<f32>();
            }
            (to_weight, to_bias)
        })
        .collect();
    let sum = |mut sum: (Vec<f32>, Vec<f32>), part: (Vec<f32>, Vec<f32>)| {
        sum.0.iter_mut().zip(part.0).for_each(|(sum, part)| *sum += part);
        sum.1.iter_mut().zip(part.1).for_each(|(sum, part)| *sum += part);
        sum
    };
    let (to_weight, to_bias) = parts.into_iter().reduce(sum).unwrap_or_default();
    (back.then_some(to_signal), to_weight, to_bias)
}

fn matrix(values: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    let view = ArrayView2::from_shape((rows, columns), &values[..rows * columns]);
    view.unwrap_or_else(|_| unreachable!("the slice has the matrix's size"))
}

fn matrix_mut(values: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    let view = ArrayViewMut2::from_shape((rows, columns), &mut values[..rows * columns]);
    view.unwrap_or_else(|_| unreachable!("the slice has the matrix's size"))
}

/// `to = a b + keep to`.
fn product(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>, keep: f32, mut to: ArrayViewMut2<'_, f32>) {
    general_mat_mul(1.0, &a, &b, keep, &mut to);
}
