//! Normalisation around weights that it was folded into.
//!
//! The filters of an exported file need no normalisation, and learn badly without one. Here each
//! normalisation takes the mean and deviation of what its filters give and puts them back as its
//! shift and scale: nothing changes, and training begins where the file was.

use super::stage::pad;
use super::{DenseLayer, Network, PictureLayer, PictureStage, Precision, ResidualBlock, StageLayer, TrunkLayer};
use crate::kernels::NetworkBackend;
use burn::module::{Param, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::{Tensor, backend::Backend};

impl<B: NetworkBackend> Network<B> {
    /// Sets what each normalisation knows of its input to what it is for `waveforms`
    /// `[batch, window]`, and its scale and shift so that all answers stay as they are.
    pub fn settle(&mut self, waveforms: Tensor<B, 2>) {
        let mut signal = waveforms.clone().unsqueeze_dim(1);
        for layer in &mut self.trunk {
            layer.settle(&signal);
            signal = layer.forward(signal);
        }
        let mut embedding = self.features(waveforms, Precision::Single);
        for layer in &mut self.head {
            layer.settle(&embedding);
            embedding = layer.forward(embedding);
        }
    }
}

/// One normalisation, before which stands `input`, its channels along the second axis.
fn settle<B: Backend, const D: usize>(norm: &mut BatchNorm<B>, input: Tensor<B, D>) {
    let channels = input.dims()[1];
    let (variance, mean) = input.swap_dims(0, 1).reshape([channels as i32, -1]).var_mean_bias(1);
    let (variance, mean): (Tensor<B, 1>, Tensor<B, 1>) = (variance.squeeze_dim(1), mean.squeeze_dim(1));
    let deviation = |variance: Tensor<B, 1>| variance.add_scalar(norm.epsilon).sqrt();
    let scale = norm.gamma.val() / deviation(norm.running_var.value());
    let shift = norm.beta.val() - norm.running_mean.value() * scale.clone();
    norm.gamma = Param::from_tensor(scale.clone() * deviation(variance.clone()));
    norm.beta = Param::from_tensor(shift + scale * mean.clone());
    norm.running_mean = RunningState::new(mean);
    norm.running_var = RunningState::new(variance);
}

impl<B: NetworkBackend> TrunkLayer<B> {
    fn settle(&mut self, signal: &Tensor<B, 3>) {
        match self {
            Self::Stage(layer) => layer.settle(signal),
            Self::Residual(layer) => layer.settle(signal),
            Self::Picture(layer) => layer.settle(signal),
            // These have none.
            Self::Mel(_) | Self::Prominence(_) | Self::Recurrent(_) => {}
        }
    }
}

impl<B: NetworkBackend> StageLayer<B> {
    fn settle(&mut self, signal: &Tensor<B, 3>) {
        if let Some(norm) = &mut self.norm {
            settle(norm, self.convolution.forward(pad(signal.clone(), self.padding)));
        }
    }
}

impl<B: NetworkBackend> ResidualBlock<B> {
    fn settle(&mut self, signal: &Tensor<B, 3>) {
        if let Some(widen) = &mut self.widen {
            widen.settle(signal);
        }
        let mut signal = signal.clone();
        for stage in &mut self.stages {
            stage.settle(&signal);
            signal = stage.forward(signal);
        }
    }
}

impl<B: Backend> PictureLayer<B> {
    fn settle(&mut self, signal: &Tensor<B, 3>) {
        let mut image: Tensor<B, 4> = signal.clone().unsqueeze_dim(1);
        if let Some(norm) = &mut self.norm {
            settle(norm, image.clone());
            image = norm.forward(image);
        }
        for stage in &mut self.stages {
            stage.settle(&image);
            image = stage.forward(image);
        }
    }
}

impl<B: Backend> PictureStage<B> {
    fn settle(&mut self, image: &Tensor<B, 4>) {
        settle(&mut self.norm, self.convolution.forward(image.clone()));
    }
}

impl<B: Backend> DenseLayer<B> {
    fn settle(&mut self, values: &Tensor<B, 2>) {
        if let Some(norm) = &mut self.norm {
            settle(norm, self.linear.forward(values.clone()));
        }
    }
}
