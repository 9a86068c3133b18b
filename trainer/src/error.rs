//! What can go wrong in the trainer, each in one sentence for a person.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// An error of any of the trainer's commands.
#[derive(Debug, thiserror::Error)]
pub enum TrainerError {
    /// A file or folder cannot be read or written.
    #[error("{}: {cause}{}", path.display(), remedy(cause))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file is there and does not hold what it should.
    #[error("{}: {what}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        what: String,
    },
    /// The architecture in a configuration cannot be built.
    #[error(transparent)]
    Architecture(#[from] crate::architecture::ArchitectureError),
    /// A teacher or an exported model failed.
    #[error(transparent)]
    Model(#[from] tagvane_engine::ModelError),
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Request(String),
}

impl TrainerError {
    /// For `map_err`: what the system said of `path`.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        |cause| Self::File { path, cause }
    }

    /// What is wrong with the content of `path`.
    pub fn content(path: &Path, what: impl Into<String>) -> Self {
        Self::Content { path: path.to_owned(), what: what.into() }
    }
}

/// What to do about what the system said, where that is known.
fn remedy(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::StorageFull => "; make room and give the command again: it goes on where it was",
        _ => "",
    }
}

/// The result of the trainer's functions.
pub type Result<T> = std::result::Result<T, TrainerError>;

/// What a library makes of a file by others, or `None` where it broke down over it.
pub(crate) fn unbroken<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}
