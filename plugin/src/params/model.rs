//! Which model a project uses.

use nice_plug::params::persist::PersistentField;
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tagvane_engine::{Engine, Inference, ModelSource};

/// The model that ships inside the plugin.
pub(crate) const SHIPPED: ModelSource = ModelSource::Bytes {
    name: Cow::Borrowed("MagnaTagATune 50"),
    bytes: include_bytes!("../../models/magnatagatune-narrow.onnx"),
};

/// The environment variable that names another model file for every new instance.
pub(crate) const MODEL_VARIABLE: &str = "TAGVANE_MODEL";

/// The model of a new instance.
pub(crate) fn first_model() -> ModelSource {
    match std::env::var_os(MODEL_VARIABLE) {
        Some(path) if !path.is_empty() => ModelSource::File(path.into()),
        _ => SHIPPED,
    }
}

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

/// Which model file a project uses: `None` is the one a new instance has. Setting it
/// has the file loaded in the background.
pub(crate) struct ModelChoice {
    engine: Arc<Engine>,
    path: Mutex<Option<PathBuf>>,
}

impl ModelChoice {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, path: Mutex::new(None) }
    }
}

impl<'a> PersistentField<'a, Option<PathBuf>> for ModelChoice {
    fn set(&self, path: Option<PathBuf>) {
        let mut current = self.path.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *current != path {
            self.engine.load(path.clone().map_or_else(first_model, ModelSource::File));
            *current = path;
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Option<PathBuf>) -> R,
    {
        f(&self.path.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }
}
