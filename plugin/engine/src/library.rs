//! The library of a user's models: a folder of model files, found by the SHA-256 of their content, and what the user
//! has stated of files that do not say it themselves.
//!
//! `FOLDER/*.onnx` are the models, `FOLDER/settings/SHA256.json` the statements, in the form of a file beside a model.
//! `FOLDER/index.json` saves loading unchanged files again to list them; it may be deleted.

use crate::model::{FULL_WINDOWS_SHARE, HopChoice, InferenceMode, Metadata, Model, ModelError, sidecar};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// The most files of a library that are listed.
const MAX_FILES: usize = 1_000;

/// The most bytes of an index that are read.
const MAX_INDEX_BYTES: u64 = 16 << 20;

/// A folder of model files. Neither it nor anything in it has to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLibrary {
    folder: PathBuf,
}

/// A model file of a library.
#[derive(Debug, Clone, PartialEq)]
pub struct LibraryEntry {
    /// The file.
    pub path: PathBuf,
    /// The SHA-256 of its content, as 64 lower-case hexadecimal digits; empty if it cannot be read.
    pub hash: String,
    /// What it is, or why it cannot be used, in one sentence.
    pub summary: Result<ModelSummary, String>,
}

/// What a list of models shows of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its tags.
    pub tags: Vec<String>,
    /// The length of its window.
    pub window: Duration,
    /// Its sample rate, in hertz.
    pub sample_rate: u32,
    /// Whether the rate is assumed, because nothing states it.
    pub is_sample_rate_assumed: bool,
    /// Whether the window is assumed, because nothing states it.
    pub is_window_assumed: bool,
    /// How it is run.
    pub inference: InferenceMode,
    /// The time between two predictions.
    pub hop: Duration,
    /// The processor time of a prediction, measured when the file was listed first.
    pub prediction_time: Duration,
}

/// A model file that was read.
pub(crate) struct ModelFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    /// The SHA-256 of `bytes`, as 64 lower-case hexadecimal digits.
    pub(crate) hash: String,
}

/// What is known of the files of a library, by their names.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Index {
    files: BTreeMap<String, IndexedFile>,
}

/// What is known of a file, as long as it and what is said of it stay the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct IndexedFile {
    stamp: Stamp,
    sha256: String,
    /// What files beside it and the user say of it, as JSON.
    stated: String,
    summary: Result<ModelSummary, String>,
}

/// Tells a file that was changed from the same file before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    /// The time of the last change, in milliseconds after 1970.
    modified: u64,
}

impl ModelFile {
    /// Reads a file of at most 64 MiB and one byte.
    ///
    /// # Errors
    /// [`ModelError`] if it cannot be read.
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let bytes = Model::read(path)?;
        Ok(Self { path: path.to_owned(), hash: hash(&bytes), bytes })
    }
}

/// The SHA-256 of a model file, as 64 lower-case hexadecimal digits.
pub(crate) fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

impl ModelLibrary {
    /// The library in a folder, which is made when something is added.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Lists the models, by name. Files that are not in the index are loaded, which takes up to some seconds each.
    /// Calls `is_cancelled` before each of those, and leaves out the rest when it returns true.
    pub fn entries(&self, is_cancelled: impl Fn() -> bool) -> Vec<LibraryEntry> {
        let before = self.read_index();
        let mut index = Index::default();
        let mut entries = Vec::new();
        for (name, path) in self.files() {
            let Some(stamp) = stamp(&path) else { continue };
            let known = before
                .files
                .get(&name)
                .filter(|known| known.stamp == stamp && known.stated == self.stated(&path, &known.sha256));
            let file = match known {
                Some(known) => known.clone(),
                None if is_cancelled() => return entries,
                None => self.inspect(&path, stamp),
            };
            entries.push(LibraryEntry { path, hash: file.sha256.clone(), summary: file.summary.clone() });
            index.files.insert(name, file);
        }
        if index != before
            && let Err(error) = self.write_index(&index)
        {
            tracing::debug!("{}: the index cannot be written: {error}", self.folder.display());
        }
        entries
    }

    /// Loads a file to list it.
    fn inspect(&self, path: &Path, stamp: Stamp) -> IndexedFile {
        let file = match ModelFile::read(path) {
            Ok(file) => file,
            Err(error) => {
                return IndexedFile {
                    stamp,
                    sha256: String::new(),
                    stated: String::new(),
                    summary: Err(error.to_string()),
                };
            }
        };
        let stated = self.remembered(&file.hash).or(sidecar::read(path));
        let summary = Model::load(&file.bytes, InferenceMode::Sliding, HopChoice::Live, stated)
            .and_then(|model| ModelSummary::new(&model))
            .map_err(|error| error.to_string());
        IndexedFile { stamp, stated: self.stated(path, &file.hash), sha256: file.hash, summary }
    }

    /// What files beside a file and the user say of it, as JSON.
    fn stated(&self, path: &Path, hash: &str) -> String {
        sidecar::to_json(&self.remembered(hash).or(sidecar::read(path)))
    }

    /// The file with this SHA-256.
    pub(crate) fn find(&self, hash: &str) -> Option<ModelFile> {
        let index = self.read_index();
        let is_another = |name: &str, path: &Path| {
            let known = index.files.get(name);
            known.is_some_and(|known| Some(known.stamp) == stamp(path) && known.sha256 != hash)
        };
        let candidates = self.files().into_iter().filter(|(name, path)| !is_another(name, path));
        candidates.filter_map(|(_, path)| ModelFile::read(&path).ok()).find(|file| file.hash == hash)
    }

    /// Adds a file by its name, numbered if another file has it, unless the library has it already.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(crate) fn add(&self, file: &ModelFile) -> io::Result<()> {
        if file.path.parent() == Some(&self.folder) || self.find(&file.hash).is_some() {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        let mut temporary = tempfile::NamedTempFile::new_in(&self.folder)?;
        temporary.write_all(&file.bytes)?;
        let stem = file.path.file_stem().unwrap_or(OsStr::new("model")).to_string_lossy().into_owned();
        for number in 1..=MAX_FILES {
            let name = if number == 1 { format!("{stem}.onnx") } else { format!("{stem} {number}.onnx") };
            match temporary.persist_noclobber(self.folder.join(name)) {
                Ok(_) => return Ok(()),
                Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => temporary = error.file,
                Err(error) => return Err(error.error),
            }
        }
        Err(io::Error::other("it has too many files of that name"))
    }

    /// What the user has stated of the file with this SHA-256.
    pub(crate) fn remembered(&self, hash: &str) -> Metadata {
        self.settings_file(hash).map_or_else(Metadata::default, |path| sidecar::read_json(&path))
    }

    /// Remembers what the user states of the file with this SHA-256, in place of what was stated before.
    ///
    /// # Errors
    /// If the folder cannot be written to.
    pub(crate) fn remember(&self, hash: &str, stated: &Metadata) -> io::Result<()> {
        let path = self.settings_file(hash).ok_or(io::ErrorKind::InvalidInput)?;
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        write_atomically(folder, &path, sidecar::to_json(stated).as_bytes())
    }

    /// The file of what was stated of a file; `None` if `hash`, which may come from a project, is not a SHA-256.
    fn settings_file(&self, hash: &str) -> Option<PathBuf> {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hash.then(|| self.folder.join("settings").join(format!("{hash}.json")))
    }

    /// The names and paths of the model files, by name.
    fn files(&self) -> BTreeMap<String, PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let is_model = |path: &Path| {
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) && path.is_file()
        };
        let files = entries.map(|entry| entry.path()).filter(|path| is_model(path)).take(MAX_FILES);
        files.filter_map(|path| Some((path.file_name()?.to_string_lossy().into_owned(), path))).collect()
    }

    /// The index; an empty one if there is none that can be read.
    fn read_index(&self) -> Index {
        let path = self.folder.join("index.json");
        let is_readable = fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_INDEX_BYTES);
        let bytes = if is_readable { fs::read(&path).unwrap_or_default() } else { Vec::new() };
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    fn write_index(&self, index: &Index) -> io::Result<()> {
        let text = serde_json::to_vec(index).map_err(io::Error::other)?;
        write_atomically(&self.folder, &self.folder.join("index.json"), &text)
    }
}

impl ModelSummary {
    /// The share of a core that the model takes in real time, and its predictions per second; models that are run by
    /// full windows predict less often instead of taking more than their share.
    pub fn cost(&self) -> (f64, f64) {
        let seconds = self.prediction_time.as_secs_f64();
        let hops_per_second = 1.0 / self.hop.as_secs_f64().max(1e-9);
        let share = seconds * hops_per_second;
        if self.inference == InferenceMode::FullWindows && share > FULL_WINDOWS_SHARE {
            (FULL_WINDOWS_SHARE, FULL_WINDOWS_SHARE / seconds)
        } else {
            (share, hops_per_second)
        }
    }

    /// Measures a model.
    fn new(model: &Model) -> Result<Self, ModelError> {
        let seconds = |samples: usize| Duration::from_secs_f64(samples as f64 / f64::from(model.sample_rate()));
        Ok(Self {
            tags: model.metadata().display_tags(),
            window: seconds(model.window()),
            sample_rate: model.sample_rate(),
            is_sample_rate_assumed: model.is_sample_rate_assumed(),
            is_window_assumed: model.is_window_assumed(),
            inference: model.inference(),
            hop: seconds(model.hop()),
            prediction_time: model.measure()?,
        })
    }
}

/// The stamp of a file; `None` if it is gone.
fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Some(Stamp { bytes: metadata.len(), modified: modified.map_or(0, |time| time.as_millis() as u64) })
}

/// Writes a file in a folder, so that a crash leaves the old or the new one.
fn write_atomically(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = tempfile::NamedTempFile::new_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.persist(path).map(drop).map_err(|error| error.error)
}
