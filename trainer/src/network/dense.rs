//! Fully connected layers.

use crate::architecture::Dense;
use crate::kernels::NetworkBackend;
use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Tensor, TensorPrimitive, backend::Backend};

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
    pub(crate) fn forward(&self, values: Tensor<B, 2>) -> Tensor<B, 2>
    where
        B: NetworkBackend,
    {
        let mut values = linear(&self.linear, values);
        if let Some(norm) = &self.norm {
            values = norm.forward(values);
        }
        if self.has_relu { relu(values) } else { values }
    }
}

/// A layer of burn's, by the backend's own product. Input and output are `[batch, values]`.
pub(super) fn linear<B: NetworkBackend>(layer: &Linear<B>, values: Tensor<B, 2>) -> Tensor<B, 2> {
    let product = B::matmul(values.into_primitive().tensor(), layer.weight.val().into_primitive().tensor());
    let product = Tensor::from_primitive(TensorPrimitive::Float(product));
    match &layer.bias {
        Some(bias) => product + bias.val().unsqueeze(),
        None => product,
    }
}
