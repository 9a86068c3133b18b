//! Decodes audio files into memory: WAV, AIFF, CAF, FLAC, MP3, M4A (AAC and ALAC), Ogg Vorbis, Opus and Matroska by
//! Symphonia and opus-pure, and what these cannot read by ffmpeg where it is installed.
#![forbid(unsafe_code)]

mod ffmpeg;
mod kinds;
mod opus;
mod riff;
mod symphonia_reader;

use riff::WavFile;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use symphonia_reader::decode;

/// A decoded recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples per channel, nominally in -1..1; all channels have the same length.
    pub channels: Vec<Vec<f32>>,
    /// Sample rate in hertz.
    pub sample_rate: u32,
    /// What of the file was left out or changed, in one sentence.
    pub notice: Option<String>,
    /// Whether ffmpeg decoded it, because nothing here can.
    pub is_by_ffmpeg: bool,
}

impl Recording {
    /// Length in frames.
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames() as f64 / f64::from(self.sample_rate)
    }

    /// The mean of all channels.
    pub fn mono(&self) -> Vec<f32> {
        let scale = 1.0 / self.channels.len().max(1) as f32;
        (0..self.frames())
            .map(|frame| self.channels.iter().map(|channel| channel[frame]).sum::<f32>() * scale)
            .collect()
    }
}

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
