//! Which model a project uses.

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tagvane_engine::{Engine, Inference, ModelSource, Request};

/// A model inside the plugin.
pub(crate) struct Shipped {
    /// What it is called, in the window and in projects.
    pub(crate) name: &'static str,
    /// What it is about, in a sentence.
    pub(crate) meaning: &'static str,
    bytes: &'static [u8],
}

impl Shipped {
    pub(crate) fn source(&self) -> ModelSource {
        ModelSource::Bytes { name: Cow::Borrowed(self.name), bytes: self.bytes }
    }

    /// What the file says of itself.
    #[cfg(test)]
    pub(crate) fn metadata(&self) -> tagvane_engine::Metadata {
        tagvane_engine::Metadata::peek(self.bytes)
    }
}

/// The models that ship; the first is that of a new instance.
pub(crate) const SHIPPED: [Shipped; 2] = [
    Shipped {
        name: "MagnaTagATune 50",
        meaning: "Instruments, voices, tempo, style: the fifty tags of MagnaTagATune",
        bytes: include_bytes!("../../models/magnatagatune.onnx"),
    },
    Shipped {
        name: "Million Song 50",
        meaning: "Styles, decades, moods: the fifty Last.fm tags of the Million Song Dataset",
        bytes: include_bytes!("../../models/million-song.onnx"),
    },
];

/// The environment variable that names another model file for every new instance.
pub(crate) const MODEL_VARIABLE: &str = "TAGVANE_MODEL";

/// The environment variable that, set to 1, has every model run by full windows: to
/// compare with sliding.
pub(crate) const FULL_WINDOWS_VARIABLE: &str = "TAGVANE_FULL_WINDOWS";

/// How a new instance runs its models.
pub(crate) fn inference() -> Inference {
    match std::env::var_os(FULL_WINDOWS_VARIABLE) {
        Some(value) if value == "1" => Inference::FullWindows,
        _ => Inference::Sliding,
    }
}

/// What a project says of its model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Choice {
    /// The one that a new instance has.
    #[default]
    Usual,
    /// A file of the user's own, as projects of the first version name it.
    Path(PathBuf),
    /// A file of the user's own.
    File {
        /// Where it is.
        file: PathBuf,
        /// The SHA-256 of what was in it, once that is known.
        sha256: Option<String>,
    },
    /// One that ships, by its name.
    Shipped {
        /// Its name.
        shipped: String,
    },
}

impl Choice {
    /// What to load. A name that nothing has, as of a later version, stands for the usual one.
    pub(crate) fn source(&self) -> ModelSource {
        match self {
            Self::Path(file) | Self::File { file, .. } => ModelSource::File(file.clone()),
            Self::Shipped { shipped } if let Some(model) = SHIPPED.iter().find(|model| model.name == shipped) => {
                model.source()
            }
            Self::Usual | Self::Shipped { .. } => match std::env::var_os(MODEL_VARIABLE) {
                Some(path) if !path.is_empty() => ModelSource::File(path.into()),
                _ => SHIPPED[0].source(),
            },
        }
    }

    /// To load it as a project names it: a file that cannot be had is stood in for by the usual
    /// one. A file that the environment names is not: whoever names it there wants no other.
    pub(crate) fn of_project(&self) -> Request {
        let hash = if let Self::File { sha256, .. } = self { sha256.clone() } else { None };
        Request { source: self.source(), hash, instead: self.file().map(|_| SHIPPED[0].source()) }
    }

    /// The file of the user's own, if it is one.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Path(file) | Self::File { file, .. } => Some(file),
            Self::Usual | Self::Shipped { .. } => None,
        }
    }
}

/// The choice of an instance. Setting it has the model loaded in the background.
pub(crate) struct ModelChoice {
    engine: Arc<Engine>,
    chosen: Mutex<Chosen>,
}

#[derive(Default)]
struct Chosen {
    /// What the project says.
    project: Choice,
    /// What a person asked for: the project's once it is loaded, and forgotten if it cannot be.
    asked: Option<Choice>,
}

impl ModelChoice {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, chosen: Mutex::default() }
    }

    /// What was chosen; a model that was asked for and is loaded has become the project's.
    fn chosen(&self) -> MutexGuard<'_, Chosen> {
        let mut chosen = self.chosen.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if chosen.asked.is_some() && !self.engine.is_loading() {
            let asked = chosen.asked.take();
            let loaded = self.engine.board().about().source;
            if let Some(asked) = asked.filter(|asked| loaded == Some(asked.source())) {
                chosen.project = asked;
            }
        }
        chosen
    }

    /// A person asks for a model; what listens now listens on until it is loaded, and if it cannot
    /// be. Gives whether it is another one than before.
    pub(crate) fn choose(&self, choice: Choice) -> bool {
        let mut chosen = self.chosen();
        let other = *chosen.asked.as_ref().unwrap_or(&chosen.project) != choice;
        if other || self.engine.board().about().notice.is_some() {
            self.engine.load(choice.source());
            chosen.asked = Some(choice);
        }
        other
    }
}

impl<'a> PersistentField<'a, Choice> for ModelChoice {
    fn set(&self, choice: Choice) {
        let mut chosen = self.chosen();
        if chosen.asked.take().is_some() || chosen.project != choice {
            self.engine.load(choice.of_project());
            chosen.project = choice;
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Choice) -> R,
    {
        let about = self.engine.board().about();
        let choice = self.chosen().project.clone();
        match choice.file() {
            Some(file) if about.source == Some(ModelSource::File(file.into())) => {
                f(&Choice::File { file: file.into(), sha256: Some(about.hash) })
            }
            _ => f(&choice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_of_all_versions_are_read() {
        let read = |text: &str| serde_json::from_str::<Choice>(text).unwrap();
        assert_eq!(read("null"), Choice::Usual);
        assert_eq!(read("\"/music/mine.onnx\""), Choice::Path("/music/mine.onnx".into()));
        let file = Choice::File { file: "/music/mine.onnx".into(), sha256: Some("ab".into()) };
        assert_eq!(read("{\"file\": \"/music/mine.onnx\", \"sha256\": \"ab\"}"), file);
        assert_eq!(file.source(), read("\"/music/mine.onnx\"").source());
        let shipped = Choice::Shipped { shipped: SHIPPED[0].name.into() };
        assert_eq!(read(&serde_json::to_string(&shipped).unwrap()), shipped);
        assert_eq!(shipped.source(), SHIPPED[0].source());
        let later = Choice::Shipped { shipped: "of a later version".into() };
        assert_eq!(later.source(), Choice::Usual.source());
    }
}
