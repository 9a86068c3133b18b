//! Convolution over time with what follows it.

use crate::architecture::Stage;
use crate::kernels::{NetworkBackend, StageInputs, StageKind};
use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv1d, Conv1dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig1d};
use burn::tensor::activation::relu;
use burn::tensor::module::max_pool1d;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

/// He et al.'s initialisation (2015), over the filter's inputs.
pub(super) const HE: Initializer = Initializer::KaimingNormal { gain: std::f64::consts::SQRT_2, fan_out_only: false };

/// A [`Stage`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct StageLayer<B: Backend> {
    pub(crate) convolution: Conv1d<B>,
    pub(crate) norm: Option<BatchNorm<B>>,
    pub(crate) rectify: bool,
    pub(crate) pool: usize,
    pub(crate) padding: (usize, usize),
}

impl<B: NetworkBackend> StageLayer<B> {
    pub(crate) fn new(stage: &Stage, device: &B::Device) -> Self {
        let convolution = Conv1dConfig::new(stage.inputs, stage.filters, stage.length)
            .with_stride(stage.stride)
            .with_padding(PaddingConfig1d::Valid)
            .with_initializer(HE)
            .init(device);
        Self {
            convolution,
            norm: stage.norm.then(|| BatchNormConfig::new(stage.filters).init(device)),
            rectify: stage.rectify,
            pool: stage.pool,
            padding: stage.padding,
        }
    }

    /// Whether a signal in bfloat16 can train it.
    pub(crate) fn takes_half(&self) -> bool {
        B::HALF && self.norm.is_some() && self.convolution.bias.is_some()
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        match (&self.norm, &self.convolution.bias) {
            (Some(norm), Some(bias)) => self.by_kernel(signal, norm, bias.val()),
            _ => self.compose(signal),
        }
    }

    /// The stage by burn's own modules.
    fn compose(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let mut signal = self.convolution.forward(pad(signal, self.padding));
        if let Some(norm) = &self.norm {
            signal = norm.forward(signal);
        }
        if self.rectify {
            signal = relu(signal);
        }
        if self.pool > 1 {
            signal = max_pool1d(signal, self.pool, self.pool, 0, 1, false);
        }
        signal
    }

    /// The stage by the backend's kernel, where it has one.
    fn by_kernel(&self, signal: Tensor<B, 3>, norm: &BatchNorm<B>, bias: Tensor<B, 1>) -> Tensor<B, 3> {
        let (before, after) = self.padding;
        // Kernels pad evenly; an even filter's odd zero is added first.
        let (padded, padding) =
            if before == after { (signal.clone(), before) } else { (pad(signal.clone(), self.padding), 0) };
        let kind = StageKind {
            stride: self.convolution.stride,
            padding,
            epsilon: norm.epsilon,
            rectify: self.rectify,
            pool: self.pool,
        };
        let training = B::ad_enabled(&signal.device());
        let inputs = StageInputs {
            signal: padded.into_primitive().tensor(),
            weight: self.convolution.weight.val().into_primitive().tensor(),
            bias: bias.into_primitive().tensor(),
            gamma: norm.gamma.val().into_primitive().tensor(),
            beta: norm.beta.val().into_primitive().tensor(),
        };
        if !training {
            let [mean, variance] =
                [&norm.running_mean, &norm.running_var].map(|state| state.value().into_primitive().tensor());
            return match B::run_stage(inputs, mean, variance, kind) {
                Some(signal) => Tensor::from_primitive(TensorPrimitive::Float(signal)),
                None => self.compose(signal),
            };
        }
        let Some(output) = B::train_stage(inputs, kind) else { return self.compose(signal) };
        let momentum = norm.momentum;
        let moved = |old: Tensor<B, 1>, new| {
            let new = Tensor::from_primitive(TensorPrimitive::Float(new));
            old.mul_scalar(1.0 - momentum).add(new.mul_scalar(momentum)).detach()
        };
        norm.running_mean.update(moved(norm.running_mean.value_sync(), output.mean));
        norm.running_var.update(moved(norm.running_var.value_sync(), output.variance));
        Tensor::from_primitive(TensorPrimitive::Float(output.signal))
    }
}

/// Zeros before and after the frames.
pub(super) fn pad<B: Backend>(signal: Tensor<B, 3>, (before, after): (usize, usize)) -> Tensor<B, 3> {
    if before + after == 0 { signal } else { signal.pad((before, after, 0, 0), 0.0) }
}
