//! Validation of a decoded model file, before tract loads it.
//!
//! A model file is untrusted. These checks read the decoded protobuf only: they open no other file,
//! run nothing, and allocate nothing whose size the file determines.

use super::{ModelError, SAMPLE_RATE};
use std::collections::{HashMap, HashSet};
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, tensor_proto, tensor_shape_proto::dimension,
    type_proto,
};

/// The largest model file, in bytes.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// The most nodes in a graph.
const MAX_NODES: usize = 4_096;

/// The most outputs of a graph.
const MAX_OUTPUTS: usize = 64;

/// The most elements of a tensor, stored or computed.
pub(super) const MAX_ELEMENTS: u64 = 16 << 20;

/// The largest kernel of a convolution or a pooling, all dimensions multiplied.
const MAX_KERNEL: i64 = 1 << 16;

/// The largest stride, dilation or padding.
const MAX_STEP: i64 = 1 << 20;

/// The most integers in an attribute.
const MAX_ATTRIBUTE_INTEGERS: usize = 64;

/// The lengths of a window, in samples: from two milliseconds to a minute at [`SAMPLE_RATE`].
pub const WINDOWS: std::ops::RangeInclusive<usize> = 48..=(60 * SAMPLE_RATE as usize);

/// The operators of music taggers. None of them runs a subgraph or draws random numbers. Some make a tensor
/// whose size is a value of their inputs, such as `Expand`: `compute_limits` bounds it.
const OPERATORS: &[&str] = &[
    "Abs",
    "Add",
    "And",
    "ArgMax",
    "ArgMin",
    "Atan",
    "AveragePool",
    "BatchNormalization",
    "BlackmanWindow",
    "Cast",
    "CastLike",
    "Ceil",
    "Celu",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "ConvInteger",
    "ConvTranspose",
    "Cos",
    "DFT",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "DynamicQuantizeLinear",
    "Einsum",
    "Elu",
    "Equal",
    "Erf",
    "Exp",
    "Expand",
    "EyeLike",
    "Flatten",
    "Floor",
    "GRU",
    "Gather",
    "GatherElements",
    "GatherND",
    "Gelu",
    "Gemm",
    "GlobalAveragePool",
    "GlobalLpPool",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "GroupNormalization",
    "HammingWindow",
    "HannWindow",
    "HardSigmoid",
    "HardSwish",
    "Hardmax",
    "Identity",
    "InstanceNormalization",
    "IsInf",
    "IsNaN",
    "LSTM",
    "LayerNormalization",
    "LeakyRelu",
    "Less",
    "LessOrEqual",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "MatMul",
    "MatMulInteger",
    "Max",
    "MaxPool",
    "Mean",
    "MeanVarianceNormalization",
    "Min",
    "Mish",
    "Mod",
    "Mul",
    "Neg",
    "Not",
    "OneHot",
    "Or",
    "PRelu",
    "Pad",
    "Pow",
    "QuantizeLinear",
    "RMSNormalization",
    "RNN",
    "Range",
    "Reciprocal",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Reshape",
    "Resize",
    "Round",
    "STFT",
    "ScatterElements",
    "ScatterND",
    "Selu",
    "Shape",
    "Shrink",
    "Sigmoid",
    "Sign",
    "Sin",
    "Size",
    "Slice",
    "Softmax",
    "Softplus",
    "Softsign",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Sum",
    "Swish",
    "Tan",
    "Tanh",
    "ThresholdedRelu",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
    "Xor",
];

/// Checks a decoded model and returns its graph.
///
/// # Errors
/// [`ModelError::NotOnnx`] if it has no nodes, [`ModelError::Refused`] if a limit is exceeded or an
/// element is not supported.
pub(super) fn check(model: &mut ModelProto) -> Result<&mut GraphProto, ModelError> {
    let refuse = |what: String| Err(ModelError::Refused(what));
    let Some(graph) = &mut model.graph else { return Err(ModelError::NotOnnx) };
    if graph.node.is_empty() {
        return Err(ModelError::NotOnnx);
    }
    if graph.node.len() > MAX_NODES {
        return refuse(format!("it has {} nodes, but at most {MAX_NODES} are allowed", graph.node.len()));
    }
    if graph.output.len() > MAX_OUTPUTS {
        return refuse(format!("it has {} outputs, but at most {MAX_OUTPUTS} are allowed", graph.output.len()));
    }
    if !model.functions.is_empty() {
        return refuse("it defines functions, which are not supported; export it with functions inlined".into());
    }
    if !graph.sparse_initializer.is_empty() {
        return refuse("it has sparse weights, which are not supported; export it with dense weights".into());
    }
    for node in &graph.node {
        check_node(node)?;
    }
    for tensor in &graph.initializer {
        check_tensor(tensor)?;
    }
    Ok(graph)
}

/// Removes everything from a graph that none of `outputs` depends on: tract would load it too, and compute some
/// of it. The graph's outputs get their order.
///
/// # Errors
/// [`ModelError::Refused`] if a value has no source.
pub(super) fn prune(graph: &mut GraphProto, outputs: &[&str]) -> Result<(), ModelError> {
    let producers: HashMap<&str, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(index, node)| node.output.iter().map(move |name| (&**name, index)))
        .collect();
    let stored: HashSet<String> = graph.initializer.iter().map(|tensor| tensor.name.clone()).collect();
    let inputs: HashSet<&str> = graph.input.iter().map(|input| &*input.name).collect();
    let (mut is_needed, mut needed_names) = (vec![false; graph.node.len()], HashSet::new());
    let mut pending = outputs.to_vec();
    while let Some(name) = pending.pop() {
        if name.is_empty() || !needed_names.insert(name.to_owned()) {
            continue;
        }
        match producers.get(name) {
            Some(index) if !is_needed[*index] => {
                is_needed[*index] = true;
                pending.extend(graph.node[*index].input.iter().map(String::as_str));
            }
            Some(_) => {}
            None if stored.contains(name) || inputs.contains(name) => {}
            None => {
                let name = printable(name);
                return Err(ModelError::Refused(format!("no node computes \"{name}\"; export it again")));
            }
        }
    }
    let mut is_needed = is_needed.into_iter();
    graph.node.retain(|_| is_needed.next() == Some(true));
    graph.initializer.retain(|tensor| needed_names.contains(&tensor.name));
    // Before IR version 4 files list weights among the inputs, also those that have just been removed.
    graph.input.retain(|input| !stored.contains(&input.name));
    let place = |output: &ValueInfoProto| outputs.iter().position(|name| *name == output.name);
    graph.output.retain(|output| place(output).is_some());
    graph.output.sort_by_key(place);
    // The shapes and types that a file declares are not needed and may be wrong.
    graph.output.iter_mut().for_each(|output| output.r#type = None);
    graph.value_info.clear();
    Ok(())
}

/// The first 40 characters of a name, without control characters.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// The shape of the only input for a single window: `[window]`, `[1, window]`, `[1, 1, window]` or
/// `[1, window, 1]`. `window`, in samples, is used where the file does not fix its length.
///
/// # Errors
/// [`ModelError::Refused`] if there are several inputs, or it has another shape or length.
pub(super) fn input_shape(graph: &GraphProto, window: usize) -> Result<InputShape, ModelError> {
    let stored: HashSet<&str> = graph.initializer.iter().map(|tensor| &*tensor.name).collect();
    let mut inputs = graph.input.iter().filter(|input| !stored.contains(&*input.name));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(ModelError::Refused("it must have exactly one input, the waveform; export it with one".into()));
    };
    let tensor = input.r#type.as_ref().and_then(|kind| match &kind.value {
        Some(type_proto::Value::TensorType(tensor)) => Some(tensor),
        _ => None,
    });
    let dims = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    let dims: Vec<Option<usize>> = dims
        .iter()
        .map(|dim| match dim.value {
            // Some exporters write -1 or 0 for a dimension that is not fixed.
            Some(dimension::Value::DimValue(size)) => usize::try_from(size).ok().filter(|size| *size > 0),
            _ => None,
        })
        .collect();
    let is_one = |dim: &Option<usize>| matches!(dim, Some(1) | None);
    let (length, axis) = match dims.as_slice() {
        [length] => (*length, 0),
        [_, length] => (*length, 1),
        // Channels last, as in Keras.
        [_, length, Some(1)] if *length != Some(1) => (*length, 1),
        [_, channels, length] if is_one(channels) => (*length, 2),
        _ => return Err(not_a_waveform()),
    };
    let (window, is_fixed) = length.map_or((window, false), |length| (length, true));
    if !WINDOWS.contains(&window) {
        return Err(not_a_waveform());
    }
    let mut shape = vec![1; dims.len()];
    shape[axis] = window;
    Ok(InputShape { shape, window, is_fixed })
}

/// The shape of the input of a graph.
pub(super) struct InputShape {
    pub(super) shape: Vec<usize>,
    /// In samples.
    pub(super) window: usize,
    /// Whether the file fixes the window.
    pub(super) is_fixed: bool,
}

fn not_a_waveform() -> ModelError {
    ModelError::Refused(format!(
        "its input is not a waveform of shape [samples], [batch, samples], [batch, 1, samples] or \
         [batch, samples, 1] with {} to {} samples; export it with the spectrogram inside",
        WINDOWS.start(),
        WINDOWS.end()
    ))
}

fn check_node(node: &NodeProto) -> Result<(), ModelError> {
    let is_standard = node.domain.is_empty() || node.domain == "ai.onnx";
    if !is_standard || !OPERATORS.contains(&node.op_type.as_str()) {
        let name = printable(&node.op_type);
        return Err(ModelError::Refused(format!("it uses the operator \"{name}\", which is not supported")));
    }
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() {
            return Err(ModelError::Refused(
                "one of its nodes has a subgraph, which is not supported; export it without one".into(),
            ));
        }
        for tensor in attribute.t.iter().chain(&attribute.tensors) {
            check_tensor(tensor)?;
        }
        let all_in = |range: std::ops::RangeInclusive<i64>| attribute.ints.iter().all(|value| range.contains(value));
        let is_in_range = match attribute.name.as_str() {
            "kernel_shape" => {
                all_in(1..=MAX_KERNEL)
                    && attribute
                        .ints
                        .iter()
                        .try_fold(1, |product, side| i64::checked_mul(product, *side))
                        .is_some_and(|product| product <= MAX_KERNEL)
            }
            "strides" | "dilations" => all_in(1..=MAX_STEP),
            "pads" => all_in(-MAX_STEP..=MAX_STEP),
            _ => true,
        };
        if !is_in_range || attribute.ints.len() > MAX_ATTRIBUTE_INTEGERS {
            let name = printable(&attribute.name);
            return Err(ModelError::Refused(format!(
                "its attribute \"{name}\" is out of range; export a smaller model"
            )));
        }
    }
    Ok(())
}

fn check_tensor(tensor: &TensorProto) -> Result<(), ModelError> {
    let refuse = |what: &str| {
        let name = printable(&tensor.name);
        Err(ModelError::Refused(format!("its tensor \"{name}\" {what}")))
    };
    let is_external = tensor.data_location == Some(tensor_proto::DataLocation::External as i32);
    if is_external || !tensor.external_data.is_empty() {
        return refuse("is stored in another file; export the model as one file");
    }
    let mut elements = 1_u64;
    for &dim in &tensor.dims {
        let Ok(dim) = u64::try_from(dim) else { return refuse("has a negative size; export it again") };
        elements = elements.saturating_mul(dim);
    }
    if elements > MAX_ELEMENTS {
        return refuse("is too large; export a smaller model");
    }
    // An element takes at least a byte of `raw_data`, or an entry of another field.
    let lengths = [
        tensor.raw_data.len(),
        tensor.float_data.len(),
        tensor.int32_data.len(),
        tensor.int64_data.len(),
        tensor.double_data.len(),
        tensor.uint64_data.len(),
        tensor.string_data.len(),
    ];
    if elements > lengths.into_iter().max().unwrap_or(0) as u64 {
        return refuse("has fewer values than its shape requires; export it again");
    }
    let is_float = tensor.data_type == tensor_proto::DataType::Float as i32;
    let is_finite = tensor.float_data.iter().all(|value| value.is_finite())
        && (!is_float
            || tensor
                .raw_data
                .chunks_exact(4)
                .all(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]).is_finite()));
    if !is_finite {
        return refuse("has values that are not finite; train it again");
    }
    Ok(())
}
