//! Loads models for instances. Instances with the same model share it.

use crate::library::{ModelFile, ModelLibrary, hash};
use crate::model::{HopChoice, InferenceMode, Metadata, Model, ModelError, WeakModel, sidecar};
use crate::shared::Shared;
use crate::source::{ModelRequest, ModelSource};
use crate::status::ModelInfo;
use crate::sync::lock;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// The models that instances of this process use, by the SHA-256 of their files in hexadecimal digits. A model
/// has the metadata that was stated outside its file when it was loaded.
#[derive(Default)]
pub(crate) struct ModelCache(HashMap<(String, InferenceMode), (Metadata, WeakModel)>);

/// A model, where it was loaded from, the SHA-256 of its file, and a notice about it.
struct Loaded {
    model: Model,
    source: ModelSource,
    hash: String,
    notice: Option<String>,
}

impl ModelCache {
    /// The model of a request, in use or newly loaded; its fallback is ignored.
    fn get(&mut self, request: &ModelRequest, inference: InferenceMode) -> Result<Loaded, ModelError> {
        self.0.retain(|_, (_, model)| model.upgrade().is_some());
        let ModelRequest { source, library, stated, .. } = request;
        let path = match source {
            ModelSource::Bytes { bytes, .. } => {
                let hash = hash(bytes);
                let model = self.load(bytes, &hash, inference, Metadata::default())?;
                return Ok(Loaded { model, source: source.clone(), hash, notice: None });
            }
            ModelSource::File(path) => path,
        };
        let expected = request.hash.as_deref();
        let file = match find_file(path, expected, library.as_ref()) {
            Ok(file) => file,
            Err(error) => return self.find_by_hash(source, expected, inference).ok_or(error),
        };
        let is_another = expected.is_some_and(|expected| expected != file.hash);
        let mut notice = is_another.then(|| format!("{source}: this is another file than the project was saved with"));
        let remembered = || library.as_ref().map_or_else(Metadata::default, |library| library.remembered(&file.hash));
        let stated = stated.clone().unwrap_or_else(remembered).or(sidecar::read(&file.path));
        let model = self.load(&file.bytes, &file.hash, inference, stated.clone())?;
        if let Some(library) = library.as_ref().filter(|_| request.is_added_to_library)
            && let Err(error) = add_to_library(library, &file, &stated)
        {
            let folder = library.folder().display();
            notice.get_or_insert(format!(
                "{source} is in use, but cannot be copied to the library {folder}: {error}; make room there, or let it be written to"
            ));
        }
        Ok(Loaded { model, source: ModelSource::File(file.path), hash: file.hash, notice })
    }

    /// A model that is in use, or else a newly loaded one; `stated` is what is stated outside its file.
    fn load(
        &mut self,
        bytes: &[u8],
        hash: &str,
        inference: InferenceMode,
        stated: Metadata,
    ) -> Result<Model, ModelError> {
        let key = (hash.to_owned(), inference);
        let known = self.0.get(&key).filter(|(known, _)| *known == stated);
        if let Some(model) = known.and_then(|(_, model)| model.upgrade()) {
            return Ok(model);
        }
        let model = Model::load(bytes, inference, HopChoice::Live, stated.clone())?;
        self.0.insert(key, (stated, model.downgrade()));
        Ok(model)
    }

    /// The model with this hash, if an instance uses it: the substitute for a file that cannot be read.
    fn find_by_hash(&self, source: &ModelSource, hash: Option<&str>, inference: InferenceMode) -> Option<Loaded> {
        let hash = hash?.to_owned();
        let model = self.0.get(&(hash.clone(), inference))?.1.upgrade()?;
        let notice = format!("{source}: the file cannot be read; the same model from another instance is used instead");
        Some(Loaded { model, source: source.clone(), hash, notice: Some(notice) })
    }
}

/// The file at a path; if it cannot be read or has another hash than the expected one, the expected file in the
/// library, if that has it.
fn find_file(path: &Path, expected: Option<&str>, library: Option<&ModelLibrary>) -> Result<ModelFile, ModelError> {
    let file = ModelFile::read(path);
    match (expected, library) {
        (Some(expected), Some(library)) if file.as_ref().map_or(true, |file| file.hash != expected) => {
            library.find(expected).map_or(file, Ok)
        }
        _ => file,
    }
}

/// Adds a file to the library, with what is stated outside of it.
fn add_to_library(library: &ModelLibrary, file: &ModelFile, stated: &Metadata) -> std::io::Result<()> {
    library.add(file)?;
    if *stated != library.remembered(&file.hash) {
        library.remember(&file.hash, stated)?;
    }
    Ok(())
}

/// Loads the model that an instance asks for, and repeats that until it has asked for no other model
/// meanwhile.
pub(crate) fn load(shared: &Shared, models: &mut ModelCache) {
    loop {
        let Some(request) = lock(&shared.request).clone() else { return };
        let mut get = |request: &ModelRequest| {
            // A panic must not end the loader thread.
            catch_unwind(AssertUnwindSafe(|| models.get(request, shared.inference)))
                .unwrap_or_else(|_| Err(ModelError::Refused("loading it panicked; export it again".into())))
        };
        let found = get(&request).or_else(|error| {
            let why = format!("{}: {error}", request.source);
            let fallback = request.fallback.clone().ok_or_else(|| why.clone())?;
            let name = fallback.name().into_owned();
            let loaded = get(&fallback.into()).map_err(|_| why.clone())?;
            Ok(Loaded { notice: Some(format!("{why}; {name} is used instead")), ..loaded })
        });
        let mut analyzer = lock(&shared.analyzer);
        match found {
            Ok(Loaded { model, source, hash, notice }) => {
                if let Some(notice) = &notice {
                    tracing::warn!("{notice}");
                }
                let metadata = Arc::new(model.metadata().clone());
                let file_metadata = Arc::new(model.file_metadata().clone());
                let name = source.name().into_owned();
                shared.board.set_model_info(ModelInfo { source: Some(source), hash, metadata, file_metadata, notice });
                analyzer.set_model(model, &name);
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
