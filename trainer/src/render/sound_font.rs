//! Loads sound fonts. `rustysynth` does not validate sizes and indices, so damaged files are rejected here.

use crate::error::{self, Result, TrainerError};
use rustysynth::SoundFont;
use std::path::Path;

/// Reads an SF2 file.
///
/// # Errors
/// [`TrainerError`] where it cannot be read or is invalid.
pub(super) fn open(path: &Path) -> Result<SoundFont> {
    let wrong = |what: String| TrainerError::content(path, what);
    let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
    if !has_valid_chunk_sizes(&bytes) {
        return Err(wrong("this sound font is truncated or damaged; download it again".into()));
    }
    let read = catch_panic(|| SoundFont::new(&mut bytes.as_slice())).map_err(wrong)?;
    read.map_err(|error| TrainerError::content(path, error.to_string()))
}

/// Runs `work` of the library and turns a panic into an error message.
pub(super) fn catch_panic<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    error::catch_panic(work).ok_or_else(|| "this sound font is damaged; download it again".into())
}

/// Whether each RIFF chunk fits into the rest of the file. `rustysynth` allocates a chunk before it reads it.
fn has_valid_chunk_sizes(bytes: &[u8]) -> bool {
    /// Length of the name and size of a chunk.
    const HEADER: usize = 8;
    /// The same with the type of a list.
    const LIST: usize = 12;
    let mut rest = bytes.get(LIST..).unwrap_or_default();
    while let Some((header, content)) = rest.split_at_checked(HEADER) {
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if size > content.len() {
            return false;
        }
        let skipped = if header.starts_with(b"LIST") { LIST } else { HEADER + size };
        rest = rest.get(skipped..).unwrap_or_default();
    }
    true
}
