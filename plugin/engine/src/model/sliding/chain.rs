//! From an ONNX graph to a chain of layers, where it is one.
//!
//! The walk goes back from the answer to the waveform over the operators that the
//! m^n networks are made of. Whatever else stands in the way makes the graph another
//! kind of model, which is no error: it is run by full windows.

use crate::model::output::Output;
use std::collections::HashMap;
use tract_onnx::pb::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto};

/// A convolution over time, with its normalisation folded in, ReLU and pooling.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// By filter, then place in the filter, then channel.
    pub(super) weight: Vec<f32>,
    /// One for each filter.
    pub(super) bias: Vec<f32>,
    pub(super) channels: usize,
    /// Frames in for each frame out; a filter is as long.
    pub(super) length: usize,
    /// Zeros before and after the frames.
    pub(super) padding: (usize, usize),
    /// Whether the filter stands at every frame, and each `length` results become their
    /// maximum; else it stands at every `length`-th.
    pub(super) pooled: bool,
    /// Whether ReLU follows.
    pub(super) rectify: bool,
}

impl Layer {
    pub(super) fn filters(&self) -> usize {
        self.bias.len()
    }

    /// What every frame out is where every frame in is `frame`.
    pub(super) fn answer_to(&self, frame: &[f32]) -> Vec<f32> {
        let answer = |(filter, bias): (&[f32], &f32)| {
            let sum = filter.iter().zip(frame.iter().cycle()).map(|(weight, value)| weight * value).sum::<f32>() + bias;
            if self.rectify { sum.max(0.0) } else { sum }
        };
        self.weight.chunks_exact(self.length * self.channels).zip(&self.bias).map(answer).collect()
    }

    /// Results of the filter for each frame out.
    pub(super) fn places(&self) -> usize {
        if self.pooled { self.length } else { 1 }
    }
}

/// The layers of a network that leave a single frame of its window, the tags' logits.
pub(super) fn chain(model: &ModelProto, output: &Output, window: usize) -> Option<Vec<Layer>> {
    let graph = model.graph.as_ref()?;
    // Before opset 9 some operators had attributes that mean other things.
    model.opset_import.iter().find(|set| matches!(set.domain.as_str(), "" | "ai.onnx") && set.version >= 9)?;
    let weights = Weights::of(graph);
    let nodes = path(graph, output, &weights)?;
    let mut nodes = nodes.iter().rev().copied().peekable();

    let mut layers: Vec<Layer> = Vec::new();
    let (mut frames, mut channels) = (window, 1);
    while let Some(node) = nodes.peek() {
        match node.op_type.as_str() {
            "Conv" => {
                let mut convolution = Convolution::of(nodes.next()?, &weights, frames, channels)?;
                if let Some(norm) = nodes.next_if(|node| node.op_type == "BatchNormalization") {
                    convolution.normalise(norm, &weights)?;
                }
                let rectify = nodes.next_if(|node| node.op_type == "Relu").is_some();
                let pool = match nodes.next_if(|node| node.op_type == "MaxPool") {
                    Some(node) => pool_length(node)?,
                    None => 1,
                };
                let layer = convolution.into_layer(frames, pool, rectify)?;
                frames /= layer.length;
                channels = layer.filters();
                layers.push(layer);
            }
            // Of a single frame these only rearrange names.
            "Flatten" | "Squeeze" | "Reshape" | "GlobalAveragePool" | "GlobalMaxPool" if frames == 1 => {
                nodes.next();
            }
            "Unsqueeze" if layers.is_empty() => {
                // The axis of the one channel; it stands in an attribute or an input.
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
                let mut dense = dense(nodes.next()?, &weights, channels)?;
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
                layers.last_mut()?.rectify = true;
            }
            _ => return None,
        }
    }
    let finite = |layer: &Layer| layer.weight.iter().chain(&layer.bias).all(|value| value.is_finite());
    (frames == 1 && layers.len() > 1 && layers.iter().all(finite)).then_some(layers)
}

/// The nodes from the answer back to the waveform, without the sigmoid at the end and
/// those that do nothing; `None` where the way forks or does not end at the waveform.
fn path<'a>(graph: &'a GraphProto, output: &'a Output, weights: &Weights<'a>) -> Option<Vec<&'a NodeProto>> {
    let makers: HashMap<&str, &NodeProto> =
        graph.node.iter().filter_map(|node| Some((node.output.first()?.as_str(), node))).collect();
    let mut inputs = graph.input.iter().map(|input| input.name.as_str()).filter(|name| !weights.knows(name));
    let waveform = inputs.next()?;

    let mut name = output.name.as_str();
    if !output.is_logits {
        let sigmoid = makers.get(name).filter(|node| node.op_type == "Sigmoid")?;
        name = sigmoid.input.first()?.as_str();
    }
    let mut nodes = Vec::new();
    while name != waveform {
        let node = *makers.get(name)?;
        // A graph may run in a circle.
        if nodes.len() > graph.node.len() || node.output.len() > 1 && node.op_type != "Dropout" {
            return None;
        }
        if !matches!(node.op_type.as_str(), "Identity" | "Dropout") {
            nodes.push(node);
        }
        let mut data = node.input.iter().filter(|name| !name.is_empty() && !weights.knows(name));
        name = data.next()?;
        if data.next().is_some() {
            return None;
        }
    }
    Some(nodes)
}

/// The stored tensors of a graph, by name.
struct Weights<'a>(HashMap<&'a str, &'a TensorProto>);

impl<'a> Weights<'a> {
    fn of(graph: &'a GraphProto) -> Self {
        let stored = graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor));
        let constants = graph.node.iter().filter(|node| node.op_type == "Constant");
        let constants =
            constants.filter_map(|node| Some((node.output.first()?.as_str(), attribute(node, "value")?.t.as_ref()?)));
        Self(stored.chain(constants).collect())
    }

    fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The values of a tensor of floats.
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

    /// The values and the shape of a tensor of floats.
    fn shaped(&self, name: &str) -> Option<(Vec<f32>, Vec<usize>)> {
        let shape: Option<Vec<usize>> = self.0.get(name)?.dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let (values, shape) = (self.floats(name)?, shape?);
        let volume = shape.iter().try_fold(1_usize, |volume, &dim| volume.checked_mul(dim))?;
        (volume == values.len() && volume > 0).then_some((values, shape))
    }

    fn integers(&self, name: &str) -> Option<Vec<i64>> {
        let tensor = self.0.get(name)?;
        if !tensor.int64_data.is_empty() {
            return Some(tensor.int64_data.clone());
        }
        let (numbers, []) = tensor.raw_data.as_chunks() else { return None };
        Some(numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
    }
}

/// A convolution while its layer is being read.
struct Convolution {
    /// By filter, then channel, then place in the filter, as ONNX has it.
    weight: Vec<f64>,
    bias: Vec<f64>,
    channels: usize,
    length: usize,
    stride: usize,
    padding: (usize, usize),
}

impl Convolution {
    fn of(node: &NodeProto, weights: &Weights<'_>, frames: usize, channels: usize) -> Option<Self> {
        let (weight, shape) = weights.shaped(node.input.get(1)?)?;
        let &[filters, own_channels, length] = shape.as_slice() else { return None };
        let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
            Some(name) => weights.floats(name)?,
            None => vec![0.0; filters],
        };
        let (stride, padding) = (sizes(node, "strides", &[1])?, sizes(node, "pads", &[0, 0])?);
        let plain = is_unset(node, "auto_pad", b"NOTSET")
            && sizes(node, "dilations", &[1])? == [1]
            && attribute(node, "group").is_none_or(|group| group.i == 1)
            && sizes(node, "kernel_shape", &[length])? == [length];
        let (&[stride], &[before, after]) = (stride.as_slice(), padding.as_slice()) else { return None };
        // Longer padding than the filter would only make frames of zeros.
        let fits = bias.len() == filters && own_channels == channels && before < length && after < length;
        let doubles = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        (plain && fits && stride > 0 && frames > 0).then(|| Self {
            weight: doubles(weight),
            bias: doubles(bias),
            channels,
            length,
            stride,
            padding: (before, after),
        })
    }

    /// Folds a batch normalisation into the weights.
    fn normalise(&mut self, node: &NodeProto, weights: &Weights<'_>) -> Option<()> {
        if attribute(node, "training_mode").is_some_and(|mode| mode.i != 0) {
            return None;
        }
        let filters = self.bias.len();
        let parameter = |index: usize| weights.floats(node.input.get(index)?).filter(|values| values.len() == filters);
        let (scale, shift, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
        let epsilon = attribute(node, "epsilon").map_or(1e-5, |epsilon| f64::from(epsilon.f));
        let each = self.channels * self.length;
        for (filter, weight) in self.weight.chunks_exact_mut(each).enumerate() {
            let factor = f64::from(scale[filter]) / (f64::from(variance[filter]) + epsilon).sqrt();
            weight.iter_mut().for_each(|weight| *weight *= factor);
            self.bias[filter] = (self.bias[filter] - f64::from(mean[filter])) * factor + f64::from(shift[filter]);
        }
        Some(())
    }

    /// The layer, if its filter stands either at every frame and each filter's length of
    /// them is pooled, or where the last one ended.
    fn into_layer(mut self, frames: usize, pool: usize, rectify: bool) -> Option<Layer> {
        if frames == 1 && self.padding.0 + self.padding.1 + 1 == self.length {
            // All but one place of the filter meets zeros.
            let (length, place) = (self.length, self.padding.0);
            self.weight = self.weight.into_iter().skip(place).step_by(length).collect();
            (self.length, self.stride, self.padding) = (1, 1, (0, 0));
        }
        let kept = self.padding.0 + self.padding.1 + 1 == self.length;
        let pooled = self.stride == 1 && kept && pool == self.length && pool > 1;
        let strided = self.stride == self.length && self.padding == (0, 0) && pool == 1;
        if !(pooled || strided) || !frames.is_multiple_of(self.length) {
            return None;
        }
        let (channels, length) = (self.channels, self.length);
        let turned = self.weight.chunks_exact(channels * length).flat_map(|filter| {
            let place = move |place: usize| (0..channels).map(move |channel| filter[channel * length + place] as f32);
            (0..length).flat_map(place)
        });
        Some(Layer {
            weight: turned.collect(),
            bias: self.bias.iter().map(|bias| *bias as f32).collect(),
            channels,
            length,
            padding: self.padding,
            pooled,
            rectify,
        })
    }
}

/// A fully connected layer over one frame.
fn dense(node: &NodeProto, weights: &Weights<'_>, channels: usize) -> Option<Layer> {
    let factor = |name| attribute(node, name).map_or(1.0, |factor| factor.f);
    let flag = |name| attribute(node, name).is_some_and(|flag| flag.i != 0);
    let (weight, shape) = weights.shaped(node.input.get(1)?)?;
    let &[rows, columns] = shape.as_slice() else { return None };
    let by_output = node.op_type == "Gemm" && flag("transB");
    let (outputs, inputs) = if by_output { (rows, columns) } else { (columns, rows) };
    if inputs != channels || flag("transA") || factor("alpha") != 1.0 || factor("beta") != 1.0 {
        return None;
    }
    let bias = match node.input.get(2).filter(|name| !name.is_empty()) {
        Some(name) => weights.floats(name).filter(|bias| bias.len() == outputs)?,
        None => vec![0.0; outputs],
    };
    let weight = if by_output {
        weight
    } else {
        let weight = &weight;
        (0..outputs).flat_map(|output| (0..inputs).map(move |input| weight[input * outputs + output])).collect()
    };
    Some(Layer { weight, bias, channels, length: 1, padding: (0, 0), pooled: false, rectify: false })
}

/// How many frames a pooling makes one of, if it leaves none out and none twice.
fn pool_length(node: &NodeProto) -> Option<usize> {
    let length = sizes(node, "kernel_shape", &[])?;
    let &[pool] = length.as_slice() else { return None };
    let plain = is_unset(node, "auto_pad", b"NOTSET")
        && sizes(node, "strides", &[1])? == [pool]
        && sizes(node, "pads", &[0, 0])? == [0, 0]
        && sizes(node, "dilations", &[1])? == [1];
    plain.then_some(pool)
}

fn attribute<'a>(node: &'a NodeProto, name: &str) -> Option<&'a AttributeProto> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}

/// An attribute that is a list of sizes; `default` where it is not told.
fn sizes(node: &NodeProto, name: &str, default: &[usize]) -> Option<Vec<usize>> {
    match attribute(node, name) {
        Some(attribute) => attribute.ints.iter().map(|&size| usize::try_from(size).ok()).collect(),
        None => Some(default.to_vec()),
    }
}

fn is_unset(node: &NodeProto, name: &str, default: &[u8]) -> bool {
    attribute(node, name).is_none_or(|attribute| attribute.s.is_empty() || attribute.s == default)
}
