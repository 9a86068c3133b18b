//! Weights in half precision: a file of half the size. Each is followed by a Cast, so that all is computed in single
//! precision.

use crate::error::{Result, TrainerError};
use half::f16;
use prost::Message as _;
use std::mem;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, attribute_proto};

/// Tensors with fewer values stay in single precision: their Cast would be as long.
const MIN_VALUES: usize = 64;

/// What follows the name of a tensor in half precision.
const SUFFIX: &str = ".half";

/// Stores the weights of a file that [`to_onnx`](super::to_onnx) wrote in half precision. A tensor with a value that half
/// precision cannot hold, 65504 and more, stays as it is.
///
/// # Errors
/// [`TrainerError::Request`] if the bytes are not an ONNX file.
pub fn to_half_precision(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut model = ModelProto::decode(bytes).map_err(|_| TrainerError::Request("this is not an ONNX model".into()))?;
    if let Some(graph) = &mut model.graph {
        let casts: Vec<NodeProto> = graph.initializer.iter_mut().filter_map(halve).collect();
        graph.node.splice(0..0, casts);
    }
    Ok(model.encode_to_vec())
}

/// Converts a tensor, and returns the Cast of it that gets its name.
fn halve(tensor: &mut TensorProto) -> Option<NodeProto> {
    if tensor.data_type != DataType::Float as i32 || tensor.raw_data.len() < 4 * MIN_VALUES {
        return None;
    }
    let float = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let halves: Vec<f16> = tensor.raw_data.chunks_exact(4).map(|bytes| f16::from_f32(float(bytes))).collect();
    if !halves.iter().all(|value| value.is_finite()) {
        return None;
    }
    tensor.raw_data = halves.into_iter().flat_map(f16::to_le_bytes).collect();
    tensor.data_type = DataType::Float16 as i32;
    let half = format!("{}{SUFFIX}", tensor.name);
    let name = mem::replace(&mut tensor.name, half.clone());
    let to = AttributeProto {
        name: "to".into(),
        r#type: attribute_proto::AttributeType::Int as i32,
        i: DataType::Float as i64,
        ..Default::default()
    };
    Some(NodeProto {
        name: format!("to {name}"),
        op_type: "Cast".into(),
        input: vec![half],
        output: vec![name],
        attribute: vec![to],
        ..Default::default()
    })
}

/// Widens the tensors of a graph that [`to_half_precision`] has converted, under their names from before.
pub(super) fn widen(graph: &mut GraphProto) {
    for tensor in &mut graph.initializer {
        if tensor.data_type == DataType::Float16 as i32
            && let Some(name) = tensor.name.strip_suffix(SUFFIX)
        {
            tensor.name = name.to_owned();
            tensor.data_type = DataType::Float as i32;
            let float = |bytes: &[u8]| f16::from_le_bytes([bytes[0], bytes[1]]).to_f32().to_le_bytes();
            tensor.raw_data = tensor.raw_data.chunks_exact(2).flat_map(float).collect();
        }
    }
}

/// Turns a graph that [`to_half_precision`] has converted into what it was, with the rounded weights. Returns whether it was
/// converted.
pub(super) fn undo_half_precision(graph: &mut GraphProto) -> bool {
    let before = graph.node.len();
    graph.node.retain(|node| !(node.op_type == "Cast" && node.input.iter().any(|input| input.ends_with(SUFFIX))));
    widen(graph);
    graph.node.len() < before
}
