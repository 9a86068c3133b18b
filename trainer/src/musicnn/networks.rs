//! The two networks, as their authors built them (`musicnn/models.py` of the package).

use super::checkpoint::Checkpoint;
use crate::export::graph::{Graph, Value};

/// What is added to a variance, TensorFlow's default.
const EPSILON: f64 = 1e-3;

/// Graph and checkpoint while a network is built.
struct Builder<'a> {
    graph: &'a mut Graph,
    checkpoint: &'a Checkpoint,
}

type Built = Result<String, String>;

/// TensorFlow's name of the `number`th layer of a kind.
fn numbered(kind: &str, number: usize) -> String {
    if number == 0 { kind.into() } else { format!("{kind}_{number}") }
}

impl Builder<'_> {
    /// The `number`th batch normalisation, over an axis that `trailing` ones come after.
    fn normalise(&mut self, input: &str, number: usize, trailing: usize) -> Built {
        let name = numbered("batch_normalization", number);
        let variable = |part: &str| self.checkpoint.variable(&format!("{name}/{part}"));
        let [gamma, beta] = [variable("gamma")?.values, variable("beta")?.values];
        let [mean, variance] = [variable("moving_mean")?.values, variable("moving_variance")?.values];
        let scale: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, v)| f64::from(*gamma) / (f64::from(*v) + EPSILON).sqrt())
            .collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, m), s)| (f64::from(*b) - f64::from(*m) * s) as f32);
        let shift: Vec<f32> = shift.collect();
        let scale: Vec<f32> = scale.into_iter().map(|scale| scale as f32).collect();
        let mut shape = vec![scale.len()];
        shape.resize(1 + trailing, 1);
        let scale = self.graph.weights(&format!("{name}.scale"), &shape, &scale);
        let shift = self.graph.weights(&format!("{name}.shift"), &shape, &shift);
        let scaled = self.graph.node("Mul", &[input, &scale], &format!("{name}.scaled"), &[]);
        Ok(self.graph.node("Add", &[&scaled, &shift], &name, &[]))
    }

    /// A convolution of pictures, with so many zeros above, left, below and right, and a ReLU.
    fn convolve(&mut self, input: &str, name: &str, pads: [usize; 4]) -> Built {
        let kernel = self.checkpoint.variable(&format!("{name}/kernel"))?;
        let &[height, width, inputs, filters] = &kernel.shape[..] else {
            return Err(format!("{name} is no convolution of pictures"));
        };
        // TensorFlow's order is height, width, inputs, filters.
        let at = |filter, from, row, column| ((row * width + column) * inputs + from) * filters + filter;
        let mut values = Vec::with_capacity(kernel.values.len());
        for filter in 0..filters {
            for from in 0..inputs {
                for row in 0..height {
                    values.extend((0..width).map(|column| kernel.values[at(filter, from, row, column)]));
                }
            }
        }
        self.rectified(input, name, &[filters, inputs, height, width], &values, &pads)
    }

    /// A convolution along the frames over all channels, seven frames long, and a ReLU.
    fn along_frames(&mut self, input: &str, name: &str) -> Built {
        let kernel = self.checkpoint.variable(&format!("{name}/kernel"))?;
        let &[length, inputs, 1, filters] = &kernel.shape[..] else {
            return Err(format!("{name} does not run along the frames"));
        };
        let at = |filter, from, frame| (frame * inputs + from) * filters + filter;
        let mut values = Vec::with_capacity(kernel.values.len());
        for filter in 0..filters {
            for from in 0..inputs {
                values.extend((0..length).map(|frame| kernel.values[at(filter, from, frame)]));
            }
        }
        self.rectified(input, name, &[filters, inputs, length], &values, &[length / 2, length / 2])
    }

    fn rectified(&mut self, input: &str, name: &str, shape: &[usize], values: &[f32], pads: &[usize]) -> Built {
        let bias = self.checkpoint.variable(&format!("{name}/bias"))?;
        let weight = self.graph.weights(&format!("{name}.weight"), shape, values);
        let bias = self.graph.weights(&format!("{name}.bias"), &bias.shape, &bias.values);
        let attributes = [("kernel_shape", Value::Many(&shape[2..])), ("pads", Value::Many(pads))];
        let linear = self.graph.node("Conv", &[input, &weight, &bias], &format!("{name}.linear"), &attributes);
        Ok(self.graph.node("Relu", &[&linear], &format!("{name}.relu"), &[]))
    }

    fn dense(&mut self, input: &str, name: &str) -> Built {
        let kernel = self.checkpoint.variable(&format!("{name}/kernel"))?;
        let bias = self.checkpoint.variable(&format!("{name}/bias"))?;
        let weight = self.graph.weights(&format!("{name}.weight"), &kernel.shape, &kernel.values);
        let bias = self.graph.weights(&format!("{name}.bias"), &bias.shape, &bias.values);
        Ok(self.graph.node("Gemm", &[input, &weight, &bias], name, &[]))
    }

    fn reduce(&mut self, how: &str, input: &str, axis: usize, keep: bool, output: &str) -> String {
        let attributes = [("axes", Value::Many(&[axis])), ("keepdims", Value::One(keep.into()))];
        self.graph.node(how, &[input], output, &attributes)
    }

    fn concat(&mut self, inputs: &[&str], axis: i64, output: &str) -> String {
        self.graph.node("Concat", inputs, output, &[("axis", Value::One(axis))])
    }
}

/// Filters that are tall in frequency (timbre) and long in time (tempo), each pooled over all
/// frequencies; three layers along the frames; the largest and the mean over all frames.
pub(super) fn musicnn(graph: &mut Graph, checkpoint: &Checkpoint, picture: &str) -> Built {
    let mut build = Builder { graph, checkpoint };
    let input = build.normalise(picture, 0, 0)?;
    let mut features = Vec::new();
    // The heights of the filters in time; the first two are padded by three frames.
    for (layer, length) in [7, 7, 128, 64, 32].into_iter().enumerate() {
        // "Same" for an even length has one frame more below.
        let pads = [(length - 1) / 2, 0, length / 2, 0];
        let convolved = build.convolve(&input, &numbered("conv2d", layer), pads)?;
        let normalised = build.normalise(&convolved, layer + 1, 2)?;
        features.push(build.reduce("ReduceMax", &normalised, 3, false, &format!("front{layer}")));
    }
    let names: Vec<&str> = features.iter().map(String::as_str).collect();
    let front = build.concat(&names, 1, "front");
    let mut levels = vec![front];
    for layer in 5..8 {
        let before = levels[levels.len() - 1].clone();
        let convolved = build.along_frames(&before, &numbered("conv2d", layer))?;
        let normalised = build.normalise(&convolved, layer + 1, 1)?;
        let level = if layer == 5 {
            normalised
        } else {
            build.graph.node("Add", &[&normalised, &before], &format!("level{layer}"), &[])
        };
        levels.push(level);
    }
    let names: Vec<&str> = levels.iter().map(String::as_str).collect();
    let all = build.concat(&names, 1, "levels");
    let most = build.reduce("ReduceMax", &all, 2, true, "most");
    let mean = build.reduce("ReduceMean", &all, 2, true, "mean");
    // Largest and mean of a channel stand side by side.
    let pooled = build.concat(&[&most, &mean], 2, "pooled");
    let flat = build.graph.node("Flatten", &[&pooled], "flat", &[]);
    let flat = build.normalise(&flat, 9, 0)?;
    let dense = build.dense(&flat, "dense")?;
    let dense = build.graph.node("Relu", &[&dense], "dense.relu", &[]);
    let dense = build.normalise(&dense, 10, 0)?;
    build.dense(&dense, "dense_1")
}

/// Five layers of three by three, pooled down to a few places.
pub(super) fn vgg(graph: &mut Graph, checkpoint: &Checkpoint, picture: &str) -> Built {
    let mut build = Builder { graph, checkpoint };
    let mut signal = build.normalise(picture, 0, 0)?;
    let pools = [([4, 1], 2), ([2, 2], 2), ([2, 2], 2), ([2, 2], 2), ([4, 4], 4)];
    for (layer, (pool, stride)) in pools.into_iter().enumerate() {
        let convolved = build.convolve(&signal, &format!("{}CNN", layer + 1), [1; 4])?;
        let normalised = build.normalise(&convolved, layer + 1, 2)?;
        let attributes = [("kernel_shape", Value::Many(&pool)), ("strides", Value::Many(&[stride, stride]))];
        signal = build.graph.node("MaxPool", &[&normalised], &format!("pool{layer}"), &attributes);
    }
    // TensorFlow keeps channels last.
    let last = build.graph.node("Transpose", &[&signal], "channels_last", &[("perm", Value::Many(&[0, 2, 3, 1]))]);
    let flat = build.graph.node("Flatten", &[&last], "flat", &[]);
    build.dense(&flat, "dense")
}
