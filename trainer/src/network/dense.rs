//! Fully connected layers.

use crate::architecture::Dense;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, backend::Backend};

/// A [`Dense`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct DenseLayer<B: Backend> {
    pub(crate) linear: Linear<B>,
    pub(crate) norm: Option<BatchNorm<B>>,
    pub(crate) has_relu: bool,
}

impl<B: Backend> DenseLayer<B> {
    pub(crate) fn new(dense: &Dense, device: &B::Device) -> Self {
        Self {
            linear: LinearConfig::new(dense.in_features, dense.out_features).init(device),
            norm: dense.has_norm.then(|| BatchNormConfig::new(dense.out_features).init(device)),
            has_relu: dense.has_relu,
        }
    }

    /// Input and output are `[batch, values]`.
    pub(crate) fn forward(&self, values: Tensor<B, 2>) -> Tensor<B, 2> {
        let mut values = self.linear.forward(values);
        if let Some(norm) = &self.norm {
            values = norm.forward(values);
        }
        if self.has_relu { relu(values) } else { values }
    }
}
