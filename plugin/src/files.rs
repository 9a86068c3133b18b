//! Reading and writing files.

use std::io::Read as _;
use std::path::Path;

/// Reads a file of the user of at most `max` bytes.
///
/// # Errors
/// What the system says, or what is wrong with the file, as a clause.
pub(crate) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(|error| error.to_string())?.is_file() {
        return Err("it is not a file".into());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > max { Err("it is too large".into()) } else { Ok(bytes) }
}

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
