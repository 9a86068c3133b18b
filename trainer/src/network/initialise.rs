//! The random weights that training starts from: the same on every backend.

use burn::module::{ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;

/// Draws the weights of convolutions (He et al. 2015, by fan-in), of fully connected layers (uniform, by
/// fan-in) and of recurrent layers (Glorot and Bengio 2010) in the order of the modules. A bias has the
/// distribution of its weights. Normalisations keep their ones and zeros.
pub(super) struct Initialise {
    random: ChaCha12Rng,
    /// The types of the modules around the parameter, outermost first.
    containers: Vec<String>,
    /// Fan-in and fan-out of the weights last drawn, which come before their bias.
    fans: (usize, usize),
}

impl Initialise {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: ChaCha12Rng::seed_from_u64(seed), containers: Vec::new(), fans: (1, 1) }
    }

    /// A normal value with this standard deviation.
    fn normal(&mut self, std: f64) -> f32 {
        (std * f64::from(self.random.sample::<f32, _>(StandardNormal))) as f32
    }
}

impl<B: Backend> ModuleMapper<B> for Initialise {
    fn enter_module(&mut self, _: &str, container_type: &str) {
        self.containers.push(container_type.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.containers.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let layer = self.containers.last().map_or("", String::as_str).trim_start_matches("Struct:").to_owned();
        if !["Conv1d", "Conv2d", "Linear"].contains(&layer.as_str()) {
            return param;
        }
        let shape = param.lazy_shape();
        let dims: Vec<usize> = shape.iter().copied().collect();
        if dims.len() > 1 {
            // Linear layers are `[inputs, outputs]`, filters `[filters, channels, ...]`.
            self.fans = if layer == "Linear" { (dims[0], dims[1]) } else { (dims[1..].iter().product(), dims[0]) };
        }
        let (fan_in, fan_out) = (self.fans.0 as f64, self.fans.1 as f64);
        let is_recurrent = self.containers.iter().any(|container| container == "Struct:GateController");
        let count = shape.num_elements();
        let values: Vec<f32> = if is_recurrent {
            (0..count).map(|_| self.normal((2.0 / (fan_in + fan_out)).sqrt())).collect()
        } else if layer == "Linear" {
            let limit = (1.0 / fan_in.sqrt()) as f32;
            (0..count).map(|_| self.random.random_range(-limit..limit)).collect()
        } else {
            (0..count).map(|_| self.normal((2.0 / fan_in).sqrt())).collect()
        };
        let tensor = Tensor::from_data(TensorData::new(values, shape), &param.lazy_device());
        Param::initialized(param.id, tensor.require_grad())
    }
}
