//! Decoding by the program ffmpeg, where it is installed.

use crate::symphonia_reader::PacketReader;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use symphonia::core::io::ReadOnlySource;

/// The running program; it ends with this value.
pub(crate) struct Ffmpeg(Child);

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        // Nobody reads its output any more. It fails if the program has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Decodes the first audio stream of a file; `None` if ffmpeg is not installed or cannot decode it.
pub(crate) fn open(path: &Path) -> Option<(PacketReader, Ffmpeg)> {
    // A path is not an option and not the address of a server.
    let mut input = OsString::from("file:");
    input.push(path);
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "quiet", "-protocol_whitelist", "file", "-i"])
        .arg(input)
        .args(["-map", "0:a:0", "-f", "wav", "-c:a", "pcm_f32le", "pipe:1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut ffmpeg = Ffmpeg(ffmpeg);
    let output = ffmpeg.0.stdout.take()?;
    let packets = PacketReader::new(Box::new(ReadOnlySource::new(output)), Path::new("ffmpeg.wav")).ok()?;
    Some((packets, ffmpeg))
}
