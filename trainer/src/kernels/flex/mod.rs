//! Stages on the CPU without any system library.
//!
//! burn-flex walks strided elements for most of a training step. Here a convolution
//! is a product of matrices over columns that were copied side by side, a piece at a
//! time so that they stay in the processor's cache; normalisation, ReLU and pooling
//! are one walk over the frames, and so is their way back. Items of a batch are
//! shared out among the processor's cores.

mod convolution;

use super::{NetworkBackend, StageGradients, StageInputs, StageKernel, StageKind, StageOutput};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::TensorData;
use convolution::{Sizes, convolve, convolve_backward};
use rayon::prelude::*;

/// What the way back needs.
#[derive(Debug, Clone)]
pub struct Kept {
    sizes: Sizes,
    signal: FlexTensor,
    weight: FlexTensor,
    gamma: FlexTensor,
    beta: FlexTensor,
    /// What the convolution gave, `[batch, filters, places]`.
    sums: FlexTensor,
    /// Its mean and the inverse of its deviation, by filter.
    moments: Vec<(f32, f32)>,
    rectify: bool,
    back: bool,
}

impl NetworkBackend for Flex {
    fn run_stage(
        inputs: StageInputs<Self>,
        mean: FlexTensor,
        variance: FlexTensor,
        kind: StageKind,
    ) -> Option<FlexTensor> {
        let StageInputs { signal, weight, bias, gamma, beta } = inputs;
        let [signal, weight, bias, gamma, beta, mean, variance] =
            [signal, weight, bias, gamma, beta, mean, variance].map(|tensor| tensor.to_contiguous());
        let sizes = Sizes::of(&signal, &weight, kind);
        let inverse = |variance: &f32| 1.0 / (variance + kind.epsilon as f32).sqrt();
        let moments: Vec<(f32, f32)> =
            floats(&mean).iter().copied().zip(floats(&variance).iter().map(inverse)).collect();
        let mut sums = vec![0.0; sizes.batch * sizes.filters * sizes.places];
        convolve(sizes, floats(&signal), floats(&weight), floats(&bias), &mut sums);
        let output = finish(sizes, &sums, &moments, floats(&gamma), floats(&beta), kind.rectify);
        Some(tensor(output, &[sizes.batch, sizes.filters, sizes.pooled]))
    }
}

impl StageKernel for Flex {
    type Kept = Kept;

    fn stage(inputs: StageInputs<Self>, kind: StageKind, back: bool) -> Option<(StageOutput<Self>, Kept)> {
        let StageInputs { signal, weight, bias, gamma, beta } = inputs;
        let [signal, weight, bias, gamma, beta] =
            [signal, weight, bias, gamma, beta].map(|tensor| tensor.to_contiguous());
        let sizes = Sizes::of(&signal, &weight, kind);
        let mut sums = vec![0.0; sizes.batch * sizes.filters * sizes.places];
        convolve(sizes, floats(&signal), floats(&weight), floats(&bias), &mut sums);

        let statistics: Vec<(f64, f64)> = statistics(sizes, &sums);
        let moments: Vec<(f32, f32)> = statistics
            .iter()
            .map(|(mean, variance)| (*mean as f32, (1.0 / (variance + kind.epsilon).sqrt()) as f32))
            .collect();
        let output = finish(sizes, &sums, &moments, floats(&gamma), floats(&beta), kind.rectify);

        let by_filter = |pick: fn(&(f64, f64)) -> f64| {
            tensor(statistics.iter().map(|pair| pick(pair) as f32).collect(), &[sizes.filters])
        };
        let (mean, variance) = (by_filter(|pair| pair.0), by_filter(|pair| pair.1));
        let sums = tensor(sums, &[sizes.batch, sizes.filters, sizes.places]);
        let signal_out = tensor(output, &[sizes.batch, sizes.filters, sizes.pooled]);
        let kept = Kept { sizes, signal, weight, gamma, beta, sums, moments, rectify: kind.rectify, back };
        Some((StageOutput { signal: signal_out, mean, variance }, kept))
    }

    fn stage_backward(kept: Kept, gradient: FlexTensor) -> StageGradients<Self> {
        let Kept { sizes, signal, weight, gamma, beta, sums, moments, rectify, back } = kept;
        let gradient = gradient.to_contiguous();
        let (gammas, betas) = (floats(&gamma), floats(&beta));
        let mut sums_gradient = vec![0.0; sizes.batch * sizes.filters * sizes.places];

        // To the frames that won the pooling and passed the ReLU, and their sums.
        let rows = sums_gradient.par_chunks_mut(sizes.places).zip(floats(&sums).par_chunks(sizes.places));
        let rows = rows.zip(floats(&gradient).par_chunks(sizes.pooled)).enumerate();
        let by_row: Vec<(f64, f64)> = rows
            .map(|(row, ((to, sums), from))| {
                let filter = row % sizes.filters;
                let (mean, inverse) = moments[filter];
                let (scale, shift) = affine(moments[filter], gammas[filter], betas[filter]);
                let (mut to_beta, mut to_gamma) = (0.0, 0.0);
                let places = to.chunks_exact_mut(sizes.pool).zip(sums.chunks_exact(sizes.pool));
                for ((to, sums), gradient) in places.zip(from) {
                    let (mut winner, mut most) = (0, f32::NEG_INFINITY);
                    for (place, sum) in sums.iter().enumerate() {
                        let value = sum * scale + shift;
                        if value > most {
                            (winner, most) = (place, value);
                        }
                    }
                    if !rectify || most > 0.0 {
                        to[winner] = *gradient;
                        to_beta += f64::from(*gradient);
                        to_gamma += f64::from(gradient * (sums[winner] - mean) * inverse);
                    }
                }
                (to_beta, to_gamma)
            })
            .collect();
        let mut to_norm = vec![(0.0, 0.0); sizes.filters];
        for (row, (beta, gamma)) in by_row.into_iter().enumerate() {
            let sum: &mut (f64, f64) = &mut to_norm[row % sizes.filters];
            *sum = (sum.0 + beta, sum.1 + gamma);
        }

        // Through the normalisation (Ioffe and Szegedy 2015).
        let count = (sizes.batch * sizes.places) as f64;
        let rows = sums_gradient.par_chunks_mut(sizes.places).zip(floats(&sums).par_chunks(sizes.places));
        rows.enumerate().for_each(|(row, (gradient, sums))| {
            let filter = row % sizes.filters;
            let (mean, inverse) = moments[filter];
            let (beta, gamma) = ((to_norm[filter].0 / count) as f32, (to_norm[filter].1 / count) as f32);
            let scale = gammas[filter] * inverse;
            for (gradient, sum) in gradient.iter_mut().zip(sums) {
                *gradient = scale * (*gradient - beta - (sum - mean) * inverse * gamma);
            }
        });

        let (to_signal, to_weight, to_bias) =
            convolve_backward(sizes, floats(&signal), floats(&weight), &sums_gradient, back);
        let by_filter = |pick: fn(&(f64, f64)) -> f64| {
            tensor(to_norm.iter().map(|pair| pick(pair) as f32).collect(), &[sizes.filters])
        };
        StageGradients {
            signal: to_signal.map(|values| tensor(values, &[sizes.batch, sizes.channels, sizes.frames])),
            weight: tensor(to_weight, &[sizes.filters, sizes.channels, sizes.length]),
            bias: tensor(to_bias, &[sizes.filters]),
            gamma: by_filter(|pair| pair.1),
            beta: by_filter(|pair| pair.0),
        }
    }
}

/// Normalisation, ReLU and pooling of a convolution's sums.
fn finish(sizes: Sizes, sums: &[f32], moments: &[(f32, f32)], gamma: &[f32], beta: &[f32], rectify: bool) -> Vec<f32> {
    let least = if rectify { 0.0 } else { f32::NEG_INFINITY };
    let mut output = vec![0.0; sizes.batch * sizes.filters * sizes.pooled];
    let rows = output.par_chunks_mut(sizes.pooled).zip(sums.par_chunks(sizes.places));
    rows.enumerate().for_each(|(row, (output, sums))| {
        let filter = row % sizes.filters;
        let (scale, shift) = affine(moments[filter], gamma[filter], beta[filter]);
        for (output, sums) in output.iter_mut().zip(sums.chunks_exact(sizes.pool)) {
            *output = sums.iter().fold(least, |most, sum| most.max(sum * scale + shift));
        }
    });
    output
}

/// The mean and the variance of each filter over batch and places.
fn statistics(sizes: Sizes, sums: &[f32]) -> Vec<(f64, f64)> {
    let row = |row: &[f32]| {
        // Squares around a value of the row itself, so that nothing is lost where the
        // mean is large.
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
    let rows: Vec<(f64, f64)> = sums.par_chunks(sizes.places).map(row).collect();
    (0..sizes.filters)
        .map(|filter| {
            let rows = || rows.iter().skip(filter).step_by(sizes.filters);
            let batch = sizes.batch as f64;
            let mean = rows().map(|(mean, _)| mean).sum::<f64>() / batch;
            let between = rows().map(|(other, _)| (other - mean) * (other - mean)).sum::<f64>() / batch;
            (mean, between + rows().map(|(_, variance)| variance).sum::<f64>() / batch)
        })
        .collect()
}

/// Normalisation as a factor and a summand.
fn affine((mean, inverse): (f32, f32), gamma: f32, beta: f32) -> (f32, f32) {
    (gamma * inverse, beta - mean * gamma * inverse)
}

/// The values of a contiguous tensor of floats.
fn floats(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| unreachable!("networks are contiguous and single precision"))
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
