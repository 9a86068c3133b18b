//! Decodes audio files, whole or block by block: WAV, AIFF, CAF, FLAC, MP3, M4A (AAC and ALAC), Ogg Vorbis, Opus and
//! Matroska by Symphonia and opus-pure, and what these cannot read by ffmpeg where it is installed.
#![forbid(unsafe_code)]

mod error;
mod ffmpeg;
mod kinds;
mod metadata;
mod opus;
mod recording;
mod riff;
mod stream;
mod symphonia_reader;

pub use error::AudioError;
pub use metadata::metadata_values;
pub use recording::{Recording, read};
pub use stream::AudioStream;
/// What audio is read from: bytes, and whether they can be read twice.
pub use symphonia::core::io::MediaSource;
