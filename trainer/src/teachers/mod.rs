//! Teachers from the files of their authors: FCN, CRNN and musicnn of Won et al. (2020) from PyTorch's state dicts, and
//! YAMNet of Google from a TensorFlow Lite file, converted to ONNX without PyTorch and TensorFlow.
//!
//! The files are read as untrusted: any bytes give a model or one sentence.

mod class_list;
mod crnn;
mod fcn;
mod musicnn_torch;
mod pickle;
pub mod published;
mod state_dict;
mod tflite;
mod torch_network;
mod weights;
mod yamnet;

use crate::export::graph::Graph;
use state_dict::StateDict;
use tagvane_engine::Metadata;
use torch_network::TorchNetwork;

/// Sample rate of every teacher's input, in hertz.
pub const RATE: u32 = 16_000;

/// The name of a network's logits and their number, or an error in a sentence.
type LogitsResult = Result<(String, usize), String>;

/// The networks that can be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TeacherNetwork {
    /// 2-D convolutions over 29 s (Choi et al. 2016), from a state dict.
    Fcn,
    /// 2-D convolutions over 29 s, then two recurrent layers (Choi et al. 2017), from a state dict.
    Crnn,
    /// Tall and long filters over 3 s (Pons et al. 2018), from a state dict.
    Musicnn,
    /// MobileNet v1 over 0.975 s (Howard et al. 2017), from a TensorFlow Lite file.
    YamNet,
}

impl TeacherNetwork {
    /// Samples of its input, at [`RATE`].
    pub fn window(self) -> usize {
        match self {
            Self::Fcn | Self::Crnn => 29 * RATE as usize,
            Self::Musicnn => 3 * RATE as usize,
            Self::YamNet => yamnet::WINDOW,
        }
    }
}

/// Converts the bytes of a state dict or of a TensorFlow Lite file to those of an ONNX file with the input `waveform` and
/// the output `probabilities`. `metadata` names the tags; its sample rate and window are set.
///
/// # Errors
/// A sentence, if the bytes are not the weights of this network, or do not have as many outputs as there are tags.
pub fn to_onnx(network: TeacherNetwork, source: &[u8], metadata: &Metadata) -> Result<Vec<u8>, String> {
    let mut graph = Graph::default();
    let (logits, outputs) = match network {
        TeacherNetwork::YamNet => yamnet::add_network(&mut graph, &tflite::read_layers(source)?, "waveform")?,
        TeacherNetwork::Fcn | TeacherNetwork::Crnn | TeacherNetwork::Musicnn => {
            let weights = StateDict::read(source)?;
            let mut torch = TorchNetwork::new(&mut graph, &weights);
            let image = torch.spectrogram("waveform")?;
            match network {
                TeacherNetwork::Fcn => fcn::add_network(&mut torch, &image)?,
                TeacherNetwork::Crnn => crnn::add_network(&mut torch, &image)?,
                _ => musicnn_torch::add_network(&mut torch, &image)?,
            }
        }
    };
    let tags = metadata.tags.len();
    if outputs != tags {
        return Err(format!("its last layer has {outputs} outputs and not one for each of the {tags} tags"));
    }
    graph.add_node("Sigmoid", &[&logits], "probabilities", &[]);
    let metadata = Metadata { sample_rate: Some(RATE), ..metadata.clone() };
    let name = metadata.architecture.clone();
    Ok(graph.into_model_bytes(name, ("waveform", network.window()), &[("probabilities", tags)], &metadata))
}
