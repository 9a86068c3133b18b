//! Decodes audio files into memory: WAV, AIFF, CAF, FLAC, MP3, M4A (AAC and ALAC), Ogg Vorbis, Opus and Matroska by
//! Symphonia and opus-pure, and what these cannot read by ffmpeg where it is installed.
#![forbid(unsafe_code)]

mod error;
mod ffmpeg;
mod kinds;
mod opus;
mod recording;
mod riff;
mod symphonia_reader;

pub use error::AudioError;
pub use recording::Recording;

use riff::WavFile;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use symphonia_reader::decode;

/// Decodes the default audio track of the file at `path` into memory; where none is marked, that is the first one.
///
/// Damaged packets are skipped, and samples that are not finite become 0. Where the channels change within a file, the
/// later ones are converted to those at its beginning; where the sample rate changes, the rest is left out.
/// [`Recording::notice`] says so.
///
/// # Errors
/// [`AudioError`] where the file cannot be opened or nothing in it can be decoded.
pub fn read(path: &Path) -> Result<Recording, AudioError> {
    let open = |cause| AudioError::Open { path: path.to_owned(), cause };
    let mut file = File::open(path).map_err(open)?;
    let metadata = file.metadata().map_err(open)?;
    if metadata.is_dir() {
        return Err(AudioError::NotAudio { path: path.to_owned() });
    }
    if metadata.len() == 0 {
        return Err(AudioError::Empty { path: path.to_owned() });
    }
    let mut header = Vec::new();
    file.by_ref().take(kinds::HEADER as u64).read_to_end(&mut header).map_err(open)?;
    let source = WavFile::new(file).map_err(open)?;
    match decode(Box::new(source), path) {
        Err(AudioError::NotAudio { path }) => match (kinds::audio(&header), kinds::other(&header)) {
            (Some(kind), _) => ffmpeg::decode(&path).ok_or(AudioError::Unsupported { path, kind }),
            (None, Some(kind)) => Err(AudioError::NoSound { path, kind }),
            (None, None) => Err(AudioError::NotAudio { path }),
        },
        result => result,
    }
}
