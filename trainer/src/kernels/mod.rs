//! Fused kernels for a [`ConvBlock`](crate::architecture::ConvBlock), where a backend can run it
//! faster as one operation than burn composes it.
//!
//! Convolution, batch normalisation, ReLU and pooling are one node of the autograd graph. A backend
//! without a fused kernel falls back to burn's modules.

#[cfg(any(feature = "cuda", feature = "vulkan"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "libtorch")]
mod libtorch;
mod mask;
#[cfg(feature = "ndarray")]
mod ndarray;

#[cfg(feature = "cuda")]
pub use cube::cache_cuda_kernels;
#[cfg(feature = "vulkan")]
pub use cube::cache_vulkan_kernels;
#[cfg(feature = "libtorch")]
pub use libtorch::check_cuda;

use crate::data::waveforms::widen;
use burn::backend::Autodiff;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Shape, TensorData};
use std::fmt::Debug;

/// The hyperparameters of a convolution block.
#[derive(Debug, Clone, Copy)]
pub struct ConvBlockOptions {
    /// Stride of the convolution, in frames.
    pub stride: usize,
    /// Zeros before and after the signal.
    pub padding: usize,
    /// Epsilon of the batch normalisation.
    pub epsilon: f64,
    /// Whether ReLU follows the normalisation.
    pub has_relu: bool,
    /// Length and stride of the max pooling; 1 does not pool.
    pub pool: usize,
}

/// The input and the parameters of a convolution block.
#[derive(Debug, Clone)]
pub struct ConvBlockInputs<B: Backend> {
    /// `[batch, channels, frames]`.
    pub signal: FloatTensor<B>,
    /// `[filters, channels, kernel_size]`.
    pub weight: FloatTensor<B>,
    /// `[filters]`.
    pub bias: FloatTensor<B>,
    /// `[filters]`, the scale of the batch normalisation.
    pub gamma: FloatTensor<B>,
    /// `[filters]`, the shift of the batch normalisation.
    pub beta: FloatTensor<B>,
}

/// The output of a convolution block in training.
pub struct ConvBlockOutput<B: Backend> {
    /// `[batch, filters, frames]`.
    pub signal: FloatTensor<B>,
    /// `[filters]`, the batch mean that the normalisation used.
    pub mean: FloatTensor<B>,
    /// `[filters]`, the batch variance that it used (biased: divided by the count).
    pub variance: FloatTensor<B>,
}

/// The gradients of one or several convolution blocks.
pub struct ConvGradients<B: Backend> {
    /// `[batch, channels, frames]`, of the signal; `None` if it was not requested.
    pub signal: Option<FloatTensor<B>>,
    /// Of the weights, the biases, and the normalisation's scale and shift of each block, in the shapes of
    /// [`ConvBlockInputs`].
    pub parameters: Vec<[FloatTensor<B>; 4]>,
}

/// A block of a chain of convolution blocks.
#[derive(Debug, Clone)]
pub struct ChainBlock<B: Backend> {
    /// `[filters, channels, kernel_size]`.
    pub weight: FloatTensor<B>,
    /// `[filters]`.
    pub bias: FloatTensor<B>,
    /// `[filters]`, the scale of the batch normalisation.
    pub gamma: FloatTensor<B>,
    /// `[filters]`, the shift of the batch normalisation.
    pub beta: FloatTensor<B>,
    /// The hyperparameters.
    pub options: ConvBlockOptions,
    /// Whether the block computes in bfloat16.
    pub in_bf16: bool,
}

/// The output of a chain of convolution blocks in training.
pub struct ChainOutput<B: Backend> {
    /// `[batch, filters, frames]` of the last block.
    pub signal: FloatTensor<B>,
    /// Mean and variance of each block, as in [`ConvBlockOutput`].
    pub statistics: Vec<(FloatTensor<B>, FloatTensor<B>)>,
}

/// The most blocks of a chain.
pub const MAX_CHAIN: usize = 12;

/// A backend that may have a fused kernel to train a convolution block.
pub trait ConvBlockKernel: NetworkBackend {
    /// What the forward pass saves for the backward pass.
    type SavedForBackward: Clone + Send + Debug + 'static;

    /// The forward pass; `None` if the backend has no kernel. `needs_signal_gradient` tells whether
    /// the backward pass has to compute the gradient of the signal.
    fn conv_block_forward(
        inputs: ConvBlockInputs<Self>,
        options: ConvBlockOptions,
        needs_signal_gradient: bool,
    ) -> Option<(ConvBlockOutput<Self>, Self::SavedForBackward)>;

    /// The forward pass of at most [`MAX_CHAIN`] blocks, each of which has the output of the one before as signal;
    /// `None` if the backend computes them one by one.
    fn conv_chain_forward(
        _signal: FloatTensor<Self>,
        _blocks: Vec<ChainBlock<Self>>,
        _needs_signal_gradient: bool,
    ) -> Option<(ChainOutput<Self>, Self::SavedForBackward)> {
        None
    }

    /// The backward pass of a block or a chain, from the gradient of the output signal.
    fn conv_backward(saved: Self::SavedForBackward, gradient: FloatTensor<Self>) -> ConvGradients<Self>;
}

/// A backend that networks run on, with or without autodiff.
pub trait NetworkBackend: Backend {
    /// Whether [`train_conv_block`](Self::train_conv_block) accepts a bfloat16 signal. It then
    /// computes and returns bfloat16; weights and statistics stay in single precision. Evaluation mode
    /// takes single precision only.
    const SUPPORTS_BF16: bool = false;

    /// Whether [`train_conv_chain`](Self::train_conv_chain) takes several blocks together.
    const HAS_CONV_CHAINS: bool = false;

    /// Whether a two-dimensional convolution is faster as a convolution block over the rows of its image.
    const CONV2D_BY_ROWS: bool = false;

    /// Runs `work` on stream number `stream` of the devices. On backends that have a stream for each thread, with
    /// memory of its own, threads that come and go share that of one stream so.
    fn on_stream<T>(_stream: u64, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Copies values to a device.
    fn upload(values: &[f32], shape: [usize; 2], device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(values.to_vec(), shape), device)
    }

    /// The product of matrices `[rows, inner]` and `[inner, columns]`.
    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(lhs, rhs)
    }

    /// `old` moved towards `new` by a fraction of the way.
    fn move_towards(old: FloatTensor<Self>, new: FloatTensor<Self>, fraction: f64) -> FloatTensor<Self> {
        let old = Self::float_mul_scalar(old, (1.0 - fraction).into());
        Self::float_add(old, Self::float_mul_scalar(new, fraction.into()))
    }

    /// Copies samples of 16 bits to a device and widens them there: `[rows, window]`, nominally in -1..1, times the
    /// gain of the row. `gains` may be empty, which is 1 for all.
    fn upload_samples(samples: &[i16], gains: &[f32], shape: [usize; 2], device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(widen(samples, gains, shape[1]), shape), device)
    }

    /// A dropout mask: 0, or `1 / keep` for a fraction of `keep`; the same for a seed on every backend.
    fn dropout_mask(shape: Shape, seed: u64, keep: f64, device: &Self::Device) -> FloatTensor<Self> {
        Self::float_from_data(TensorData::new(mask::mask(shape.num_elements(), seed, keep), shape), device)
    }

    /// A convolution block in training mode, normalised by the batch's statistics, with an output of
    /// `[batch, filters, frames]`; `None` if the backend has no fused kernel.
    fn train_conv_block(_inputs: ConvBlockInputs<Self>, _options: ConvBlockOptions) -> Option<ConvBlockOutput<Self>> {
        None
    }

    /// Several convolution blocks in training mode, one after the other, as one operation; `None` if the backend
    /// computes them one by one.
    fn train_conv_chain(_signal: FloatTensor<Self>, _blocks: Vec<ChainBlock<Self>>) -> Option<ChainOutput<Self>> {
        None
    }

    /// A convolution block in evaluation mode, normalised by the running mean and variance (`[filters]`
    /// each), with an output of `[batch, filters, frames]`; `None` if the backend has no fused kernel.
    fn eval_conv_block(
        _inputs: ConvBlockInputs<Self>,
        _mean: FloatTensor<Self>,
        _variance: FloatTensor<Self>,
        _options: ConvBlockOptions,
    ) -> Option<FloatTensor<Self>> {
        None
    }
}

impl<B: ConvBlockKernel, C: CheckpointStrategy> NetworkBackend for Autodiff<B, C> {
    const SUPPORTS_BF16: bool = B::SUPPORTS_BF16;
    const HAS_CONV_CHAINS: bool = B::HAS_CONV_CHAINS;
    const CONV2D_BY_ROWS: bool = B::CONV2D_BY_ROWS;

    fn on_stream<T>(stream: u64, work: impl FnOnce() -> T) -> T {
        B::on_stream(stream, work)
    }

    fn upload(values: &[f32], shape: [usize; 2], device: &B::Device) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::upload(values, shape, device))
    }

    fn matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        let output = B::matmul(lhs.primitive.clone(), rhs.primitive.clone());
        let saved = (lhs.primitive, rhs.primitive);
        match MatmulBackward.prepare::<C>([lhs.node, rhs.node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(saved, output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }

    fn move_towards(old: FloatTensor<Self>, new: FloatTensor<Self>, fraction: f64) -> FloatTensor<Self> {
        // Of statistics, which have no gradient.
        <Self as AutodiffBackend>::from_inner(B::move_towards(old.primitive, new.primitive, fraction))
    }

    fn upload_samples(samples: &[i16], gains: &[f32], shape: [usize; 2], device: &B::Device) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::upload_samples(samples, gains, shape, device))
    }

    fn dropout_mask(shape: Shape, seed: u64, keep: f64, device: &B::Device) -> FloatTensor<Self> {
        <Self as AutodiffBackend>::from_inner(B::dropout_mask(shape, seed, keep, device))
    }

    fn train_conv_block(inputs: ConvBlockInputs<Self>, options: ConvBlockOptions) -> Option<ConvBlockOutput<Self>> {
        let ConvBlockInputs { signal, weight, bias, gamma, beta } = inputs;
        let needs_signal_gradient = signal.is_tracked();
        let parents = vec![signal.clone(), weight.clone(), bias.clone(), gamma.clone(), beta.clone()];
        let plain = ConvBlockInputs {
            signal: signal.primitive,
            weight: weight.primitive,
            bias: bias.primitive,
            gamma: gamma.primitive,
            beta: beta.primitive,
        };
        let (output, saved) = B::conv_block_forward(plain, options, needs_signal_gradient)?;
        let signal = attach::<B, C>(parents, saved, output.signal);
        let constant = |tensor| <Self as AutodiffBackend>::from_inner(tensor);
        Some(ConvBlockOutput { signal, mean: constant(output.mean), variance: constant(output.variance) })
    }

    fn train_conv_chain(signal: FloatTensor<Self>, blocks: Vec<ChainBlock<Self>>) -> Option<ChainOutput<Self>> {
        let needs_signal_gradient = signal.is_tracked();
        let mut parents = vec![signal.clone()];
        let plain = |block: ChainBlock<Self>| {
            let ChainBlock { weight, bias, gamma, beta, options, in_bf16 } = block;
            parents.extend([weight.clone(), bias.clone(), gamma.clone(), beta.clone()]);
            ChainBlock {
                weight: weight.primitive,
                bias: bias.primitive,
                gamma: gamma.primitive,
                beta: beta.primitive,
                options,
                in_bf16,
            }
        };
        let blocks = blocks.into_iter().map(plain).collect();
        let (output, saved) = B::conv_chain_forward(signal.primitive, blocks, needs_signal_gradient)?;
        let signal = attach::<B, C>(parents, saved, output.signal);
        let constant = |tensor| <Self as AutodiffBackend>::from_inner(tensor);
        let statistics =
            output.statistics.into_iter().map(|(mean, variance)| (constant(mean), constant(variance))).collect();
        Some(ChainOutput { signal, statistics })
    }
}

/// The gradients of a product, which are products by the same kernel.
#[derive(Debug)]
struct MatmulBackward;

impl<B: NetworkBackend> Backward<B, 2> for MatmulBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let ((lhs, rhs), [lhs_parent, rhs_parent]) = (ops.state, ops.parents);
        let transposed = |matrix| B::float_swap_dims(matrix, 0, 1);
        if let Some(parent) = lhs_parent {
            gradients.register::<B>(parent.id, B::matmul(gradient.clone(), transposed(rhs)));
        }
        if let Some(parent) = rhs_parent {
            gradients.register::<B>(parent.id, B::matmul(transposed(lhs), gradient));
        }
    }
}

/// Makes the output of a block or a chain a node of the autograd graph. The number of its parents is a constant of the node's
/// type: one, and four for each block.
fn attach<B: ConvBlockKernel, C: CheckpointStrategy>(
    parents: Vec<FloatTensor<Autodiff<B, C>>>,
    saved: B::SavedForBackward,
    output: FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    macro_rules! by_length {
        ($($count:literal)*) => {
            match parents.len() {
                $($count => attach_parents::<B, C, $count>(parents, saved, output),)*
                other => unreachable!("a chain of at most {MAX_CHAIN} blocks does not have {other} parents"),
            }
        };
    }
    by_length!(5 9 13 17 21 25 29 33 37 41 45 49)
}

fn attach_parents<B: ConvBlockKernel, C: CheckpointStrategy, const N: usize>(
    parents: Vec<FloatTensor<Autodiff<B, C>>>,
    saved: B::SavedForBackward,
    output: FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    #[derive(Debug)]
    struct ConvBackward;

    impl<B: ConvBlockKernel, const N: usize> Backward<B, N> for ConvBackward {
        type State = B::SavedForBackward;

        fn backward(self, ops: Ops<B::SavedForBackward, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
            let gradient = gradients.consume::<B>(&ops.node);
            let ConvGradients { signal, parameters } = B::conv_backward(ops.state, gradient);
            let computed = std::iter::once(signal).chain(parameters.into_iter().flatten().map(Some));
            for (parent, gradient) in ops.parents.into_iter().zip(computed) {
                if let (Some(parent), Some(gradient)) = (parent, gradient) {
                    gradients.register::<B>(parent.id, gradient);
                }
            }
        }
    }

    let parents: [FloatTensor<Autodiff<B, C>>; N] =
        parents.try_into().unwrap_or_else(|_| unreachable!("the length was matched"));
    let nodes = parents.map(|parent| parent.node);
    match Backward::<B, N>::prepare::<C>(ConvBackward, nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    }
}
