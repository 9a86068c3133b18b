//! m^n networks with random weights.

use super::{node, tensor, weight};
use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, attribute_proto,
};

/// A seeded random number generator: SplitMix64.
pub(crate) struct SeededRng(pub(crate) u64);

impl SeededRng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A random integer in 0..`limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    /// A random number in `low`..`high`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * (self.next() >> 40) as f32 / (1 << 24) as f32
    }

    /// `count` random numbers in -`spread`..`spread`.
    fn around_zero(&mut self, count: usize, spread: f32) -> Vec<f32> {
        (0..count).map(|_| self.between(-spread, spread)).collect()
    }
}

/// The architecture of an m^n network.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSpec {
    /// The length of the filters and of the pooling.
    pub(crate) m: usize,
    /// The number of pooled layers.
    pub(crate) layers: usize,
    /// The length of the first layer's filters, in samples.
    pub(crate) first: usize,
    /// The filters of the first layer, of each pooled layer, and of the last layer.
    pub(crate) widths: Vec<usize>,
    /// Whether the file has batch normalisation nodes.
    pub(crate) has_batch_norm: bool,
    pub(crate) tags: usize,
}

impl NetworkSpec {
    /// A random architecture with a window of 48 to `max_window` samples.
    pub(crate) fn random(rng: &mut SeededRng, max_window: usize) -> Self {
        let m = 2 + rng.below(4);
        let first = m.pow(1 + rng.below(2) as u32);
        let max = (3..).take_while(|&layers| first * m.pow(layers) <= max_window).last().unwrap();
        let min = (3..).find(|&layers| first * m.pow(layers) >= 48).unwrap();
        let layers = (min + rng.below((max - min) as usize + 1) as u32) as usize;
        let widths = (0..layers + 2).map(|_| 1 + rng.below(9)).collect();
        Self { m, layers, first, widths, has_batch_norm: rng.below(2) == 0, tags: 1 + rng.below(7) }
    }

    /// The length of a window, in samples.
    pub(crate) fn window(&self) -> usize {
        self.first * self.m.pow(self.layers as u32)
    }

    /// The hops that sliding inference supports: a frame of any layer that has more than two of them in a
    /// window.
    pub(crate) fn hops(&self) -> Vec<usize> {
        let frames = |hop: usize| self.window() / hop;
        (0..).map(|layer| self.first * self.m.pow(layer)).take_while(|&hop| frames(hop) > 2).collect()
    }

    /// The bytes of an ONNX file with random weights, scaled to preserve the variance of the signal.
    pub(crate) fn to_onnx(&self, rng: &mut SeededRng) -> Vec<u8> {
        let mut nodes = vec![node("Unsqueeze", &["waveform", "one"], "in", &[])];
        let mut initializers = vec![integers("one", &[1])];
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
            initializers.push(weight(&name("weight"), &dims, rng.around_zero(filters * channels * length, spread)));
            initializers.push(weight(&name("bias"), &[filters as i64], rng.around_zero(filters, 0.1)));
            let stride = if layer == 0 { length } else { 1 };
            // A filter of even length has one more zero after the input than before it.
            let before = if layer == 0 { 0 } else { (length - 1) / 2 };
            let pads = if layer == 0 { [0, 0] } else { [before, length - 1 - before] };
            let convolution = node("Conv", &[&signal, &name("weight"), &name("bias")], &name("conv"), &[]);
            nodes.push(with_attributes(
                convolution,
                &[("kernel_shape", &[length]), ("strides", &[stride]), ("pads", &pads)],
            ));
            signal = name("conv");
            if self.has_batch_norm {
                let parameters = ["scale", "shift", "mean", "variance"].map(name);
                for (index, parameter) in parameters.iter().enumerate() {
                    let (low, high) = [(0.5, 1.5), (-0.2, 0.2), (-0.2, 0.2), (0.5, 1.5)][index];
                    let values = (0..filters).map(|_| rng.between(low, high)).collect();
                    initializers.push(weight(parameter, &[filters as i64], values));
                }
                let [scale, shift, mean, variance] = &parameters;
                nodes.push(node("BatchNormalization", &[&signal, scale, shift, mean, variance], &name("norm"), &[]));
                signal = name("norm");
            }
            nodes.push(node("Relu", &[&signal], &name("relu"), &[]));
            signal = name("relu");
            if (1..=self.layers).contains(&layer) {
                let pool = node("MaxPool", &[&signal], &name("pool"), &[]);
                nodes.push(with_attributes(pool, &[("kernel_shape", &[self.m]), ("strides", &[self.m])]));
                signal = name("pool");
            }
            channels = filters;
        }
        let spread = (6.0 / channels as f32).sqrt();
        initializers.push(weight(
            "dense",
            &[self.tags as i64, channels as i64],
            rng.around_zero(self.tags * channels, spread),
        ));
        initializers.push(weight("offset", &[self.tags as i64], rng.around_zero(self.tags, 1.0)));
        nodes.push(node("Flatten", &[&signal], "embedding", &[("axis", 1)]));
        nodes.push(node("Gemm", &["embedding", "dense", "offset"], "logits", &[("transB", 1)]));
        nodes.push(node("Sigmoid", &["logits"], "probabilities", &[]));
        let graph = GraphProto {
            name: "network".into(),
            node: nodes,
            initializer: initializers,
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

/// Adds attributes that are lists of integers to a node.
fn with_attributes(mut node: NodeProto, attributes: &[(&str, &[usize])]) -> NodeProto {
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
