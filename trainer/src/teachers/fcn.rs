//! FCN: five 2-D convolutions that are pooled to one value a filter.

use super::LogitsResult;
use super::torch_network::TorchNetwork;

/// Pooling over bands and over frames after each convolution.
const POOLS: [[usize; 2]; 5] = [[2, 4], [2, 4], [2, 4], [3, 5], [4, 4]];

/// Adds the network after the image of a spectrogram.
pub(super) fn add_network(network: &mut TorchNetwork<'_>, image: &str) -> LogitsResult {
    let mut signal = image.to_owned();
    for (index, pool) in POOLS.into_iter().enumerate() {
        signal = network.conv_pool(&signal, &format!("layer{}", index + 1), pool)?;
    }
    let flat = network.graph.add_node("Flatten", &[&signal], "flat", &[]);
    network.dense(&flat, "dense", None)
}
