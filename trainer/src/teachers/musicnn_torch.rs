//! musicnn as its later authors trained it in PyTorch: tall filters (timbre) whose maximum over the bands counts, long
//! ones (rhythm) over the mean of the bands, three 1-D convolutions, and the maximum and mean over time.

use super::LogitsResult;
use super::torch_network::TorchNetwork;
use crate::export::graph::{Attribute, Graph};

/// Frames of the tall filters, and of the convolutions after them.
const FRAMES: usize = 7;

/// The tall filters.
const VERTICAL: [&str; 2] = ["layers.0", "layers.1"];

/// The long filters and their frames.
const HORIZONTAL: [(&str, usize); 3] = [("layers.2", 129), ("layers.3", 65), ("layers.4", 33)];

/// Adds the network after the image of a spectrogram.
pub(super) fn add_network(network: &mut TorchNetwork<'_>, image: &str) -> LogitsResult {
    let pad = FRAMES / 2;
    let mut features = Vec::new();
    for name in VERTICAL {
        let active = network.conv_relu(image, name, &[0, pad, 0, pad])?;
        features.push(reduce(network.graph, "ReduceMax", &active, &format!("{name}.most")));
    }
    let mean = reduce(network.graph, "ReduceMean", image, "mean_band");
    for (name, frames) in HORIZONTAL {
        features.push(network.conv_relu(&mean, name, &[frames / 2, frames / 2])?);
    }
    let front = concat(network.graph, &features, "front");
    let first = network.conv_relu(&front, "layer1", &[pad, pad])?;
    let mut levels = vec![front, first];
    for name in ["layer2", "layer3"] {
        let before = levels[levels.len() - 1].clone();
        let active = network.conv_relu(&before, name, &[pad, pad])?;
        levels.push(network.graph.add_node("Add", &[&active, &before], &format!("{name}.level"), &[]));
    }
    let all = concat(network.graph, &levels, "levels");
    let pooled = ["ReduceMax", "ReduceMean"].map(|how| reduce(network.graph, how, &all, &format!("{how}.pooled")));
    let pooled = concat(network.graph, &pooled, "pooled");
    let (hidden, _) = network.dense(&pooled, "dense1", Some("bn"))?;
    let active = network.graph.add_node("Relu", &[&hidden], "dense1.active", &[]);
    network.dense(&active, "dense2", None)
}

/// Reduces the axis after the channels.
fn reduce(graph: &mut Graph, how: &str, input: &str, output: &str) -> String {
    graph.add_node(how, &[input], output, &[("axes", Attribute::Ints(&[2])), ("keepdims", Attribute::Int(0))])
}

/// Joins signals along the channels.
fn concat(graph: &mut Graph, inputs: &[String], output: &str) -> String {
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    graph.add_node("Concat", &inputs, output, &[("axis", Attribute::Int(1))])
}
