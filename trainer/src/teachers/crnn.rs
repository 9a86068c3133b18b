//! CRNN: four 2-D convolutions that are pooled to one band, then two recurrent layers over what is left of time.

use super::LogitsResult;
use super::torch_network::TorchNetwork;
use crate::export::graph::Attribute;

/// Pooling over bands and over frames after each convolution.
const POOLS: [usize; 4] = [2, 3, 4, 4];

/// The name of the recurrent layers.
const GRU: &str = "layer5";

/// Adds the network after the image of a spectrogram.
pub(super) fn add_network(network: &mut TorchNetwork<'_>, image: &str) -> LogitsResult {
    let mut signal = image.to_owned();
    for (index, pool) in POOLS.into_iter().enumerate() {
        signal = network.conv_pool(&signal, &format!("layer{}", index + 1), [pool; 2])?;
    }
    let one_band = network.graph.add_squeeze(&signal, 2, "one_band");
    let by_frame =
        network.graph.add_node("Transpose", &[&one_band], "by_frame", &[("perm", Attribute::Ints(&[2, 0, 1]))]);
    let (weights, size) = network.gru_weights(GRU, 0)?;
    let states = network.graph.add_gru(&by_frame, &weights, size, false, "gru0");
    let (weights, size) = network.gru_weights(GRU, 1)?;
    let last = network.graph.add_gru(&states, &weights, size, true, "gru1");
    let last = network.graph.add_squeeze(&last, 0, "last_state");
    network.dense(&last, "dense", None)
}
