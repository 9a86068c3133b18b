//! Stages on LibTorch's own kernels and its own gradients.
//!
//! burn composes batch normalisation and the gradients of convolutions of many small
//! operations, each a walk over all frames; LibTorch does each in one or two. Signals lie in
//! memory frame by frame, all channels of a frame side by side: oneDNN, which LibTorch computes
//! with on a CPU, takes them so without a copy, and a step takes half as long.

use super::{NetworkBackend, StageGradients, StageInputs, StageKernel, StageKind, StageOutput};
use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::{Kind, Tensor};

/// A stage's way back: LibTorch's own graph from the inputs to the signal.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Signal, weight, bias, gamma, beta, outside of burn's graph.
    inputs: [TchTensor; 5],
    /// The signal that came out, in LibTorch's graph.
    output: TchTensor,
    /// Whether the signal's own gradient is wanted.
    back: bool,
    /// burn writes into a tensor that nobody else holds. These share their memory
    /// with the ones above, and holding them keeps burn from it.
    _held: Vec<TchTensor>,
}

/// A signal `[batch, channels, frames]` as a picture `[batch, channels, 1, frames]` with the
/// channels of a frame side by side in memory; nothing is copied where they are already.
fn by_frames(signal: &Tensor) -> Tensor {
    signal.transpose(1, 2).contiguous().transpose(1, 2).unsqueeze(2)
}

/// What the filters sum up, `[batch, filters, 1, places]`, by frames.
fn convolve(signal: &Tensor, weight: &Tensor, bias: &Tensor, stride: i64, padding: i64) -> Tensor {
    let (batch, channels, frames) = signal.size3().unwrap_or_else(|_| unreachable!("signals have three dimensions"));
    let length = weight.size()[2];
    if channels == 1 && length == stride && padding == 0 {
        // Filters of a waveform side by side: its grains are frames of as many channels. As a
        // single channel it would come out channel by channel.
        let places = frames / length;
        let grains = signal.narrow(2, 0, places * length).reshape([batch, places, length]);
        return by_frames(&grains.transpose(1, 2)).conv2d(
            &weight.transpose(1, 2).unsqueeze(2),
            Some(bias),
            [1, 1],
            [0, 0],
            [1, 1],
            1,
        );
    }
    by_frames(signal).conv2d(&weight.unsqueeze(2), Some(bias), [1, stride], [0, padding], [1, 1], 1)
}

impl NetworkBackend for LibTorch {
    const HALF: bool = true;
}

impl StageKernel for LibTorch {
    type Kept = Kept;

    fn stage(inputs: StageInputs<Self>, kind: StageKind, back: bool) -> Option<(StageOutput<Self>, Kept)> {
        let StageInputs { signal, weight, bias, gamma, beta } = inputs;
        let mut held = vec![signal, weight, bias, gamma, beta];
        let leaf = |index: usize, tracked| TchTensor::new(held[index].tensor.detach().set_requires_grad(tracked));
        let inputs = [leaf(0, back), leaf(1, true), leaf(2, true), leaf(3, true), leaf(4, true)];
        let [signal, weight, bias, gamma, beta] = inputs.each_ref().map(|input| &input.tensor);

        let StageKind { stride, padding, epsilon, rectify, pool } = kind;
        let (stride, padding) = (stride as i64, padding as i64);
        // The signal's own precision; the gradients of weights become single again on their way back.
        let (weight, bias) = (weight.to_kind(signal.kind()), bias.to_kind(signal.kind()));
        let sums = convolve(signal, &weight, &bias, stride, padding);
        let none = None::<&Tensor>;
        let (mut output, mean, deviation) =
            sums.native_batch_norm(Some(gamma), Some(beta), none, none, true, 0.1, epsilon);
        if pool > 1 {
            let pool = [1, pool as i64];
            output = output.max_pool2d(pool, pool, [0, 0], [1, 1], false);
        }
        if rectify {
            // The same after pooling as before, over fewer frames.
            output = output.relu_();
        }
        let output = output.squeeze_dim(2);
        let signal = TchTensor::new(output.detach());
        held.push(signal.clone());
        let variance = TchTensor::new(deviation.detach().pow_tensor_scalar(-2.0) - epsilon);
        let kept = Kept { inputs, output: TchTensor::new(output), back, _held: held };
        // A copy: LibTorch's own is needed on the way back, and burn may write into this one.
        let mean = TchTensor::new(mean.detach().copy());
        Some((StageOutput { signal, mean, variance }, kept))
    }

    fn stage_backward(kept: Kept, gradient: TchTensor) -> StageGradients<Self> {
        // LibTorch's entry takes one number to differentiate: the product of the signal
        // with its gradient has that gradient.
        let flat = |signal: &Tensor| signal.transpose(1, 2).contiguous().flatten(0, -1);
        let (output, gradient) = (flat(&kept.output.tensor), flat(&gradient.tensor));
        let number = if output.kind() == Kind::Float {
            output.dot(&gradient)
        } else {
            // Slow as a product of two rows in bfloat16.
            (output * gradient).sum(None)
        };
        let wanted = &kept.inputs[if kept.back { 0 } else { 1 }..];
        let wanted: Vec<&Tensor> = wanted.iter().map(|input| &input.tensor).collect();
        let mut found = Tensor::run_backward(&[&number], &wanted, false, false).into_iter().map(TchTensor::new);
        let signal = if kept.back { found.next() } else { None };
        let mut next =
            || found.next().unwrap_or_else(|| unreachable!("LibTorch gives as many gradients as are wanted"));
        StageGradients { signal, weight: next(), bias: next(), gamma: next(), beta: next() }
    }
}
