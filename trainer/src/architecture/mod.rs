//! Network architectures.
//!
//! A configuration names an [`Architecture`]. It expands into a [`Plan`], a list of layers, from
//! which the burn network, the parameter counts and the ONNX graph are built.

pub mod baselines;
pub mod catalogue;
mod layers;
mod mel;
mod plan;
mod sample_level;

pub use layers::{
    Activation, Conv2dBlock, Conv2dStack, ConvBlock, Dense, Gru, Layer, LayerCost, Mel, Prominence, Residual,
};
pub use mel::MelLevel;
pub use plan::Plan;
pub use sample_level::{BlockKind, SampleLevel, narrow_widths, paper_widths};

use baselines::{ConvolutionalRecurrent, FrameCnn, FullyConvolutional, Persistent};
use serde::{Deserialize, Serialize};

/// Every kind of network that the trainer builds, with its hyperparameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Architecture {
    /// m^n network on raw waveform, sample-level or frame-level (Lee et al. 2017, Tables 1 to 3), or with
    /// the blocks of Kim, Lee, Nam 2018.
    SampleLevel(SampleLevel),
    /// The same over a mel spectrogram (Lee et al. 2017, Table 3).
    MelLevel(MelLevel),
    /// 1D CNN on raw frames (Dieleman and Schrauwen 2014).
    FrameCnn(FrameCnn),
    /// 2D CNN (Choi, Fazekas and Sandler 2016).
    FullyConvolutional(FullyConvolutional),
    /// CRNN (Choi, Fazekas, Sandler and Cho 2017).
    ConvolutionalRecurrent(ConvolutionalRecurrent),
    /// Persistent CNN (Liu, Jeng and Yang 2016).
    Persistent(Persistent),
}

/// The reason why a network cannot be built, in one sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the architecture cannot be built: {0}")]
pub struct ArchitectureError(pub(crate) String);

/// Checks that there is one width for each of `layers` layers, each of a size that can be built.
fn check_widths(widths: &[usize], layers: usize) -> Result<(), ArchitectureError> {
    if widths.len() != layers || widths.iter().any(|width| !(1..=4_096).contains(width)) {
        return Err(ArchitectureError(format!(
            "{} widths are given; {layers} are needed, each within 1..=4096",
            widths.len()
        )));
    }
    Ok(())
}

impl Architecture {
    /// Input samples, at 22050 Hz.
    pub fn window(&self) -> usize {
        match self {
            Self::SampleLevel(SampleLevel { window, .. })
            | Self::MelLevel(MelLevel { window, .. })
            | Self::FrameCnn(FrameCnn { window, .. })
            | Self::FullyConvolutional(FullyConvolutional { window, .. })
            | Self::ConvolutionalRecurrent(ConvolutionalRecurrent { window, .. })
            | Self::Persistent(Persistent { window, .. }) => *window,
        }
    }

    /// The layers of the network for a number of tags.
    ///
    /// # Errors
    /// [`ArchitectureError`], which names the number that is wrong and its valid range.
    pub fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        if !(1..=4_096).contains(&tags) {
            return Err(ArchitectureError(format!("{tags} tags are outside 1..=4096")));
        }
        // The plugin's engine keeps at most a minute of audio, which is 1323000 samples.
        if !(16..=1_323_000).contains(&self.window()) {
            return Err(ArchitectureError(format!("a window of {} samples is outside 16..=1323000", self.window())));
        }
        let plan = match self {
            Self::SampleLevel(network) => network.plan(tags)?,
            Self::MelLevel(network) => network.plan(tags)?,
            Self::FrameCnn(network) => network.plan(tags)?,
            Self::FullyConvolutional(network) => network.plan(tags)?,
            Self::ConvolutionalRecurrent(network) => network.plan(tags)?,
            Self::Persistent(network) => network.plan(tags)?,
        };
        plan.layer_costs()?;
        Ok(plan)
    }

    /// The filters of each layer of the trunk, as in the metadata of an exported model.
    pub fn widths(&self) -> &[usize] {
        match self {
            Self::SampleLevel(SampleLevel { widths, .. })
            | Self::MelLevel(MelLevel { widths, .. })
            | Self::FullyConvolutional(FullyConvolutional { widths, .. })
            | Self::ConvolutionalRecurrent(ConvolutionalRecurrent { widths, .. })
            | Self::FrameCnn(FrameCnn { widths, .. })
            | Self::Persistent(Persistent { widths, .. }) => widths,
        }
    }

    /// The same network with other widths. Their number has to stay the same; otherwise [`plan`](Self::plan)
    /// fails.
    pub fn with_widths(mut self, new: Vec<usize>) -> Self {
        match &mut self {
            Self::SampleLevel(SampleLevel { widths, .. })
            | Self::MelLevel(MelLevel { widths, .. })
            | Self::FullyConvolutional(FullyConvolutional { widths, .. })
            | Self::ConvolutionalRecurrent(ConvolutionalRecurrent { widths, .. })
            | Self::FrameCnn(FrameCnn { widths, .. })
            | Self::Persistent(Persistent { widths, .. }) => *widths = new,
        }
        self
    }
}

impl std::fmt::Display for Architecture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SampleLevel(network) => network.fmt(f),
            Self::MelLevel(network) => network.fmt(f),
            Self::FrameCnn(_) => write!(f, "1D CNN on raw frames"),
            Self::FullyConvolutional(_) => write!(f, "2D CNN on a mel spectrogram"),
            Self::ConvolutionalRecurrent(_) => write!(f, "CRNN on a mel spectrogram"),
            Self::Persistent(_) => write!(f, "persistent CNN on a mel spectrogram"),
        }
    }
}
