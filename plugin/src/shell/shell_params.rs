//! The parameters that the shell adds to those of nice-plug: Write, the slots, the tags and Inference. Their
//! ids are fixed, because projects store them.

use clap_sys::id::clap_id;
use tagvane_engine::{InferenceMode, Status};
use tagvane_outputs::{MAX_PUBLISHED_TAGS, SLOTS};

/// The id of the first tag's parameter; the ids of the others follow. VST3 reserves the top bit.
pub(super) const FIRST_TAG_ID: clap_id = 0x5441_4700;

/// The id of Inference, a hidden parameter whose text tells how the model is run.
pub(super) const INFERENCE_ID: clap_id = FIRST_TAG_ID - 1;

/// A text that Inference parses as its current value: `vst3` reads the value by it, because clap-wrapper
/// returns a copy that may be outdated.
pub(super) const CURRENT_VALUE: &str = "current value";

/// The id of the first slot's parameter; the ids of the others follow.
pub(super) const FIRST_SLOT_ID: clap_id = 0x534c_4f00;

/// The id of Write.
pub(super) const WRITE_ID: clap_id = 0x5752_4954;

/// The texts of Inference; its values are spread evenly over them.
const INFERENCE_TEXTS: [&str; 6] = [
    "loading",
    "no model",
    "full windows",
    "full windows at an assumed 22050 Hz",
    "sliding",
    "sliding at an assumed 22050 Hz",
];

/// The last index of [`INFERENCE_TEXTS`].
const LAST_INFERENCE_INDEX: f64 = (INFERENCE_TEXTS.len() - 1) as f64;

/// The number of the shell's parameters.
pub(super) const SHELL_PARAM_COUNT: usize = 1 + SLOTS + MAX_PUBLISHED_TAGS + 1;

/// A parameter of the shell.
#[derive(Clone, Copy)]
pub(super) enum ShellParam {
    /// Whether the slots are recorded. It is not automatable and not in the saved state, so that a project
    /// does not begin to record by itself.
    Write,
    /// The slot with this index.
    Slot(usize),
    /// The published tag with this index.
    Tag(usize),
    /// How the model is run; tests and tools read it through the host's interface.
    Inference,
}

impl ShellParam {
    /// The parameter with this id; `None` for a parameter of nice-plug.
    pub(super) fn from_id(id: clap_id) -> Option<Self> {
        let index = |first: clap_id, count: usize| {
            id.checked_sub(first).map(|index| index as usize).filter(|index| *index < count)
        };
        match id {
            WRITE_ID => Some(Self::Write),
            INFERENCE_ID => Some(Self::Inference),
            _ => index(FIRST_SLOT_ID, SLOTS)
                .map(Self::Slot)
                .or_else(|| index(FIRST_TAG_ID, MAX_PUBLISHED_TAGS).map(Self::Tag)),
        }
    }

    /// Whether the value of the parameter with this id, of the shell or of nice-plug, is in the saved state.
    pub(super) fn is_saved(id: clap_id) -> bool {
        matches!(Self::from_id(id), None | Some(Self::Slot(_)))
    }

    /// The text of a value, which is clamped to 0..=1.
    pub(super) fn format_value(self, value: f64) -> String {
        // Adding zero turns -0 into 0.
        let value = value.clamp(0.0, 1.0) + 0.0;
        match self {
            Self::Write => if value >= 0.5 { "armed" } else { "off" }.into(),
            Self::Slot(_) | Self::Tag(_) => format!("{:.0} %", value * 100.0),
            Self::Inference => INFERENCE_TEXTS[(value * LAST_INFERENCE_INDEX).round() as usize].into(),
        }
    }

    /// The value of a text, 0..=1; `None` if the text has no value.
    pub(super) fn parse_value(self, text: &str) -> Option<f64> {
        let text = text.trim();
        match self {
            Self::Write => match text {
                "armed" | "on" | "1" => Some(1.0),
                "off" | "0" => Some(0.0),
                _ => None,
            },
            Self::Slot(_) | Self::Tag(_) => {
                let percent = text.trim_end_matches('%').trim_end().parse::<f64>().ok()?;
                percent.is_finite().then(|| (percent / 100.0).clamp(0.0, 1.0))
            }
            Self::Inference => {
                let index = INFERENCE_TEXTS.iter().position(|inference| *inference == text)?;
                Some(index as f64 / LAST_INFERENCE_INDEX)
            }
        }
    }

    /// The parameter at this index of the shell's part of the host's list.
    pub(super) fn from_index(index: usize) -> Option<Self> {
        match index {
            0 => Some(Self::Write),
            _ if index <= SLOTS => Some(Self::Slot(index - 1)),
            _ if index <= SLOTS + MAX_PUBLISHED_TAGS => Some(Self::Tag(index - SLOTS - 1)),
            _ if index < SHELL_PARAM_COUNT => Some(Self::Inference),
            _ => None,
        }
    }
}

/// The value of Inference for a status of the model.
pub(super) fn inference_value(status: &Status) -> f64 {
    let index = match status {
        Status::Loading { .. } => 0,
        Status::Failed(_) => 1,
        Status::Ready { inference: InferenceMode::FullWindows, is_sample_rate_assumed, .. } => {
            2 + usize::from(*is_sample_rate_assumed)
        }
        Status::Ready { inference: InferenceMode::Sliding, is_sample_rate_assumed, .. } => {
            4 + usize::from(*is_sample_rate_assumed)
        }
    };
    index as f64 / LAST_INFERENCE_INDEX
}
