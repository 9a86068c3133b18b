//! 1-D convolution over time with batch normalisation, ReLU and max pooling.

use crate::architecture::ConvBlock;
use crate::kernels::{ChainBlock, ConvBlockInputs, ConvBlockOptions, NetworkBackend};
use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig1d};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool1d;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

/// He initialisation by fan-in (He et al. 2015).
pub(super) const HE_NORMAL: Initializer =
    Initializer::KaimingNormal { gain: std::f64::consts::SQRT_2, fan_out_only: false };

/// A [`ConvBlock`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct ConvBlockLayer<B: Backend> {
    pub(crate) convolution: Conv1d<B>,
    pub(crate) norm: Option<BatchNorm<B>>,
    pub(crate) has_relu: bool,
    pub(crate) pool: usize,
    pub(crate) padding: (usize, usize),
}

impl<B: NetworkBackend> ConvBlockLayer<B> {
    pub(crate) fn new(block: &ConvBlock, device: &B::Device) -> Self {
        let convolution = Conv1dConfig::new(block.in_channels, block.filters, block.kernel_size)
            .with_stride(block.stride)
            .with_padding(PaddingConfig1d::Valid)
            .with_initializer(HE_NORMAL)
            .init(device);
        Self {
            convolution,
            norm: block.has_norm.then(|| BatchNormConfig::new(block.filters).init(device)),
            has_relu: block.has_relu,
            pool: block.pool,
            padding: block.padding,
        }
    }

    /// Whether it can be trained on a bfloat16 signal.
    pub(crate) fn supports_bf16(&self) -> bool {
        B::SUPPORTS_BF16 && self.norm.is_some() && self.convolution.bias.is_some()
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        match (&self.norm, &self.convolution.bias) {
            (Some(norm), Some(bias)) => self.forward_fused(signal, norm, bias.val()),
            _ => self.forward_composed(signal),
        }
    }

    /// The block composed of burn's own modules.
    fn forward_composed(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let mut signal = self.convolution.forward(zero_pad(signal, self.padding));
        if let Some(norm) = &self.norm {
            signal = norm.forward(signal);
        }
        if self.has_relu {
            signal = relu(signal);
        }
        if self.pool > 1 {
            signal = max_pool1d(signal, self.pool, self.pool, 0, 1, false);
        }
        signal
    }

    /// The block as one fused operation, where the backend has a kernel for it.
    fn forward_fused(&self, signal: Tensor<B, 3>, norm: &BatchNorm<B>, bias: Tensor<B, 1>) -> Tensor<B, 3> {
        let (before, after) = self.padding;
        // Kernels pad symmetrically, so asymmetric padding is added here.
        let (padded, padding) =
            if before == after { (signal.clone(), before) } else { (zero_pad(signal.clone(), self.padding), 0) };
        let ChainBlock { weight, bias, gamma, beta, options, .. } = self.parameters(norm, bias, padding);
        let inputs = ConvBlockInputs { signal: padded.into_primitive().tensor(), weight, bias, gamma, beta };
        fused(inputs, norm, options).unwrap_or_else(|| self.forward_composed(signal))
    }

    /// The parameters and the hyperparameters of the block, for a kernel.
    fn parameters(&self, norm: &BatchNorm<B>, bias: Tensor<B, 1>, padding: usize) -> ChainBlock<B> {
        let options = ConvBlockOptions {
            stride: self.convolution.stride,
            padding,
            epsilon: norm.epsilon,
            has_relu: self.has_relu,
            pool: self.pool,
        };
        ChainBlock {
            weight: self.convolution.weight.val().into_primitive().tensor(),
            bias: bias.into_primitive().tensor(),
            gamma: norm.gamma.val().into_primitive().tensor(),
            beta: norm.beta.val().into_primitive().tensor(),
            options,
            in_bf16: false,
        }
    }

    /// The block as part of a chain; `None` if it cannot be one.
    fn chain_block(&self, in_bf16: bool) -> Option<(&BatchNorm<B>, ChainBlock<B>)> {
        let (norm, bias) = (self.norm.as_ref()?, self.convolution.bias.as_ref()?);
        let (before, after) = self.padding;
        (before == after).then(|| (norm, ChainBlock { in_bf16, ..self.parameters(norm, bias.val(), before) }))
    }

    /// Trains several blocks, one after the other, each with whether it computes in bfloat16; `None` if the backend
    /// does not take them together.
    pub(super) fn forward_chain(layers: &[(&Self, bool)], signal: Tensor<B, 3>) -> Option<Tensor<B, 3>> {
        let (norms, blocks): (Vec<_>, Vec<_>) = layers
            .iter()
            .map(|(layer, in_bf16)| layer.chain_block(*in_bf16))
            .collect::<Option<Vec<_>>>()?
            .into_iter()
            .unzip();
        let output = B::train_conv_chain(signal.into_primitive().tensor(), blocks)?;
        for (norm, (mean, variance)) in norms.into_iter().zip(output.statistics) {
            update_statistics(norm, mean, variance);
        }
        Some(Tensor::from_primitive(TensorPrimitive::Float(output.signal)))
    }
}

/// A normalised convolution as one operation, in training or evaluation mode as the backend is; `None` if the backend has
/// no kernel for it.
pub(super) fn fused<B: NetworkBackend>(
    inputs: ConvBlockInputs<B>,
    norm: &BatchNorm<B>,
    options: ConvBlockOptions,
) -> Option<Tensor<B, 3>> {
    let signal = if B::ad_enabled(&B::float_device(&inputs.signal)) {
        let output = B::train_conv_block(inputs, options)?;
        update_statistics(norm, output.mean, output.variance);
        output.signal
    } else {
        let [mean, variance] =
            [&norm.running_mean, &norm.running_var].map(|state| state.value().into_primitive().tensor());
        B::eval_conv_block(inputs, mean, variance, options)?
    };
    Some(Tensor::from_primitive(TensorPrimitive::Float(signal)))
}

/// Moves the running mean and variance towards those of a batch.
fn update_statistics<B: NetworkBackend>(norm: &BatchNorm<B>, mean: FloatTensor<B>, variance: FloatTensor<B>) {
    let updated = |old: Tensor<B, 1>, new| {
        let moved = B::move_towards(old.into_primitive().tensor(), new, norm.momentum);
        Tensor::from_primitive(TensorPrimitive::Float(moved))
    };
    norm.running_mean.update(updated(norm.running_mean.value_sync(), mean));
    norm.running_var.update(updated(norm.running_var.value_sync(), variance));
}

/// Adds zero frames before and after the signal.
pub(super) fn zero_pad<B: Backend>(signal: Tensor<B, 3>, (before, after): (usize, usize)) -> Tensor<B, 3> {
    if before + after == 0 { signal } else { signal.pad((before, after, 0, 0), 0.0) }
}
