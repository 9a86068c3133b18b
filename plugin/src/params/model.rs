//! The model of a project.

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use tagvane_engine::{Engine, InferenceMode, Metadata, ModelLibrary, ModelRequest, ModelSource};

/// A model inside the plugin.
pub(crate) struct ShippedModel {
    /// Its name in the window and in saved state.
    pub(crate) name: &'static str,
    /// What its tags are about.
    pub(crate) description: &'static str,
    bytes: &'static [u8],
}

impl ShippedModel {
    /// Where the engine loads it from.
    pub(crate) fn source(&self) -> ModelSource {
        ModelSource::Bytes { name: Cow::Borrowed(self.name), bytes: self.bytes }
    }

    /// The metadata of its file.
    #[cfg(test)]
    pub(crate) fn metadata(&self) -> tagvane_engine::Metadata {
        tagvane_engine::Metadata::peek(self.bytes)
    }
}

/// The models inside the plugin; a new instance uses the first one. A static, because each use of a constant may have a copy
/// of their bytes.
pub(crate) static SHIPPED_MODELS: [ShippedModel; 4] = [
    ShippedModel {
        name: "Music 214",
        description: "Four vocabularies in one: MagnaTagATune, Million Song, Jamendo and AudioSet Music",
        bytes: include_bytes!("../../models/music.onnx"),
    },
    ShippedModel {
        name: "Quick 214",
        description: "The same four vocabularies from 0.9 s of audio instead of 2.7 s: reacts sooner, and hears less",
        bytes: include_bytes!("../../models/quick.onnx"),
    },
    ShippedModel {
        name: "MagnaTagATune 50",
        description: "Instruments, voices, tempo, style: the fifty tags of MagnaTagATune",
        bytes: include_bytes!("../../models/magnatagatune.onnx"),
    },
    ShippedModel {
        name: "Million Song 50",
        description: "Styles, decades, moods: the fifty Last.fm tags of the Million Song Dataset",
        bytes: include_bytes!("../../models/million-song.onnx"),
    },
];

/// The environment variable with the path of another model file for every new instance.
pub(crate) const MODEL_VARIABLE: &str = "TAGVANE_MODEL";

/// The environment variable that, set to 1, runs every model by full windows, to compare them with
/// sliding inference.
pub(crate) const FULL_WINDOWS_VARIABLE: &str = "TAGVANE_FULL_WINDOWS";

/// The environment variable with another folder for the library.
const LIBRARY_VARIABLE: &str = "TAGVANE_LIBRARY";

/// The library of the user; `None` if the system has no folder for it.
pub(crate) fn library_from_env() -> Option<ModelLibrary> {
    let folder = match std::env::var_os(LIBRARY_VARIABLE) {
        Some(folder) if !folder.is_empty() => folder.into(),
        _ => directories::ProjectDirs::from("", "", "Tagvane")?.data_dir().join("models"),
    };
    Some(ModelLibrary::new(folder))
}

/// How a new instance runs its models.
pub(crate) fn inference_mode_from_env() -> InferenceMode {
    match std::env::var_os(FULL_WINDOWS_VARIABLE) {
        Some(value) if value == "1" => InferenceMode::FullWindows,
        _ => InferenceMode::Sliding,
    }
}

/// A model as saved state names it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum ModelChoice {
    /// The model of a new instance.
    #[default]
    Default,
    /// A file of the user, as the first version saved it.
    Path(PathBuf),
    /// A file of the user.
    File {
        /// Its path.
        file: PathBuf,
        /// The SHA-256 of its content, once that is known.
        sha256: Option<String>,
    },
    /// A model inside the plugin.
    Shipped {
        /// Its name.
        shipped: String,
    },
}

impl ModelChoice {
    /// Where to load it from. An unknown name, as a later version may save it, gives the default model.
    pub(crate) fn source(&self) -> ModelSource {
        match self {
            Self::Path(file) | Self::File { file, .. } => ModelSource::File(file.clone()),
            Self::Shipped { shipped }
                if let Some(model) = SHIPPED_MODELS.iter().find(|model| model.name == shipped) =>
            {
                model.source()
            }
            Self::Default | Self::Shipped { .. } => match std::env::var_os(MODEL_VARIABLE) {
                Some(path) if !path.is_empty() => ModelSource::File(path.into()),
                _ => SHIPPED_MODELS[0].source(),
            },
        }
    }

    /// The request to load it for a project: the first shipped model replaces a file that neither its path nor the
    /// library has. A file from the environment has no such fallback, because whoever sets the variable wants
    /// no other model.
    pub(crate) fn request(&self, library: Option<&ModelLibrary>) -> ModelRequest {
        let hash = if let Self::File { sha256, .. } = self { sha256.clone() } else { None };
        let fallback = self.file().map(|_| SHIPPED_MODELS[0].source());
        ModelRequest { hash, fallback, library: library.cloned(), ..self.source().into() }
    }

    /// The path of a file of the user.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::Path(file) | Self::File { file, .. } => Some(file),
            Self::Default | Self::Shipped { .. } => None,
        }
    }
}

/// The model in the saved state. Setting it loads the model in the background.
pub(crate) struct SavedModel {
    engine: Arc<Engine>,
    library: Option<ModelLibrary>,
    choices: Mutex<ModelChoices>,
}

#[derive(Default)]
struct ModelChoices {
    /// The model that is saved.
    current: ModelChoice,
    /// The model that the user asked for last: it becomes the current one when it is loaded, and is
    /// dropped if it cannot be loaded.
    pending: Option<ModelChoice>,
}

impl SavedModel {
    /// The default model of an engine.
    pub(crate) fn new(engine: Arc<Engine>, library: Option<ModelLibrary>) -> Self {
        Self { engine, library, choices: Mutex::default() }
    }

    /// The library of the user.
    pub(crate) fn library(&self) -> Option<&ModelLibrary> {
        self.library.as_ref()
    }

    /// Locks the choices, after a pending one whose load has ended became the current one or was dropped.
    fn lock_resolved(&self) -> MutexGuard<'_, ModelChoices> {
        let mut choices = self.choices.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if choices.pending.is_some() && !self.engine.is_loading() {
            let pending = choices.pending.take();
            let loaded = self.engine.board().model_info().source;
            if let Some(pending) = pending.filter(|pending| loaded == Some(pending.source())) {
                choices.current = pending;
            }
        }
        choices
    }

    /// Loads the model that the user asks for; the model before runs until then, and continues if the
    /// load fails. A file is copied to the library. Returns whether the choice is another one than before.
    pub(crate) fn choose(&self, choice: ModelChoice) -> bool {
        let mut choices = self.lock_resolved();
        let is_new = *choices.pending.as_ref().unwrap_or(&choices.current) != choice;
        if is_new || self.engine.board().model_info().notice.is_some() {
            self.load(choice.source(), None);
            choices.pending = Some(choice);
        }
        is_new
    }

    /// Loads a file with what the user states of it, and has the library remember that. Returns whether it is another
    /// file than before.
    pub(crate) fn load_stated(&self, file: PathBuf, stated: Metadata) -> bool {
        let mut choices = self.lock_resolved();
        let source = ModelSource::File(file.clone());
        let is_new = choices.current.source() != source;
        self.load(source, Some(stated));
        if is_new {
            choices.pending = Some(ModelChoice::File { file, sha256: None });
        }
        is_new
    }

    /// Loads a model for the user.
    fn load(&self, source: ModelSource, stated: Option<Metadata>) {
        self.engine.load(ModelRequest {
            library: self.library.clone(),
            is_added_to_library: true,
            stated,
            ..source.into()
        });
    }
}

impl<'a> PersistentField<'a, ModelChoice> for SavedModel {
    fn set(&self, choice: ModelChoice) {
        let mut choices = self.lock_resolved();
        if choices.pending.take().is_some() || choices.current != choice {
            self.engine.load(choice.request(self.library.as_ref()));
            choices.current = choice;
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&ModelChoice) -> R,
    {
        let info = self.engine.board().model_info();
        let choice = self.lock_resolved().current.clone();
        match choice.file() {
            Some(file) if info.source == Some(ModelSource::File(file.into())) => {
                f(&ModelChoice::File { file: file.into(), sha256: Some(info.hash) })
            }
            _ => f(&choice),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_saved_by_all_versions_are_read() {
        let read = |text: &str| serde_json::from_str::<ModelChoice>(text).unwrap();
        assert_eq!(read("null"), ModelChoice::Default);
        assert_eq!(read("\"/music/mine.onnx\""), ModelChoice::Path("/music/mine.onnx".into()));
        let file = ModelChoice::File { file: "/music/mine.onnx".into(), sha256: Some("ab".into()) };
        assert_eq!(read("{\"file\": \"/music/mine.onnx\", \"sha256\": \"ab\"}"), file);
        assert_eq!(file.source(), read("\"/music/mine.onnx\"").source());
        let shipped = ModelChoice::Shipped { shipped: SHIPPED_MODELS[0].name.into() };
        assert_eq!(read(&serde_json::to_string(&shipped).unwrap()), shipped);
        assert_eq!(shipped.source(), SHIPPED_MODELS[0].source());
        let unknown = ModelChoice::Shipped { shipped: "of a later version".into() };
        assert_eq!(unknown.source(), ModelChoice::Default.source());
    }
}
