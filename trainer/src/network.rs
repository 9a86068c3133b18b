//! The sample-level network in burn, for training and for exact read-back.

use crate::architecture::Architecture;
use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::pool::{MaxPool1d, MaxPool1dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig, PaddingConfig1d};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};

/// One convolution with batch normalisation and ReLU.
#[derive(Module, Debug)]
pub struct Layer<B: Backend> {
    pub(crate) convolution: Conv1d<B>,
    pub(crate) norm: BatchNorm<B>,
}

impl<B: Backend> Layer<B> {
    fn new(
        inputs: usize,
        filters: usize,
        length: usize,
        stride: usize,
        padding: (usize, usize),
        device: &B::Device,
    ) -> Self {
        let convolution = Conv1dConfig::new(inputs, filters, length)
            .with_stride(stride)
            .with_padding(PaddingConfig1d::Explicit(padding.0, padding.1))
            // The paper's initialisation is He et al.'s (2015), over the filter's inputs.
            .with_initializer(Initializer::KaimingNormal { gain: std::f64::consts::SQRT_2, fan_out_only: false })
            .init(device);
        Self { convolution, norm: BatchNormConfig::new(filters).init(device) }
    }

    fn forward(&self, input: Tensor<B, 3>) -> Tensor<B, 3> {
        relu(self.norm.forward(self.convolution.forward(input)))
    }
}

/// What a network gives for a batch of windows.
pub struct Answer<B: Backend> {
    /// `[batch, tags]`, before the sigmoid.
    pub logits: Tensor<B, 2>,
    /// `[batch, filters of the last layer]`, the activations before the tag layer.
    pub embedding: Tensor<B, 2>,
}

/// The m^n network of an [`Architecture`] (Lee et al. 2017, Table 1).
#[derive(Module, Debug)]
pub struct SampleCnn<B: Backend> {
    pub(crate) first: Layer<B>,
    pub(crate) pooled: Vec<Layer<B>>,
    pub(crate) last: Layer<B>,
    pub(crate) tags: Linear<B>,
    pool: MaxPool1d,
    dropout: Dropout,
}

impl<B: Backend> SampleCnn<B> {
    /// A fresh network; the architecture must have passed its own check.
    pub fn new(architecture: &Architecture, device: &B::Device) -> Self {
        let Architecture { m, widths, tags, .. } = architecture;
        let (stride, width) = (architecture.stride(), architecture.last_width());
        let pooled = widths.windows(2).map(|pair| Layer::new(pair[0], pair[1], *m, 1, architecture.padding(), device));
        Self {
            first: Layer::new(1, widths[0], stride, stride, (0, 0), device),
            pooled: pooled.collect(),
            last: Layer::new(width, width, 1, 1, (0, 0), device),
            tags: LinearConfig::new(width, *tags).init(device),
            pool: MaxPool1dConfig::new(*m).with_stride(*m).init(),
            dropout: DropoutConfig::new(0.5).init(),
        }
    }

    /// Runs the network over `waveforms` of shape `[batch, window]`.
    pub fn forward(&self, waveforms: Tensor<B, 2>) -> Answer<B> {
        let mut frames = self.first.forward(waveforms.unsqueeze_dim(1));
        for layer in &self.pooled {
            frames = self.pool.forward(layer.forward(frames));
        }
        let embedding: Tensor<B, 2> = self.last.forward(frames).squeeze_dim(2);
        let logits = self.tags.forward(self.dropout.forward(embedding.clone()));
        Answer { logits, embedding }
    }
}

/// Mean binary cross-entropy of `logits` against soft `targets` in 0..=1, both
/// `[batch, tags]`, in the form that no logit overflows:
/// `max(x, 0) - x t + ln(1 + exp(-|x|))`.
pub fn binary_cross_entropy<B: Backend>(logits: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
    let softplus = logits.clone().abs().neg().exp().log1p();
    (relu(logits.clone()) - logits * targets + softplus).mean()
}
