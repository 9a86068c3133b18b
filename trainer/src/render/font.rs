//! Sound fonts by others. The library that reads and plays them trusts what they say of
//! themselves: here a damaged one is refused instead.

use crate::error::{self, Result, TrainerError};
use rustysynth::SoundFont;
use std::path::Path;

/// Reads a .sf2 file.
///
/// # Errors
/// [`TrainerError`] where it cannot be read, or is none.
pub(super) fn open(path: &Path) -> Result<SoundFont> {
    let wrong = |what: String| TrainerError::content(path, what);
    let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
    if !has_its_chunks(&bytes) {
        return Err(wrong("this sound font says that it is longer than it is; get it anew".into()));
    }
    let read = unbroken(|| SoundFont::new(&mut bytes.as_slice())).map_err(wrong)?;
    read.map_err(|error| TrainerError::content(path, error.to_string()))
}

/// What the library gives, or in words that the font broke it.
pub(super) fn unbroken<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    error::unbroken(work).ok_or_else(|| "this sound font is damaged; get it anew".into())
}

/// Whether each chunk fits into what is left of the file: room is made for it before it is read.
fn has_its_chunks(bytes: &[u8]) -> bool {
    /// A chunk's name and size, and for lists their kind.
    const HEADER: usize = 8;
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
