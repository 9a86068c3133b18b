//! Reading and writing files.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Reads a file of the user of at most `max` bytes.
///
/// # Errors
/// What the system says, or what is wrong with the file, as a clause.
pub(crate) fn read_file(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let text = |error: std::io::Error| error.to_string();
    // A pipe would wait for ever.
    if !std::fs::metadata(path).map_err(text)?.is_file() {
        return Err("it is no file".into());
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(text)?.take(max + 1).read_to_end(&mut bytes).map_err(text)?;
    if bytes.len() as u64 > max {
        return Err(format!("it is longer than {} KiB", max >> 10));
    }
    Ok(bytes)
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
