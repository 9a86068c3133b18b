//! From a trained network to an ONNX file that the plugin runs, and back.
//!
//! Batch normalisation is folded into the layers before it, in double precision.

mod fold;
pub(crate) mod graph;
mod layers;
mod read;
mod stages;

pub use read::from_onnx;
pub(crate) use stages::{FoldedStage, folded_stages};

use crate::architecture::Architecture;
use crate::network::Network;
use burn::tensor::backend::Backend;
use graph::{Graph, Value, values};
use tagvane_engine::Metadata;

/// The bytes of an ONNX file: input `waveform` `[batch, window]`, outputs
/// `probabilities` and `logits` `[batch, tags]` and `embedding` `[batch, values]`.
pub fn to_onnx<B: Backend>(network: &Network<B>, architecture: &Architecture, metadata: &Metadata) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut signal = graph.unsqueeze("waveform", 1, "frames");
    let mut levels = Vec::new();
    for (index, layer) in network.trunk.iter().enumerate() {
        signal = layer.export(&mut graph, &signal, &format!("layer{index}"));
        if network.trunk.len() - index <= network.levels {
            let most = graph.node("GlobalMaxPool", &[&signal], &format!("level{index}"), &[]);
            levels.push(graph.node("Flatten", &[&most], &format!("level{index}.flat"), &[]));
        }
    }
    let mut embedding = if levels.is_empty() {
        graph.node("Flatten", &[&signal], "features", &[])
    } else {
        let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
        graph.node("Concat", &levels, "features", &[("axis", Value::One(1))])
    };
    for (index, layer) in network.head.iter().enumerate() {
        embedding = layer.export(&mut graph, &embedding, &format!("head{index}"));
    }
    graph.node("Identity", &[&embedding], "embedding", &[]);
    let [inputs, outputs] = network.tags.weight.dims();
    let weight = graph.weights("tags.weight", &[inputs, outputs], &values(network.tags.weight.val()));
    let bias = network.tags.bias.as_ref().map_or_else(|| vec![0.0; outputs], |bias| values(bias.val()));
    let bias = graph.weights("tags.bias", &[outputs], &bias);
    graph.node("Gemm", &["embedding", &weight, &bias], "logits", &[]);
    graph.node("Sigmoid", &["logits"], "probabilities", &[]);

    let shapes = [("probabilities", outputs), ("logits", outputs), ("embedding", inputs)];
    graph.into_model(format!("tagvane {architecture}"), ("waveform", architecture.window()), &shapes, metadata)
}
