//! m^n networks with weights drawn at random.

use super::{node, tensor, weight};
use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, attribute_proto,
};

/// Numbers that look random and follow from a seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// `count` numbers around zero, of the given spread.
    fn around_zero(&mut self, count: usize, spread: f32) -> Vec<f32> {
        (0..count).map(|_| self.between(-spread, spread)).collect()
    }
}

/// An m^n network.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// Places of a filter, and frames that are pooled.
    pub(crate) m: usize,
    /// Layers that pool.
    pub(crate) layers: usize,
    /// Samples under a filter of the first layer.
    pub(crate) first: usize,
    /// Filters of the first, of each that pools, and of the last.
    pub(crate) widths: Vec<usize>,
    /// Whether batch normalisation stands in the file, or is folded into the weights.
    pub(crate) normalised: bool,
    pub(crate) tags: usize,
}

impl Shape {
    /// Any that has a window of 48 to `longest` samples.
    pub(crate) fn any(random: &mut Random, longest: usize) -> Self {
        let m = 2 + random.below(4);
        let first = m.pow(1 + random.below(2) as u32);
        let most = (3..).take_while(|&layers| first * m.pow(layers) <= longest).last().unwrap();
        let least = (3..).find(|&layers| first * m.pow(layers) >= 48).unwrap();
        let layers = (least + random.below((most - least) as usize + 1) as u32) as usize;
        let widths = (0..layers + 2).map(|_| 1 + random.below(9)).collect();
        Self { m, layers, first, widths, normalised: random.below(2) == 0, tags: 1 + random.below(7) }
    }

    /// Samples.
    pub(crate) fn window(&self) -> usize {
        self.first * self.m.pow(self.layers as u32)
    }

    /// The hops it can slide by: all lengths of frames that
    /// leave a frame between the two ends of the window.
    pub(crate) fn hops(&self) -> Vec<usize> {
        let frames = |hop: usize| self.window() / hop;
        (0..).map(|layer| self.first * self.m.pow(layer)).take_while(|&hop| frames(hop) > 2).collect()
    }

    /// An ONNX file of it, with weights that keep the signal's size.
    pub(crate) fn network(&self, random: &mut Random) -> Vec<u8> {
        let mut nodes = vec![node("Unsqueeze", &["waveform", "one"], "in", &[])];
        let mut stored = vec![integers("one", &[1])];
        let (mut signal, mut channels) = ("in".to_owned(), 1);
        for layer in 0..=self.layers + 1 {
            let filters = self.widths[layer];
            let length = if layer == 0 {
                self.first
            } else if layer > self.layers {
                1
            } else {
                self.m
            };
            let name = |what: &str| format!("{what}{layer}");
            let spread = (6.0 / (channels * length) as f32).sqrt();
            let dims = [filters, channels, length].map(|dim| dim as i64);
            stored.push(weight(&name("weight"), &dims, random.around_zero(filters * channels * length, spread)));
            stored.push(weight(&name("bias"), &[filters as i64], random.around_zero(filters, 0.1)));
            let stride = if layer == 0 { length } else { 1 };
            // An even filter cannot have as many zeros after as before; either may have more.
            let before = if layer == 0 { 0 } else { (length - 1) / 2 };
            let pads = if layer == 0 { [0, 0] } else { [before, length - 1 - before] };
            let convolution = node("Conv", &[&signal, &name("weight"), &name("bias")], &name("conv"), &[]);
            nodes.push(with(convolution, &[("kernel_shape", &[length]), ("strides", &[stride]), ("pads", &pads)]));
            signal = name("conv");
            if self.normalised {
                let parameters = ["scale", "shift", "mean", "variance"].map(name);
                for (index, parameter) in parameters.iter().enumerate() {
                    let (low, high) = [(0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)][index];
                    let values = (0..filters).map(|_| random.between(low, high)).collect();
                    stored.push(weight(parameter, &[filters as i64], values));
                }
                let [scale, shift, mean, variance] = &parameters;
                nodes.push(node("BatchNormalization", &[&signal, scale, shift, mean, variance], &name("norm"), &[]));
                signal = name("norm");
            }
            nodes.push(node("Relu", &[&signal], &name("relu"), &[]));
            signal = name("relu");
            if (1..=self.layers).contains(&layer) {
                let pool = node("MaxPool", &[&signal], &name("pool"), &[]);
                nodes.push(with(pool, &[("kernel_shape", &[self.m]), ("strides", &[self.m])]));
                signal = name("pool");
            }
            channels = filters;
        }
        let spread = (6.0 / channels as f32).sqrt();
        stored.push(weight(
            "dense",
            &[self.tags as i64, channels as i64],
            random.around_zero(self.tags * channels, spread),
        ));
        stored.push(weight("offset", &[self.tags as i64], random.around_zero(self.tags, 1.0)));
        nodes.push(node("Flatten", &[&signal], "embedding", &[("axis", 1)]));
        nodes.push(node("Gemm", &["embedding", "dense", "offset"], "logits", &[("transB", 1)]));
        nodes.push(node("Sigmoid", &["logits"], "probabilities", &[]));
        let graph = GraphProto {
            name: "network".into(),
            node: nodes,
            initializer: stored,
            input: vec![tensor("waveform", &[1, self.window() as i64])],
            output: vec![tensor("probabilities", &[1, self.tags as i64])],
            ..Default::default()
        };
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 13 }],
            graph: Some(graph),
            ..Default::default()
        }
        .encode_to_vec()
    }
}

/// A node with attributes that are lists.
fn with(mut node: NodeProto, attributes: &[(&str, &[usize])]) -> NodeProto {
    node.attribute.extend(attributes.iter().map(|(name, values)| {
        let ints = values.iter().map(|&value| value as i64).collect();
        let mut attribute = AttributeProto { name: (*name).into(), ints, ..Default::default() };
        attribute.set_type(attribute_proto::AttributeType::Ints);
        attribute
    }));
    node
}

fn integers(name: &str, values: &[i64]) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: vec![values.len() as i64],
        data_type: tract_onnx::pb::tensor_proto::DataType::Int64 as i32,
        int64_data: values.to_vec(),
        ..Default::default()
    }
}
