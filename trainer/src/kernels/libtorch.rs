//! Convolution blocks on LibTorch's kernels and its autograd.
//!
//! burn composes batch normalisation and the gradients of a convolution from many small operations,
//! each of which reads all frames; LibTorch needs one or two. Signals are channels-last in memory:
//! oneDNN, LibTorch's CPU backend, takes that layout without a copy, which halves the time of a step.

use super::{ConvBlockGradients, ConvBlockInputs, ConvBlockKernel, ConvBlockOptions, ConvBlockOutput, NetworkBackend};
use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::{Kind, Tensor};

/// LibTorch's autograd graph from the inputs to the output signal.
#[derive(Debug, Clone)]
pub struct TchSaved {
    /// Signal, weight, bias, gamma, beta: the leaves of the graph.
    inputs: [TchTensor; 5],
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
fn convolve(signal: &Tensor, weight: &Tensor, bias: &Tensor, stride: i64, padding: i64) -> Tensor {
    let (batch, channels, frames) = signal.size3().unwrap_or_else(|_| unreachable!("signals have three dimensions"));
    let kernel_size = weight.size()[2];
    if channels == 1 && kernel_size == stride && padding == 0 {
        // A strided convolution of a waveform without overlap is a pointwise one over its frames.
        // On a single channel, conv2d would not return a channels-last output.
        let out_frames = frames / kernel_size;
        let chunks = signal.narrow(2, 0, out_frames * kernel_size).reshape([batch, out_frames, kernel_size]);
        return channels_last(&chunks.transpose(1, 2)).conv2d(
            &weight.transpose(1, 2).unsqueeze(2),
            Some(bias),
            [1, 1],
            [0, 0],
            [1, 1],
            1,
        );
    }
    channels_last(signal).conv2d(&weight.unsqueeze(2), Some(bias), [1, stride], [0, padding], [1, 1], 1)
}

impl NetworkBackend for LibTorch {
    const SUPPORTS_BF16: bool = true;
}

impl ConvBlockKernel for LibTorch {
    type SavedForBackward = TchSaved;

    fn conv_block_forward(
        inputs: ConvBlockInputs<Self>,
        options: ConvBlockOptions,
        needs_signal_gradient: bool,
    ) -> Option<(ConvBlockOutput<Self>, TchSaved)> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let mut owners = vec![signal, weight, bias, gamma, beta];
        let leaf = |index: usize, tracked| TchTensor::new(owners[index].tensor.detach().set_requires_grad(tracked));
        let inputs = [leaf(0, needs_signal_gradient), leaf(1, true), leaf(2, true), leaf(3, true), leaf(4, true)];
        let [signal, weight, bias, gamma, beta] = inputs.each_ref().map(|input| &input.tensor);

        let ConvBlockOptions { stride, padding, epsilon, has_relu, pool } = options;
        let (stride, padding) = (stride as i64, padding as i64);
        // Cast to the signal's precision; autograd casts the gradients of the weights back.
        let (weight, bias) = (weight.to_kind(signal.kind()), bias.to_kind(signal.kind()));
        let sums = convolve(signal, &weight, &bias, stride, padding);
        let none = None::<&Tensor>;
        let (mut output, mean, inv_std) =
            sums.native_batch_norm(Some(gamma), Some(beta), none, none, true, 0.1, epsilon);
        if pool > 1 {
            let pool = [1, pool as i64];
            output = output.max_pool2d(pool, pool, [0, 0], [1, 1], false);
        }
        if has_relu {
            // ReLU and max pooling commute; after the pooling there are fewer frames.
            output = output.relu_();
        }
        let output = output.squeeze_dim(2);
        let signal = TchTensor::new(output.detach());
        owners.push(signal.clone());
        let variance = TchTensor::new(inv_std.detach().pow_tensor_scalar(-2.0) - epsilon);
        let saved = TchSaved { inputs, output: TchTensor::new(output), needs_signal_gradient, _owners: owners };
        // A copy, since the backward pass needs the original and burn may write into this one.
        let mean = TchTensor::new(mean.detach().copy());
        Some((ConvBlockOutput { signal, mean, variance }, saved))
    }

    fn conv_block_backward(saved: TchSaved, gradient: TchTensor) -> ConvBlockGradients<Self> {
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
        let inputs = &saved.inputs[if saved.needs_signal_gradient { 0 } else { 1 }..];
        let inputs: Vec<&Tensor> = inputs.iter().map(|input| &input.tensor).collect();
        let mut gradients = Tensor::run_backward(&[&scalar], &inputs, false, false).into_iter().map(TchTensor::new);
        let signal = if saved.needs_signal_gradient { gradients.next() } else { None };
        let mut next =
            || gradients.next().unwrap_or_else(|| unreachable!("LibTorch returns a gradient for each input"));
        ConvBlockGradients { signal, weight: next(), bias: next(), gamma: next(), beta: next() }
    }
}
