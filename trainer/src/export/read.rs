//! Import of an exported ONNX file into a network.

use super::half_precision;
use crate::architecture::Architecture;
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::{
    Conv2dStackLayer, ConvBlockLayer, DenseLayer, Excitation, GruLayer, MelSpectrogram, Network, ResidualBlock,
    TrunkLayer,
};
use burn::module::{Param, RunningState};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use prost::Message as _;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{GraphProto, ModelProto, TensorProto};

/// Loads the weights of a file that [`to_onnx`](super::to_onnx) wrote, in half precision or not, into a network of the
/// same architecture. Its batch normalisations are set to the identity.
///
/// The names and the shapes of the weights are compared, and the architecture and the window in the
/// metadata where the file has them. The operators are not.
///
/// # Errors
/// [`TrainerError::Request`] if the file has another architecture or was not written by this trainer.
pub fn from_onnx<B: NetworkBackend>(
    bytes: &[u8],
    architecture: &Architecture,
    tags: usize,
    device: &B::Device,
) -> Result<Network<B>> {
    let plan = architecture.plan(tags)?;
    let context = format!("this ONNX file cannot be read back as {architecture}");
    let model = ModelProto::decode(bytes).map_err(|_| foreign(&context, "it is not an ONNX model"))?;
    for (key, expected) in [("architecture", architecture.to_string()), ("window", architecture.window().to_string())] {
        let found = model.metadata_props.iter().find(|property| property.key == key && !property.value.is_empty());
        if let Some(other) = found.filter(|property| property.value != expected) {
            let shown: String = other.value.chars().take(100).collect();
            return Err(foreign(&context, &format!("its {key} is {shown} and not {expected}")));
        }
    }
    let mut graph = model.graph.ok_or_else(|| foreign(&context, "it has no graph"))?;
    half_precision::widen(&mut graph);
    let weights = OnnxWeights { graph: &graph, context: &context };

    let mut network = Network::<B>::new(&plan, device);
    for (index, layer) in network.trunk.iter_mut().enumerate() {
        layer.load(&weights, &format!("layer{index}"))?;
    }
    for (index, layer) in network.head.iter_mut().enumerate() {
        layer.load(&weights, &format!("head{index}"))?;
    }
    weights.load_linear(&mut network.tags, "tags")?;
    Ok(network)
}

/// The number of filters of each convolution block of the trunk, in a file that [`to_onnx`](super::to_onnx) wrote; none where
/// it is another file.
pub fn filter_counts(bytes: &[u8]) -> Vec<usize> {
    let mut graph = ModelProto::decode(bytes).ok().and_then(|model| model.graph).unwrap_or_default();
    half_precision::widen(&mut graph);
    let filters = |index: usize| {
        let name = format!("layer{index}.weight");
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == name)?;
        usize::try_from(*tensor.dims.first()?).ok()
    };
    (0..).map_while(filters).collect()
}

fn foreign(context: &str, why: &str) -> TrainerError {
    TrainerError::Request(format!("{context}: {why}"))
}

/// The values of a tensor, if it is stored as raw float32 of its shape.
pub(super) fn floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let size = tensor.dims.iter().try_fold(1_usize, |size, dim| size.checked_mul(usize::try_from(*dim).ok()?))?;
    let (words, rest) = tensor.raw_data.as_chunks::<4>();
    let is_raw = tensor.data_type == DataType::Float as i32 && words.len() == size && rest.is_empty();
    is_raw.then(|| words.iter().map(|word| f32::from_le_bytes(*word)).collect())
}

/// The weights of an ONNX file, by name.
struct OnnxWeights<'a> {
    graph: &'a GraphProto,
    /// The beginning of each error.
    context: &'a str,
}

impl OnnxWeights<'_> {
    /// The values of a tensor of a given shape.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.graph.initializer.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.ok_or_else(|| foreign(self.context, &format!("{name} is missing")))?;
        let has_shape = tensor.dims.iter().map(|dim| *dim as usize).eq(shape.iter().copied());
        floats(tensor)
            .filter(|_| has_shape)
            .ok_or_else(|| foreign(self.context, &format!("{name} has another shape or is not stored as raw float32")))
    }

    fn load<B: Backend, const D: usize>(&self, param: &mut Param<Tensor<B, D>>, name: &str) -> Result<()> {
        let shape = param.dims();
        let values = TensorData::new(self.values(name, &shape)?, shape);
        *param = Param::from_tensor(Tensor::from_data(values, &param.val().device()));
        Ok(())
    }

    /// Loads the weights `name.weight` and the biases `name.bias`.
    fn load_weight_and_bias<B: Backend, const D: usize>(
        &self,
        weight: &mut Param<Tensor<B, D>>,
        bias: &mut Option<Param<Tensor<B, 1>>>,
        name: &str,
    ) -> Result<()> {
        self.load(weight, &format!("{name}.weight"))?;
        bias.as_mut().map_or(Ok(()), |bias| self.load(bias, &format!("{name}.bias")))
    }

    fn load_linear<B: Backend>(&self, linear: &mut Linear<B>, name: &str) -> Result<()> {
        self.load_weight_and_bias(&mut linear.weight, &mut linear.bias, name)
    }
}

/// Makes a freshly initialised normalisation the identity: its mean is 0, its scale 1, and a variance
/// of `1 - epsilon` makes the divisor `sqrt(1 - epsilon + epsilon)`.
fn make_identity<B: Backend>(norm: &mut BatchNorm<B>) {
    let variance = norm.running_var.value();
    norm.running_var = RunningState::new(variance.ones_like().sub_scalar(norm.epsilon));
}

impl<B: Backend> TrunkLayer<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        match self {
            Self::Mel(layer) => layer.load(weights, name),
            Self::Prominence(_) => Ok(()),
            Self::ConvBlock(layer) => layer.load(weights, name),
            Self::Residual(layer) => layer.load(weights, name),
            Self::Conv2dStack(layer) => layer.load(weights, name),
            Self::Gru(layer) => layer.load(weights, name),
        }
    }
}

impl<B: Backend> MelSpectrogram<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        let constant = |which: &str| weights.values(&format!("{name}.{which}"), &[1]);
        let (mean, std) = (constant("mean")?, constant("deviation")?);
        self.set_mean_and_std([mean[0], std[0]]);
        Ok(())
    }
}

impl<B: Backend> ConvBlockLayer<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        if let Some(norm) = &mut self.norm {
            make_identity(norm);
        }
        weights.load_weight_and_bias(&mut self.convolution.weight, &mut self.convolution.bias, name)
    }
}

impl<B: Backend> ResidualBlock<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        for (index, conv) in self.blocks.iter_mut().enumerate() {
            conv.load(weights, &format!("{name}.{index}"))?;
        }
        if let Some(Excitation { hidden, gates }) = &mut self.excitation {
            weights.load_linear(hidden, &format!("{name}.excitation.hidden"))?;
            weights.load_linear(gates, &format!("{name}.excitation.gates"))?;
        }
        self.projection.as_mut().map_or(Ok(()), |projection| projection.load(weights, &format!("{name}.widen")))
    }
}

impl<B: Backend> DenseLayer<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        if let Some(norm) = &mut self.norm {
            make_identity(norm);
        }
        weights.load_linear(&mut self.linear, name)
    }
}

impl<B: Backend> Conv2dStackLayer<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        if let Some(norm) = &mut self.norm {
            make_identity(norm);
            weights.load(&mut norm.gamma, &format!("{name}.scale"))?;
            weights.load(&mut norm.beta, &format!("{name}.shift"))?;
        }
        for (index, block) in self.blocks.iter_mut().enumerate() {
            make_identity(&mut block.norm);
            let convolution = &mut block.convolution;
            weights.load_weight_and_bias(&mut convolution.weight, &mut convolution.bias, &format!("{name}.{index}"))?;
        }
        Ok(())
    }
}

impl<B: Backend> GruLayer<B> {
    fn load(&mut self, weights: &OnnxWeights<'_>, name: &str) -> Result<()> {
        let gru = &mut self.gru;
        let size = gru.d_hidden;
        let inputs = gru.update_gate.input_transform.weight.dims()[0];
        let from_input = weights.values(&format!("{name}.input.weight"), &[1, 3 * size, inputs])?;
        let from_hidden = weights.values(&format!("{name}.hidden.weight"), &[1, 3 * size, size])?;
        let biases = weights.values(&format!("{name}.bias"), &[1, 6 * size])?;
        let gates = [&mut gru.update_gate, &mut gru.reset_gate, &mut gru.new_gate];
        for (index, gate) in gates.into_iter().enumerate() {
            let bias = |half: usize| biases[(3 * half + index) * size..][..size].to_vec();
            set_linear(
                &mut gate.input_transform,
                from_input[index * size * inputs..][..size * inputs].to_vec(),
                bias(0),
            );
            set_linear(&mut gate.hidden_transform, from_hidden[index * size * size..][..size * size].to_vec(), bias(1));
        }
        Ok(())
    }
}

/// Sets a linear layer from output-major weights; burn stores them input-major.
fn set_linear<B: Backend>(linear: &mut Linear<B>, weight: Vec<f32>, bias: Vec<f32>) {
    let device = linear.weight.val().device();
    let [inputs, outputs] = linear.weight.dims();
    let weight = Tensor::<B, 2>::from_data(TensorData::new(weight, [outputs, inputs]), &device).transpose();
    linear.weight = Param::from_tensor(weight);
    linear.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(bias, [outputs]), &device)));
}
