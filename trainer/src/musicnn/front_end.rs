//! The input of the networks: a mel spectrogram compressed by `log10(1 + 10000 power)`.

use crate::architecture::Mel;
use crate::export::graph::{Attribute, Graph};
use crate::network::mel::{dft_filters, mel_filter_bank};

/// Hop between frames, in samples.
pub(super) const HOP: usize = 256;

const MEL: Mel = Mel { frame: 512, hop: HOP, fft: 512, bands: 96, f_max: 8_000 };

/// Adds the spectrogram of `input` `[batch, window]` and returns the name of its output, an image
/// `[batch, 1, frames, bands]`.
pub(super) fn add_spectrogram(graph: &mut Graph, input: &str) -> String {
    let waveform = graph.add_unsqueeze(input, 1, "wave");
    let filters = graph.add_weights("waves", &[2 * MEL.bins(), 1, MEL.frame], &dft_filters(&MEL));
    let power = graph.add_power_spectrogram(
        &waveform,
        &filters,
        (MEL.frame, MEL.bins()),
        (HOP, MEL.frame / 2, MEL.frame / 2),
        "spectrum",
    );
    let bank = mel_filter_bank(&MEL, f64::from(super::RATE));
    let bank = graph.add_weights("bank", &[MEL.bands, MEL.bins(), 1], &bank);
    let bands = graph.add_node("Conv", &[&power, &bank], "bands", &[("kernel_shape", Attribute::Ints(&[1]))]);
    let mut constant = |name: &str, value: f32| graph.add_weights(name, &[1], &[value]);
    let [gain, one] = [constant("gain", 10_000.0), constant("one", 1.0)];
    let log10_e = constant("decimal", std::f32::consts::LOG10_E);
    let amplified = graph.add_node("Mul", &[&bands, &gain], "amplified", &[]);
    let plus_one = graph.add_node("Add", &[&amplified, &one], "above", &[]);
    let logarithm = graph.add_node("Log", &[&plus_one], "logarithm", &[]);
    let compressed = graph.add_node("Mul", &[&logarithm, &log10_e], "compressed", &[]);
    let frames_first =
        graph.add_node("Transpose", &[&compressed], "by_frame", &[("perm", Attribute::Ints(&[0, 2, 1]))]);
    graph.add_unsqueeze(&frames_first, 1, "picture")
}
