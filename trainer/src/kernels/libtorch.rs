//! Stages on LibTorch's own kernels and its own gradients.
//!
//! burn composes batch normalisation and the gradients of convolutions of many small
//! operations, each a walk over all frames; LibTorch does each in one or two.

use super::{NetworkBackend, StageGradients, StageInputs, StageKernel, StageKind, StageOutput};
use burn::backend::LibTorch;
use burn::backend::libtorch::TchTensor;
use tch::Tensor;

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

impl NetworkBackend for LibTorch {}

impl StageKernel for LibTorch {
    type Kept = Kept;

    fn stage(inputs: StageInputs<Self>, kind: StageKind, back: bool) -> Option<(StageOutput<Self>, Kept)> {
        let StageInputs { signal, weight, bias, gamma, beta } = inputs;
        let mut held = vec![signal, weight, bias, gamma, beta];
        let leaf = |index: usize, tracked| TchTensor::new(held[index].tensor.detach().set_requires_grad(tracked));
        let inputs = [leaf(0, back), leaf(1, true), leaf(2, true), leaf(3, true), leaf(4, true)];
        let [signal, weight, bias, gamma, beta] = inputs.each_ref().map(|input| &input.tensor);

        let StageKind { stride, padding, epsilon, rectify, pool } = kind;
        let sums = signal.conv1d(weight, Some(bias), [stride as i64], [padding as i64], [1], 1);
        let none = None::<&Tensor>;
        let (mut output, mean, deviation) =
            sums.native_batch_norm(Some(gamma), Some(beta), none, none, true, 0.1, epsilon);
        if rectify {
            output = output.relu_();
        }
        if pool > 1 {
            let pool = pool as i64;
            output = output.max_pool1d([pool], [pool], [0], [1], false);
        }
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
        let number = kept.output.tensor.reshape([-1]).dot(&gradient.tensor.reshape([-1]));
        let wanted = &kept.inputs[if kept.back { 0 } else { 1 }..];
        let wanted: Vec<&Tensor> = wanted.iter().map(|input| &input.tensor).collect();
        let mut found = Tensor::run_backward(&[&number], &wanted, false, false).into_iter().map(TchTensor::new);
        let signal = if kept.back { found.next() } else { None };
        let mut next =
            || found.next().unwrap_or_else(|| unreachable!("LibTorch gives as many gradients as are wanted"));
        StageGradients { signal, weight: next(), bias: next(), gamma: next(), beta: next() }
    }
}
