//! Why a file cannot be decoded.

use std::path::PathBuf;

/// The reason why a file cannot be decoded. The message is one sentence and names the file.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file does not exist or cannot be opened.
    #[error("{}: cannot be opened: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// The path is a folder, or the file is not in a supported format.
    #[error("{}: this is not a supported audio file; give wav, aiff, flac, mp3, m4a, ogg or opus", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
    },
    /// The file is of a kind without sound.
    #[error("{}: this is {kind}; give an audio file", path.display())]
    NoSound {
        /// The file.
        path: PathBuf,
        /// What the file is.
        kind: &'static str,
    },
    /// The file is of a kind that is known but not supported.
    #[error("{}: this is {kind}, which cannot be decoded; convert it to wav or flac, or install ffmpeg", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What the file is.
        kind: &'static str,
    },
    /// The file is empty, or none of its packets can be decoded.
    #[error("{}: the file has no audio; give another one", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}
