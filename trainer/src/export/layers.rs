//! The ONNX nodes of each kind of layer.
//!
//! A layer named `layer3` has the weights `layer3.weight` and `layer3.bias`. A layer of several parts
//! has `layer3.<part>.weight` and so on. [`from_onnx`](super::from_onnx) relies on these names.

use super::batch_norm::{FoldedWeights, channel_affine, fold_batch_norm};
use super::folded_conv::FoldedConv;
use super::graph::{Attribute, Graph, GruWeights};
use crate::architecture::Activation;
use crate::network::{
    Conv2dBlockLayer, Conv2dStackLayer, ConvBlockLayer, DenseLayer, Excitation, GruLayer, MelSpectrogram,
    ProminenceLayer, ResidualBlock, TrunkLayer, values,
};
use burn::nn::Linear;
use burn::nn::gru::Gru;
use burn::tensor::backend::Backend;

impl<B: Backend> TrunkLayer<B> {
    /// Adds the layer after the node output `input` and returns the name of its own output.
    pub(super) fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        match self {
            Self::Mel(layer) => layer.export(graph, input, name),
            Self::Prominence(layer) => layer.export(graph, input, name),
            Self::ConvBlock(layer) => layer.export(graph, input, name),
            Self::Residual(layer) => layer.export(graph, input, name),
            Self::Conv2dStack(layer) => layer.export(graph, input, name),
            Self::Gru(layer) => layer.export(graph, input, name),
        }
    }
}

impl<B: Backend> MelSpectrogram<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let (waves, bank) = (self.dft.dims(), self.filter_bank.dims());
        let bins = waves[0] / 2;
        let waves_name = graph.add_weights(&part("waves"), &waves, &values(self.dft.clone()));
        let bank_name = graph.add_weights(&part("bank"), &bank, &values(self.filter_bank.clone()));
        let hop_and_padding = (self.hop, self.padding.0, self.padding.1);
        let power = graph.add_power_spectrogram(input, &waves_name, (waves[2], bins), hop_and_padding, name);
        let magnitude = graph.add_node("Sqrt", &[&power], &part("magnitude"), &[]);
        let attributes = [("kernel_shape", Attribute::Ints(&[1]))];
        let bands = graph.add_node("Conv", &[&magnitude, &bank_name], &part("bands"), &attributes);
        let mean_and_std = values(self.mean_and_std.val());
        let mut constant = |which: &str, value: f32| graph.add_weights(&part(which), &[1], &[value]);
        let [ten, one] = [constant("ten", 10.0), constant("one", 1.0)];
        let [mean, std] = [constant("mean", mean_and_std[0]), constant("deviation", mean_and_std[1])];
        let scaled = graph.add_node("Mul", &[&bands, &ten], &part("tenfold"), &[]);
        let plus_one = graph.add_node("Add", &[&scaled, &one], &part("above"), &[]);
        let logarithm = graph.add_node("Log", &[&plus_one], &part("logarithm"), &[]);
        let centred = graph.add_node("Sub", &[&logarithm, &mean], &part("centred"), &[]);
        graph.add_node("Div", &[&centred, &std], name, &[])
    }
}

impl ProminenceLayer {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let mut parts = vec![input.to_owned()];
        for span in &self.spans {
            let part = |part: &str| format!("{name}.{part}{span}");
            let attributes =
                [("kernel_shape", Attribute::Ints(&[*span])), ("pads", Attribute::Ints(&[span / 2, span / 2]))];
            let negative = graph.add_node("Neg", &[input], &part("negative"), &[]);
            let dilated = graph.add_node("MaxPool", &[&negative], &part("deepest"), &attributes);
            let eroded = graph.add_node("Neg", &[&dilated], &part("eroded"), &[]);
            let opened = graph.add_node("MaxPool", &[&eroded], &part("opened"), &attributes);
            parts.push(graph.add_node("Sub", &[input, &opened], &part("peaks"), &[]));
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        graph.add_node("Concat", &parts, name, &[("axis", Attribute::Int(1))])
    }
}

impl<B: Backend> ConvBlockLayer<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let FoldedConv { weight, shape, bias, stride, padding, has_relu, pool } = FoldedConv::of(self);
        let weight = graph.add_weights(&format!("{name}.weight"), &shape, &weight);
        let bias = graph.add_weights(&format!("{name}.bias"), &shape[..1], &bias);
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[shape[2]])),
            ("strides", Attribute::Ints(&[stride])),
            ("pads", Attribute::Ints(&[padding.0, padding.1])),
        ];
        let mut signal = graph.add_node("Conv", &[input, &weight, &bias], &format!("{name}.sums"), &attributes);
        if has_relu {
            signal = graph.add_node("Relu", &[&signal], &format!("{name}.active"), &[]);
        }
        if pool > 1 { add_max_pool(graph, &signal, pool, &format!("{name}.pooled")) } else { signal }
    }
}

fn add_max_pool(graph: &mut Graph, input: &str, size: usize, output: &str) -> String {
    let size = [size];
    graph.add_node(
        "MaxPool",
        &[input],
        output,
        &[("kernel_shape", Attribute::Ints(&size)), ("strides", Attribute::Ints(&size))],
    )
}

impl<B: Backend> ResidualBlock<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let mut signal = input.to_owned();
        for (index, conv) in self.blocks.iter().enumerate() {
            signal = conv.export(graph, &signal, &format!("{name}.{index}"));
        }
        if let Some(excitation) = &self.excitation {
            signal = excitation.export(graph, &signal, &format!("{name}.excitation"));
        }
        if !self.has_shortcut {
            return signal;
        }
        let shortcut = match &self.projection {
            Some(projection) => projection.export(graph, input, &format!("{name}.widen")),
            None => input.to_owned(),
        };
        let sum = graph.add_node("Add", &[&signal, &shortcut], &format!("{name}.sum"), &[]);
        let active = graph.add_node("Relu", &[&sum], &format!("{name}.active"), &[]);
        add_max_pool(graph, &active, self.pool, &format!("{name}.pooled"))
    }
}

impl<B: Backend> Excitation<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let means = graph.add_node("GlobalAveragePool", &[input], &part("means"), &[]);
        let flat = graph.add_node("Flatten", &[&means], &part("flat"), &[]);
        let hidden = add_linear(graph, &flat, &self.hidden, &part("hidden"), &part("hidden.sums"));
        let active = graph.add_node("Relu", &[&hidden], &part("active"), &[]);
        let gates = add_linear(graph, &active, &self.gates, &part("gates"), &part("gates.sums"));
        let gates = graph.add_node("Sigmoid", &[&gates], &part("factors"), &[]);
        let gates = graph.add_unsqueeze(&gates, 2, &part("factors_in_time"));
        graph.add_node("Mul", &[input, &gates], &part("gated"), &[])
    }
}

/// Adds a fully connected layer after the node output `input` `[batch, values]`, and returns the name of
/// its output, which is `output`.
pub(super) fn add_linear<B: Backend>(
    graph: &mut Graph,
    input: &str,
    linear: &Linear<B>,
    name: &str,
    output: &str,
) -> String {
    let [inputs, outputs] = linear.weight.dims();
    let bias = linear.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| values(bias.val()));
    let weight = graph.add_weights(&format!("{name}.weight"), &[inputs, outputs], &values(linear.weight.val()));
    let bias = graph.add_weights(&format!("{name}.bias"), &[outputs], &bias);
    graph.add_node("Gemm", &[input, &weight, &bias], output, &[])
}

impl<B: Backend> DenseLayer<B> {
    /// Adds the layer after the node output `input` `[batch, values]` and returns the name of its own
    /// output.
    pub(super) fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let [inputs, outputs] = self.linear.weight.dims();
        let bias = self.linear.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(self.linear.weight.val());
        let FoldedWeights { weight, bias } =
            fold_batch_norm(weight, bias, self.norm.as_ref(), outputs, |index| index % outputs);
        let weight = graph.add_weights(&format!("{name}.weight"), &[inputs, outputs], &weight);
        let bias = graph.add_weights(&format!("{name}.bias"), &[outputs], &bias);
        let sums = graph.add_node("Gemm", &[input, &weight, &bias], &format!("{name}.sums"), &[]);
        if self.has_relu { graph.add_node("Relu", &[&sums], &format!("{name}.active"), &[]) } else { sums }
    }
}

impl<B: Backend> Conv2dStackLayer<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let mut image = graph.add_unsqueeze(input, 1, &format!("{name}.image"));
        if let Some(norm) = &self.norm {
            let norm = channel_affine(norm);
            let scale = graph.add_weights(&format!("{name}.scale"), &[1], &[norm.scale[0] as f32]);
            let shift = graph.add_weights(&format!("{name}.shift"), &[1], &[norm.shift[0] as f32]);
            image = graph.add_node("Mul", &[&image, &scale], &format!("{name}.scaled"), &[]);
            image = graph.add_node("Add", &[&image, &shift], &format!("{name}.normed"), &[]);
        }
        for (index, block) in self.blocks.iter().enumerate() {
            image = block.export(graph, &image, &format!("{name}.{index}"));
        }
        // Merges channels and bands into one axis. The number of frames is inferred.
        let shape = graph.add_integers(&format!("{name}.shape"), &[0, self.channels as i64, -1]);
        graph.add_node("Reshape", &[&image, &shape], &format!("{name}.flat"), &[])
    }
}

impl<B: Backend> Conv2dBlockLayer<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let shape = self.convolution.weight.dims();
        let filter = shape[1] * shape[2] * shape[3];
        let bias = self.convolution.bias.as_ref().map(|bias| values(bias.val()));
        let weight = values(self.convolution.weight.val());
        let FoldedWeights { weight, bias } =
            fold_batch_norm(weight, bias, Some(&self.norm), shape[0], |index| index / filter);
        let weight = graph.add_weights(&format!("{name}.weight"), &shape, &weight);
        let bias = graph.add_weights(&format!("{name}.bias"), &shape[..1], &bias);
        let (bands, frames) = (shape[2] / 2, shape[3] / 2);
        let attributes = [
            ("kernel_shape", Attribute::Ints(&shape[2..])),
            ("pads", Attribute::Ints(&[bands, frames, bands, frames])),
        ];
        let sums = graph.add_node("Conv", &[input, &weight, &bias], &format!("{name}.sums"), &attributes);
        let active = match self.activation {
            Activation::None => sums,
            Activation::Relu => graph.add_node("Relu", &[&sums], &format!("{name}.active"), &[]),
            Activation::Elu => graph.add_node("Elu", &[&sums], &format!("{name}.active"), &[]),
        };
        let size = [self.pool.0, self.pool.1];
        let attributes = [("kernel_shape", Attribute::Ints(&size)), ("strides", Attribute::Ints(&size))];
        graph.add_node("MaxPool", &[&active], &format!("{name}.pooled"), &attributes)
    }
}

impl<B: Backend> GruLayer<B> {
    fn export(&self, graph: &mut Graph, input: &str, name: &str) -> String {
        let part = |part: &str| format!("{name}.{part}");
        let frames_first =
            graph.add_node("Transpose", &[input], &part("along"), &[("perm", Attribute::Ints(&[2, 0, 1]))]);
        let (weights, size) = (gru_weights(&self.gru), self.gru.d_hidden);
        let states = graph.add_gru(&frames_first, &weights, size, self.last_frame_only, name);
        graph.add_node("Transpose", &[&states], name, &[("perm", Attribute::Ints(&[1, 2, 0]))])
    }
}

fn gru_weights<B: Backend>(gru: &Gru<B>) -> GruWeights {
    let gates = [&gru.update_gate, &gru.reset_gate, &gru.new_gate];
    let weight = |linear: &Linear<B>| values(linear.weight.val().transpose());
    let bias =
        |linear: &Linear<B>| linear.bias.as_ref().map_or_else(|| vec![0.0; gru.d_hidden], |bias| values(bias.val()));
    GruWeights {
        input: gates.iter().flat_map(|gate| weight(&gate.input_transform)).collect(),
        hidden: gates.iter().flat_map(|gate| weight(&gate.hidden_transform)).collect(),
        bias: gates
            .iter()
            .flat_map(|gate| bias(&gate.input_transform))
            .chain(gates.iter().flat_map(|gate| bias(&gate.hidden_transform)))
            .collect(),
    }
}
