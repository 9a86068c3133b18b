//! Each kind of layer as ONNX nodes.
//!
//! A layer named `layer3` has the weights `layer3.weight` and `layer3.bias`, or, where
//! it has parts, `layer3.<part>.weight` and so on.

use super::fold::{Folded, fold, scale_and_shift};
use super::graph::{Graph, Value, values};
use crate::architecture::Activation;
use crate::network::{
    DenseLayer, Excitation, MelSpectrogram, PictureLayer, PictureStage, Prominence, Recurrent, ResidualBlock,
    StageLayer, TrunkLayer,
};
use burn::nn::Linear;
use burn::nn::gru::Gru;
use burn::tensor::backend::Backend;

impl<B: Backend> TrunkLayer<B> {
    /// Adds this layer after `input`; gives the name of its output.
    pub(super) fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        match self {
            Self::Mel(layer) => layer.export(graph, input, name),
            Self::Prominence(layer) => layer.export(graph, input, name),
            Self::Stage(layer) => layer.export(graph, input, name),
            Self::Residual(layer) => layer.export(graph, input, name),
            Self::Picture(layer) => layer.export(graph, input, name),
            Self::Recurrent(layer) => layer.export(graph, input, name),
        }
    }
}

impl<B: Backend> MelSpectrogram<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let (waves, bank) = (self.waves.dims(), self.bank.dims());
        let bins = waves[0] / 2;
        let waves_name = graph.weights(&part("waves"), &waves, &values(self.waves.clone()));
        let bank_name = graph.weights(&part("bank"), &bank, &values(self.bank.clone()));
        let padded = (self.hop, self.padding.0, self.padding.1);
        let power = graph.power(input, &waves_name, (waves[2], bins), padded, name);
        let magnitude = graph.node("Sqrt", &[&power], &part("magnitude"), &[]);
        let attributes = [("kernel_shape", Value::Many(&[1]))];
        let bands = graph.node("Conv", &[&magnitude, &bank_name], &part("bands"), &attributes);
        let scale = values(self.scale.val());
        let mut constant = |which: &str, value: f32| graph.weights(&part(which), &[1], &[value]);
        let [ten, one] = [constant("ten", 10.0), constant("one", 1.0)];
        let [mean, deviation] = [constant("mean", scale[0]), constant("deviation", scale[1])];
        let tenfold = graph.node("Mul", &[&bands, &ten], &part("tenfold"), &[]);
        let above = graph.node("Add", &[&tenfold, &one], &part("above"), &[]);
        let logarithm = graph.node("Log", &[&above], &part("logarithm"), &[]);
        let centred = graph.node("Sub", &[&logarithm, &mean], &part("centred"), &[]);
        graph.node("Div", &[&centred, &deviation], name, &[])
    }
}

impl Prominence {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let mut parts = vec![input.to_owned()];
        for span in &self.spans {
            let part = |part: &str| format!("{name}.{part}{span}");
            let attributes = [("kernel_shape", Value::Many(&[*span])), ("pads", Value::Many(&[span / 2, span / 2]))];
            let negative = graph.node("Neg", &[input], &part("negative"), &[]);
            let deepest = graph.node("MaxPool", &[&negative], &part("deepest"), &attributes);
            let eroded = graph.node("Neg", &[&deepest], &part("eroded"), &[]);
            let opened = graph.node("MaxPool", &[&eroded], &part("opened"), &attributes);
            parts.push(graph.node("Sub", &[input, &opened], &part("peaks"), &[]));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        graph.node("Concat", &parts, name, &[("axis", Value::One(1))])
    }
}

impl<B: Backend> StageLayer<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let shape = self.convolution.weight.dims();
        let filter = shape[1] * shape[2];
        let bias = self.convolution.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(self.convolution.weight.val());
        let Folded { weight, bias } = fold(weight, bias, self.norm.as_ref(), shape[0], |index| index / filter);
        let weight = graph.weights(&format!("{name}.weight"), &shape, &weight);
        let bias = graph.weights(&format!("{name}.bias"), &shape[..1], &bias);
        let attributes = [
            ("kernel_shape", Value::Many(&[shape[2]])),
            ("strides", Value::Many(&[self.convolution.stride])),
            ("pads", Value::Many(&[self.padding.0, self.padding.1])),
        ];
        let mut signal = graph.node("Conv", &[input, &weight, &bias], &format!("{name}.sums"), &attributes);
        if self.rectify {
            signal = graph.node("Relu", &[&signal], &format!("{name}.active"), &[]);
        }
        if self.pool > 1 { pool(graph, &signal, self.pool, &format!("{name}.pooled")) } else { signal }
    }
}

fn pool(graph: &mut Graph, input: &str, size: usize, output: &str) -> String {
    let size = [size];
    graph.node("MaxPool", &[input], output, &[("kernel_shape", Value::Many(&size)), ("strides", Value::Many(&size))])
}

impl<B: Backend> ResidualBlock<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let mut signal = input.to_owned();
        for (index, stage) in self.stages.iter().enumerate() {
            signal = stage.export(graph, &signal, &format!("{name}.{index}"));
        }
        if let Some(excitation) = &self.excitation {
            signal = excitation.export(graph, &signal, &format!("{name}.excitation"));
        }
        if !self.shortcut {
            return signal;
        }
        let around = match &self.widen {
            Some(widen) => widen.export(graph, input, &format!("{name}.widen")),
            None => input.to_owned(),
        };
        let sum = graph.node("Add", &[&signal, &around], &format!("{name}.sum"), &[]);
        let active = graph.node("Relu", &[&sum], &format!("{name}.active"), &[]);
        pool(graph, &active, self.pool, &format!("{name}.pooled"))
    }
}

impl<B: Backend> Excitation<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let means = graph.node("GlobalAveragePool", &[input], &part("means"), &[]);
        let flat = graph.node("Flatten", &[&means], &part("flat"), &[]);
        let hidden = linear(graph, &flat, &self.hidden, &part("hidden"));
        let active = graph.node("Relu", &[&hidden], &part("active"), &[]);
        let gates = linear(graph, &active, &self.gates, &part("gates"));
        let gates = graph.node("Sigmoid", &[&gates], &part("factors"), &[]);
        let gates = graph.unsqueeze(&gates, 2, &part("factors_in_time"));
        graph.node("Mul", &[input, &gates], &part("gated"), &[])
    }
}

fn linear<B: Backend>(graph: &mut Graph, input: &str, linear: &Linear<B>, name: &str) -> String {
    let [inputs, outputs] = linear.weight.dims();
    let bias = linear.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| values(bias.val()));
    let weight = graph.weights(&format!("{name}.weight"), &[inputs, outputs], &values(linear.weight.val()));
    let bias = graph.weights(&format!("{name}.bias"), &[outputs], &bias);
    graph.node("Gemm", &[input, &weight, &bias], &format!("{name}.sums"), &[])
}

impl<B: Backend> DenseLayer<B> {
    /// Adds this layer after `input` of shape `[batch, values]`.
    pub(super) fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let [inputs, outputs] = self.linear.weight.dims();
        let bias = self.linear.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(self.linear.weight.val());
        let Folded { weight, bias } = fold(weight, bias, self.norm.as_ref(), outputs, |index| index % outputs);
        let weight = graph.weights(&format!("{name}.weight"), &[inputs, outputs], &weight);
        let bias = graph.weights(&format!("{name}.bias"), &[outputs], &bias);
        let sums = graph.node("Gemm", &[input, &weight, &bias], &format!("{name}.sums"), &[]);
        if self.rectify { graph.node("Relu", &[&sums], &format!("{name}.active"), &[]) } else { sums }
    }
}

impl<B: Backend> PictureLayer<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let mut image = graph.unsqueeze(input, 1, &format!("{name}.image"));
        if let Some(norm) = &self.norm {
            let (scale, shift) = scale_and_shift(norm);
            let scale = graph.weights(&format!("{name}.scale"), &[1], &[scale[0] as f32]);
            let shift = graph.weights(&format!("{name}.shift"), &[1], &[shift[0] as f32]);
            image = graph.node("Mul", &[&image, &scale], &format!("{name}.scaled"), &[]);
            image = graph.node("Add", &[&image, &shift], &format!("{name}.normed"), &[]);
        }
        for (index, stage) in self.stages.iter().enumerate() {
            image = stage.export(graph, &image, &format!("{name}.{index}"));
        }
        // Channels and bands become one axis; how many frames there are is left open.
        let shape = graph.integers(&format!("{name}.shape"), &[0, self.channels as i64, -1]);
        graph.node("Reshape", &[&image, &shape], &format!("{name}.flat"), &[])
    }
}

impl<B: Backend> PictureStage<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let shape = self.convolution.weight.dims();
        let filter = shape[1] * shape[2] * shape[3];
        let bias = self.convolution.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(self.convolution.weight.val());
        let Folded { weight, bias } = fold(weight, bias, Some(&self.norm), shape[0], |index| index / filter);
        let weight = graph.weights(&format!("{name}.weight"), &shape, &weight);
        let bias = graph.weights(&format!("{name}.bias"), &shape[..1], &bias);
        let (bands, frames) = (shape[2] / 2, shape[3] / 2);
        let attributes =
            [("kernel_shape", Value::Many(&shape[2..])), ("pads", Value::Many(&[bands, frames, bands, frames]))];
        let sums = graph.node("Conv", &[input, &weight, &bias], &format!("{name}.sums"), &attributes);
        let active = match self.activation {
            Activation::None => sums,
            Activation::Relu => graph.node("Relu", &[&sums], &format!("{name}.active"), &[]),
            Activation::Elu => graph.node("Elu", &[&sums], &format!("{name}.active"), &[]),
        };
        let size = [self.pool.0, self.pool.1];
        let attributes = [("kernel_shape", Value::Many(&size)), ("strides", Value::Many(&size))];
        graph.node("MaxPool", &[&active], &format!("{name}.pooled"), &attributes)
    }
}

impl<B: Backend> Recurrent<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let Weights { input: inner, hidden, bias } = Weights::of(&self.gru);
        let (size, inputs) = (self.gru.d_hidden, inner.len() / 3 / self.gru.d_hidden);
        let inner = graph.weights(&part("input.weight"), &[1, 3 * size, inputs], &inner);
        let hidden = graph.weights(&part("hidden.weight"), &[1, 3 * size, size], &hidden);
        let bias = graph.weights(&part("bias"), &[1, 6 * size], &bias);
        let along = graph.node("Transpose", &[input], &part("along"), &[("perm", Value::Many(&[2, 0, 1]))]);
        let (all, last) = (part("all"), part("last"));
        let outputs = if self.last { ["", last.as_str()] } else { [all.as_str(), ""] };
        let outputs = if self.last { &outputs[..] } else { &outputs[..1] };
        let attributes = [
            ("hidden_size", Value::One(size as i64)),
            // The reset gate after the product, as in burn.
            ("linear_before_reset", Value::One(1)),
            ("direction", Value::Text("forward")),
        ];
        graph.node_with_outputs("GRU", &[&along, &inner, &hidden, &bias], outputs, &attributes);
        let states = if self.last { last } else { graph.squeeze(&all, 1, &part("states")) };
        graph.node("Transpose", &[&states], name, &[("perm", Value::Many(&[1, 2, 0]))])
    }
}

/// A recurrent unit's weights in ONNX's order: update, reset, new; rows are outputs.
struct Weights {
    input: Vec<f32>,
    hidden: Vec<f32>,
    bias: Vec<f32>,
}

impl Weights {
    fn of<B: Backend>(gru: &Gru<B>) -> Self {
        let gates = [&gru.update_gate, &gru.reset_gate, &gru.new_gate];
        let weight = |linear: &Linear<B>| values(linear.weight.val().transpose());
        let bias = |linear: &Linear<B>| {
            linear.bias.as_ref().map_or_else(|| vec![0.0; gru.d_hidden], |bias| values(bias.val()))
        };
        Self {
            input: gates.iter().flat_map(|gate| weight(&gate.input_transform)).collect(),
            hidden: gates.iter().flat_map(|gate| weight(&gate.hidden_transform)).collect(),
            bias: gates
                .iter()
                .flat_map(|gate| bias(&gate.input_transform))
                .chain(gates.iter().flat_map(|gate| bias(&gate.hidden_transform)))
                .collect(),
        }
    }
}
