//! 2-D convolutions over bands and time.

use super::conv_block::{HE_NORMAL, fused};
use super::dropout::dropout;
use crate::architecture::{Activation, Conv2dBlock, Conv2dStack};
use crate::kernels::{ConvBlockInputs, ConvBlockOptions, NetworkBackend};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, PaddingConfig2d};
use burn::tensor::activation::{elu, relu};
use burn::tensor::module::max_pool2d;
use burn::tensor::{Tensor, backend::Backend};

/// A [`Conv2dStack`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct Conv2dStackLayer<B: Backend> {
    pub(crate) norm: Option<BatchNorm<B>>,
    pub(crate) blocks: Vec<Conv2dBlockLayer<B>>,
    /// Output channels.
    pub(crate) channels: usize,
}

/// A [`Conv2dBlock`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct Conv2dBlockLayer<B: Backend> {
    pub(crate) convolution: Conv2d<B>,
    pub(crate) norm: BatchNorm<B>,
    #[module(skip)]
    pub(crate) activation: Activation,
    pub(crate) pool: (usize, usize),
    dropout: Dropout,
}

impl<B: Backend> Conv2dStackLayer<B> {
    pub(crate) fn new(stack: &Conv2dStack, device: &B::Device) -> Self {
        Self {
            norm: stack.has_norm.then(|| BatchNormConfig::new(1).init(device)),
            blocks: stack.blocks.iter().map(|block| Conv2dBlockLayer::new(block, device)).collect(),
            channels: stack.out_channels(),
        }
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3>
    where
        B: NetworkBackend,
    {
        let mut image: Tensor<B, 4> = signal.unsqueeze_dim(1);
        if let Some(norm) = &self.norm {
            image = norm.forward(image);
        }
        for block in &self.blocks {
            image = block.forward(image);
        }
        image.flatten(1, 2)
    }
}

impl<B: Backend> Conv2dBlockLayer<B> {
    fn new(block: &Conv2dBlock, device: &B::Device) -> Self {
        let (bands, frames) = block.kernel_size;
        let convolution = Conv2dConfig::new([block.in_channels, block.filters], [bands, frames])
            .with_padding(PaddingConfig2d::Explicit(bands / 2, frames / 2, bands / 2, frames / 2))
            .with_initializer(HE_NORMAL)
            .init(device);
        Self {
            convolution,
            norm: BatchNormConfig::new(block.filters).init(device),
            activation: block.activation,
            pool: block.pool,
            dropout: DropoutConfig::new(block.dropout).init(),
        }
    }

    pub(crate) fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4>
    where
        B: NetworkBackend,
    {
        let by_rows = if B::CONV2D_BY_ROWS { self.convolve_by_rows(image.clone()) } else { None };
        let image = by_rows.unwrap_or_else(|| self.norm.forward(self.convolution.forward(image)));
        let image = match self.activation {
            Activation::None => image,
            Activation::Relu => relu(image),
            Activation::Elu => elu(image, 1.0),
        };
        let pool = [self.pool.0, self.pool.1];
        dropout(&self.dropout, max_pool2d(image, pool, pool, [0, 0], [1, 1], false))
    }
    /// The normalised convolution as a one-dimensional one over each row of the image, whose channels are those of the
    /// neighbouring rows, too; `None` if the backend has no kernel for it.
    fn convolve_by_rows(&self, image: Tensor<B, 4>) -> Option<Tensor<B, 4>>
    where
        B: NetworkBackend,
    {
        let weight = self.convolution.weight.val();
        let [filters, channels, kernel_bands, kernel_frames] = weight.dims();
        let (band_padding, padding) = (kernel_bands / 2, kernel_frames / 2);
        let padded = image.pad((0, 0, band_padding, band_padding), 0.0);
        let [batch, _, padded_bands, frames] = padded.dims();
        let bands = padded_bands + 1 - kernel_bands;
        let neighbours = (0..kernel_bands).map(|band| padded.clone().narrow(2, band, bands)).collect();
        let stacked: Tensor<B, 5> = Tensor::stack(neighbours, 2);
        let signal = stacked.permute([0, 3, 1, 2, 4]).reshape([batch * bands, channels * kernel_bands, frames]);

        let weight: Tensor<B, 3> = weight.reshape([filters, channels * kernel_bands, kernel_frames]);
        let [bias, gamma, beta] = [self.convolution.bias.as_ref()?, &self.norm.gamma, &self.norm.beta]
            .map(|parameter| parameter.val().into_primitive().tensor());
        let (signal, weight) = (signal.into_primitive().tensor(), weight.into_primitive().tensor());
        let options = ConvBlockOptions { stride: 1, padding, epsilon: self.norm.epsilon, has_relu: false, pool: 1 };
        let output = fused(ConvBlockInputs { signal, weight, bias, gamma, beta }, &self.norm, options)?;
        let frames = output.dims()[2];
        Some(output.reshape([batch, bands, filters, frames]).swap_dims(1, 2))
    }
}
