//! The errors of the trainer; each displays as one sentence for the user.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// An error of a trainer command.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// A file or folder cannot be read or written.
    #[error("{}: {cause}{}", path.display(), advice(cause))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// A file or folder has invalid content.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// A recording cannot be decoded.
    #[error(transparent)]
    Audio(#[from] tagvane_audio::AudioError),
    /// The architecture in a configuration cannot be built.
    #[error(transparent)]
    Architecture(#[from] crate::architecture::ArchitectureError),
    /// Loading or running a teacher or an exported model failed.
    #[error(transparent)]
    Model(#[from] tagvane_engine::ModelError),
    /// The arguments are invalid, or the command cannot be carried out.
    #[error("{0}")]
    Request(String),
    /// The user has interrupted the command; says where, and how to go on.
    #[error("{0}")]
    Interrupted(String),
}

impl TrainerError {
    /// Returns a closure for `map_err` that adds `path` to an I/O error.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, cause }
    }

    /// The error for invalid content at `path`.
    pub fn content(path: &Path, what: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), what: what.into() }
    }
}

/// Advice to append to an I/O error; empty where there is none.
fn advice(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::StorageFull => "; make room and repeat the command, which resumes where it stopped",
        _ => "",
    }
}

/// The result of the trainer's functions.
pub type Result<T> = std::result::Result<T, TrainerError>;

/// Runs `work` and returns `None` if it panics. For libraries that panic on damaged files.
pub(crate) fn catch_panic<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
