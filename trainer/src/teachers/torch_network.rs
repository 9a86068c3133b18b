//! What FCN, CRNN and musicnn have in common: their spectrogram, and layers from a state dict.

use super::LogitsResult;
use super::state_dict::StateDict;
use super::weights::Weights;
use crate::architecture::Mel;
use crate::export::graph::{Attribute, Graph, GruWeights};
use crate::network::mel::dft_filters;
use tagvane_engine::ChannelAffine;

/// The spectrogram. Its filter bank is in the state dict, so the band edges here do not count.
const MEL: Mel = Mel { frame: 512, hop: 256, fft: 512, bands: 96, f_max: 8_000 };

/// PyTorch's default epsilon of batch normalisation.
const EPSILON: f64 = 1e-5;

/// The lowest power of a band before its logarithm.
const MIN_POWER: f32 = 1e-10;

/// The name of a node's output, or an error in a sentence.
pub(super) type NodeResult = Result<String, String>;

/// A graph under construction, and the state dict with its weights.
pub(super) struct TorchNetwork<'a> {
    pub(super) graph: &'a mut Graph,
    weights: &'a StateDict<'a>,
}

impl<'a> TorchNetwork<'a> {
    pub(super) fn new(graph: &'a mut Graph, weights: &'a StateDict<'a>) -> Self {
        Self { graph, weights }
    }

    /// Adds the normalised spectrogram in decibels of a signal `[batch, window]`: an image
    /// `[batch, 1, bands, frames]`.
    pub(super) fn spectrogram(&mut self, input: &str) -> NodeResult {
        let half = MEL.frame / 2;
        let bank = self.shaped("spec.mel_scale.fb", &[MEL.bins(), MEL.bands])?;
        self.check_hann_window()?;
        let graph = &mut *self.graph;
        let wave = graph.add_unsqueeze(input, 1, "wave");
        // torch.stft reflects the signal at its ends.
        let pads = graph.add_integers("ends", &[0, 0, half as i64, 0, 0, half as i64]);
        let padded = graph.add_node("Pad", &[&wave, &pads], "reflected", &[("mode", Attribute::Text("reflect"))]);
        let filters = graph.add_weights("waves", &[2 * MEL.bins(), 1, MEL.frame], &dft_filters(&MEL));
        let power =
            graph.add_power_spectrogram(&padded, &filters, (MEL.frame, MEL.bins()), (MEL.hop, 0, 0), "spectrum");
        let bank = graph.add_weights("bank", &[MEL.bands, MEL.bins(), 1], &bank.transposed(&[1, 0]).values);
        let bands = graph.add_node("Conv", &[&power, &bank], "bands", &[("kernel_shape", Attribute::Ints(&[1]))]);
        let least = graph.add_weights("least", &[1], &[MIN_POWER]);
        let clipped = graph.add_node("Max", &[&bands, &least], "clipped", &[]);
        let logarithm = graph.add_node("Log", &[&clipped], "logarithm", &[]);
        // To decibels and through the batch normalisation in one step.
        let norm = self.batch_norm("spec_bn", 1)?;
        let decibels = 10.0 / std::f64::consts::LN_10;
        let scale = self.graph.add_weights("scale", &[1], &[(decibels * norm.scale[0]) as f32]);
        let shift = self.graph.add_weights("shift", &[1], &[norm.shift[0] as f32]);
        let scaled = self.graph.add_node("Mul", &[&logarithm, &scale], "scaled", &[]);
        let normed = self.graph.add_node("Add", &[&scaled, &shift], "normed", &[]);
        Ok(self.graph.add_unsqueeze(&normed, 1, "image"))
    }

    /// That frames are weighted by a Hann window, as by [`dft_filters`].
    fn check_hann_window(&self) -> Result<(), String> {
        let window = self.shaped("spec.spectrogram.window", &[MEL.frame])?.values;
        let hann = |index: usize| 0.5 - 0.5 * (std::f64::consts::TAU * index as f64 / MEL.frame as f64).cos();
        let is_hann = window.iter().enumerate().all(|(index, value)| (f64::from(*value) - hann(index)).abs() < 1e-5);
        if is_hann { Ok(()) } else { Err("the state dict's spec.spectrogram.window is not a Hann window".into()) }
    }

    /// Adds a convolution over one or two axes with batch normalisation and ReLU. `pads` counts zeros before each axis,
    /// then after each.
    pub(super) fn conv_relu(&mut self, input: &str, name: &str, pads: &[usize]) -> NodeResult {
        let Weights { shape, mut values } = self.weights.weights(&format!("{name}.conv.weight"))?;
        let filters = shape.first().copied().unwrap_or(0);
        if shape.len() != 2 + pads.len() / 2 || values.is_empty() {
            return Err(format!("the state dict's {name} is not a convolution over {} axes", pads.len() / 2));
        }
        let mut bias = self.shaped(&format!("{name}.conv.bias"), &[filters])?.values;
        let filter = values.len() / filters;
        self.batch_norm(&format!("{name}.bn"), filters)?.fold_into(&mut values, &mut bias, |index| index / filter);
        let weight = self.graph.add_weights(&format!("{name}.weight"), &shape, &values);
        let bias = self.graph.add_weights(&format!("{name}.bias"), &[filters], &bias);
        let attributes = [("kernel_shape", Attribute::Ints(&shape[2..])), ("pads", Attribute::Ints(pads))];
        let sums = self.graph.add_node("Conv", &[input, &weight, &bias], &format!("{name}.sums"), &attributes);
        Ok(self.graph.add_node("Relu", &[&sums], &format!("{name}.active"), &[]))
    }

    /// Adds a 2-D convolution of three by three like [`conv_relu`](Self::conv_relu), and a max pooling over bands and
    /// frames.
    pub(super) fn conv_pool(&mut self, input: &str, name: &str, pool: [usize; 2]) -> NodeResult {
        let active = self.conv_relu(input, name, &[1; 4])?;
        let attributes = [("kernel_shape", Attribute::Ints(&pool)), ("strides", Attribute::Ints(&pool))];
        Ok(self.graph.add_node("MaxPool", &[&active], &format!("{name}.pooled"), &attributes))
    }

    /// Adds a fully connected layer, with the batch normalisation of a name if one is given, and returns the number of
    /// its outputs, too.
    pub(super) fn dense(&mut self, input: &str, name: &str, norm: Option<&str>) -> LogitsResult {
        let Weights { shape, mut values } = self.weights.weights(&format!("{name}.weight"))?;
        let &[outputs, inputs @ (1..)] = &shape[..] else {
            return Err(format!("the state dict's {name} is not a fully connected layer"));
        };
        let mut bias = self.shaped(&format!("{name}.bias"), &[outputs])?.values;
        if let Some(norm) = norm {
            self.batch_norm(norm, outputs)?.fold_into(&mut values, &mut bias, |index| index / inputs);
        }
        let weight = self.graph.add_weights(&format!("{name}.weight"), &shape, &values);
        let bias = self.graph.add_weights(&format!("{name}.bias"), &[outputs], &bias);
        let attributes = [("transB", Attribute::Int(1))];
        Ok((self.graph.add_node("Gemm", &[input, &weight, &bias], &format!("{name}.sums"), &attributes), outputs))
    }

    /// The weights of layer `layer` of the GRU `name`, and its size.
    pub(super) fn gru_weights(&self, name: &str, layer: usize) -> Result<(GruWeights, usize), String> {
        let part = |part: &str| self.weights.weights(&format!("{name}.{part}_l{layer}"));
        let (input, hidden) = (part("weight_ih")?, part("weight_hh")?);
        let biases = [part("bias_ih")?, part("bias_hh")?];
        let &[rows, size @ (1..)] = &hidden.shape[..] else {
            return Err(format!("the state dict's {name} is not a GRU"));
        };
        let is_gru = rows == 3 * size
            && input.shape.len() == 2
            && input.shape[0] == rows
            && input.shape[1] > 0
            && biases.iter().all(|bias| bias.shape == [rows]);
        if !is_gru {
            return Err(format!("the state dict's {name} is not a GRU of {size} values"));
        }
        let bias = biases.iter().flat_map(|bias| update_gate_first(&bias.values)).collect();
        let weights =
            GruWeights { input: update_gate_first(&input.values), hidden: update_gate_first(&hidden.values), bias };
        Ok((weights, size))
    }

    /// The batch normalisation of `channels` channels as a factor and a summand of each.
    fn batch_norm(&self, name: &str, channels: usize) -> Result<ChannelAffine, String> {
        let part = |part: &str| Ok::<_, String>(self.shaped(&format!("{name}.{part}"), &[channels])?.values);
        let [gamma, beta] = [part("weight")?, part("bias")?];
        let [mean, variance] = [part("running_mean")?, part("running_var")?];
        ChannelAffine::from_batch_norm(&gamma, &beta, &mean, &variance, EPSILON)
            .ok_or_else(|| format!("the parameters of {name} differ in their number"))
    }

    /// The tensor of a name, which must have a shape.
    fn shaped(&self, name: &str, shape: &[usize]) -> Result<Weights, String> {
        let weights = self.weights.weights(name)?;
        if weights.shape == shape {
            return Ok(weights);
        }
        Err(format!("the state dict's {name} has the shape {:?} instead of {shape:?}", weights.shape))
    }
}

/// From PyTorch's order of gates (reset, update, new) to ONNX's (update, reset, new).
fn update_gate_first(values: &[f32]) -> Vec<f32> {
    let gate = values.len() / 3;
    [&values[gate..2 * gate], &values[..gate], &values[2 * gate..]].concat()
}
