//! What a model file has to satisfy before tract may look at it.
//!
//! A model file comes from a stranger. These checks walk the decoded protobuf
//! only: they open no path, run nothing, and allocate nothing that the file asks
//! for.

use super::{ModelError, SAMPLE_RATE};
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto, tensor_shape_proto::dimension, type_proto,
};

/// The largest model file, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 20;
/// The most nodes in a graph.
const MAX_NODES: usize = 4_096;
/// The most elements in one tensor, stored or computed.
pub(super) const MAX_ELEMENTS: u64 = 16 << 20;

/// The most places of a filter or a pool, and how far apart those may be and how far they may reach
/// beyond the edge, in samples or frames.
const MAX_KERNEL: i64 = 1 << 16;
const MAX_STEP: i64 = 1 << 20;
/// The most numbers in an attribute.
const MAX_NUMBERS: usize = 64;

/// The windows a model may have, in samples: from two milliseconds to a minute at
/// [`SAMPLE_RATE`].
const WINDOWS: std::ops::RangeInclusive<usize> = 48..=(60 * SAMPLE_RATE as usize);

/// The operators that music taggers are made of. None of them runs a subgraph,
/// draws at random, or makes a tensor whose size its inputs do not bound.
const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "Div",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Flatten",
    "GRU",
    "Gather",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "HardSigmoid",
    "Identity",
    "InstanceNormalization",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "MatMul",
    "Max",
    "MaxPool",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Pow",
    "Reciprocal",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Reshape",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tanh",
    "Transpose",
    "Unsqueeze",
];

/// Checks a decoded model, and says in one sentence what is wrong with it.
pub(super) fn check(model: &ModelProto) -> Result<&GraphProto, ModelError> {
    let refuse = |what: String| Err(ModelError::Refused(what));
    let Some(graph) = &model.graph else { return Err(ModelError::NotOnnx) };
    if graph.node.is_empty() {
        return Err(ModelError::NotOnnx);
    }
    if graph.node.len() > MAX_NODES {
        return refuse(format!("it has {} nodes; at most {MAX_NODES} are allowed", graph.node.len()));
    }
    if !model.functions.is_empty() {
        return refuse("it defines functions of its own, which are not supported".into());
    }
    if !graph.sparse_initializer.is_empty() {
        return refuse("it has sparse weights, which are not supported".into());
    }
    for node in &graph.node {
        check_node(node)?;
    }
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    Ok(graph)
}

/// Leaves of a graph only what the answer `output` depends on: what else there is, tract would look
/// at too, and compute some of it.
///
/// # Errors
/// [`ModelError::Refused`] where something is needed that nothing makes.
pub(super) fn keep_what_counts(graph: &mut GraphProto, output: &str) -> Result<(), ModelError> {
    let makers: HashMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(at, node)| node.output.iter().map(move |name| (&**name, at)))
        .collect();
    let given = graph.initializer.iter().map(|tensor| &*tensor.name);
    let given: HashSet<&str> = given.chain(graph.input.iter().map(|input| &*input.name)).collect();
    let (mut counts, mut needed) = (vec![false; graph.node.len()], HashSet::new());
    let mut open = vec![output];
    while let Some(name) = open.pop() {
        if name.is_empty() || !needed.insert(name.to_owned()) {
            continue;
        }
        match makers.get(name) {
            Some(at) if !counts[*at] => {
                counts[*at] = true;
                open.extend(graph.node[*at].input.iter().map(String::as_str));
            }
            Some(_) => {}
            None if given.contains(name) => {}
            None => {
                let name: String = name.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(ModelError::Refused(format!("it needs \"{name}\", which nothing in it makes")));
            }
        }
    }
    let mut counts = counts.into_iter();
    graph.node.retain(|_| counts.next() == Some(true));
    graph.initializer.retain(|tensor| needed.contains(&tensor.name));
    // Older files list weights among the inputs.
    let stored: HashSet<&str> = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
    graph.input.retain(|input| !stored.contains(&*input.name));
    graph.output.retain(|kept| kept.name == output);
    // Hints that a file gives of its own shapes are not needed, and may lie.
    graph.value_info.clear();
    Ok(())
}

/// The shape of the one input, for a single window: `[1, window]` or `[1, 1, window]`.
pub(super) fn waveform(graph: &GraphProto) -> Result<Vec<usize>, ModelError> {
    let stored = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = graph.input.iter().filter(|input| !stored(&input.name));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(ModelError::Refused("it needs exactly one input, the waveform".into()));
    };
    let tensor = input.r#type.as_ref().and_then(|kind| match &kind.value {
        Some(type_proto::Value::TensorType(tensor)) => Some(tensor),
        _ => None,
    });
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let dims: Vec<Option<usize>> = dims
        .iter()
        .map(|dim| match dim.value {
            Some(dimension::Value::DimValue(size)) => usize::try_from(size).ok(),
            _ => None,
        })
        .collect();
    match dims.as_slice() {
        [_, Some(window)] if WINDOWS.contains(window) => Ok(vec![1, *window]),
        [_, Some(1) | None, Some(window)] if WINDOWS.contains(window) => Ok(vec![1, 1, *window]),
        _ => Err(ModelError::Refused(
            "its input is not a waveform of shape [batch, samples] or [batch, 1, samples]".into(),
        )),
    }
}

fn check_node(node: &NodeProto) -> Result<(), ModelError> {
    let standard = node.domain.is_empty() || node.domain == "ai.onnx";
    if !standard || !OPERATORS.contains(&node.op_type.as_str()) {
        let name: String = node.op_type.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(ModelError::Refused(format!("it uses the operator \"{name}\", which is not supported")));
    }
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(ModelError::Refused("a node carries a subgraph, which is not supported".into()));
        }
        for tensor in attribute.t.iter().chain(&attribute.tensors) {
            check_tensor(tensor)?;
        }
        let within =
            |bounds: std::ops::RangeInclusive<i64>| attribute.ints.iter().all(|number| bounds.contains(number));
        let sound = match attribute.name.as_str() {
            "kernel_shape" => {
                within(1..=MAX_KERNEL)
                    && attribute
                        .ints
                        .iter()
                        .try_fold(1, |product, side| i64::checked_mul(product, *side))
                        .is_some_and(|all| all <= MAX_KERNEL)
            }
            "strides" | "dilations" => within(1..=MAX_STEP),
            "pads" => within(-MAX_STEP..=MAX_STEP),
            _ => true,
        };
        if !sound || attribute.ints.len() > MAX_NUMBERS {
            let name: String = attribute.name.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(ModelError::Refused(format!("an attribute \"{name}\" of it is out of all proportion")));
        }
    }
    Ok(())
}

fn check_tensor(tensor: &TensorProto) -> Result<(), ModelError> {
    let refuse = |what: &str| {
        let name: String = tensor.name.chars().filter(|c| !c.is_control()).take(40).collect();
        Err(ModelError::Refused(format!("its tensor \"{name}\" {what}")))
    };
    let external = tensor.data_location == Some(tensor_proto::DataLocation::External as i32);
    if external || !tensor.external_data.is_empty() {
        return refuse("is kept in another file; export the model as one file");
    }
    let mut elements = 1_u64;
    for &dim in &tensor.dims {
        let Ok(dim) = u64::try_from(dim) else { return refuse("has a negative size") };
        elements = elements.saturating_mul(dim);
    }
    if elements > MAX_ELEMENTS {
        return refuse("is too large");
    }
    // Each element of ONNX's smallest type is a byte, and every other field holds
    // one entry an element (or half a complex one): fewer than that is a lie.
    let stored = [
        tensor.raw_data.len(),
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
        tensor.string_data.len(),
    ];
    if elements > stored.into_iter().max().unwrap_or(0) as u64 {
        return refuse("has fewer values than its size says");
    }
    let floats = tensor.data_type == tensor_proto::DataType::Float as i32;
    let finite = tensor.float_data.iter().all(|value| value.is_finite())
        && (!floats
            || tensor
                .raw_data
                .chunks_exact(4)
                .all(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).is_finite()));
    if !finite {
        return refuse("holds values that are not finite numbers");
    }
    Ok(())
}
