//! Batch normalisation for weights that it was folded into.
//!
//! The layers of an exported model need no normalisation, but train badly without it. Here each
//! normalisation takes the statistics of its input as running mean and variance, and compensates
//! for them by its scale and shift. The network's output stays the same.

use super::conv_block::zero_pad;
use super::dense::linear;
use super::{
    Conv2dBlockLayer, Conv2dStackLayer, ConvBlockLayer, DenseLayer, Network, Precision, ResidualBlock, TrunkLayer,
};
use crate::kernels::NetworkBackend;
use burn::module::{Param, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::{Tensor, backend::Backend};

impl<B: NetworkBackend> Network<B> {
    /// Sets the running statistics of each batch normalisation to those over `waveforms`
    /// `[batch, window]`, and its scale and shift so that the network's output stays the same.
    pub fn recalibrate_batch_norm(&mut self, waveforms: Tensor<B, 2>) {
        let mut signal = waveforms.clone().unsqueeze_dim(1);
        for layer in &mut self.trunk {
            layer.recalibrate_batch_norm(&signal);
            signal = layer.forward(signal);
        }
        let mut embedding = self.trunk_features(waveforms, Precision::Single);
        for layer in &mut self.head {
            layer.recalibrate_batch_norm(&embedding);
            embedding = layer.forward(embedding);
        }
    }
}

/// Recalibrates one normalisation over its `input`, whose second axis has the channels.
fn recalibrate<B: Backend, const D: usize>(norm: &mut BatchNorm<B>, input: Tensor<B, D>) {
    let channels = input.dims()[1];
    let (variance, mean) = input.swap_dims(0, 1).reshape([channels as i32, -1]).var_mean_bias(1);
    let (variance, mean): (Tensor<B, 1>, Tensor<B, 1>) = (variance.squeeze_dim(1), mean.squeeze_dim(1));
    let std = |variance: Tensor<B, 1>| variance.add_scalar(norm.epsilon).sqrt();
    let scale = norm.gamma.val() / std(norm.running_var.value());
    let shift = norm.beta.val() - norm.running_mean.value() * scale.clone();
    norm.gamma = Param::from_tensor(scale.clone() * std(variance.clone()));
    norm.beta = Param::from_tensor(shift + scale * mean.clone());
    norm.running_mean = RunningState::new(mean);
    norm.running_var = RunningState::new(variance);
}

impl<B: NetworkBackend> TrunkLayer<B> {
    fn recalibrate_batch_norm(&mut self, signal: &Tensor<B, 3>) {
        match self {
            Self::ConvBlock(layer) => layer.recalibrate_batch_norm(signal),
            Self::Residual(layer) => layer.recalibrate_batch_norm(signal),
            Self::Conv2dStack(layer) => layer.recalibrate_batch_norm(signal),
            // These have no batch normalisation.
            Self::Mel(_) | Self::Prominence(_) | Self::Gru(_) => {}
        }
    }
}

impl<B: NetworkBackend> ConvBlockLayer<B> {
    fn recalibrate_batch_norm(&mut self, signal: &Tensor<B, 3>) {
        if let Some(norm) = &mut self.norm {
            recalibrate(norm, self.convolution.forward(zero_pad(signal.clone(), self.padding)));
        }
    }
}

impl<B: NetworkBackend> ResidualBlock<B> {
    fn recalibrate_batch_norm(&mut self, signal: &Tensor<B, 3>) {
        if let Some(projection) = &mut self.projection {
            projection.recalibrate_batch_norm(signal);
        }
        let mut signal = signal.clone();
        for conv in &mut self.blocks {
            conv.recalibrate_batch_norm(&signal);
            signal = conv.forward(signal);
        }
    }
}

impl<B: NetworkBackend> Conv2dStackLayer<B> {
    fn recalibrate_batch_norm(&mut self, signal: &Tensor<B, 3>) {
        let mut image: Tensor<B, 4> = signal.clone().unsqueeze_dim(1);
        if let Some(norm) = &mut self.norm {
            recalibrate(norm, image.clone());
            image = norm.forward(image);
        }
        for block in &mut self.blocks {
            block.recalibrate_batch_norm(&image);
            image = block.forward(image);
        }
    }
}

impl<B: Backend> Conv2dBlockLayer<B> {
    fn recalibrate_batch_norm(&mut self, image: &Tensor<B, 4>) {
        recalibrate(&mut self.norm, self.convolution.forward(image.clone()));
    }
}

impl<B: NetworkBackend> DenseLayer<B> {
    fn recalibrate_batch_norm(&mut self, values: &Tensor<B, 2>) {
        if let Some(norm) = &mut self.norm {
            recalibrate(norm, linear(&self.linear, values.clone()));
        }
    }
}
