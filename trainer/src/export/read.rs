//! The weights of an exported file, back in a network.

use crate::architecture::Architecture;
use crate::error::{Result, TrainerError};
use crate::kernels::NetworkBackend;
use crate::network::{
    DenseLayer, Excitation, MelSpectrogram, Network, PictureLayer, Recurrent, ResidualBlock, StageLayer, TrunkLayer,
};
use burn::module::{Param, RunningState};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use prost::Message as _;
use tract_onnx::pb::{GraphProto, ModelProto};

/// Reads the weights of a file that [`to_onnx`](super::to_onnx) wrote into a network
/// of the same architecture, whose normalisation then changes nothing.
///
/// # Errors
/// [`TrainerError::Request`] where the file is of another make or architecture.
pub fn from_onnx<B: NetworkBackend>(
    bytes: &[u8],
    architecture: &Architecture,
    tags: usize,
    device: &B::Device,
) -> Result<Network<B>> {
    let plan = architecture.plan(tags)?;
    let what = format!("this ONNX file cannot be read back as {architecture}");
    let foreign = |why: &str| TrainerError::Request(format!("{what}: {why}"));
    let model = ModelProto::decode(bytes).map_err(|_| foreign("it is no ONNX model"))?;
    let graph = model.graph.ok_or_else(|| foreign("it has no graph"))?;
    let file = File { graph: &graph, what: &what };

    let mut network = Network::<B>::new(&plan, device);
    for (index, layer) in network.trunk.iter_mut().enumerate() {
        layer.read(&file, &format!("layer{index}"))?;
    }
    for (index, layer) in network.head.iter_mut().enumerate() {
        layer.read(&file, &format!("head{index}"))?;
    }
    file.linear(&mut network.tags, "tags")?;
    Ok(network)
}

/// The weights of a file, by name.
struct File<'a> {
    graph: &'a GraphProto,
    what: &'a str,
}

impl File<'_> {
    fn values(&self, name: &str, wanted: &[usize]) -> Result<Vec<f32>> {
        let foreign = |why: String| TrainerError::Request(format!("{}: {why}", self.what));
        let tensor = self.graph.initializer.iter().find(|tensor| tensor.name == name);
        let tensor = tensor.ok_or_else(|| foreign(format!("{name} is missing")))?;
        let same = tensor.dims.iter().map(|dim| *dim as usize).eq(wanted.iter().copied());
        if !same || tensor.raw_data.len() != 4 * wanted.iter().product::<usize>() {
            return Err(foreign(format!("{name} has another shape")));
        }
        let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(tensor.raw_data.chunks_exact(4).map(float).collect())
    }

    fn read<B: Backend, const D: usize>(&self, param: &mut Param<Tensor<B, D>>, name: &str) -> Result<()> {
        let shape = param.dims();
        let values = TensorData::new(self.values(name, &shape)?, shape);
        *param = Param::from_tensor(Tensor::from_data(values, &param.val().device()));
        Ok(())
    }

    /// Weights and biases named `name.weight` and `name.bias`.
    fn pair<B: Backend, const D: usize>(
        &self,
        weight: &mut Param<Tensor<B, D>>,
        bias: &mut Option<Param<Tensor<B, 1>>>,
        name: &str,
    ) -> Result<()> {
        self.read(weight, &format!("{name}.weight"))?;
        bias.as_mut().map_or(Ok(()), |bias| self.read(bias, &format!("{name}.bias")))
    }

    fn linear<B: Backend>(&self, linear: &mut Linear<B>, name: &str) -> Result<()> {
        self.pair(&mut linear.weight, &mut linear.bias, name)
    }
}

/// Makes a fresh normalisation change nothing: its mean is 0, and dividing by
/// `sqrt(1 - epsilon + epsilon)` is dividing by 1.
fn neutral<B: Backend>(norm: &mut BatchNorm<B>) {
    let variance = norm.running_var.value();
    norm.running_var = RunningState::new(variance.ones_like().sub_scalar(norm.epsilon));
}

impl<B: Backend> TrunkLayer<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        match self {
            Self::Mel(layer) => layer.read(file, name),
            Self::Prominence(_) => Ok(()),
            Self::Stage(layer) => layer.read(file, name),
            Self::Residual(layer) => layer.read(file, name),
            Self::Picture(layer) => layer.read(file, name),
            Self::Recurrent(layer) => layer.read(file, name),
        }
    }
}

impl<B: Backend> MelSpectrogram<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        let constant = |which: &str| file.values(&format!("{name}.{which}"), &[1]);
        let scale = [constant("mean")?, constant("deviation")?].concat();
        self.set_scale([scale[0], scale[1]]);
        Ok(())
    }
}

impl<B: Backend> StageLayer<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        if let Some(norm) = &mut self.norm {
            neutral(norm);
        }
        file.pair(&mut self.convolution.weight, &mut self.convolution.bias, name)
    }
}

impl<B: Backend> ResidualBlock<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        for (index, stage) in self.stages.iter_mut().enumerate() {
            stage.read(file, &format!("{name}.{index}"))?;
        }
        if let Some(Excitation { hidden, gates }) = &mut self.excitation {
            file.linear(hidden, &format!("{name}.excitation.hidden"))?;
            file.linear(gates, &format!("{name}.excitation.gates"))?;
        }
        self.widen.as_mut().map_or(Ok(()), |widen| widen.read(file, &format!("{name}.widen")))
    }
}

impl<B: Backend> DenseLayer<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        if let Some(norm) = &mut self.norm {
            neutral(norm);
        }
        file.linear(&mut self.linear, name)
    }
}

impl<B: Backend> PictureLayer<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        if let Some(norm) = &mut self.norm {
            neutral(norm);
            file.read(&mut norm.gamma, &format!("{name}.scale"))?;
            file.read(&mut norm.beta, &format!("{name}.shift"))?;
        }
        for (index, stage) in self.stages.iter_mut().enumerate() {
            neutral(&mut stage.norm);
            file.pair(&mut stage.convolution.weight, &mut stage.convolution.bias, &format!("{name}.{index}"))?;
        }
        Ok(())
    }
}

impl<B: Backend> Recurrent<B> {
    fn read(&mut self, file: &File<'_>, name: &str) -> Result<()> {
        let gru = &mut self.gru;
        let size = gru.d_hidden;
        let inputs = gru.update_gate.input_transform.weight.dims()[0];
        let from_input = file.values(&format!("{name}.input.weight"), &[1, 3 * size, inputs])?;
        let from_hidden = file.values(&format!("{name}.hidden.weight"), &[1, 3 * size, size])?;
        let biases = file.values(&format!("{name}.bias"), &[1, 6 * size])?;
        let gates = [&mut gru.update_gate, &mut gru.reset_gate, &mut gru.new_gate];
        for (index, gate) in gates.into_iter().enumerate() {
            let bias = |half: usize| biases[(3 * half + index) * size..][..size].to_vec();
            set(&mut gate.input_transform, from_input[index * size * inputs..][..size * inputs].to_vec(), bias(0));
            set(&mut gate.hidden_transform, from_hidden[index * size * size..][..size * size].to_vec(), bias(1));
        }
        Ok(())
    }
}

/// Weights whose rows are outputs, into a linear layer whose columns are.
fn set<B: Backend>(linear: &mut Linear<B>, weight: Vec<f32>, bias: Vec<f32>) {
    let device = linear.weight.val().device();
    let [inputs, outputs] = linear.weight.dims();
    let weight = Tensor::<B, 2>::from_data(TensorData::new(weight, [outputs, inputs]), &device).transpose();
    linear.weight = Param::from_tensor(weight);
    linear.bias = Some(Param::from_tensor(Tensor::from_data(TensorData::new(bias, [outputs]), &device)));
}
