//! One training step of a [`Stage`](crate::architecture::Stage) as one operation,
//! where a backend can do that faster than burn composes it.
//!
//! Convolution, batch normalisation over the batch, ReLU and pooling are one node of
//! the gradient's graph. A backend without a kernel of its own leaves the stage to
//! burn's modules.

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "libtorch")]
mod libtorch;

use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use std::convert::Infallible;
use std::fmt::Debug;

/// What a stage computes, but for its weights.
#[derive(Debug, Clone, Copy)]
pub struct StageKind {
    /// Frames from one place of the filter to the next.
    pub stride: usize,
    /// Zeros before and after.
    pub padding: usize,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whether ReLU follows the normalisation.
    pub rectify: bool,
    /// Frames that become one; 1 pools nothing.
    pub pool: usize,
}

/// What goes into a stage.
#[derive(Debug, Clone)]
pub struct StageInputs<B: Backend> {
    /// `[batch, channels, frames]`.
    pub signal: FloatTensor<B>,
    /// `[filters, channels, length]`.
    pub weight: FloatTensor<B>,
    /// `[filters]`.
    pub bias: FloatTensor<B>,
    /// `[filters]`, the normalisation's scale.
    pub gamma: FloatTensor<B>,
    /// `[filters]`, the normalisation's shift.
    pub beta: FloatTensor<B>,
}

/// What comes out of a stage.
pub struct StageOutput<B: Backend> {
    /// `[batch, filters, frames]`.
    pub signal: FloatTensor<B>,
    /// `[filters]`, the mean over the batch before normalisation.
    pub mean: FloatTensor<B>,
    /// `[filters]`, the variance, divided by the count itself.
    pub variance: FloatTensor<B>,
}

/// The gradients of a stage's inputs.
pub struct StageGradients<B: Backend> {
    /// `None` where it was not asked for.
    pub signal: Option<FloatTensor<B>>,
    /// Of the weights.
    pub weight: FloatTensor<B>,
    /// Of the biases.
    pub bias: FloatTensor<B>,
    /// Of the normalisation's scale.
    pub gamma: FloatTensor<B>,
    /// Of the normalisation's shift.
    pub beta: FloatTensor<B>,
}

/// A backend's own way to train a stage.
pub trait StageKernel: NetworkBackend {
    /// What the way back needs.
    type Kept: Clone + Send + Debug + 'static;

    /// The way there; `None` where the backend has no kernel. `back` says whether the
    /// signal's own gradient will be asked for.
    fn stage(inputs: StageInputs<Self>, kind: StageKind, back: bool) -> Option<(StageOutput<Self>, Self::Kept)>;

    /// The way back, from the gradient of the signal that came out.
    fn stage_backward(kept: Self::Kept, gradient: FloatTensor<Self>) -> StageGradients<Self>;
}

/// A backend that networks run on: either plain, or one that keeps gradients.
pub trait NetworkBackend: Backend {
    /// Whether [`train_stage`](Self::train_stage) takes a signal in bfloat16: it then computes
    /// in that, with weights and statistics in single precision, and gives such a signal.
    const HALF: bool = false;

    /// A stage with the batch's own statistics, as one operation; `None` leaves it to
    /// burn's modules.
    fn train_stage(_inputs: StageInputs<Self>, _kind: StageKind) -> Option<StageOutput<Self>> {
        None
    }

    /// A trained stage, with the mean and variance that it learnt, as one operation;
    /// `None` leaves it to burn's modules.
    fn run_stage(
        _inputs: StageInputs<Self>,
        _mean: FloatTensor<Self>,
        _variance: FloatTensor<Self>,
        _kind: StageKind,
    ) -> Option<FloatTensor<Self>> {
        None
    }
}

macro_rules! without_kernel {
    ($($backend:ty),*) => {
        $(
            impl NetworkBackend for $backend {}

            impl StageKernel for $backend {
                type Kept = Infallible;

                fn stage(_: StageInputs<Self>, _: StageKind, _: bool) -> Option<(StageOutput<Self>, Infallible)> {
                    None
                }

                fn stage_backward(kept: Infallible, _: FloatTensor<Self>) -> StageGradients<Self> {
                    match kept {}
                }
            }
        )*
    };
}

#[cfg(feature = "ndarray")]
without_kernel!(burn::backend::NdArray);
#[cfg(feature = "cuda")]
without_kernel!(burn::backend::Cuda);
#[cfg(feature = "vulkan")]
without_kernel!(burn::backend::Vulkan);

impl<B: StageKernel, C: CheckpointStrategy> NetworkBackend for Autodiff<B, C> {
    const HALF: bool = B::HALF;

    fn train_stage(inputs: StageInputs<Self>, kind: StageKind) -> Option<StageOutput<Self>> {
        #[derive(Debug)]
        struct StageStep;

        impl<B: StageKernel> Backward<B, 5> for StageStep {
            type State = B::Kept;

            fn backward(self, ops: Ops<B::Kept, 5>, gradients: &mut Gradients, _: &mut Checkpointer) {
                let gradient = gradients.consume::<B>(&ops.node);
                let StageGradients { signal, weight, bias, gamma, beta } = B::stage_backward(ops.state, gradient);
                let found = [signal, Some(weight), Some(bias), Some(gamma), Some(beta)];
                for (parent, gradient) in ops.parents.into_iter().zip(found) {
                    if let (Some(parent), Some(gradient)) = (parent, gradient) {
                        gradients.register::<B>(parent.id, gradient);
                    }
                }
            }
        }

        let StageInputs { signal, weight, bias, gamma, beta } = inputs;
        let back = signal.is_tracked();
        let plain = StageInputs {
            signal: signal.primitive,
            weight: weight.primitive,
            bias: bias.primitive,
            gamma: gamma.primitive,
            beta: beta.primitive,
        };
        let nodes = [signal.node, weight.node, bias.node, gamma.node, beta.node];
        let (output, kept) = B::stage(plain, kind, back)?;
        let signal = match StageStep.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(kept, output.signal),
            OpsKind::UnTracked(prepared) => prepared.finish(output.signal),
        };
        let constant = |tensor| <Self as burn::tensor::backend::AutodiffBackend>::from_inner(tensor);
        Some(StageOutput { signal, mean: constant(output.mean), variance: constant(output.variance) })
    }
}
