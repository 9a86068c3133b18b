//! Which model an engine runs, and what there is to say about it.

use crate::model::{InferenceMode, Metadata, Vocabulary};
use crate::source::ModelSource;
use crate::structure::SectionTag;
use crate::teaching::TaughtTag;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The state of an engine's model.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// The first model is being loaded; all tags stay at zero.
    Loading {
        /// The tags of the model, as far as its file shows them before it is loaded.
        tags: Vec<String>,
    },
    /// A model is loaded.
    Ready {
        /// The names of the tags in the order of the board: those of the model, as [`Metadata::display_tags`] gives them, that
        /// of new sections if there is one, and those of the taught tags.
        tags: Vec<String>,
        /// The vocabularies that the tags are divided into; empty unless there are several.
        vocabularies: Vec<Vocabulary>,
        /// Which of the tags the file's metadata lists as weak.
        weak: Vec<bool>,
        /// The tag of new sections, of a model with a whitened embedding.
        section_tag: Option<SectionTag>,
        /// The taught tags, which are the last ones.
        taught: Arc<[TaughtTag]>,
        /// The display name of the model.
        name: String,
        /// The SHA-256 of its file, as [`ModelInfo::hash`].
        hash: String,
        /// The length of its window.
        window: Duration,
        /// The time between two windows.
        hop: Duration,
        /// How it is run.
        inference: InferenceMode,
        /// The values of its whitened embedding; 0 without one.
        embedding_size: usize,
        /// Its sample rate, in hertz.
        sample_rate: u32,
        /// Whether the sample rate is assumed, because the file has none.
        is_sample_rate_assumed: bool,
        /// Whether the window is assumed, because the file leaves it open.
        is_window_assumed: bool,
    },
    /// No model can be used, and why, in one sentence; all tags stay at zero.
    Failed(String),
}

/// The loaded model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelInfo {
    /// Where it was loaded from; `None` without a model.
    pub source: Option<ModelSource>,
    /// The SHA-256 of its file, as 64 lower-case hexadecimal digits.
    pub hash: String,
    /// The metadata of its file, and what is stated elsewhere in the place of what it lacks.
    pub metadata: Arc<Metadata>,
    /// What its file itself says; the window is the length of its input, if that is fixed.
    pub file_metadata: Arc<Metadata>,
    /// What went wrong with the model that was last asked for, in one sentence, although a model runs.
    pub notice: Option<String>,
}

impl Status {
    /// Whether the file's metadata lists this tag as weak.
    pub fn is_weak(&self, tag: usize) -> bool {
        matches!(self, Self::Ready { weak, .. } if weak.get(tag) == Some(&true))
    }

    /// The taught tags, which are the last ones.
    pub fn taught(&self) -> &Arc<[TaughtTag]> {
        static NONE: LazyLock<Arc<[TaughtTag]>> = LazyLock::new(Default::default);
        match self {
            Self::Ready { taught, .. } => taught,
            Self::Loading { .. } | Self::Failed(_) => &NONE,
        }
    }

    /// The vocabularies that the tags are divided into; empty unless there are several.
    pub fn vocabularies(&self) -> &[Vocabulary] {
        match self {
            Self::Ready { vocabularies, .. } => vocabularies,
            Self::Loading { .. } | Self::Failed(_) => &[],
        }
    }

    /// The names of the tags, as far as they are known.
    pub fn tags(&self) -> &[String] {
        match self {
            Self::Ready { tags, .. } | Self::Loading { tags } => tags,
            Self::Failed(_) => &[],
        }
    }
}
