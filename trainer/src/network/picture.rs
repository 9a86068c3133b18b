//! Convolutions over bands and time.

use super::stage::HE;
use crate::architecture::{Activation, Picture, Stage2d};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, PaddingConfig2d};
use burn::tensor::activation::{elu, relu};
use burn::tensor::module::max_pool2d;
use burn::tensor::{Tensor, backend::Backend};

/// A [`Picture`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct PictureLayer<B: Backend> {
    pub(crate) norm: Option<BatchNorm<B>>,
    pub(crate) stages: Vec<PictureStage<B>>,
    /// Channels that come out.
    pub(crate) channels: usize,
}

/// A [`Stage2d`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct PictureStage<B: Backend> {
    pub(crate) convolution: Conv2d<B>,
    pub(crate) norm: BatchNorm<B>,
    #[module(skip)]
    pub(crate) activation: Activation,
    pub(crate) pool: (usize, usize),
    dropout: Dropout,
}

impl<B: Backend> PictureLayer<B> {
    pub(crate) fn new(picture: &Picture, device: &B::Device) -> Self {
        Self {
            norm: picture.norm.then(|| BatchNormConfig::new(1).init(device)),
            stages: picture.stages.iter().map(|stage| PictureStage::new(stage, device)).collect(),
            channels: picture.channels(),
        }
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let mut image: Tensor<B, 4> = signal.unsqueeze_dim(1);
        if let Some(norm) = &self.norm {
            image = norm.forward(image);
        }
        for stage in &self.stages {
            image = stage.forward(image);
        }
        image.flatten(1, 2)
    }
}

impl<B: Backend> PictureStage<B> {
    fn new(stage: &Stage2d, device: &B::Device) -> Self {
        let (bands, frames) = stage.size;
        let convolution = Conv2dConfig::new([stage.inputs, stage.filters], [bands, frames])
            .with_padding(PaddingConfig2d::Explicit(bands / 2, frames / 2, bands / 2, frames / 2))
            .with_initializer(HE)
            .init(device);
        Self {
            convolution,
            norm: BatchNormConfig::new(stage.filters).init(device),
            activation: stage.activation,
            pool: stage.pool,
            dropout: DropoutConfig::new(stage.dropout).init(),
        }
    }

    pub(crate) fn forward(&self, image: Tensor<B, 4>) -> Tensor<B, 4> {
        let image = self.norm.forward(self.convolution.forward(image));
        let image = match self.activation {
            Activation::None => image,
            Activation::Relu => relu(image),
            Activation::Elu => elu(image, 1.0),
        };
        let pool = [self.pool.0, self.pool.1];
        self.dropout.forward(max_pool2d(image, pool, pool, [0, 0], [1, 1], false))
    }
}
