//! The networks, each as one value: what can be built, trained, counted and exported.
//!
//! An [`Architecture`] is what a configuration says. It becomes a [`Plan`], a list of
//! layers, and everything else (the network in burn, the counts, the ONNX graph)
//! follows from the plan.

pub mod catalogue;
pub mod earlier;
mod layers;
mod mel;
mod plan;
mod sample_level;

pub use layers::{Activation, Count, Dense, Gru, Layer, Mel, Picture, Prominence, Residual, Shape, Stage, Stage2d};
pub use mel::MelLevel;
pub use plan::Plan;
pub use sample_level::{Block, SampleLevel, narrow, wide};

use earlier::{ConvolutionalRecurrent, FrameCnn, FullyConvolutional, Persistent};
use serde::{Deserialize, Serialize};

/// Every kind of network that the trainer builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Architecture {
    /// Raw waveform, m^n (Lee et al. 2017, sections 3.1 and 3.2), or its successors
    /// with other blocks (Kim, Lee, Nam 2018).
    SampleLevel(SampleLevel),
    /// Mel spectrogram, one frame a hop (Lee et al. 2017, section 3.3).
    MelLevel(MelLevel),
    /// Dieleman and Schrauwen 2014.
    FrameCnn(FrameCnn),
    /// Choi, Fazekas and Sandler 2016.
    FullyConvolutional(FullyConvolutional),
    /// Choi, Fazekas, Sandler and Cho 2017.
    ConvolutionalRecurrent(ConvolutionalRecurrent),
    /// Liu, Jeng and Yang 2016.
    Persistent(Persistent),
}

/// Why a network cannot be built, in one sentence.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the architecture cannot be built: {0}")]
pub struct ArchitectureError(pub(crate) String);

impl Architecture {
    /// Samples that go in, at 22050 Hz.
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

    /// The layers, for a network that tells `tags` tags.
    ///
    /// # Errors
    /// [`ArchitectureError`], which says which number is wrong and what it could be.
    pub fn plan(&self, tags: usize) -> Result<Plan, ArchitectureError> {
        if !(1..=4_096).contains(&tags) {
            return Err(ArchitectureError(format!("{tags} tags are outside 1..=4096")));
        }
        // A minute at 22050 Hz: what the plugin's engine would keep at most.
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
        plan.counts()?;
        Ok(plan)
    }

    /// The filters of each layer along the trunk, as model files tell them.
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

    /// The same network with other widths, as many as it has.
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
