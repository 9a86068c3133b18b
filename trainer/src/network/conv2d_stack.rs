//! 2-D convolutions over bands and time.

use super::conv_block::HE_NORMAL;
use super::dropout::dropout;
use crate::architecture::{Activation, Conv2dBlock, Conv2dStack};
use crate::kernels::NetworkBackend;
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
        let image = self.norm.forward(self.convolution.forward(image));
        let image = match self.activation {
            Activation::None => image,
            Activation::Relu => relu(image),
            Activation::Elu => elu(image, 1.0),
        };
        let pool = [self.pool.0, self.pool.1];
        dropout(&self.dropout, max_pool2d(image, pool, pool, [0, 0], [1, 1], false))
    }
}
