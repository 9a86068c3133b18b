//! Convolution blocks on burn-flex, on the CPU without a system library.
//!
//! burn-flex spends most of a training step on strided element access. Here a convolution is im2col
//! and a matrix product, in chunks that stay in the cache; normalisation, ReLU and pooling are one
//! pass over the frames, forward and backward. The items of a batch run in parallel.

mod convolution;

use super::{ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, ConvBlockOutput, ConvGradients, NetworkBackend};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;
use convolution::{ConvSizes, convolve, convolve_backward};
use rayon::prelude::*;

/// What the forward pass saves for the backward pass.
#[derive(Debug, Clone)]
pub struct FlexSaved {
    sizes: ConvSizes,
    signal: FlexTensor,
    weight: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    /// The output of the convolution, `[batch, filters, out_frames]`.
    sums: FlexTensor,
    /// Mean and inverse standard deviation of the convolution's output, for each filter.
    mean_and_inv_std: Vec<(f32, f32)>,
    has_relu: bool,
    needs_signal_gradient: bool,
}

impl NetworkBackend for Flex {
    fn eval_conv_block(
        inputs: ConvBlockInputs<Self>,
        mean: FlexTensor,
        variance: FlexTensor,
        options: ConvBlockOptions,
    ) -> Option<FlexTensor> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let [signal, weight, bias, gamma, beta, mean, variance] =
            [signal, weight, bias, gamma, beta, mean, variance].map(|tensor| tensor.to_contiguous());
        let sizes = ConvSizes::of(&signal, &weight, options);
        let inv_std = |variance: &f32| 1.0 / (variance + options.epsilon as f32).sqrt();
        let mean_and_inv_std: Vec<(f32, f32)> =
            floats(&mean).iter().copied().zip(floats(&variance).iter().map(inv_std)).collect();
        let mut sums = vec![0.0; sizes.batch * sizes.filters * sizes.out_frames];
        convolve(sizes, floats(&signal), floats(&weight), floats(&bias), &mut sums);
        let output =
            normalise_relu_pool(sizes, &sums, &mean_and_inv_std, floats(&gamma), floats(&beta), options.has_relu);
        Some(tensor(output, &[sizes.batch, sizes.filters, sizes.pooled_frames]))
    }
}

impl ConvBlockKernel for Flex {
    type SavedForBackward = FlexSaved;

    fn conv_block_forward(
        inputs: ConvBlockInputs<Self>,
        options: ConvBlockOptions,
        needs_signal_gradient: bool,
    ) -> Option<(ConvBlockOutput<Self>, FlexSaved)> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let [signal, weight, bias, gamma, beta] =
            [signal, weight, bias, gamma, beta].map(|tensor| tensor.to_contiguous());
        let sizes = ConvSizes::of(&signal, &weight, options);
        let mut sums = vec![0.0; sizes.batch * sizes.filters * sizes.out_frames];
        convolve(sizes, floats(&signal), floats(&weight), floats(&bias), &mut sums);

        let batch_statistics: Vec<(f64, f64)> = batch_statistics(sizes, &sums);
        let mean_and_inv_std: Vec<(f32, f32)> = batch_statistics
            .iter()
            .map(|(mean, variance)| (*mean as f32, (1.0 / (variance + options.epsilon).sqrt()) as f32))
            .collect();
        let output =
            normalise_relu_pool(sizes, &sums, &mean_and_inv_std, floats(&gamma), floats(&beta), options.has_relu);

        let by_filter = |pick: fn(&(f64, f64)) -> f64| {
            tensor(batch_statistics.iter().map(|pair| pick(pair) as f32).collect(), &[sizes.filters])
        };
        let (mean, variance) = (by_filter(|pair| pair.0), by_filter(|pair| pair.1));
        let sums = tensor(sums, &[sizes.batch, sizes.filters, sizes.out_frames]);
        let signal_out = tensor(output, &[sizes.batch, sizes.filters, sizes.pooled_frames]);
        let saved = FlexSaved {
            sizes,
            signal,
            weight,
            gamma,
            beta,
            sums,
            mean_and_inv_std,
            has_relu: options.has_relu,
            needs_signal_gradient,
        };
        Some((ConvBlockOutput { signal: signal_out, mean, variance }, saved))
    }

    fn conv_backward(saved: FlexSaved, gradient: FlexTensor) -> ConvGradients<Self> {
        let FlexSaved { sizes, signal, weight, gamma, beta, sums, mean_and_inv_std, has_relu, needs_signal_gradient } =
            saved;
        let gradient = gradient.to_contiguous();
        let (gammas, betas) = (floats(&gamma), floats(&beta));
        let mut grad_sums = vec![0.0; sizes.batch * sizes.filters * sizes.out_frames];

        // Through pooling and ReLU: the gradient goes to the largest frame of each pool if it passed
        // the ReLU, and from there to beta and gamma.
        let rows = grad_sums.par_chunks_mut(sizes.out_frames).zip(floats(&sums).par_chunks(sizes.out_frames));
        let rows = rows.zip(floats(&gradient).par_chunks(sizes.pooled_frames)).enumerate();
        let by_row: Vec<(f64, f64)> = rows
            .map(|(row, ((grad_sums, sums), gradients))| {
                let filter = row % sizes.filters;
                let (mean, inv_std) = mean_and_inv_std[filter];
                let (scale, shift) = affine(mean_and_inv_std[filter], gammas[filter], betas[filter]);
                let (mut grad_beta, mut grad_gamma) = (0.0, 0.0);
                let pools = grad_sums.chunks_exact_mut(sizes.pool).zip(sums.chunks_exact(sizes.pool));
                for ((grad_sums, sums), gradient) in pools.zip(gradients) {
                    let (mut argmax, mut max) = (0, f32::NEG_INFINITY);
                    for (index, sum) in sums.iter().enumerate() {
                        let value = sum * scale + shift;
                        if value > max {
                            (argmax, max) = (index, value);
                        }
                    }
                    if !has_relu || max > 0.0 {
                        grad_sums[argmax] = *gradient;
                        grad_beta += f64::from(*gradient);
                        grad_gamma += f64::from(gradient * (sums[argmax] - mean) * inv_std);
                    }
                }
                (grad_beta, grad_gamma)
            })
            .collect();
        let mut grad_norm = vec![(0.0, 0.0); sizes.filters];
        for (row, (beta, gamma)) in by_row.into_iter().enumerate() {
            let sum: &mut (f64, f64) = &mut grad_norm[row % sizes.filters];
            *sum = (sum.0 + beta, sum.1 + gamma);
        }

        // Through the normalisation (Ioffe and Szegedy 2015).
        let count = (sizes.batch * sizes.out_frames) as f64;
        let rows = grad_sums.par_chunks_mut(sizes.out_frames).zip(floats(&sums).par_chunks(sizes.out_frames));
        rows.enumerate().for_each(|(row, (gradient, sums))| {
            let filter = row % sizes.filters;
            let (mean, inv_std) = mean_and_inv_std[filter];
            let (beta, gamma) = ((grad_norm[filter].0 / count) as f32, (grad_norm[filter].1 / count) as f32);
            let scale = gammas[filter] * inv_std;
            for (gradient, sum) in gradient.iter_mut().zip(sums) {
                *gradient = scale * (*gradient - beta - (sum - mean) * inv_std * gamma);
            }
        });

        let (grad_signal, grad_weight, grad_bias) =
            convolve_backward(sizes, floats(&signal), floats(&weight), &grad_sums, needs_signal_gradient);
        let by_filter = |pick: fn(&(f64, f64)) -> f64| {
            tensor(grad_norm.iter().map(|pair| pick(pair) as f32).collect(), &[sizes.filters])
        };
        let weight = tensor(grad_weight, &[sizes.filters, sizes.channels, sizes.kernel_size]);
        let (gamma, beta) = (by_filter(|pair| pair.1), by_filter(|pair| pair.0));
        ConvGradients {
            signal: grad_signal.map(|values| tensor(values, &[sizes.batch, sizes.channels, sizes.frames])),
            parameters: vec![[weight, tensor(grad_bias, &[sizes.filters]), gamma, beta]],
        }
    }
}

/// Batch normalisation, ReLU and max pooling of a convolution's output.
fn normalise_relu_pool(
    sizes: ConvSizes,
    sums: &[f32],
    mean_and_inv_std: &[(f32, f32)],
    gamma: &[f32],
    beta: &[f32],
    has_relu: bool,
) -> Vec<f32> {
    let floor = if has_relu { 0.0 } else { f32::NEG_INFINITY };
    let mut output = vec![0.0; sizes.batch * sizes.filters * sizes.pooled_frames];
    let rows = output.par_chunks_mut(sizes.pooled_frames).zip(sums.par_chunks(sizes.out_frames));
    rows.enumerate().for_each(|(row, (output, sums))| {
        let filter = row % sizes.filters;
        let (scale, shift) = affine(mean_and_inv_std[filter], gamma[filter], beta[filter]);
        for (output, sums) in output.iter_mut().zip(sums.chunks_exact(sizes.pool)) {
            *output = sums.iter().fold(floor, |max, sum| max.max(sum * scale + shift));
        }
    });
    output
}

/// Mean and variance of each filter over batch and frames.
fn batch_statistics(sizes: ConvSizes, sums: &[f32]) -> Vec<(f64, f64)> {
    let row = |row: &[f32]| {
        // Centred on a value of the row, so that a large mean causes no cancellation.
        let origin = f64::from(row[0]);
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in row {
            let value = f64::from(*value) - origin;
            sum += value;
            squares += value * value;
        }
        let count = row.len() as f64;
        let mean = sum / count;
        (origin + mean, (squares / count - mean * mean).max(0.0))
    };
    let rows: Vec<(f64, f64)> = sums.par_chunks(sizes.out_frames).map(row).collect();
    (0..sizes.filters)
        .map(|filter| {
            let rows = || rows.iter().skip(filter).step_by(sizes.filters);
            let batch = sizes.batch as f64;
            let mean = rows().map(|(mean, _)| mean).sum::<f64>() / batch;
            let between_items = rows().map(|(other, _)| (other - mean) * (other - mean)).sum::<f64>() / batch;
            (mean, between_items + rows().map(|(_, variance)| variance).sum::<f64>() / batch)
        })
        .collect()
}

/// Batch normalisation as a scale and a shift.
fn affine((mean, inv_std): (f32, f32), gamma: f32, beta: f32) -> (f32, f32) {
    (gamma * inv_std, beta - mean * gamma * inv_std)
}

/// The values of a contiguous tensor of floats.
fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| unreachable!("the tensor is contiguous and single precision"))
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
