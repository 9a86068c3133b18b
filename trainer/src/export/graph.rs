//! An ONNX graph in the making.

use burn::tensor::{Tensor, backend::Backend};
use prost::Message as _;
use tagvane_engine::Metadata;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto, type_proto,
};

/// ONNX's operator set, and the file version that goes with it.
const OPSET: i64 = 17;
const IR_VERSION: i64 = 8;

/// Nodes and weights, in the order in which they are added.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) initializers: Vec<TensorProto>,
}

/// An attribute of a node.
pub(crate) enum Value<'a> {
    One(i64),
    Many(&'a [usize]),
    Text(&'a str),
}

impl Graph {
    /// Adds a node; its one output has the name that comes back.
    pub(crate) fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Value<'_>)],
    ) -> String {
        self.node_with_outputs(operator, inputs, &[output], attributes);
        output.into()
    }

    /// Adds a node with any number of outputs; an empty name is one that is not wanted.
    pub(crate) fn node_with_outputs(
        &mut self,
        operator: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: &[(&str, Value<'_>)],
    ) {
        let attribute = |(name, value): &(&str, Value<'_>)| {
            let mut proto = AttributeProto { name: (*name).into(), ..Default::default() };
            match value {
                Value::One(value) => {
                    proto.r#type = attribute_proto::AttributeType::Int as i32;
                    proto.i = *value;
                }
                Value::Many(values) => {
                    proto.r#type = attribute_proto::AttributeType::Ints as i32;
                    proto.ints = values.iter().map(|value| *value as i64).collect();
                }
                Value::Text(text) => {
                    proto.r#type = attribute_proto::AttributeType::String as i32;
                    proto.s = text.as_bytes().to_vec();
                }
            }
            proto
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        self.nodes.push(NodeProto {
            name: outputs.iter().find(|name| !name.is_empty()).map_or(String::new(), |name| format!("to {name}")),
            op_type: operator.into(),
            input: names(inputs),
            output: names(outputs),
            attribute: attributes.iter().map(attribute).collect(),
            ..Default::default()
        });
    }

    /// Adds weights of a shape; gives their name back.
    pub(crate) fn weights(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, tensor_proto::DataType::Float, raw)
    }

    /// Adds a constant list of whole numbers; gives its name back.
    pub(crate) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, &[values.len()], tensor_proto::DataType::Int64, raw)
    }

    fn tensor(&mut self, name: &str, shape: &[usize], kind: tensor_proto::DataType, raw: Vec<u8>) -> String {
        self.initializers.push(TensorProto {
            name: name.into(),
            dims: shape.iter().map(|dim| *dim as i64).collect(),
            data_type: kind as i32,
            raw_data: raw,
            ..Default::default()
        });
        name.into()
    }

    /// The power of a signal `[batch, 1, samples]` in each of `bins`, by `waves`, cosines before
    /// sines: `[batch, bins, frames]`. `hop` samples from frame to frame, zeros `before` and
    /// `after` the signal.
    pub(crate) fn power(
        &mut self,
        input: &str,
        waves: &str,
        (frame, bins): (usize, usize),
        (hop, before, after): (usize, usize, usize),
        name: &str,
    ) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let attributes = [
            ("kernel_shape", Value::Many(&[frame])),
            ("strides", Value::Many(&[hop])),
            ("pads", Value::Many(&[before, after])),
        ];
        let spectrum = self.node("Conv", &[input, waves], &part("spectrum"), &attributes);
        let halves = self.integers(&part("halves"), &[bins as i64; 2]);
        let (real, imaginary) = (part("real"), part("imaginary"));
        self.node_with_outputs("Split", &[&spectrum, &halves], &[&real, &imaginary], &[("axis", Value::One(1))]);
        let real = self.node("Mul", &[&real, &real], &part("real_squared"), &[]);
        let imaginary = self.node("Mul", &[&imaginary, &imaginary], &part("imaginary_squared"), &[]);
        self.node("Add", &[&real, &imaginary], &part("power"), &[])
    }

    /// The bytes of an ONNX file with one input and any outputs, each a name and so many
    /// floats a row.
    pub(crate) fn into_model(
        self,
        name: String,
        input: (&str, usize),
        outputs: &[(&str, usize)],
        metadata: &Metadata,
    ) -> Vec<u8> {
        let graph = GraphProto {
            name,
            input: vec![tensor_type(input.0, input.1)],
            output: outputs.iter().map(|(name, size)| tensor_type(name, *size)).collect(),
            node: self.nodes,
            initializer: self.initializers,
            ..Default::default()
        };
        let property = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            producer_name: "tagvane-trainer".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(graph),
            metadata_props: metadata.to_properties(input.1).into_iter().map(property).collect(),
            ..Default::default()
        };
        model.encode_to_vec()
    }

    /// A new axis in a signal.
    pub(crate) fn unsqueeze(&mut self, input: &str, axis: i64, output: &str) -> String {
        let axes = self.integers(&format!("{output}.axis"), &[axis]);
        self.node("Unsqueeze", &[input, &axes], output, &[])
    }

    /// Takes an axis of length one out of a signal.
    pub(crate) fn squeeze(&mut self, input: &str, axis: i64, output: &str) -> String {
        let axes = self.integers(&format!("{output}.axis"), &[axis]);
        self.node("Squeeze", &[input, &axes], output, &[])
    }
}

/// The values of a tensor, in their order.
pub(crate) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
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
