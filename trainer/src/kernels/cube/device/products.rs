//! What convolutions as matrix products need.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// Copies the receptive field of each output frame into a row `[taps, channels]`, zero over the padding. Rows
/// from `rows` on are zero.
#[cube(launch)]
pub(crate) fn copy_columns(
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
pub(crate) fn add_columns(
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
pub(crate) fn narrow_product(
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

/// Adds up the values that are a multiple of the output's length apart.
#[cube(launch)]
pub(crate) fn partial_sums(values: &Array<f32>, output: &mut Array<f32>) {
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
