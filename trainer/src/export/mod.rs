//! Export of a trained network to ONNX, and import of such a file.
//!
//! Batch normalisation is folded into the layers before it, in double precision.

mod added_tags;
mod batch_norm;
mod folded_conv;
pub(crate) mod graph;
mod half_precision;
mod layers;
mod read;
mod whitening;

pub use added_tags::{VocabularyNames, add_tags};
pub(crate) use folded_conv::{FoldedConv, folded_convs};
pub use half_precision::to_half_precision;
pub use read::{filter_counts, from_onnx};
pub use whitening::{Whitening, add_whitened_embedding};

use crate::architecture::Architecture;
use crate::network::Network;
use burn::tensor::backend::Backend;
use graph::{Attribute, Graph};
use layers::add_linear;
use tagvane_engine::Metadata;

/// The bytes of an ONNX file with the input `waveform` `[batch, window]` and the outputs
/// `probabilities` and `logits` `[batch, tags]` and `embedding` `[batch, values]`.
pub fn to_onnx<B: Backend>(network: &Network<B>, architecture: &Architecture, metadata: &Metadata) -> Vec<u8> {
    let mut graph = Graph::default();
    let mut signal = graph.add_unsqueeze("waveform", 1, "frames");
    let mut levels = Vec::new();
    for (index, layer) in network.trunk.iter().enumerate() {
        signal = layer.export(&mut graph, &signal, &format!("layer{index}"));
        if network.trunk.len() - index <= network.levels {
            let max = graph.add_node("GlobalMaxPool", &[&signal], &format!("level{index}"), &[]);
            levels.push(graph.add_node("Flatten", &[&max], &format!("level{index}.flat"), &[]));
        }
    }
    let mut embedding = if levels.is_empty() {
        graph.add_node("Flatten", &[&signal], "features", &[])
    } else {
        let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
        graph.add_node("Concat", &levels, "features", &[("axis", Attribute::Int(1))])
    };
    for (index, layer) in network.head.iter().enumerate() {
        embedding = layer.export(&mut graph, &embedding, &format!("head{index}"));
    }
    graph.add_node("Identity", &[&embedding], "embedding", &[]);
    add_linear(&mut graph, "embedding", &network.tags, "tags", "logits");
    graph.add_node("Sigmoid", &["logits"], "probabilities", &[]);

    let [inputs, outputs] = network.tags.weight.dims();
    let shapes = [("probabilities", outputs), ("logits", outputs), ("embedding", inputs)];
    graph.into_model_bytes(format!("tagvane {architecture}"), ("waveform", architecture.window()), &shapes, metadata)
}
