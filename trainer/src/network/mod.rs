//! The networks in burn, for training and for exact read-back.

mod dense;
pub(crate) mod mel;
mod picture;
mod prominence;
mod recurrent;
mod residual;
mod settle;
mod stage;

pub(crate) use dense::DenseLayer;
pub(crate) use mel::MelSpectrogram;
pub(crate) use picture::{PictureLayer, PictureStage};
pub(crate) use prominence::Prominence;
pub(crate) use recurrent::Recurrent;
pub(crate) use residual::{Excitation, ResidualBlock};
pub(crate) use stage::StageLayer;

use crate::architecture::{Layer, Plan};
use crate::kernels::NetworkBackend;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// One layer of the trunk: `[batch, channels, frames]` in and out.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has a dozen of them, and a box is no module")]
pub(crate) enum TrunkLayer<B: Backend> {
    Mel(MelSpectrogram<B>),
    Prominence(Prominence),
    Stage(StageLayer<B>),
    Residual(ResidualBlock<B>),
    Picture(PictureLayer<B>),
    Recurrent(Recurrent<B>),
}

impl<B: NetworkBackend> TrunkLayer<B> {
    fn new(layer: &Layer, device: &B::Device) -> Self {
        match layer {
            Layer::Mel(mel) => Self::Mel(MelSpectrogram::new(mel, device)),
            Layer::Prominence(prominence) => Self::Prominence(Prominence::new(prominence)),
            Layer::Stage(stage) => Self::Stage(StageLayer::new(stage, device)),
            Layer::Residual(block) => Self::Residual(ResidualBlock::new(block, device)),
            Layer::Picture(picture) => Self::Picture(PictureLayer::new(picture, device)),
            Layer::Gru(gru) => Self::Recurrent(Recurrent::new(gru, device)),
        }
    }

    fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        match self {
            Self::Mel(layer) => layer.forward(signal),
            Self::Prominence(layer) => layer.forward(signal),
            Self::Stage(layer) => layer.forward(signal),
            Self::Residual(layer) => layer.forward(signal),
            Self::Picture(layer) => layer.forward(signal),
            Self::Recurrent(layer) => layer.forward(signal),
        }
    }
}

/// What the stages of a network compute in while they train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision throughout.
    #[default]
    Single,
    /// bfloat16 between the first stage and the tag layer; weights, statistics and steps stay single.
    Half,
}

/// A signal in a type of number; as it is where that is its own.
fn cast<B: Backend>(signal: Tensor<B, 3>, dtype: DType) -> Tensor<B, 3> {
    if signal.dtype() == dtype { signal } else { signal.cast(dtype) }
}

/// What a network gives for a batch of windows.
pub struct Answer<B: Backend> {
    /// `[batch, tags]`, before the sigmoid.
    pub logits: Tensor<B, 2>,
    /// `[batch, values]`, the activations before the tag layer.
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
    /// A fresh network.
    pub fn new(plan: &Plan, device: &B::Device) -> Self {
        let network = Self {
            trunk: plan.trunk.iter().map(|layer| TrunkLayer::new(layer, device)).collect(),
            head: plan.head.iter().map(|dense| DenseLayer::new(dense, device)).collect(),
            tags: LinearConfig::new(plan.embedding, plan.tags).init(device),
            dropout: DropoutConfig::new(plan.dropout).init(),
            levels: plan.levels,
        };
        // burn draws weights when they are first used; asking for them all draws them
        // now, so that they depend on nothing that happens in between.
        network.num_params();
        network
    }

    /// Runs the network over `waveforms` of shape `[batch, window]`.
    pub fn forward(&self, waveforms: Tensor<B, 2>) -> Answer<B> {
        self.forward_in(Precision::Single, waveforms)
    }

    /// The same in a precision, for training; half where the backend has it.
    pub fn forward_in(&self, precision: Precision, waveforms: Tensor<B, 2>) -> Answer<B> {
        let mut embedding = self.features(waveforms, precision);
        for layer in &self.head {
            embedding = layer.forward(embedding);
        }
        let logits = self.tags.forward(self.dropout.forward(embedding.clone()));
        Answer { logits, embedding }
    }

    /// What leaves the trunk, `[batch, values]`.
    fn features(&self, waveforms: Tensor<B, 2>, precision: Precision) -> Tensor<B, 2> {
        let mut signal = waveforms.unsqueeze_dim(1);
        let mut levels = Vec::new();
        for (index, layer) in self.trunk.iter().enumerate() {
            // The waveform itself stays whole: eight bits would drown what is quiet in it.
            let half = match layer {
                TrunkLayer::Stage(stage) => precision == Precision::Half && index > 0 && stage.takes_half(),
                _ => false,
            };
            signal = layer.forward(cast(signal, if half { DType::BF16 } else { DType::F32 }));
            if self.trunk.len() - index <= self.levels {
                levels.push(cast(signal.clone(), DType::F32).max_dim(2).squeeze_dim(2));
            }
        }
        let signal = cast(signal, DType::F32);
        if levels.is_empty() { signal.flatten(1, 2) } else { Tensor::cat(levels, 1) }
    }

    /// Runs the first `layers` layers alone: `[batch, filters, frames]`.
    ///
    /// # Panics
    /// Where the trunk has fewer layers.
    pub fn activations(&self, waveforms: Tensor<B, 2>, layers: usize) -> Tensor<B, 3> {
        self.trunk[..layers].iter().fold(waveforms.unsqueeze_dim(1), |signal, layer| layer.forward(signal))
    }

    /// The network with these of its tags alone.
    pub fn with_tags(mut self, tags: Range<usize>) -> Self {
        self.tags.weight = self.tags.weight.map(|weight| weight.slice_dim(1, tags.clone()));
        self.tags.bias = self.tags.bias.map(|bias| bias.map(|bias| bias.slice_dim(0, tags)));
        self
    }

    /// How many layers the trunk has.
    pub fn depth(&self) -> usize {
        self.trunk.len()
    }
}

/// Mean binary cross-entropy of `logits` against soft `targets` in 0..=1, both
/// `[batch, tags]`, in the form that no logit overflows:
/// `max(x, 0) - x t + ln(1 + exp(-|x|))`.
pub fn binary_cross_entropy<B: Backend>(logits: Tensor<B, 2>, targets: Tensor<B, 2>) -> Tensor<B, 1> {
    let softplus = logits.clone().abs().neg().exp().log1p();
    (relu(logits.clone()) - logits * targets + softplus).mean()
}

impl<B: NetworkBackend> Network<B> {
    /// Whether a mel spectrogram comes first, whose mean and deviation are measured
    /// before training.
    pub(crate) fn has_front_end(&self) -> bool {
        matches!(self.trunk.first(), Some(TrunkLayer::Mel(_)))
    }

    /// The mel spectrogram before it is brought to a mean and deviation,
    /// `[batch, bands, frames]`; `None` where there is none.
    pub(crate) fn front_end(&self, waveforms: Tensor<B, 2>) -> Option<Tensor<B, 3>> {
        match self.trunk.first() {
            Some(TrunkLayer::Mel(mel)) => Some(mel.compressed(waveforms.unsqueeze_dim(1))),
            _ => None,
        }
    }

    /// Sets the mean and deviation that become zero and one.
    pub(crate) fn set_front_end(&mut self, mean: f32, deviation: f32) {
        if let Some(TrunkLayer::Mel(mel)) = self.trunk.first_mut() {
            mel.set_scale([mean, deviation]);
        }
    }
}
