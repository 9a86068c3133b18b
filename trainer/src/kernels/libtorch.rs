//! Convolution blocks on LibTorch's kernels and its autograd.
//!
//! burn composes batch normalisation and the gradients of a convolution from many small operations,
//! each of which reads all frames; LibTorch needs one or two. Signals are channels-last in memory:
//! oneDNN, LibTorch's CPU backend, takes that layout without a copy, which halves the time of a step.

use super::mask;
use super::{
    ChainBlock, ChainOutput, ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, ConvBlockOutput, ConvGradients,
    NetworkBackend,
};
use crate::data::waveforms::FULL_SCALE;
use crate::error::{Result, TrainerError};
use burn::backend::LibTorch;
use burn::backend::libtorch::{LibTorchDevice, TchTensor};
use burn::tensor::Shape;
use tch::{Kind, Tensor};

/// LibTorch's autograd graph from the inputs to the output signal of one or several blocks.
#[derive(Debug, Clone)]
pub struct TchSaved {
    /// The signal of the first block, a leaf of the graph.
    signal: TchTensor,
    /// Weight, gamma and beta of each block: the other leaves.
    parameters: Vec<[TchTensor; 3]>,
    /// The output signal, attached to the graph.
    output: TchTensor,
    needs_signal_gradient: bool,
    /// burn writes in place into a tensor without other owners. These share the memory of the
    /// tensors above, so owning them here prevents that.
    _owners: Vec<TchTensor>,
}

/// A signal `[batch, channels, frames]` as a channels-last image `[batch, channels, 1, frames]`.
/// Copies only if the memory has another layout.
fn channels_last(signal: &Tensor) -> Tensor {
    signal.transpose(1, 2).contiguous().transpose(1, 2).unsqueeze(2)
}

/// The convolution, `[batch, filters, 1, frames]`, channels-last.
fn convolve(signal: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: i64, padding: i64) -> Tensor {
    let (batch, channels, frames) = signal.size3().unwrap_or_else(|_| unreachable!("signals have three dimensions"));
    let kernel_size = weight.size()[2];
    if channels == 1 && kernel_size == stride && padding == 0 {
        // A strided convolution of a waveform without overlap is a pointwise one over its frames.
        // On a single channel, conv2d would not return a channels-last output.
        let out_frames = frames / kernel_size;
        let chunks = signal.narrow(2, 0, out_frames * kernel_size).reshape([batch, out_frames, kernel_size]);
        return channels_last(&chunks.transpose(1, 2)).conv2d(
            &weight.transpose(1, 2).unsqueeze(2),
            bias,
            [1, 1],
            [0, 0],
            [1, 1],
            1,
        );
    }
    channels_last(signal).conv2d(&weight.unsqueeze(2), bias, [1, stride], [0, padding], [1, 1], 1)
}

/// Max pooling without its indices, `[batch, filters, 1, frames]`, channels-last.
fn max_pool(signal: &Tensor, pool: i64) -> Tensor {
    if !signal.device().is_cuda() {
        return signal.max_pool2d([1, pool], [1, pool], [0, 0], [1, 1], false);
    }
    // A reduction over rows takes half the time there.
    let rows = signal.squeeze_dim(2).transpose(1, 2);
    let (batch, frames, filters) = rows.size3().unwrap_or_else(|_| unreachable!("signals have three dimensions"));
    let pooled = frames / pool;
    let rows = rows.narrow(1, 0, pooled * pool).reshape([batch, pooled, pool, filters]).amax([2], false);
    rows.transpose(1, 2).unsqueeze(2)
}

/// Copies a tensor to a device, from memory that a card can read by itself: that takes a fourth of the time, and waits
/// for nothing.
fn upload(host: Tensor, device: LibTorchDevice) -> Tensor {
    let device = tch::Device::from(device);
    if !device.is_cuda() {
        return host;
    }
    host.internal_pin_memory(device).to_device_(device, host.kind(), true, false)
}

/// Values up to which a card normalises a signal sooner than it folds the normalisation, which takes a few operations
/// more.
const SMALL_SIGNAL: i64 = 1 << 22;

/// The largest mask that is drawn on the host for a card, where its thirteen operations cost more.
const MAX_HOST_MASK: usize = 1 << 18;

impl NetworkBackend for LibTorch {
    const SUPPORTS_BF16: bool = true;
    const HAS_CONV_CHAINS: bool = true;

    fn upload(values: &[f32], shape: [usize; 2], device: &LibTorchDevice) -> TchTensor {
        TchTensor::new(upload(Tensor::from_slice(values), *device).reshape(shape.map(|size| size as i64)))
    }

    fn move_towards(old: TchTensor, new: TchTensor, fraction: f64) -> TchTensor {
        TchTensor::new(old.tensor.lerp(&new.tensor, fraction))
    }

    fn upload_samples(samples: &[i16], gains: &[f32], shape: [usize; 2], device: &LibTorchDevice) -> TchTensor {
        let shape = shape.map(|size| size as i64);
        let mut waveforms = upload(Tensor::from_slice(samples), *device).reshape(shape).to_kind(Kind::Float);
        waveforms /= f64::from(FULL_SCALE);
        if !gains.is_empty() {
            waveforms *= upload(Tensor::from_slice(gains), *device).reshape([shape[0], 1]);
        }
        TchTensor::new(waveforms)
    }

    fn dropout_mask(shape: Shape, seed: u64, keep: f64, device: &LibTorchDevice) -> TchTensor {
        let target = tch::Device::from(*device);
        let length = shape.num_elements();
        let dims: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        if !target.is_cuda() || length <= MAX_HOST_MASK {
            return TchTensor::new(upload(Tensor::from_slice(&mask::mask(length, seed, keep)), *device).reshape(dims));
        }
        // The hash in 64 bits, of which the lower 32 are kept.
        const LOWER: i64 = 0xFFFF_FFFF;
        let multiply = |x: Tensor, factor: u32| (x * i64::from(factor)).bitwise_and_(LOWER);
        let shift = |x: Tensor, bits: u32| x.bitwise_xor_tensor(&x.bitwise_right_shift_tensor_scalar(i64::from(bits)));
        let mut x = multiply(Tensor::arange(length as i64, (Kind::Int64, target)), mask::SPREAD);
        x = x.bitwise_xor_(i64::from(mask::key(seed)));
        for (bits, factor) in mask::SHIFTS.into_iter().zip(mask::FACTORS) {
            x = multiply(shift(x, bits), factor);
        }
        let kept = shift(x, mask::SHIFTS[2]).lt(i64::from(mask::threshold(keep)));
        TchTensor::new((kept.to_kind(Kind::Float) * (1.0 / keep)).reshape(dims))
    }

    fn eval_conv_block(
        inputs: ConvBlockInputs<Self>,
        mean: TchTensor,
        variance: TchTensor,
        options: ConvBlockOptions,
    ) -> Option<TchTensor> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let [signal, weight, bias, gamma, beta, mean, variance] =
            [&signal, &weight, &bias, &gamma, &beta, &mean, &variance].map(|tensor| &tensor.tensor);
        let ConvBlockOptions { stride, padding, epsilon, has_relu, pool } = options;
        let (stride, padding) = (stride as i64, padding as i64);
        let frames = (signal.size()[2] + 2 * padding - weight.size()[2]) / stride + 1;
        let is_small = signal.size()[0] * frames * weight.size()[0] <= SMALL_SIGNAL;
        let mut output = if signal.device().is_cuda() && is_small {
            let sums = convolve(signal, weight, None, stride, padding);
            let mean = mean - bias;
            sums.batch_norm(Some(gamma), Some(beta), Some(&mean), Some(variance), false, 0.0, epsilon, true)
        } else {
            // The normalisation is folded into the convolution.
            let scale = (variance + epsilon).rsqrt_() * gamma;
            let bias = beta + (bias - mean) * &scale;
            let weight = weight * scale.reshape([-1, 1, 1]);
            convolve(signal, &weight, Some(&bias), stride, padding)
        };
        if pool > 1 {
            output = max_pool(&output, pool as i64);
        }
        if has_relu {
            output = output.relu_();
        }
        Some(TchTensor::new(output.squeeze_dim(2)))
    }
}

impl ConvBlockKernel for LibTorch {
    type SavedForBackward = TchSaved;

    fn conv_block_forward(
        inputs: ConvBlockInputs<Self>,
        options: ConvBlockOptions,
        needs_signal_gradient: bool,
    ) -> Option<(ConvBlockOutput<Self>, TchSaved)> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let in_bf16 = signal.tensor.kind() == Kind::BFloat16;
        let block = ChainBlock { weight, bias, gamma, beta, options, in_bf16 };
        let (output, saved) = Self::conv_chain_forward(signal, vec![block], needs_signal_gradient)?;
        let ChainOutput { signal, mut statistics } = output;
        let (mean, variance) = statistics.pop()?;
        Some((ConvBlockOutput { signal, mean, variance }, saved))
    }

    /// One graph for all blocks: each call of LibTorch's autograd for a card wakes a thread and waits for it, which
    /// takes longer than a small block.
    fn conv_chain_forward(
        signal: TchTensor,
        blocks: Vec<ChainBlock<Self>>,
        needs_signal_gradient: bool,
    ) -> Option<(ChainOutput<Self>, TchSaved)> {
        let leaf = |owner: &TchTensor, tracked| TchTensor::new(owner.tensor.detach().set_requires_grad(tracked));
        let first = leaf(&signal, needs_signal_gradient);
        let mut owners = vec![signal];
        let (mut parameters, mut means, mut inv_stds, mut biases) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut output = first.tensor.shallow_clone();
        // The variances of all blocks are computed at once, from one epsilon, which burn's modules have in common.
        let epsilon = blocks.first()?.options.epsilon;
        if blocks.iter().any(|block| block.options.epsilon != epsilon) {
            return None;
        }
        for block in blocks {
            let ChainBlock { weight, bias, gamma, beta, options, in_bf16 } = block;
            let leaves = [leaf(&weight, true), leaf(&gamma, true), leaf(&beta, true)];
            owners.extend([weight, gamma, beta]);
            let (mean, inv_std);
            (output, mean, inv_std) = train_block(&output, &leaves, options, in_bf16);
            parameters.push(leaves);
            means.push(mean);
            inv_stds.push(inv_std);
            biases.push(bias);
        }
        // The statistics of all blocks at once. The convolutions have no bias, since the normalisation would subtract it
        // again.
        let biases: Vec<&Tensor> = biases.iter().map(|bias| &bias.tensor).collect();
        let all_means = TchTensor::new(Tensor::cat(&means, 0) + Tensor::cat(&biases, 0));
        let all_variances = TchTensor::new(Tensor::cat(&inv_stds, 0).pow_tensor_scalar(-2.0) - epsilon);
        let mut start = 0;
        let statistics = means.iter().map(|mean| {
            let part =
                |all: &TchTensor| TchTensor::partial(all.tensor.narrow(0, start, mean.size()[0]), all.storage.clone());
            let both = (part(&all_means), part(&all_variances));
            start += mean.size()[0];
            both
        });
        let statistics = statistics.collect();
        let signal = TchTensor::new(output.detach());
        owners.push(signal.clone());
        let output = TchTensor::new(output);
        let saved = TchSaved { signal: first, parameters, output, needs_signal_gradient, _owners: owners };
        Some((ChainOutput { signal, statistics }, saved))
    }

    fn conv_backward(saved: TchSaved, gradient: TchTensor) -> ConvGradients<Self> {
        // `run_backward` differentiates a scalar. The gradient of the dot product of the output and
        // its gradient is the vector-Jacobian product.
        let flat = |signal: &Tensor| signal.transpose(1, 2).contiguous().flatten(0, -1);
        let (output, gradient) = (flat(&saved.output.tensor), flat(&gradient.tensor));
        let scalar = if output.kind() == Kind::Float {
            output.dot(&gradient)
        } else {
            // `dot` is slow in bfloat16.
            (output * gradient).sum(None)
        };
        let signal = saved.needs_signal_gradient.then_some(&saved.signal);
        let inputs: Vec<&Tensor> =
            signal.into_iter().chain(saved.parameters.iter().flatten()).map(|input| &input.tensor).collect();
        let mut gradients = Tensor::run_backward(&[&scalar], &inputs, false, false).into_iter().map(TchTensor::new);
        let signal = if saved.needs_signal_gradient { gradients.next() } else { None };
        // A bias before a normalisation has no effect.
        let widest = saved.parameters.iter().map(|[_, gamma, _]| gamma.tensor.size()[0]).max().unwrap_or(0);
        let first = &saved.parameters[0][1].tensor;
        let zeros = TchTensor::new(Tensor::zeros([widest], (first.kind(), first.device())));
        let mut parameters = Vec::new();
        while let (Some(weight), Some(gamma), Some(beta)) = (gradients.next(), gradients.next(), gradients.next()) {
            let bias = TchTensor::partial(zeros.tensor.narrow(0, 0, beta.tensor.size()[0]), zeros.storage.clone());
            parameters.push([weight, bias, gamma, beta]);
        }
        ConvGradients { signal, parameters }
    }
}

/// The output of a block in training, and mean and inverse standard deviation of its convolution, from the leaves of
/// its weight, gamma and beta.
fn train_block(
    signal: &Tensor,
    leaves: &[TchTensor; 3],
    options: ConvBlockOptions,
    in_bf16: bool,
) -> (Tensor, Tensor, Tensor) {
    let ConvBlockOptions { stride, padding, epsilon, has_relu, pool } = options;
    let [weight, gamma, beta] = leaves.each_ref().map(|leaf| &leaf.tensor);
    // Autograd casts the gradients of the weights back.
    let kind = if in_bf16 { Kind::BFloat16 } else { Kind::Float };
    let (signal, weight) = (signal.to_kind(kind), weight.to_kind(kind));
    let sums = convolve(&signal, &weight, None, stride as i64, padding as i64);
    let none = None::<&Tensor>;
    let (mut output, mean, inv_std) = sums.native_batch_norm(Some(gamma), Some(beta), none, none, true, 0.1, epsilon);
    if pool > 1 {
        let pool = [1, pool as i64];
        output = output.max_pool2d(pool, pool, [0, 0], [1, 1], false);
    }
    if has_relu {
        // ReLU and max pooling commute; after the pooling there are fewer frames.
        output = output.relu_();
    }
    (output.squeeze_dim(2), mean.detach(), inv_std.detach())
}

/// Checks that LibTorch can use graphics card number `index`.
///
/// # Errors
/// A [`TrainerError::Request`] that says what to install.
pub fn check_cuda(index: usize) -> Result<()> {
    let count = tch::Cuda::device_count();
    if (index as i64) < count {
        return Ok(());
    }
    let what = if count > 0 {
        format!("there is no graphics card {index}; LibTorch sees {count}, counted from 0")
    } else if tch::utils::has_cuda() {
        "LibTorch finds no graphics card; check with nvidia-smi that there is one, and that its driver is as new as the \
         CUDA of the installed PyTorch"
            .into()
    } else {
        "the PyTorch that this trainer was built with has no CUDA; install one that has, for example by pip install \
         torch==2.11.0 from PyPI, and build the trainer again"
            .into()
    };
    Err(TrainerError::Request(what))
}
