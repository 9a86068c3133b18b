//! The two networks, as in `musicnn/models.py` of the package.

use super::checkpoint::Checkpoint;
use crate::export::graph::{Attribute, Graph};
use tagvane_engine::ChannelAffine;

/// Epsilon of batch normalisation, TensorFlow's default.
const EPSILON: f64 = 1e-3;

/// The graph under construction, and the checkpoint with its weights.
struct NetworkBuilder<'a> {
    graph: &'a mut Graph,
    checkpoint: &'a Checkpoint,
}

/// The name of a node's output, or an error in a sentence.
type NodeResult = Result<String, String>;

/// TensorFlow's name of the `number`th layer of a kind.
fn layer_name(kind: &str, number: usize) -> String {
    if number == 0 { kind.into() } else { format!("{kind}_{number}") }
}

impl NetworkBuilder<'_> {
    /// The `number`th batch normalisation, over the axis before the last `trailing` ones.
    fn batch_norm(&mut self, input: &str, number: usize, trailing: usize) -> NodeResult {
        let name = layer_name("batch_normalization", number);
        let variable = |part: &str| self.checkpoint.variable(&format!("{name}/{part}"));
        let [gamma, beta] = [variable("gamma")?.values, variable("beta")?.values];
        let [mean, variance] = [variable("moving_mean")?.values, variable("moving_variance")?.values];
        let norm = ChannelAffine::from_batch_norm(&gamma, &beta, &mean, &variance, EPSILON)
            .ok_or_else(|| format!("the parameters of {name} differ in their number"))?;
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
        let (scale, shift) = (single(norm.scale), single(norm.shift));
        let mut shape = vec![scale.len()];
        shape.resize(1 + trailing, 1);
        let scale = self.graph.add_weights(&format!("{name}.scale"), &shape, &scale);
        let shift = self.graph.add_weights(&format!("{name}.shift"), &shape, &shift);
        let scaled = self.graph.add_node("Mul", &[input, &scale], &format!("{name}.scaled"), &[]);
        Ok(self.graph.add_node("Add", &[&scaled, &shift], &name, &[]))
    }

    /// A 2-D convolution with ReLU. `pads` counts zeros at the top, left, bottom and right.
    fn conv2d_relu(&mut self, input: &str, name: &str, pads: [usize; 4]) -> NodeResult {
        let kernel = self.checkpoint.variable(&format!("{name}/kernel"))?;
        let &[height, width, inputs, filters] = &kernel.shape[..] else {
            return Err(format!("{name} is not a 2-D convolution"));
        };
        // From TensorFlow's order (height, width, inputs, filters) to ONNX's.
        let at = |filter, from, row, column| ((row * width + column) * inputs + from) * filters + filter;
        let mut values = Vec::with_capacity(kernel.values.len());
        for filter in 0..filters {
            for from in 0..inputs {
                for row in 0..height {
                    values.extend((0..width).map(|column| kernel.values[at(filter, from, row, column)]));
                }
            }
        }
        self.conv_relu(input, name, &[filters, inputs, height, width], &values, &pads)
    }

    /// A 1-D convolution over the frames with ReLU and "same" padding.
    fn conv1d_relu(&mut self, input: &str, name: &str) -> NodeResult {
        let kernel = self.checkpoint.variable(&format!("{name}/kernel"))?;
        let &[length, inputs, 1, filters] = &kernel.shape[..] else {
            return Err(format!("{name} is not a 1-D convolution"));
        };
        let at = |filter, from, frame| (frame * inputs + from) * filters + filter;
        let mut values = Vec::with_capacity(kernel.values.len());
        for filter in 0..filters {
            for from in 0..inputs {
                values.extend((0..length).map(|frame| kernel.values[at(filter, from, frame)]));
            }
        }
        self.conv_relu(input, name, &[filters, inputs, length], &values, &[length / 2, length / 2])
    }

    fn conv_relu(&mut self, input: &str, name: &str, shape: &[usize], values: &[f32], pads: &[usize]) -> NodeResult {
        let bias = self.checkpoint.variable(&format!("{name}/bias"))?;
        let weight = self.graph.add_weights(&format!("{name}.weight"), shape, values);
        let bias = self.graph.add_weights(&format!("{name}.bias"), &bias.shape, &bias.values);
        let attributes = [("kernel_shape", Attribute::Ints(&shape[2..])), ("pads", Attribute::Ints(pads))];
        let linear = self.graph.add_node("Conv", &[input, &weight, &bias], &format!("{name}.linear"), &attributes);
        Ok(self.graph.add_node("Relu", &[&linear], &format!("{name}.relu"), &[]))
    }

    fn dense(&mut self, input: &str, name: &str) -> NodeResult {
        let kernel = self.checkpoint.variable(&format!("{name}/kernel"))?;
        let bias = self.checkpoint.variable(&format!("{name}/bias"))?;
        let weight = self.graph.add_weights(&format!("{name}.weight"), &kernel.shape, &kernel.values);
        let bias = self.graph.add_weights(&format!("{name}.bias"), &bias.shape, &bias.values);
        Ok(self.graph.add_node("Gemm", &[input, &weight, &bias], name, &[]))
    }

    fn reduce(&mut self, how: &str, input: &str, axis: usize, keep: bool, output: &str) -> String {
        let attributes = [("axes", Attribute::Ints(&[axis])), ("keepdims", Attribute::Int(keep.into()))];
        self.graph.add_node(how, &[input], output, &attributes)
    }

    fn concat(&mut self, inputs: &[&str], axis: i64, output: &str) -> String {
        self.graph.add_node("Concat", inputs, output, &[("axis", Attribute::Int(axis))])
    }
}

/// Musicnn: filters tall in frequency (timbre) and long in time (tempo), max-pooled over frequency;
/// three 1-D convolutions; the maximum and the mean over time.
pub(super) fn add_musicnn(graph: &mut Graph, checkpoint: &Checkpoint, spectrogram: &str) -> NodeResult {
    let mut builder = NetworkBuilder { graph, checkpoint };
    let input = builder.batch_norm(spectrogram, 0, 0)?;
    let mut features = Vec::new();
    // The lengths of the filters in time.
    for (layer, length) in [7, 7, 128, 64, 32].into_iter().enumerate() {
        // "Same" padding of an even length has one more frame at the end.
        let pads = [(length - 1) / 2, 0, length / 2, 0];
        let convolved = builder.conv2d_relu(&input, &layer_name("conv2d", layer), pads)?;
        let normalised = builder.batch_norm(&convolved, layer + 1, 2)?;
        features.push(builder.reduce("ReduceMax", &normalised, 3, false, &format!("front{layer}")));
    }
    let names: Vec<&str> = features.iter().map(String::as_str).collect();
    let front = builder.concat(&names, 1, "front");
    let mut levels = vec![front];
    for layer in 5..8 {
        let before = levels[levels.len() - 1].clone();
        let convolved = builder.conv1d_relu(&before, &layer_name("conv2d", layer))?;
        let normalised = builder.batch_norm(&convolved, layer + 1, 1)?;
        let level = if layer == 5 {
            normalised
        } else {
            builder.graph.add_node("Add", &[&normalised, &before], &format!("level{layer}"), &[])
        };
        levels.push(level);
    }
    let names: Vec<&str> = levels.iter().map(String::as_str).collect();
    let all = builder.concat(&names, 1, "levels");
    let max = builder.reduce("ReduceMax", &all, 2, true, "most");
    let mean = builder.reduce("ReduceMean", &all, 2, true, "mean");
    // The maximum and the mean of a channel are adjacent.
    let pooled = builder.concat(&[&max, &mean], 2, "pooled");
    let flat = builder.graph.add_node("Flatten", &[&pooled], "flat", &[]);
    let flat = builder.batch_norm(&flat, 9, 0)?;
    let dense = builder.dense(&flat, "dense")?;
    let dense = builder.graph.add_node("Relu", &[&dense], "dense.relu", &[]);
    let dense = builder.batch_norm(&dense, 10, 0)?;
    builder.dense(&dense, "dense_1")
}

/// VGG: five 2-D convolutions of three by three, each max-pooled.
pub(super) fn add_vgg(graph: &mut Graph, checkpoint: &Checkpoint, spectrogram: &str) -> NodeResult {
    let mut builder = NetworkBuilder { graph, checkpoint };
    let mut signal = builder.batch_norm(spectrogram, 0, 0)?;
    let pools = [([4, 1], 2), ([2, 2], 2), ([2, 2], 2), ([2, 2], 2), ([4, 4], 4)];
    for (layer, (pool, stride)) in pools.into_iter().enumerate() {
        let convolved = builder.conv2d_relu(&signal, &format!("{}CNN", layer + 1), [1; 4])?;
        let normalised = builder.batch_norm(&convolved, layer + 1, 2)?;
        let attributes = [("kernel_shape", Attribute::Ints(&pool)), ("strides", Attribute::Ints(&[stride, stride]))];
        signal = builder.graph.add_node("MaxPool", &[&normalised], &format!("pool{layer}"), &attributes);
    }
    // TensorFlow flattens channels-last.
    let last =
        builder.graph.add_node("Transpose", &[&signal], "channels_last", &[("perm", Attribute::Ints(&[0, 2, 3, 1]))]);
    let flat = builder.graph.add_node("Flatten", &[&last], "flat", &[]);
    builder.dense(&flat, "dense")
}
