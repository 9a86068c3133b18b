//! Small taggers whose predictions can be calculated by hand.
#![allow(dead_code, reason = "each test uses some of them")]

pub(crate) mod network;

use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto, type_proto,
};

/// A node with integer attributes; `axes` is a list of one integer.
pub(crate) fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[(&str, i64)]) -> NodeProto {
    let attribute = |(name, value): &(&str, i64)| {
        let mut attribute = AttributeProto { name: (*name).into(), ..Default::default() };
        if *name == "axes" {
            attribute.set_type(attribute_proto::AttributeType::Ints);
            attribute.ints = vec![*value];
        } else {
            attribute.set_type(attribute_proto::AttributeType::Int);
            attribute.i = *value;
        }
        attribute
    };
    NodeProto {
        op_type: operator.into(),
        name: output.into(),
        input: inputs.iter().map(|name| (*name).into()).collect(),
        output: vec![output.into()],
        attribute: attributes.iter().map(attribute).collect(),
        ..Default::default()
    }
}

/// A float input or output of a graph.
pub(crate) fn tensor(name: &str, dims: &[i64]) -> ValueInfoProto {
    use tensor_shape_proto::{Dimension, dimension::Value};
    let dim = dims.iter().map(|size| Dimension { value: Some(Value::DimValue(*size)), ..Default::default() }).collect();
    let tensor =
        type_proto::Tensor { elem_type: tensor_proto::DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
    let kind = TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() };
    ValueInfoProto { name: name.into(), r#type: Some(kind), ..Default::default() }
}

/// A tagger for windows of `window` samples with two tags: the mean and the peak of the samples'
/// magnitudes.
pub(crate) fn loudness(window: usize) -> ModelProto {
    let graph = GraphProto {
        name: "loudness".into(),
        node: vec![
            node("Abs", &["waveform"], "level", &[]),
            node("ReduceMean", &["level"], "mean", &[("axes", 1), ("keepdims", 1)]),
            node("ReduceMax", &["level"], "peak", &[("axes", 1), ("keepdims", 1)]),
            node("Concat", &["mean", "peak"], "probabilities", &[("axis", 1)]),
        ],
        input: vec![tensor("waveform", &[1, window as i64])],
        output: vec![tensor("probabilities", &[1, 2])],
        ..Default::default()
    };
    let property = |key: &str, value: &str| StringStringEntryProto { key: key.into(), value: value.into() };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
        graph: Some(graph),
        metadata_props: vec![property("tags", "[\"mean\", \"peak\"]"), property("sample_rate", "22050")],
        ..Default::default()
    }
}

/// The bytes of a model file.
pub(crate) fn bytes(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// A float initializer. `values` may disagree with `dims`.
pub(crate) fn weight(name: &str, dims: &[i64], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.to_vec(),
        data_type: tensor_proto::DataType::Float as i32,
        float_data: values,
        ..Default::default()
    }
}
