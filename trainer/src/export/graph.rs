//! An ONNX graph in the making.

use burn::tensor::{Tensor, backend::Backend};
use tract_onnx::pb::{
    AttributeProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto,
    tensor_shape_proto, type_proto,
};

/// Nodes and weights, in the order in which they are added.
#[derive(Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) initializers: Vec<TensorProto>,
}

/// An attribute of a node.
pub(super) enum Value<'a> {
    One(i64),
    Many(&'a [usize]),
    Text(&'a str),
}

impl Graph {
    /// Adds a node; its one output has the name that comes back.
    pub(super) fn node(
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
    pub(super) fn node_with_outputs(
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
    pub(super) fn weights(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, shape, tensor_proto::DataType::Float, raw)
    }

    /// Adds a constant list of whole numbers; gives its name back.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
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

    /// A new axis in a signal.
    pub(super) fn unsqueeze(&mut self, input: &str, axis: i64, output: &str) -> String {
        let axes = self.integers(&format!("{output}.axis"), &[axis]);
        self.node("Unsqueeze", &[input, &axes], output, &[])
    }

    /// Takes an axis of length one out of a signal.
    pub(super) fn squeeze(&mut self, input: &str, axis: i64, output: &str) -> String {
        let axes = self.integers(&format!("{output}.axis"), &[axis]);
        self.node("Squeeze", &[input, &axes], output, &[])
    }
}

/// The values of a tensor, in their order.
pub(super) fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// A float input or output of shape `[batch, size]`.
pub(super) fn tensor_type(name: &str, size: usize) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value as Size};
    let dimension = |value| Dimension { value: Some(value), ..Default::default() };
    let dim = vec![dimension(Size::DimParam("batch".into())), dimension(Size::DimValue(size as i64))];
    let tensor =
        type_proto::Tensor { elem_type: tensor_proto::DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}
