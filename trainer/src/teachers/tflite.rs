//! The layers with weights of a TensorFlow Lite file, in which a network is a chain of operators. Weights of eight bits
//! are widened by their scales; nothing else is quantised.
//!
//! The schema of the format is tract-tflite's. tract does not run these files: it has no Fourier transform for them.

use super::weights::Weights;
use crate::error::catch_panic;
use tract_tflite::tflite::{
    ActivationFunctionType, BuiltinOperator, Model, Operator, Padding, SubGraph, Tensor, TensorType, root_as_model,
};

/// The most values of all weights.
const MAX_VALUES: usize = 16 << 20;

/// A layer with weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    pub(super) kind: LayerKind,
    /// As the file has them: outputs, rows, columns and inputs of a convolution; 1, rows, columns and channels of a
    /// depthwise one; outputs and inputs of a dense layer.
    pub(super) weight: Weights,
    pub(super) bias: Vec<f32>,
    pub(super) has_relu: bool,
}

/// What a layer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LayerKind {
    /// A convolution with a stride over rows and columns, padded so that only the stride shortens an axis.
    Convolution {
        stride: [usize; 2],
    },
    /// The same with one filter for each channel.
    Depthwise {
        stride: [usize; 2],
    },
    Dense,
}

/// Reads the layers from the first convolution on.
///
/// # Errors
/// A sentence, if this is not such a file, or has operators that are not read here.
pub(super) fn read_layers(bytes: &[u8]) -> Result<Vec<Layer>, String> {
    let layers = catch_panic(|| layers(bytes)).unwrap_or_else(|| Err("its tables contradict each other".into()));
    layers.map_err(|why| format!("this is not a TensorFlow Lite file of a network that can be converted: {why}"))
}

fn layers(bytes: &[u8]) -> Result<Vec<Layer>, String> {
    // The sentence of the library ends with a trace of several lines.
    let model = root_as_model(bytes).map_err(|_| "it is damaged or of another format")?;
    let graph = item(model.subgraphs().filter(|graphs| graphs.len() == 1).map(|graphs| graphs.get(0)), "network")?;
    let (mut layers, mut values, mut output) = (Vec::new(), 0, None);
    for operator in item(graph.operators(), "operators")? {
        let kind = kind_of(&model, &operator)?;
        let inputs: Vec<i32> = item(operator.inputs(), "inputs of an operator")?.iter().collect();
        // Operators before the first convolution are the spectrogram.
        if layers.is_empty() && kind != BuiltinOperator::CONV_2D {
            output = only_output(&operator);
            continue;
        }
        if inputs.first().copied() != output {
            return Err("its operators are not a chain".into());
        }
        output = only_output(&operator);
        if matches!(kind, BuiltinOperator::MEAN | BuiltinOperator::LOGISTIC) {
            continue;
        }
        let &[_, weight, bias] = &inputs[..] else { return Err("a layer has no weights or no biases".into()) };
        let weight = weights(&model, &graph, weight)?;
        let bias = weights(&model, &graph, bias)?.values;
        values += weight.values.len() + bias.len();
        if values > MAX_VALUES {
            return Err(format!("it has more than {MAX_VALUES} values"));
        }
        let (kind, has_relu) = options(kind, &operator)?;
        layers.push(Layer { kind, weight, bias, has_relu });
    }
    Ok(layers)
}

fn item<T>(found: Option<T>, what: &str) -> Result<T, String> {
    found.ok_or_else(|| format!("it does not state its {what}"))
}

fn only_output(operator: &Operator<'_>) -> Option<i32> {
    operator.outputs().filter(|outputs| outputs.len() == 1).map(|outputs| outputs.get(0))
}

fn kind_of(model: &Model<'_>, operator: &Operator<'_>) -> Result<BuiltinOperator, String> {
    let codes = item(model.operator_codes(), "kinds of operators")?;
    let index = operator.opcode_index() as usize;
    let code = item((index < codes.len()).then(|| codes.get(index)), "kinds of operators")?;
    // Old files have the kind in a field of eight bits alone.
    Ok(code.builtin_code().max(BuiltinOperator(code.deprecated_builtin_code().into())))
}

/// What an operator with weights computes, and whether a ReLU follows.
fn options(kind: BuiltinOperator, operator: &Operator<'_>) -> Result<(LayerKind, bool), String> {
    let activation = |function| match function {
        ActivationFunctionType::NONE => Ok(false),
        ActivationFunctionType::RELU => Ok(true),
        _ => Err("a layer has another activation than ReLU".to_owned()),
    };
    let same = |padding: Padding, strides: [i32; 2], dilations: [i32; 2]| {
        if padding != Padding::SAME || dilations != [1, 1] || strides.iter().any(|stride| !(1..=16).contains(stride)) {
            return Err("a convolution is dilated, has another padding than SAME, or a stride above 16".to_owned());
        }
        Ok(strides.map(|stride| stride as usize))
    };
    match kind {
        BuiltinOperator::CONV_2D => {
            let options = item(operator.builtin_options_as_conv_2_doptions(), "options of a convolution")?;
            let dilations = [options.dilation_h_factor(), options.dilation_w_factor()];
            let stride = same(options.padding(), [options.stride_h(), options.stride_w()], dilations)?;
            Ok((LayerKind::Convolution { stride }, activation(options.fused_activation_function())?))
        }
        BuiltinOperator::DEPTHWISE_CONV_2D => {
            let options = item(operator.builtin_options_as_depthwise_conv_2_doptions(), "options of a convolution")?;
            let dilations = [options.dilation_h_factor(), options.dilation_w_factor()];
            let stride = same(options.padding(), [options.stride_h(), options.stride_w()], dilations)?;
            Ok((LayerKind::Depthwise { stride }, activation(options.fused_activation_function())?))
        }
        BuiltinOperator::FULLY_CONNECTED => {
            let options = item(operator.builtin_options_as_fully_connected_options(), "options of a dense layer")?;
            Ok((LayerKind::Dense, activation(options.fused_activation_function())?))
        }
        other => Err(format!("it has an operator {other:?}")),
    }
}

/// The values of a constant tensor, widened to floats.
fn weights(model: &Model<'_>, graph: &SubGraph<'_>, index: i32) -> Result<Weights, String> {
    let tensors = item(graph.tensors(), "tensors")?;
    let index = usize::try_from(index).ok().filter(|index| *index < tensors.len());
    let tensor = item(index.map(|index| tensors.get(index)), "weights")?;
    let buffers = item(model.buffers(), "values")?;
    let buffer = tensor.buffer() as usize;
    let data = (buffer < buffers.len()).then(|| buffers.get(buffer).data()).flatten();
    let bytes = item(data, "weights")?.bytes();
    let shape = item(tensor.shape(), "shape of weights")?.iter().map(usize::try_from);
    let shape: Vec<usize> = shape.collect::<Result<_, _>>().map_err(|_| "a tensor has a negative size")?;
    let values = match tensor.type_() {
        TensorType::FLOAT32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        TensorType::INT8 => widened(&tensor, &shape, bytes)?,
        other => return Err(format!("weights are {other:?}")),
    };
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    if count != Some(values.len()) || values.is_empty() {
        return Err("a tensor has more or fewer values than its shape says".into());
    }
    Ok(Weights { shape, values })
}

/// Values of eight bits times their scale, of which there is one for each place on an axis, or one alone.
fn widened(tensor: &Tensor<'_>, shape: &[usize], bytes: &[u8]) -> Result<Vec<f32>, String> {
    let quantization = item(tensor.quantization(), "scales")?;
    let scales: Vec<f32> = item(quantization.scale(), "scales")?.iter().collect();
    if quantization.zero_point().is_some_and(|points| points.iter().any(|point| point != 0)) {
        return Err("weights are quantised around another value than zero".into());
    }
    let axis = usize::try_from(quantization.quantized_dimension()).unwrap_or(usize::MAX);
    let (places, inner) = match (&scales[..], shape.get(axis)) {
        ([_], _) => (1, 1),
        (_, Some(&places)) if places == scales.len() && places > 0 => {
            let inner = shape[axis + 1..].iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
            (places, inner.unwrap_or(0).max(1))
        }
        _ => return Err("weights have more or fewer scales than places on their axis".into()),
    };
    let value = |(index, byte): (usize, &u8)| f32::from(*byte as i8) * scales[index / inner % places];
    Ok(bytes.iter().enumerate().map(value).collect())
}
