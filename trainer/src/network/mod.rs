//! The networks as burn modules.

mod conv2d_stack;
mod conv_block;
mod dense;
mod dropout;
mod gru;
mod initialise;
pub(crate) mod mel;
mod prominence;
mod recalibrate;
mod residual;
mod widen;

pub(crate) use conv_block::ConvBlockLayer;
pub(crate) use conv2d_stack::{Conv2dBlockLayer, Conv2dStackLayer};
pub(crate) use dense::DenseLayer;
pub(crate) use dropout::seed_dropout;
pub(crate) use gru::GruLayer;
pub(crate) use mel::MelSpectrogram;
pub(crate) use prominence::ProminenceLayer;
pub(crate) use residual::{Excitation, ResidualBlock};

use dense::linear;
use dropout::dropout;
use initialise::Initialise;

use crate::architecture::{Layer, Plan};
use crate::kernels::{MAX_CHAIN, NetworkBackend};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{DType, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One layer of the trunk. Input and output are `[batch, channels, frames]`.
//
// Checkpoints store the variants and the fields of all modules by name. When you rename one, raise the
// format of checkpoints, and rename it in those of earlier formats by `crate::renamed`.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has a dozen of them, and Box does not implement Module")]
pub(crate) enum TrunkLayer<B: Backend> {
    Mel(MelSpectrogram<B>),
    Prominence(ProminenceLayer),
    ConvBlock(ConvBlockLayer<B>),
    Residual(ResidualBlock<B>),
    Conv2dStack(Conv2dStackLayer<B>),
    Gru(GruLayer<B>),
}

impl<B: NetworkBackend> TrunkLayer<B> {
    fn new(layer: &Layer, device: &B::Device) -> Self {
        match layer {
            Layer::Mel(mel) => Self::Mel(MelSpectrogram::new(mel, device)),
            Layer::Prominence(prominence) => Self::Prominence(ProminenceLayer::new(prominence)),
            Layer::ConvBlock(block) => Self::ConvBlock(ConvBlockLayer::new(block, device)),
            Layer::Residual(block) => Self::Residual(ResidualBlock::new(block, device)),
            Layer::Conv2dStack(stack) => Self::Conv2dStack(Conv2dStackLayer::new(stack, device)),
            Layer::Gru(gru) => Self::Gru(GruLayer::new(gru, device)),
        }
    }

    fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        match self {
            Self::Mel(layer) => layer.forward(signal),
            Self::Prominence(layer) => layer.forward(signal),
            Self::ConvBlock(layer) => layer.forward(signal),
            Self::Residual(layer) => layer.forward(signal),
            Self::Conv2dStack(layer) => layer.forward(signal),
            Self::Gru(layer) => layer.forward(signal),
        }
    }
}

/// The floating-point type that a network is trained in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    Single,
    /// bfloat16 for the input, the computation and the output of the trunk's normalised
    /// [`ConvBlock`](crate::architecture::ConvBlock)s, except of one that reads the waveform. All other
    /// layers (residual blocks and their convolutions too) compute in single precision. Weights,
    /// statistics and optimiser steps stay in single precision everywhere.
    // Checkpoints of earlier versions call it `half`.
    #[serde(alias = "half")]
    Bf16,
}

fn cast<B: Backend>(signal: Tensor<B, 3>, dtype: DType) -> Tensor<B, 3> {
    if signal.dtype() == dtype { signal } else { signal.cast(dtype) }
}

/// The values of a tensor in row-major order.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The output of a network for a batch of windows.
pub struct NetworkOutput<B: Backend> {
    /// `[batch, tags]`, before the sigmoid.
    pub logits: Tensor<B, 2>,
    /// `[batch, values]`, the input of the output layer.
    pub embedding: Tensor<B, 2>,
}

/// The network of a [`Plan`].
#[derive(Module, Debug)]
pub struct Network<B: Backend> {
    pub(crate) trunk: Vec<TrunkLayer<B>>,
    pub(crate) head: Vec<DenseLayer<B>>,
    pub(crate) tags: Linear<B>,
    dropout: Dropout,
    pub(crate) levels: usize,
}

impl<B: NetworkBackend> Network<B> {
    /// A network with the random weights of seed 0.
    pub fn new(plan: &Plan, device: &B::Device) -> Self {
        Self::with_seed(plan, 0, device)
    }

    /// A network with random weights, the same for a seed on every backend.
    pub fn with_seed(plan: &Plan, seed: u64, device: &B::Device) -> Self {
        let network = Self {
            trunk: plan.trunk.iter().map(|layer| TrunkLayer::new(layer, device)).collect(),
            head: plan.head.iter().map(|dense| DenseLayer::new(dense, device)).collect(),
            tags: LinearConfig::new(plan.embedding_size, plan.tags).init(device),
            dropout: DropoutConfig::new(plan.dropout).init(),
            levels: plan.levels,
        };
        let network = network.map(&mut Initialise::new(seed));
        // burn initialises parameters lazily. Counting them initialises the others now, so that copies share them.
        network.num_params();
        network
    }

    /// Runs the network over `waveforms` of shape `[batch, window]`.
    pub fn forward(&self, waveforms: Tensor<B, 2>) -> NetworkOutput<B> {
        self.forward_with_precision(Precision::Single, waveforms)
    }

    /// Like [`forward`](Self::forward), in a precision. [`Precision::Bf16`] has an effect only in
    /// training, that is on a backend with autodiff, and only where [`NetworkBackend::SUPPORTS_BF16`] is
    /// set.
    pub fn forward_with_precision(&self, precision: Precision, waveforms: Tensor<B, 2>) -> NetworkOutput<B> {
        let mut embedding = self.trunk_features(waveforms, precision);
        for layer in &self.head {
            embedding = layer.forward(embedding);
        }
        let logits = linear(&self.tags, dropout(&self.dropout, embedding.clone()));
        NetworkOutput { logits, embedding }
    }

    /// The output of the trunk after its pooling, `[batch, values]`.
    fn trunk_features(&self, waveforms: Tensor<B, 2>, precision: Precision) -> Tensor<B, 2> {
        // In evaluation mode no kernel takes a bfloat16 signal with weights in single precision.
        let use_bf16 = precision == Precision::Bf16 && B::ad_enabled(&waveforms.device());
        let mut signal = waveforms.unsqueeze_dim(1);
        let is_training = B::ad_enabled(&signal.device());
        // The waveform stays in single precision: the eight bits of bfloat16 would drown its
        // quiet parts in rounding noise.
        let in_bf16 = |index: usize, block: &ConvBlockLayer<B>| use_bf16 && index > 0 && block.supports_bf16();
        let mut levels = Vec::new();
        let mut index = 0;
        while index < self.trunk.len() {
            if is_training && B::HAS_CONV_CHAINS {
                let chain = self.chain_from(index, &in_bf16);
                if chain.len() > 1
                    && let Some(output) = ConvBlockLayer::forward_chain(&chain, signal.clone())
                {
                    signal = output;
                    index += chain.len();
                    continue;
                }
            }
            let layer = &self.trunk[index];
            let in_bf16 = match layer {
                TrunkLayer::ConvBlock(block) => in_bf16(index, block),
                _ => false,
            };
            signal = layer.forward(cast(signal, if in_bf16 { DType::BF16 } else { DType::F32 }));
            if self.trunk.len() - index <= self.levels {
                levels.push(cast(signal.clone(), DType::F32).max_dim(2).squeeze_dim(2));
            }
            index += 1;
        }
        let signal = cast(signal, DType::F32);
        if levels.is_empty() { signal.flatten(1, 2) } else { Tensor::cat(levels, 1) }
    }

    /// The convolution blocks from layer `first` on up to the next layer of another kind or whose output is needed,
    /// each with whether it computes in bfloat16.
    fn chain_from(
        &self,
        first: usize,
        in_bf16: &dyn Fn(usize, &ConvBlockLayer<B>) -> bool,
    ) -> Vec<(&ConvBlockLayer<B>, bool)> {
        let layers = self.trunk.iter().enumerate().take(self.trunk.len().saturating_sub(self.levels)).skip(first);
        layers
            .map_while(|(index, layer)| match layer {
                TrunkLayer::ConvBlock(block) => Some((block, in_bf16(index, block))),
                _ => None,
            })
            .take(MAX_CHAIN)
            .collect()
    }

    /// The output of the trunk's layer number `layers`, counted from 1: `[batch, filters, frames]`.
    ///
    /// # Panics
    /// Panics if the trunk has fewer layers.
    pub fn activations(&self, waveforms: Tensor<B, 2>, layers: usize) -> Tensor<B, 3> {
        self.trunk[..layers].iter().fold(waveforms.unsqueeze_dim(1), |signal, layer| layer.forward(signal))
    }

    /// The network with a range of its tags only.
    ///
    /// # Panics
    /// Panics if the range ends after the last tag.
    pub fn with_tags(mut self, tags: Range<usize>) -> Self {
        self.tags.weight = self.tags.weight.map(|weight| weight.slice_dim(1, tags.clone()));
        self.tags.bias = self.tags.bias.map(|bias| bias.map(|bias| bias.slice_dim(0, tags)));
        self
    }

    /// The network whose logits are those of this one, each times its factor in `scales`, plus that in `offsets`.
    ///
    /// # Panics
    /// Panics if there are not as many factors and offsets as tags.
    pub fn with_scaled_logits(mut self, scales: &[f32], offsets: &[f32]) -> Self {
        let device = self.tags.weight.val().device();
        let [scales, offsets] = [scales, offsets].map(|values| Tensor::<B, 1>::from_floats(values, &device));
        self.tags.weight = self.tags.weight.map(|weight| weight * scales.clone().unsqueeze_dim(0));
        self.tags.bias = self.tags.bias.map(|bias| bias.map(|bias| bias * scales + offsets));
        self
    }

    /// Number of layers in the trunk.
    pub fn depth(&self) -> usize {
        self.trunk.len()
    }
}

impl<B: NetworkBackend> Network<B> {
    /// Whether the first layer is a mel spectrogram, whose mean and standard deviation have to be
    /// computed before training.
    pub(crate) fn has_mel_front_end(&self) -> bool {
        matches!(self.trunk.first(), Some(TrunkLayer::Mel(_)))
    }

    /// The log-mel spectrogram before its standardisation, `[batch, bands, frames]`; `None` for a
    /// network without one.
    pub(crate) fn log_mel(&self, waveforms: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        match self.trunk.first() {
            Some(TrunkLayer::Mel(mel)) => Some(mel.log_mel(waveforms.unsqueeze_dim(1))),
            _ => None,
        }
    }

    /// Sets the mean and the standard deviation that standardise the mel spectrogram.
    pub(crate) fn set_mel_mean_and_std(&mut self, mean: f32, std: f32) {
        if let Some(TrunkLayer::Mel(mel)) = self.trunk.first_mut() {
            mel.set_mean_and_std([mean, std]);
        }
    }
}
