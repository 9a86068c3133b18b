//! Decoding by the program ffmpeg, where it is installed.

use crate::recording::Recording;
use crate::symphonia_reader;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use symphonia::core::io::ReadOnlySource;

/// Decodes the first audio stream of a file; `None` if ffmpeg is not installed or cannot decode it.
pub(crate) fn decode(path: &Path) -> Option<Recording> {
    // A path is not an option and not the address of a server.
    let mut input = OsString::from("file:");
    input.push(path);
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "quiet", "-protocol_whitelist", "file", "-i"])
        .arg(input)
        .args(["-map", "0:a:0", "-f", "wav", "-c:a", "pcm_f32le", "pipe:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let recording = ffmpeg.stdout.take().and_then(|output| {
        symphonia_reader::decode(Box::new(ReadOnlySource::new(output)), Path::new("ffmpeg.wav")).ok()
    });
    // The output has been read to its end, or nobody reads it any more.
    let _ = ffmpeg.wait();
    recording.map(|recording| Recording { is_by_ffmpeg: true, ..recording })
}
