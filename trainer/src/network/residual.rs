//! Residual and squeeze-and-excitation blocks (Kim et al. 2018).

use super::ConvBlockLayer;
use super::dense::linear;
use super::dropout::dropout;
use crate::architecture::Residual;
use crate::kernels::NetworkBackend;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::max_pool1d;
use burn::tensor::{Tensor, backend::Backend};

/// A [`Residual`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct ResidualBlock<B: Backend> {
    pub(crate) blocks: Vec<ConvBlockLayer<B>>,
    pub(crate) excitation: Option<Excitation<B>>,
    pub(crate) projection: Option<ConvBlockLayer<B>>,
    pub(crate) has_shortcut: bool,
    pub(crate) pool: usize,
    dropout: Dropout,
}

/// Squeeze and excitation: a gate on each filter, computed from the means of all filters over time
/// by two fully connected layers.
#[derive(Module, Debug)]
pub(crate) struct Excitation<B: Backend> {
    pub(crate) hidden: Linear<B>,
    pub(crate) gates: Linear<B>,
}

impl<B: NetworkBackend> Excitation<B> {
    fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let means = signal.clone().mean_dim(2).squeeze_dim(2);
        let gates: Tensor<B, 2> = sigmoid(linear(&self.gates, relu(linear(&self.hidden, means))));
        signal * gates.unsqueeze_dim(2)
    }
}

impl<B: NetworkBackend> ResidualBlock<B> {
    pub(crate) fn new(block: &Residual, device: &B::Device) -> Self {
        let excitation = block.excitation_ratio.map(|ratio| Excitation {
            hidden: LinearConfig::new(block.filters, block.filters * ratio).init(device),
            gates: LinearConfig::new(block.filters * ratio, block.filters).init(device),
        });
        Self {
            blocks: block.conv_blocks().iter().map(|conv| ConvBlockLayer::new(conv, device)).collect(),
            excitation,
            projection: block.projection().map(|conv| ConvBlockLayer::new(&conv, device)),
            has_shortcut: block.has_shortcut,
            pool: block.pool,
            dropout: DropoutConfig::new(Residual::DROPOUT).init(),
        }
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let shortcut = match &self.projection {
            Some(projection) => projection.forward(signal.clone()),
            None => signal.clone(),
        };
        let mut result = signal;
        for (index, conv) in self.blocks.iter().enumerate() {
            if index > 0 {
                result = dropout(&self.dropout, result);
            }
            result = conv.forward(result);
        }
        if let Some(excitation) = &self.excitation {
            result = excitation.forward(result);
        }
        if !self.has_shortcut {
            return result;
        }
        max_pool1d(relu(result + shortcut), self.pool, self.pool, 0, 1, false)
    }
}
