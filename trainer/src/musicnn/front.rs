//! What the networks see: a mel spectrogram, `log10(1 + 10000 power)`.

use crate::architecture::Mel;
use crate::export::graph::{Graph, Value};
use crate::network::mel::{bank, waves};

/// Samples from frame to frame.
pub(super) const HOP: usize = 256;

const MEL: Mel = Mel { frame: 512, hop: HOP, fft: 512, bands: 96, top: 8_000 };

/// Adds the spectrogram of `input` `[batch, window]`; gives its name, a picture
/// `[batch, 1, frames, bands]`.
pub(super) fn spectrogram(graph: &mut Graph, input: &str) -> String {
    let wave = graph.unsqueeze(input, 1, "wave");
    let waves = graph.weights("waves", &[2 * MEL.bins(), 1, MEL.frame], &waves(&MEL));
    let power = graph.power(&wave, &waves, (MEL.frame, MEL.bins()), (HOP, MEL.frame / 2, MEL.frame / 2), "spectrum");
    let bank = bank(&MEL, f64::from(super::RATE));
    let bank = graph.weights("bank", &[MEL.bands, MEL.bins(), 1], &bank);
    let bands = graph.node("Conv", &[&power, &bank], "bands", &[("kernel_shape", Value::Many(&[1]))]);
    let mut constant = |name: &str, value: f32| graph.weights(name, &[1], &[value]);
    let [gain, one] = [constant("gain", 10_000.0), constant("one", 1.0)];
    let decimal = constant("decimal", std::f32::consts::LOG10_E);
    let amplified = graph.node("Mul", &[&bands, &gain], "amplified", &[]);
    let above = graph.node("Add", &[&amplified, &one], "above", &[]);
    let logarithm = graph.node("Log", &[&above], "logarithm", &[]);
    let compressed = graph.node("Mul", &[&logarithm, &decimal], "compressed", &[]);
    let by_frame = graph.node("Transpose", &[&compressed], "by_frame", &[("perm", Value::Many(&[0, 2, 1]))]);
    graph.unsqueeze(&by_frame, 1, "picture")
}
