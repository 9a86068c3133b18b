//! Writing files.

use std::path::Path;

/// Writes a file under another name first, so that an existing file stays if writing fails.
///
/// # Errors
/// What the system says, as a clause.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path)).map_err(|error| {
        // There may be no such file.
        drop(std::fs::remove_file(&partial));
        error.to_string()
    })
}
