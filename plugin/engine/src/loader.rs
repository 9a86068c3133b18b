//! Loads models for instances. Instances with the same model share it.

use crate::model::{InferenceMode, Metadata, Model, ModelError, WeakModel, sidecar};
use crate::shared::Shared;
use crate::source::{ModelRequest, ModelSource};
use crate::status::ModelInfo;
use crate::sync::lock;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The models that instances of this process use, by the SHA-256 of their files in hexadecimal digits. A model
/// has the metadata of the files that stood beside it when it was loaded.
#[derive(Default)]
pub(crate) struct ModelCache(HashMap<(String, InferenceMode), (Metadata, WeakModel)>);

/// A model, the SHA-256 of its file, and a notice about it.
struct Loaded {
    model: Model,
    hash: String,
    notice: Option<String>,
}

impl ModelCache {
    /// A handle of a model that is in use, or else a newly loaded model. `hash` is the expected SHA-256 of
    /// its file.
    fn get(
        &mut self,
        source: &ModelSource,
        hash: Option<&str>,
        inference: InferenceMode,
    ) -> Result<Loaded, ModelError> {
        self.0.retain(|_, (_, model)| model.upgrade().is_some());
        let file;
        let (bytes, beside) = match source {
            ModelSource::Bytes { bytes, .. } => (*bytes, Metadata::default()),
            ModelSource::File(path) => match Model::read(path) {
                Ok(bytes) => {
                    file = bytes;
                    (&*file, sidecar::read(path))
                }
                Err(error) => return self.find_by_hash(source, hash, inference).ok_or(error),
            },
        };
        let actual_hash = format!("{:x}", Sha256::digest(bytes));
        let notice = hash
            .filter(|hash| **hash != actual_hash)
            .map(|_| format!("{source}: this is another file than the project was saved with"));
        let key = (actual_hash.clone(), inference);
        if let Some(model) =
            self.0.get(&key).filter(|(known, _)| *known == beside).and_then(|(_, model)| model.upgrade())
        {
            return Ok(Loaded { model, hash: actual_hash, notice });
        }
        let model = Model::load(bytes, inference, None, beside.clone())?;
        self.0.insert(key, (beside, model.downgrade()));
        Ok(Loaded { model, hash: actual_hash, notice })
    }

    /// The model with this hash, if an instance uses it: the substitute for a file that cannot be read.
    fn find_by_hash(&self, source: &ModelSource, hash: Option<&str>, inference: InferenceMode) -> Option<Loaded> {
        let hash = hash?.to_owned();
        let model = self.0.get(&(hash.clone(), inference))?.1.upgrade()?;
        let notice = format!("{source}: the file cannot be read; the same model from another instance is used instead");
        Some(Loaded { model, hash, notice: Some(notice) })
    }
}

/// Loads the model that an instance asks for, and repeats that until it has asked for no other model
/// meanwhile.
pub(crate) fn load(shared: &Shared, models: &mut ModelCache) {
    loop {
        let Some(request) = lock(&shared.request).clone() else { return };
        let ModelRequest { source, hash, fallback } = &request;
        let mut get = |source: &ModelSource, hash: Option<&str>| {
            // A panic must not end the loader thread.
            catch_unwind(AssertUnwindSafe(|| models.get(source, hash, shared.inference)))
                .unwrap_or_else(|_| Err(ModelError::Refused("loading it panicked; export it again".into())))
        };
        let (source, found) = match get(source, hash.as_deref()) {
            Ok(found) => (source, Ok(found)),
            Err(error) => {
                let why = format!("{source}: {error}");
                match fallback.as_ref().and_then(|fallback| Some((fallback, get(fallback, None).ok()?))) {
                    Some((fallback, loaded)) => {
                        let notice = format!("{why}; {} is used instead", fallback.name());
                        (fallback, Ok(Loaded { notice: Some(notice), ..loaded }))
                    }
                    None => (source, Err(why)),
                }
            }
        };
        let mut analyzer = lock(&shared.analyzer);
        match found {
            Ok(Loaded { model, hash, notice }) => {
                if let Some(notice) = &notice {
                    tracing::warn!("{notice}");
                }
                let metadata = Arc::new(model.metadata().clone());
                shared.board.set_model_info(ModelInfo { source: Some(source.clone()), hash, metadata, notice });
                analyzer.set_model(model, &source.name());
            }
            Err(why) => match shared.board.model_info().source {
                Some(current) => shared.board.set_notice(format!("{why}; {} stays in use", current.name())),
                None => analyzer.fail(why),
            },
        }
        drop(analyzer);
        let mut pending = lock(&shared.request);
        if *pending == Some(request) {
            *pending = None;
            shared.loaded.notify_all();
        }
    }
}
