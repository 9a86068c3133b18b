//! Models for instances: read once, shared by all that use them.

use crate::engine::{ModelSource, Shared};
use crate::model::{Inference, Model, ModelError, WeakModel};
use crate::workers::lock;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The models that instances of this process use, by what their files hold.
#[derive(Default)]
pub(crate) struct Models(HashMap<([u8; 32], Inference), WeakModel>);

impl Models {
    /// Another handle of a model that is in use, or a new one.
    fn get(&mut self, source: &ModelSource, inference: Inference) -> Result<Model, ModelError> {
        let read;
        let bytes = match source {
            ModelSource::Bytes { bytes, .. } => *bytes,
            ModelSource::File(path) => {
                read = Model::read(path)?;
                &read
            }
        };
        self.0.retain(|_, model| model.upgrade().is_some());
        let key = (Sha256::digest(bytes).into(), inference);
        if let Some(model) = self.0.get(&key).and_then(WeakModel::upgrade) {
            return Ok(model);
        }
        let model = Model::with(bytes, inference, None)?;
        self.0.insert(key, model.downgrade());
        Ok(model)
    }
}

/// Loads what an instance wants, until it wants nothing else.
pub(crate) fn load(shared: &Shared, models: &mut Models) {
    loop {
        let Some(source) = lock(&shared.wanted).clone() else { return };
        // Whatever a file does to the reader, the next one is loaded.
        let model = catch_unwind(AssertUnwindSafe(|| models.get(&source, shared.inference)));
        let model = model.unwrap_or_else(|_| Err(ModelError::Refused("reading it broke down".into())));
        let mut listener = lock(&shared.listener);
        match model {
            Ok(model) => listener.set_model(model, &source.name()),
            Err(error) => listener.fail(format!("{source}: {error}")),
        }
        drop(listener);
        let mut wanted = lock(&shared.wanted);
        if *wanted == Some(source) {
            *wanted = None;
            shared.loaded.notify_all();
        }
    }
}
