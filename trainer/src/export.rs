//! From a trained network to an ONNX file that the plugin runs, and back.
//!
//! Batch normalisation is folded into the convolutions, in double precision.
//! Weights are named `layer<i>.weight` and `layer<i>.bias`, `tags.weight` and
//! `tags.bias`.

use crate::architecture::Architecture;
use crate::error::{Result, TrainerError};
use crate::network::{Layer, SampleCnn};
use burn::module::{Param, RunningState};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use prost::Message as _;
use tagvane_engine::Metadata;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto, type_proto,
};

/// ONNX's operator set, and the file version that goes with it.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// The bytes of an ONNX file: input `waveform` `[batch, window]`, outputs
/// `probabilities` and `logits` `[batch, tags]` and `embedding`
/// `[batch, filters of the last layer]`.
pub fn to_onnx<B: Backend>(network: &SampleCnn<B>, architecture: &Architecture, metadata: &Metadata) -> Vec<u8> {
    let Architecture { m, window, tags, .. } = architecture;
    let mut graph = Graph::default();
    graph.axes("one", &[1]);
    graph.node("Unsqueeze", &["waveform", "one"], "frames0", &[]);

    let stride = architecture.stride() as i64;
    let mut frames = graph.layer(0, &network.first, "frames0".into(), stride, (0, 0));
    for (index, layer) in network.pooled.iter().enumerate() {
        frames = graph.layer(index + 1, layer, frames, 1, architecture.padding());
        let pooled = format!("pooled{}", index + 1);
        let m = *m as i64;
        graph.node(
            "MaxPool",
            &[&frames],
            &pooled,
            &[("kernel_shape", Value::Many(vec![m])), ("strides", Value::Many(vec![m]))],
        );
        frames = pooled;
    }
    frames = graph.layer(network.pooled.len() + 1, &network.last, frames, 1, (0, 0));
    graph.node("Flatten", &[&frames], "embedding", &[("axis", Value::One(1))]);
    let weight = network.tags.weight.val();
    let [inputs, outputs] = weight.dims();
    graph.weights("tags.weight", &[inputs, outputs], &values(weight));
    let bias = network.tags.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| values(bias.val()));
    graph.weights("tags.bias", &[outputs], &bias);
    graph.node("Gemm", &["embedding", "tags.weight", "tags.bias"], "logits", &[]);
    graph.node("Sigmoid", &["logits"], "probabilities", &[]);

    let graph = GraphProto {
        name: format!("tagvane {architecture}"),
        input: vec![tensor_type("waveform", *window)],
        output: vec![
            tensor_type("probabilities", *tags),
            tensor_type("logits", *tags),
            tensor_type("embedding", architecture.last_width()),
        ],
        node: graph.nodes,
        initializer: graph.initializers,
        ..Default::default()
    };
    let property = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
    let model = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        producer_name: "tagvane-trainer".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        metadata_props: metadata.to_properties(*window).into_iter().map(property).collect(),
        ..Default::default()
    };
    model.encode_to_vec()
}

/// Reads the weights of a file that [`to_onnx`] wrote into a network of the same
/// architecture, whose normalisation then changes nothing.
///
/// # Errors
/// [`TrainerError::Request`] where the file is of another make or architecture.
pub fn from_onnx<B: Backend>(bytes: &[u8], architecture: &Architecture, device: &B::Device) -> Result<SampleCnn<B>> {
    architecture.check()?;
    let foreign =
        |what: &str| TrainerError::Request(format!("this ONNX file cannot be read back as a {architecture}: {what}"));
    let model = ModelProto::decode(bytes).map_err(|_| foreign("it is no ONNX model"))?;
    let graph = model.graph.ok_or_else(|| foreign("it has no graph"))?;
    let find = |name: String, wanted: &[usize]| -> Result<TensorData> {
        let tensor = graph
            .initializer
            .iter()
            .find(|tensor| tensor.name == name)
            .ok_or_else(|| foreign(&format!("{name} is missing")))?;
        let same = tensor.dims.iter().map(|dim| *dim as usize).eq(wanted.iter().copied());
        if !same || tensor.raw_data.len() != 4 * wanted.iter().product::<usize>() {
            return Err(foreign(&format!("{name} has another shape")));
        }
        let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        Ok(TensorData::new(tensor.raw_data.chunks_exact(4).map(float).collect::<Vec<_>>(), wanted.to_vec()))
    };

    let mut network = SampleCnn::<B>::new(architecture, device);
    let pooled = network.pooled.iter_mut();
    let layers = std::iter::once(&mut network.first).chain(pooled).chain([&mut network.last]);
    for (index, layer) in layers.enumerate() {
        let shape = layer.convolution.weight.dims();
        let weight = Tensor::from_data(find(format!("layer{index}.weight"), &shape)?, device);
        let bias = Tensor::from_data(find(format!("layer{index}.bias"), &shape[..1])?, device);
        layer.convolution.weight = Param::from_tensor(weight);
        layer.convolution.bias = Some(Param::from_tensor(bias));
        // Normalised by a variance of one: dividing by sqrt(1 - epsilon + epsilon).
        let variance = Tensor::ones([shape[0]], device).sub_scalar(layer.norm.epsilon);
        layer.norm.running_var = RunningState::new(variance);
    }
    let shape = network.tags.weight.dims();
    network.tags.weight = Param::from_tensor(Tensor::from_data(find("tags.weight".into(), &shape)?, device));
    network.tags.bias = Some(Param::from_tensor(Tensor::from_data(find("tags.bias".into(), &shape[1..])?, device)));
    Ok(network)
}

/// A graph in the making.
#[derive(Default)]
struct Graph {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

enum Value {
    One(i64),
    Many(Vec<i64>),
}

impl Graph {
    /// Convolution and ReLU; gives the name of the activations.
    fn layer<B: Backend>(
        &mut self,
        index: usize,
        layer: &Layer<B>,
        input: String,
        stride: i64,
        padding: (usize, usize),
    ) -> String {
        let (weight, bias) = fold(layer);
        let shape = layer.convolution.weight.dims();
        let [names, conv, active] = [format!("layer{index}"), format!("conv{index}"), format!("active{index}")];
        let (weight_name, bias_name) = (format!("{names}.weight"), format!("{names}.bias"));
        self.weights(&weight_name, &shape, &weight);
        self.weights(&bias_name, &shape[..1], &bias);
        let attributes = [
            ("kernel_shape", Value::Many(vec![shape[2] as i64])),
            ("strides", Value::Many(vec![stride])),
            ("pads", Value::Many(vec![padding.0 as i64, padding.1 as i64])),
        ];
        self.node("Conv", &[&input, &weight_name, &bias_name], &conv, &attributes);
        self.node("Relu", &[&conv], &active, &[]);
        active
    }

    fn node(&mut self, operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, Value)]) {
        let attribute = |(name, value): &(&str, Value)| {
            let mut attribute = AttributeProto { name: (*name).into(), ..Default::default() };
            match value {
                Value::One(value) => {
                    attribute.set_type(attribute_proto::AttributeType::Int);
                    attribute.i = *value;
                }
                Value::Many(values) => {
                    attribute.set_type(attribute_proto::AttributeType::Ints);
                    attribute.ints = values.clone();
                }
            }
            attribute
        };
        self.nodes.push(NodeProto {
            op_type: operator.into(),
            name: format!("{operator} {output}"),
            input: inputs.iter().map(|name| (*name).into()).collect(),
            output: vec![output.into()],
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        });
    }

    fn weights(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape: Vec<i64> = shape.iter().map(|size| *size as i64).collect();
        self.tensor(name, &shape, tensor_proto::DataType::Float, raw);
    }

    fn axes(&mut self, name: &str, axes: &[i64]) {
        let raw = axes.iter().flat_map(|axis| axis.to_le_bytes()).collect();
        self.tensor(name, &[axes.len() as i64], tensor_proto::DataType::Int64, raw);
    }

    fn tensor(&mut self, name: &str, shape: &[i64], kind: tensor_proto::DataType, raw: Vec<u8>) {
        self.initializers.push(TensorProto {
            name: name.into(),
            dims: shape.to_vec(),
            data_type: kind as i32,
            raw_data: raw,
            ..Default::default()
        });
    }
}

/// A layer's weights and biases with its normalisation folded in:
/// `w gamma / sqrt(var + epsilon)` and `(b - mean) gamma / sqrt(var + epsilon) + beta`.
fn fold<B: Backend>(layer: &Layer<B>) -> (Vec<f32>, Vec<f32>) {
    let norm = &layer.norm;
    let (gamma, beta) = (values(norm.gamma.val()), values(norm.beta.val()));
    let (mean, variance) = (values(norm.running_mean.value()), values(norm.running_var.value()));
    let scale: Vec<f64> = gamma
        .iter()
        .zip(&variance)
        .map(|(gamma, variance)| f64::from(*gamma) / (f64::from(*variance) + norm.epsilon).sqrt())
        .collect();
    let weight = values(layer.convolution.weight.val());
    let filter = weight.len() / scale.len();
    let weight =
        weight.iter().enumerate().map(|(index, weight)| (f64::from(*weight) * scale[index / filter]) as f32).collect();
    let bias = layer.convolution.bias.as_ref().map_or_else(|| vec![0.0; scale.len()], |bias| values(bias.val()));
    let bias = (0..scale.len())
        .map(|index| ((f64::from(bias[index]) - f64::from(mean[index])) * scale[index] + f64::from(beta[index])) as f32)
        .collect();
    (weight, bias)
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A float input or output of shape `[batch, size]`.
fn tensor_type(name: &str, size: usize) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value as Size};
    let dimension = |value| Dimension { value: Some(value), ..Default::default() };
    let dim = vec![dimension(Size::DimParam("batch".into())), dimension(Size::DimValue(size as i64))];
    let tensor =
        type_proto::Tensor { elem_type: tensor_proto::DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}
