//! Blocks with a gate over their filters and a way around them (Kim et al. 2018).

use super::StageLayer;
use crate::architecture::Residual;
use crate::kernels::NetworkBackend;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::max_pool1d;
use burn::tensor::{Tensor, backend::Backend};

/// Dropped between the two convolutions of a block in training.
const DROPPED: f64 = 0.2;

/// A [`Residual`] and its weights.
#[derive(Module, Debug)]
pub(crate) struct ResidualBlock<B: Backend> {
    pub(crate) stages: Vec<StageLayer<B>>,
    pub(crate) excitation: Option<Excitation<B>>,
    pub(crate) widen: Option<StageLayer<B>>,
    pub(crate) shortcut: bool,
    pub(crate) pool: usize,
    dropout: Dropout,
}

/// A gate over the filters: their means over time, two fully connected layers, and a
/// factor for each.
#[derive(Module, Debug)]
pub(crate) struct Excitation<B: Backend> {
    pub(crate) hidden: Linear<B>,
    pub(crate) gates: Linear<B>,
}

impl<B: Backend> Excitation<B> {
    fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let means = signal.clone().mean_dim(2).squeeze_dim(2);
        let gates: Tensor<B, 2> = sigmoid(self.gates.forward(relu(self.hidden.forward(means))));
        signal * gates.unsqueeze_dim(2)
    }
}

impl<B: NetworkBackend> ResidualBlock<B> {
    pub(crate) fn new(block: &Residual, device: &B::Device) -> Self {
        let excitation = block.excite.map(|times| Excitation {
            hidden: LinearConfig::new(block.filters, block.filters * times).init(device),
            gates: LinearConfig::new(block.filters * times, block.filters).init(device),
        });
        Self {
            stages: block.stages().iter().map(|stage| StageLayer::new(stage, device)).collect(),
            excitation,
            widen: block.widen().map(|stage| StageLayer::new(&stage, device)),
            shortcut: block.shortcut,
            pool: block.pool,
            dropout: DropoutConfig::new(DROPPED).init(),
        }
    }

    pub(crate) fn forward(&self, signal: Tensor<B, 3>) -> Tensor<B, 3> {
        let around = match &self.widen {
            Some(widen) => widen.forward(signal.clone()),
            None => signal.clone(),
        };
        let mut result = signal;
        for (index, stage) in self.stages.iter().enumerate() {
            if index > 0 {
                result = self.dropout.forward(result);
            }
            result = stage.forward(result);
        }
        if let Some(excitation) = &self.excitation {
            result = excitation.forward(result);
        }
        if !self.shortcut {
            return result;
        }
        max_pool1d(relu(result + around), self.pool, self.pool, 0, 1, false)
    }
}
