//! Sizes and tensors of a convolution block.

use super::device::UNITS;
use crate::kernels::ConvBlockOptions;
use burn::tensor::{DType, Shape, TensorMetadata as _};
use burn_cubecl::CubeRuntime;
use burn_cubecl::cubecl::calculate_cube_count_elemwise;
use burn_cubecl::cubecl::prelude::{ArrayArg, CubeCount, CubeDim};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;

/// Units that compute partial sums: enough to fill any device.
pub(super) const PARTIAL_UNITS: usize = 65_536;

/// Rows of a part of the weights' gradient, and the most parts.
const PART_ROWS: usize = 512;
const MAX_PARTS: usize = 1_024;

/// The most values of a tensor. The programs count them in 32 bits, and some units stand beyond the last value.
pub(super) const MAX_VALUES: usize = 4_000_000_000;

/// The sizes of a convolution block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) frames: usize,
    pub(super) filters: usize,
    pub(super) taps: usize,
    pub(super) out_frames: usize,
    pub(super) pooled_frames: usize,
}

impl Sizes {
    /// `None` if the programs cannot count the values of one of the block's tensors.
    pub(super) fn of<R: CubeRuntime>(
        signal: &CubeTensor<R>,
        weight: &CubeTensor<R>,
        options: ConvBlockOptions,
    ) -> Option<Self> {
        let [batch, channels, frames] = signal.shape().dims();
        let [filters, _, taps] = weight.shape().dims();
        let out_frames = (frames + 2 * options.padding - taps) / options.stride + 1;
        let pooled_frames = out_frames / options.pool;
        let sizes = Self { batch, channels, frames, filters, taps, out_frames, pooled_frames };
        (sizes.most_values() <= MAX_VALUES).then_some(sizes)
    }

    /// Number of values of the largest tensor of the block, forward or backward.
    fn most_values(&self) -> usize {
        let (parts, part_rows) = self.parts();
        let rows = parts * part_rows;
        let signal = self.batch * self.channels * self.frames;
        [signal, rows * self.width(), rows * self.filters, parts * self.width() * self.filters]
            .into_iter()
            .fold(0, usize::max)
    }

    /// Rows of the convolution's output.
    pub(super) fn rows(&self) -> usize {
        self.batch * self.out_frames
    }

    /// Length of a column: the receptive field of a filter at one output frame.
    pub(super) fn width(&self) -> usize {
        self.taps * self.channels
    }

    /// Parts of the rows, and the rows of each, for the weights' gradient. The last part may be shorter.
    pub(super) fn parts(&self) -> (usize, usize) {
        let parts = (self.rows() / PART_ROWS).clamp(1, MAX_PARTS);
        let part_rows = self.rows().div_ceil(parts);
        (self.rows().div_ceil(part_rows), part_rows)
    }
}

/// A signal `[batch, channels, frames]` in one of two layouts, with its strides by item, frame and channel.
#[derive(Clone, Debug)]
pub(super) struct Signal<R: CubeRuntime> {
    pub(super) tensor: CubeTensor<R>,
    pub(super) strides: [usize; 3],
}

impl<R: CubeRuntime> Signal<R> {
    pub(super) fn new(signal: CubeTensor<R>) -> Self {
        let rows = permute(signal.clone(), &[0, 2, 1]);
        let [_, channels, frames] = signal.shape().dims();
        if rows.is_contiguous() {
            return Self { tensor: rows, strides: [channels * frames, channels, 1] };
        }
        Self { tensor: into_contiguous(signal), strides: [channels * frames, 1, frames] }
    }

    /// Whether it is rows of channels.
    pub(super) fn is_rows(&self) -> bool {
        self.strides[2] == 1
    }
}

/// A contiguous tensor of single precision beside `like`, with arbitrary values.
pub(super) fn empty<R: CubeRuntime>(like: &CubeTensor<R>, shape: &[usize]) -> CubeTensor<R> {
    let shape = Shape::from(shape.to_vec());
    let handle = like.client.empty(shape.num_elements() * size_of::<f32>());
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, handle, DType::F32)
}

/// A contiguous tensor with another shape.
pub(super) fn reshape<R: CubeRuntime>(tensor: &CubeTensor<R>, shape: &[usize]) -> CubeTensor<R> {
    let CubeTensor { client, device, handle, dtype, .. } = tensor.clone();
    CubeTensor::new_contiguous(client, device, Shape::from(shape.to_vec()), handle, dtype)
}

pub(super) fn array<R: CubeRuntime>(tensor: &CubeTensor<R>) -> ArrayArg<R> {
    tensor.clone().into_array_arg()
}

/// Cubes with a unit for each of `units` values.
pub(super) fn elementwise<R: CubeRuntime>(like: &CubeTensor<R>, units: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(UNITS);
    (calculate_cube_count_elemwise(&like.client, units, dim), dim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Regression: positions from 2^32 on were truncated.
    #[test]
    fn blocks_with_more_values_than_32_bits_count_are_left_to_burn() {
        // The second block of 3^9-59049: its columns have three times 128 values for each of 19683 frames.
        let sizes = |batch| Sizes {
            batch,
            channels: 128,
            frames: 19_683,
            filters: 128,
            taps: 3,
            out_frames: 19_683,
            pooled_frames: 6_561,
        };
        assert!(sizes(23).most_values() >= 23 * 19_683 * 3 * 128);
        assert!(sizes(520).most_values() <= MAX_VALUES);
        assert!(sizes(530).most_values() > MAX_VALUES);
        // Units that stand beyond the last value, and the steps of a sum, do not wrap around either.
        assert!(MAX_VALUES + (1 << 28) < u32::MAX as usize);
    }
}
