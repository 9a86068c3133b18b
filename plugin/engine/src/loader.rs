//! Models for instances: read once, shared by all that use them.

use crate::board::About;
use crate::engine::{ModelSource, Request, Shared};
use crate::model::{Inference, Model, ModelError, WeakModel};
use crate::workers::lock;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The models that instances of this process use, by what their files hold.
#[derive(Default)]
pub(crate) struct Models(HashMap<([u8; 32], Inference), WeakModel>);

/// A model, the SHA-256 of its file, and what there is to say of it.
struct Found {
    model: Model,
    hash: String,
    notice: Option<String>,
}

impl Models {
    /// Another handle of a model that is in use, or a new one; `hash` is what its file once had.
    fn get(&mut self, source: &ModelSource, hash: Option<&str>, inference: Inference) -> Result<Found, ModelError> {
        self.0.retain(|_, model| model.upgrade().is_some());
        let read;
        let bytes = match source {
            ModelSource::Bytes { bytes, .. } => *bytes,
            ModelSource::File(path) => match Model::read(path) {
                Ok(bytes) => {
                    read = bytes;
                    &read
                }
                Err(error) => return self.in_use(source, hash, inference).ok_or(error),
            },
        };
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let found = hexadecimal(&digest);
        let notice = hash
            .filter(|hash| **hash != found)
            .map(|_| format!("{source}: this is another file than the project was saved with"));
        let key = (digest, inference);
        if let Some(model) = self.0.get(&key).and_then(WeakModel::upgrade) {
            return Ok(Found { model, hash: found, notice });
        }
        let model = Model::with(bytes, inference, None)?;
        self.0.insert(key, model.downgrade());
        Ok(Found { model, hash: found, notice })
    }

    /// The model of a hash, if an instance uses it: its file cannot be read any more.
    fn in_use(&self, source: &ModelSource, hash: Option<&str>, inference: Inference) -> Option<Found> {
        let is_it = |(digest, way): &([u8; 32], Inference)| *way == inference && Some(&*hexadecimal(digest)) == hash;
        let model = self.0.iter().find(|(key, _)| is_it(key))?.1.upgrade()?;
        let notice =
            format!("{source}: the file cannot be read; the same model is open elsewhere and listens here too");
        Some(Found { model, hash: hash.unwrap_or_default().into(), notice: Some(notice) })
    }
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Loads what an instance wants, until it wants nothing else.
pub(crate) fn load(shared: &Shared, models: &mut Models) {
    loop {
        let Some(request) = lock(&shared.wanted).clone() else { return };
        let Request { source, hash, instead } = &request;
        let mut get = |source: &ModelSource, hash: Option<&str>| {
            // Whatever a file does to the reader, the next one is loaded.
            catch_unwind(AssertUnwindSafe(|| models.get(source, hash, shared.inference)))
                .unwrap_or_else(|_| Err(ModelError::Refused("reading it broke down".into())))
        };
        let (source, found) = match get(source, hash.as_deref()) {
            Ok(found) => (source, Ok(found)),
            Err(error) => {
                let why = format!("{source}: {error}");
                match instead.as_ref().and_then(|instead| Some((instead, get(instead, None).ok()?))) {
                    Some((instead, found)) => {
                        let notice = format!("{why}; {} listens instead", instead.name());
                        (instead, Ok(Found { notice: Some(notice), ..found }))
                    }
                    None => (source, Err(why)),
                }
            }
        };
        let mut listener = lock(&shared.listener);
        match found {
            Ok(Found { model, hash, notice }) => {
                if let Some(notice) = &notice {
                    tracing::warn!("{notice}");
                }
                let metadata = Arc::new(model.metadata().clone());
                shared.board.set_about(About { source: Some(source.clone()), hash, metadata, notice });
                listener.set_model(model, &source.name());
            }
            Err(why) => match shared.board.about().source {
                Some(current) => shared.board.set_notice(format!("{why}; {} listens on", current.name())),
                None => listener.fail(why),
            },
        }
        drop(listener);
        let mut wanted = lock(&shared.wanted);
        if *wanted == Some(request) {
            *wanted = None;
            shared.loaded.notify_all();
        }
    }
}
