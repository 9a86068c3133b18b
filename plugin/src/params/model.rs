//! Which model a project uses.

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use tagvane_engine::{Engine, Inference, ModelSource};

/// A model inside the plugin.
pub(crate) struct Shipped {
    /// What it is called, in the window and in projects.
    pub(crate) name: &'static str,
    bytes: &'static [u8],
}

impl Shipped {
    fn source(&self) -> ModelSource {
        ModelSource::Bytes { name: Cow::Borrowed(self.name), bytes: self.bytes }
    }
}

/// The models that ship; the first is that of a new instance.
pub(crate) const SHIPPED: [Shipped; 1] =
    [Shipped { name: "MagnaTagATune 50", bytes: include_bytes!("../../models/magnatagatune-narrow.onnx") }];

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
    /// A file of the user's own.
    File(PathBuf),
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
            Self::File(path) => ModelSource::File(path.clone()),
            Self::Shipped { shipped } if let Some(model) = SHIPPED.iter().find(|model| model.name == shipped) => {
                model.source()
            }
            Self::Usual | Self::Shipped { .. } => match std::env::var_os(MODEL_VARIABLE) {
                Some(path) if !path.is_empty() => ModelSource::File(path.into()),
                _ => SHIPPED[0].source(),
            },
        }
    }
}

/// The choice of an instance. Setting it has the model loaded in the background.
pub(crate) struct ModelChoice {
    engine: Arc<Engine>,
    choice: Mutex<Choice>,
}

impl ModelChoice {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, choice: Mutex::default() }
    }

    fn current(&self) -> MutexGuard<'_, Choice> {
        self.choice.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives whether it is another one than before.
    pub(crate) fn choose(&self, choice: Choice) -> bool {
        let mut current = self.current();
        let other = *current != choice;
        if other {
            self.engine.load(choice.source());
            *current = choice;
        }
        other
    }
}

impl<'a> PersistentField<'a, Choice> for ModelChoice {
    fn set(&self, choice: Choice) {
        self.choose(choice);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Choice) -> R,
    {
        f(&self.current())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_of_all_versions_are_read() {
        let read = |text: &str| serde_json::from_str::<Choice>(text).unwrap();
        assert_eq!(read("null"), Choice::Usual);
        assert_eq!(read("\"/music/mine.onnx\""), Choice::File("/music/mine.onnx".into()));
        let shipped = Choice::Shipped { shipped: SHIPPED[0].name.into() };
        assert_eq!(read(&serde_json::to_string(&shipped).unwrap()), shipped);
        assert_eq!(shipped.source(), SHIPPED[0].source());
        let later = Choice::Shipped { shipped: "of a later version".into() };
        assert_eq!(later.source(), Choice::Usual.source());
    }
}
