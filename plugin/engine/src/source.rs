//! Where a model comes from, and which one an instance asks for.

use crate::library::ModelLibrary;
use crate::model::Metadata;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// An ONNX file in memory.
    Bytes {
        /// The display name of the model.
        name: Cow<'static, str>,
        /// The ONNX file.
        bytes: &'static [u8],
    },
    /// An ONNX file on disk.
    File(PathBuf),
}

/// A model that an instance asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRequest {
    /// Where it is.
    pub source: ModelSource,
    /// The SHA-256 that the file had when it was chosen, as 64 lower-case hexadecimal digits, if known. If
    /// the file cannot be read or has another hash, the file with this hash in the library is taken; else, if it
    /// cannot be read, a model with this hash that another instance uses. If the file has another hash,
    /// [`ModelInfo::notice`](crate::ModelInfo::notice) says so.
    pub hash: Option<String>,
    /// The model to use if this one cannot be used; without it the current model stays.
    pub fallback: Option<ModelSource>,
    /// The library of the user.
    pub library: Option<ModelLibrary>,
    /// Whether a file is copied to the library once it is loaded, and what is stated of it is remembered there.
    pub is_added_to_library: bool,
    /// What the user states in the place of what the file lacks: tags, sample rate, window. Without it, what the
    /// library remembers is used.
    pub stated: Option<Metadata>,
}

impl From<ModelSource> for ModelRequest {
    fn from(source: ModelSource) -> Self {
        Self { source, hash: None, fallback: None, library: None, is_added_to_library: false, stated: None }
    }
}

impl ModelSource {
    /// The display name of the model: of a file, its name without the folders.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Bytes { name, .. } => Cow::Borrowed(name),
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy(),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { name, .. } => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}
