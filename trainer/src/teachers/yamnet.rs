//! YAMNet: a mel spectrogram, and MobileNet v1 over its 96 frames of 64 bands.

use super::LogitsResult;
use super::tflite::{Layer, LayerKind};
use crate::architecture::Mel;
use crate::export::graph::{Attribute, Graph};
use crate::network::mel::dft_filters;

/// The spectrogram.
const MEL: Mel = Mel { frame: 400, hop: 160, fft: 512, bands: 64, f_max: 7_500 };

/// Lower edge of the lowest band, in hertz.
const F_MIN: f64 = 125.0;

/// Frames of the spectrogram.
const FRAMES: usize = 96;

/// Samples of the input.
pub(super) const WINDOW: usize = (FRAMES - 1) * MEL.hop + MEL.frame;

/// What is added to a band before its logarithm.
const OFFSET: f32 = 1e-3;

/// Adds the network of these layers after the signal `input` `[batch, window]`.
///
/// # Errors
/// A sentence, if the layers do not fit together.
pub(super) fn add_network(graph: &mut Graph, layers: &[Layer], input: &str) -> LogitsResult {
    let Some((Layer { kind: LayerKind::Dense, weight, bias, has_relu: false }, convolutions)) = layers.split_last()
    else {
        return Err("the network does not end with a dense layer".into());
    };
    let mut signal = add_spectrogram(graph, input);
    let (mut channels, mut size) = (1, [FRAMES, MEL.bands]);
    for (index, layer) in convolutions.iter().enumerate() {
        (signal, channels, size) = add_convolution(graph, layer, (&signal, channels, size), &format!("layer{index}"))?;
    }
    let mean = graph.add_node("GlobalAveragePool", &[&signal], "mean", &[]);
    let flat = graph.add_node("Flatten", &[&mean], "flat", &[]);
    let outputs = bias.len();
    if weight.shape != [outputs, channels] {
        return Err(format!("the weights of the last layer have the shape {:?}", weight.shape));
    }
    let weight = graph.add_weights("dense.weight", &weight.shape, &weight.values);
    let bias = graph.add_weights("dense.bias", &[outputs], bias);
    let logits = graph.add_node("Gemm", &[&flat, &weight, &bias], "logits", &[("transB", Attribute::Int(1))]);
    Ok((logits, outputs))
}

/// Adds the spectrogram of a signal, an image `[batch, 1, frames, bands]`.
fn add_spectrogram(graph: &mut Graph, input: &str) -> String {
    let wave = graph.add_unsqueeze(input, 1, "wave");
    let filters = graph.add_weights("waves", &[2 * MEL.bins(), 1, MEL.frame], &dft_filters(&MEL));
    let power = graph.add_power_spectrogram(&wave, &filters, (MEL.frame, MEL.bins()), (MEL.hop, 0, 0), "spectrum");
    let magnitude = graph.add_node("Sqrt", &[&power], "magnitude", &[]);
    let bank = graph.add_weights("bank", &[MEL.bands, MEL.bins(), 1], &htk_filter_bank());
    let bands = graph.add_node("Conv", &[&magnitude, &bank], "bands", &[("kernel_shape", Attribute::Ints(&[1]))]);
    let offset = graph.add_weights("offset", &[1], &[OFFSET]);
    let raised = graph.add_node("Add", &[&bands, &offset], "raised", &[]);
    let logarithm = graph.add_node("Log", &[&raised], "logarithm", &[]);
    let by_frame = graph.add_node("Transpose", &[&logarithm], "by_frame", &[("perm", Attribute::Ints(&[0, 2, 1]))]);
    graph.add_unsqueeze(&by_frame, 1, "image")
}

/// A signal in the graph: its name, its channels, and its frames and bands.
type Signal<T> = (T, usize, [usize; 2]);

fn add_convolution(
    graph: &mut Graph,
    layer: &Layer,
    (input, channels, size): Signal<&str>,
    name: &str,
) -> Result<Signal<String>, String> {
    let Layer { kind, weight, bias, has_relu } = layer;
    // To the order of ONNX: filters, inputs of a filter, rows, columns.
    let (stride, order, groups) = match (kind, weight.shape.len()) {
        (LayerKind::Convolution { stride }, 4) => (stride, [0, 3, 1, 2], 1),
        (LayerKind::Depthwise { stride }, 4) => (stride, [3, 0, 1, 2], channels),
        _ => return Err(format!("{name} is not a 2-D convolution")),
    };
    let weight = weight.transposed(&order);
    let &[filters, inputs, height, width] = &weight.shape[..] else {
        return Err(format!("{name} is not a 2-D convolution"));
    };
    let filters_fit = bias.len() == filters && (groups == 1 || groups == filters);
    if !filters_fit || inputs * groups != channels {
        return Err(format!("{name} has {filters} filters of {inputs} channels after a layer of {channels}"));
    }
    // TensorFlow pads both ends; an odd zero stands at the end.
    let output = [0, 1].map(|axis| size[axis].div_ceil(stride[axis]));
    let zeros = |axis: usize, kernel: usize| ((output[axis] - 1) * stride[axis] + kernel).saturating_sub(size[axis]);
    let zeros = [zeros(0, height), zeros(1, width)];
    let before = zeros.map(|zeros| zeros / 2);
    let pads = [before[0], before[1], zeros[0] - before[0], zeros[1] - before[1]];
    let weight_name = graph.add_weights(&format!("{name}.weight"), &weight.shape, &weight.values);
    let bias = graph.add_weights(&format!("{name}.bias"), &[filters], bias);
    let attributes = [
        ("kernel_shape", Attribute::Ints(&[height, width])),
        ("strides", Attribute::Ints(stride)),
        ("pads", Attribute::Ints(&pads)),
        ("group", Attribute::Int(groups as i64)),
    ];
    let mut signal = graph.add_node("Conv", &[input, &weight_name, &bias], &format!("{name}.sums"), &attributes);
    if *has_relu {
        signal = graph.add_node("Relu", &[&signal], &format!("{name}.active"), &[]);
    }
    Ok((signal, filters, output))
}

/// The mel filter bank `[bands, bins]` of HTK and of TensorFlow's `linear_to_mel_weight_matrix`: triangles of height one
/// that are straight in mel. The file has it in eight bits, which is less exact.
fn htk_filter_bank() -> Vec<f32> {
    let mel = |hertz: f64| 1_127.0 * (hertz / 700.0).ln_1p();
    let (low, high) = (mel(F_MIN), mel(MEL.f_max as f64));
    let edge = |index: usize| low + (high - low) * index as f64 / (MEL.bands + 1) as f64;
    let mut values = Vec::with_capacity(MEL.bands * MEL.bins());
    for band in 0..MEL.bands {
        let (low, middle, high) = (edge(band), edge(band + 1), edge(band + 2));
        for bin in 0..MEL.bins() {
            let place = mel(bin as f64 * f64::from(super::RATE) / MEL.fft as f64);
            let slope = ((place - low) / (middle - low)).min((high - place) / (high - middle));
            values.push(slope.max(0.0) as f32);
        }
    }
    values
}
