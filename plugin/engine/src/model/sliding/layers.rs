//! Reads the layers of an m^n network from an ONNX graph.
//!
//! The graph is followed from the output back to the waveform. Any operator that the m^n networks do not
//! have makes it another kind of model, which is not an error: it is run by full windows.

use crate::model::batch_norm::ChannelAffine;
use crate::model::output::TagOutput;
use std::collections::HashMap;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto};

/// A convolution over time with batch normalisation folded in, ReLU and max-pooling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// By filter, then position in the filter, then channel.
    pub(super) weight: Vec<f32>,
    /// By filter.
    pub(super) bias: Vec<f32>,
    /// Channels of an input frame.
    pub(super) channels: usize,
    /// The length of the filters; also the input frames per output frame.
    pub(super) kernel_size: usize,
    /// Zero frames before and after the input.
    pub(super) padding: (usize, usize),
    /// Whether the convolution has stride 1 and is max-pooled by `kernel_size`. Otherwise its stride is
    /// `kernel_size`.
    pub(super) is_pooled: bool,
    pub(super) has_relu: bool,
}

impl Layer {
    /// The number of filters: the channels of an output frame.
    pub(super) fn filters(&self) -> usize {
        self.bias.len()
    }

    /// The output frame if all input frames are equal to `frame`.
    pub(super) fn output_for_constant(&self, frame: &[f32]) -> Vec<f32> {
        let output = |(filter, bias): (&[f32], &f32)| {
            let sum = filter.iter().zip(frame.iter().cycle()).map(|(weight, value)| weight * value).sum::<f32>() + bias;
            if self.has_relu { sum.max(0.0) } else { sum }
        };
        self.weight.chunks_exact(self.kernel_size * self.channels).zip(&self.bias).map(output).collect()
    }

    /// The number of positions of the filter whose maximum is an output frame.
    pub(super) fn pool_size(&self) -> usize {
        if self.is_pooled { self.kernel_size } else { 1 }
    }
}

/// Reads the layers of an m^n network, which reduce a window to a single frame: the logits of the tags.
/// Returns `None` for any other model.
pub(super) fn read_layers(model: &ModelProto, output: &TagOutput, window: usize) -> Option<Vec<Layer>> {
    let graph = model.graph.as_ref()?;
    // Before opset 9 some operators have attributes with another meaning.
    model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx") && set.version >= 9)?;
    let weights = StoredTensors::new(graph);
    let nodes = path_to_waveform(graph, output, &weights)?;
    let mut nodes = nodes.iter().rev().copied().peekable();

    let mut layers: Vec<Layer> = Vec::new();
    let (mut frames, mut channels) = (window, 1);
    while let Some(node) = nodes.peek() {
        match node.op_type.as_str() {
            "Conv" => {
                let mut convolution = Convolution::from_node(nodes.next()?, &weights, frames, channels)?;
                if let Some(norm) = nodes.next_if(|node| node.op_type == "BatchNormalization") {
                    convolution.fold_batch_norm(norm, &weights)?;
                }
                let has_relu = nodes.next_if(|node| node.op_type == "Relu").is_some();
                let pool_size = match nodes.next_if(|node| node.op_type == "MaxPool") {
                    Some(node) => read_pool_size(node)?,
                    None => 1,
                };
                let layer = convolution.into_layer(frames, pool_size, has_relu)?;
                frames /= layer.kernel_size;
                channels = layer.filters();
                layers.push(layer);
            }
            // These do not change the values of a single frame.
            "Flatten" | "Squeeze" | "Reshape" | "GlobalAveragePool" | "GlobalMaxPool" if frames == 1 => {
                nodes.next();
            }
            "Unsqueeze" if layers.is_empty() => {
                // Adds the channel axis, which is in an attribute or, since opset 13, an input.
                let node = nodes.next()?;
                let axes = match attribute(node, "axes") {
                    Some(axes) => axes.ints.clone(),
                    None => weights.integers(node.input.get(1)?)?,
                };
                if axes != [1] && axes != [-2] {
                    return None;
                }
            }
            "Gemm" | "MatMul" if frames == 1 => {
                let mut dense = read_dense(nodes.next()?, &weights, channels)?;
                if let Some(add) = nodes.next_if(|node| node.op_type == "Add") {
                    let bias = add.input.iter().find_map(|name| weights.floats(name))?;
                    if bias.len() != dense.filters() {
                        return None;
                    }
                    dense.bias.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
                }
                channels = dense.filters();
                layers.push(dense);
            }
            "Relu" if frames == 1 => {
                nodes.next();
                layers.last_mut()?.has_relu = true;
            }
            _ => return None,
        }
    }
    let is_finite = |layer: &Layer| layer.weight.iter().chain(&layer.bias).all(|value| value.is_finite());
    (frames == 1 && layers.len() > 1 && layers.iter().all(is_finite)).then_some(layers)
}

/// The nodes from the output back to the waveform, without the final sigmoid and without nodes that pass
/// values through. `None` if the path branches or does not reach the waveform.
fn path_to_waveform<'a>(
    graph: &'a GraphProto,
    output: &'a TagOutput,
    weights: &StoredTensors<'a>,
) -> Option<Vec<&'a NodeProto>> {
    let producers: HashMap<&str, &NodeProto> =
        graph.node.iter().filter_map(|node| Some((node.output.first()?.as_str(), node))).collect();
    let mut inputs = graph.input.iter().map(|input| input.name.as_str()).filter(|name| !weights.contains(name));
    let waveform = inputs.next()?;

    let mut name = output.name.as_str();
    if !output.is_logits {
        let sigmoid = producers.get(name).filter(|node| node.op_type == "Sigmoid")?;
        name = sigmoid.input.first()?.as_str();
    }
    let mut nodes = Vec::new();
    while name != waveform {
        let node = *producers.get(name)?;
        // The graph is not yet known to be acyclic.
        if nodes.len() > graph.node.len() || node.output.len() > 1 && node.op_type != "Dropout" {
            return None;
        }
        if !matches!(node.op_type.as_str(), "Identity" | "Dropout") {
            nodes.push(node);
        }
        let mut data = node.input.iter().filter(|name| !name.is_empty() && !weights.contains(name));
        name = data.next()?;
        if data.next().is_some() {
            return None;
        }
    }
    Some(nodes)
}

/// The initializers and constants of a graph, by name.
struct StoredTensors<'a>(HashMap<&'a str, &'a TensorProto>);

impl<'a> StoredTensors<'a> {
    fn new(graph: &'a GraphProto) -> Self {
        let initializers = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
        let constants = graph.node.iter().filter(|node| node.op_type == "Constant");
        let constants =
            constants.filter_map(|node| Some((node.output.first()?.as_str(), attribute(node, "value")?.t.as_ref()?)));
        Self(initializers.chain(constants).collect())
    }

    fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values of a float tensor; `None` for other types.
    fn floats(&self, name: &str) -> Option<Vec<f32>> {
        let tensor = self.0.get(name)?;
        if tensor.data_type != tensor_proto::DataType::Float as i32 {
            return None;
        }
        if !tensor.float_data.is_empty() {
            return Some(tensor.float_data.clone());
        }
        let (numbers, []) = tensor.raw_data.as_chunks() else { return None };
        Some(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    /// The values and the shape of a float tensor; `None` if they do not agree.
    fn floats_and_shape(&self, name: &str) -> Option<(Vec<f32>, Vec<usize>)> {
        let shape: Option<Vec<usize>> = self.0.get(name)?.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let (values, shape) = (self.floats(name)?, shape?);
        let volume = shape.iter().try_fold(1_usize, |volume, &dim| volume.checked_mul(dim))?;
        (volume == values.len() && volume > 0).then_some((values, shape))
    }

    /// The values of an int64 tensor.
    fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let tensor = self.0.get(name)?;
        if !tensor.int64_data.is_empty() {
            return Some(tensor.int64_data.clone());
        }
        let (numbers, []) = tensor.raw_data.as_chunks() else { return None };
        Some(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }
}

/// A `Conv` node before the nodes after it are known.
struct Convolution {
    /// By filter, then channel, then position in the filter, as in ONNX.
    weight: Vec<f32>,
    bias: Vec<f32>,
    channels: usize,
    kernel_size: usize,
    stride: usize,
    padding: (usize, usize),
}

impl Convolution {
    /// Reads a one-dimensional convolution without dilation and groups, for `frames` frames of `channels`
    /// channels.
    fn from_node(node: &NodeProto, weights: &StoredTensors<'_>, frames: usize, channels: usize) -> Option<Self> {
        let (weight, shape) = weights.floats_and_shape(node.input.get(1)?)?;
        let &[filters, filter_channels, kernel_size] = shape.as_slice() else { return None };
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => weights.floats(name)?,
            None => vec![0.0; filters],
        };
        let (stride, padding) = (sizes(node, "strides", &[1])?, sizes(node, "pads", &[0, 0])?);
        let is_supported = is_unset(node, "auto_pad", b"NOTSET")
            && sizes(node, "dilations", &[1])? == [1]
            && attribute(node, "group").is_none_or(|group| group.i == 1)
            && sizes(node, "kernel_shape", &[kernel_size])? == [kernel_size];
        let (&[stride], &[before, after]) = (stride.as_slice(), padding.as_slice()) else { return None };
        // Padding as long as the filter would add frames that depend on no input.
        let is_consistent =
            bias.len() == filters && filter_channels == channels && before < kernel_size && after < kernel_size;
        (is_supported && is_consistent && stride > 0 && frames > 0).then_some(Self {
            weight,
            bias,
            channels,
            kernel_size,
            stride,
            padding: (before, after),
        })
    }

    /// Folds a batch normalisation into the weights.
    fn fold_batch_norm(&mut self, node: &NodeProto, weights: &StoredTensors<'_>) -> Option<()> {
        if attribute(node, "training_mode").is_some_and(|mode| mode.i != 0) {
            return None;
        }
        let parameter = |index: usize| weights.floats(node.input.get(index)?);
        let (gamma, beta, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        let epsilon = attribute(node, "epsilon").map_or(1e-5, |epsilon| f64::from(epsilon.f));
        let norm = ChannelAffine::from_batch_norm(&gamma, &beta, &mean, &variance, epsilon)?;
        if norm.scale.len() != self.bias.len() {
            return None;
        }
        let filter_len = self.channels * self.kernel_size;
        norm.fold_into(&mut self.weight, &mut self.bias, |index| index / filter_len);
        Some(())
    }

    /// The layer, if the convolution has stride 1 and is pooled by its kernel size, or has its kernel size
    /// as stride and is not pooled.
    fn into_layer(mut self, frames: usize, pool_size: usize, has_relu: bool) -> Option<Layer> {
        if frames == 1 && self.padding.0 + self.padding.1 + 1 == self.kernel_size {
            // All positions of the filter but one are on the padding.
            let (kernel_size, position) = (self.kernel_size, self.padding.0);
            self.weight = self.weight.into_iter().skip(position).step_by(kernel_size).collect();
            (self.kernel_size, self.stride, self.padding) = (1, 1, (0, 0));
        }
        let keeps_length = self.padding.0 + self.padding.1 + 1 == self.kernel_size;
        let is_pooled = self.stride == 1 && keeps_length && pool_size == self.kernel_size && pool_size > 1;
        let is_strided = self.stride == self.kernel_size && self.padding == (0, 0) && pool_size == 1;
        if !(is_pooled || is_strided) || !frames.is_multiple_of(self.kernel_size) {
            return None;
        }
        let (channels, kernel_size) = (self.channels, self.kernel_size);
        let by_position = self.weight.chunks_exact(channels * kernel_size).flat_map(|filter| {
            let weights_at =
                move |position: usize| (0..channels).map(move |channel| filter[channel * kernel_size + position]);
            (0..kernel_size).flat_map(weights_at)
        });
        Some(Layer {
            weight: by_position.collect(),
            bias: self.bias,
            channels,
            kernel_size,
            padding: self.padding,
            is_pooled,
            has_relu,
        })
    }
}

/// Reads a fully connected layer, a `Gemm` or `MatMul` node, over one frame.
fn read_dense(node: &NodeProto, weights: &StoredTensors<'_>, channels: usize) -> Option<Layer> {
    let factor = |name| attribute(node, name).map_or(1.0, |factor| factor.f);
    let flag = |name| attribute(node, name).is_some_and(|flag| flag.i != 0);
    let (weight, shape) = weights.floats_and_shape(node.input.get(1)?)?;
    let &[rows, columns] = shape.as_slice() else { return None };
    let is_by_output = node.op_type == "Gemm" && flag("transB");
    let (outputs, inputs) = if is_by_output { (rows, columns) } else { (columns, rows) };
    if inputs != channels || flag("transA") || factor("alpha") != 1.0 || factor("beta") != 1.0 {
        return None;
    }
    let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
        Some(name) => weights.floats(name).filter(|bias| bias.len() == outputs)?,
        None => vec![0.0; outputs],
    };
    let weight = if is_by_output {
        weight
    } else {
        let weight = &weight;
        (0..outputs).flat_map(|output| (0..inputs).map(move |input| weight[input * outputs + output])).collect()
    };
    Some(Layer { weight, bias, channels, kernel_size: 1, padding: (0, 0), is_pooled: false, has_relu: false })
}

/// The size of a pooling whose stride is its size, without padding.
fn read_pool_size(node: &NodeProto) -> Option<usize> {
    let kernel_shape = sizes(node, "kernel_shape", &[])?;
    let &[pool_size] = kernel_shape.as_slice() else { return None };
    let is_supported = is_unset(node, "auto_pad", b"NOTSET")
        && sizes(node, "strides", &[1])? == [pool_size]
        && sizes(node, "pads", &[0, 0])? == [0, 0]
        && sizes(node, "dilations", &[1])? == [1];
    is_supported.then_some(pool_size)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// An attribute that is a list of sizes, or `default` if the node does not have it.
fn sizes(node: &NodeProto, name: &str, default: &[usize]) -> Option<Vec<usize>> {
    match attribute(node, name) {
        Some(attribute) => attribute.ints.iter().map(|&size| usize::try_from(size).ok()).collect(),
        None => Some(default.to_vec()),
    }
}

/// Whether a string attribute is missing, empty or `default`.
fn is_unset(node: &NodeProto, name: &str, default: &[u8]) -> bool {
    attribute(node, name).is_none_or(|attribute| attribute.s.is_empty() || attribute.s == default)
}
