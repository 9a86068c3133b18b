//! Decodes audio files into memory: Ogg Vorbis, Opus, FLAC, MP3 and WAV.
#![forbid(unsafe_code)]

mod opus;

use opus::Opus;
use std::fs::File;
use std::path::{Path, PathBuf};
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as DecodeError;
use symphonia::core::formats::TrackType;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::MediaSourceStream;
use symphonia::core::packet::Packet;

/// A decoded recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples per channel, nominally in -1..1; all channels have the same length.
    pub channels: Vec<Vec<f32>>,
    /// Sample rate in hertz.
    pub sample_rate: u32,
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
    #[error("{}: this is not a supported audio file; give wav, flac, mp3, ogg or opus", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
    },
    /// The file is Opus with more than two channels, which are encoded as several streams.
    #[error("{}: Opus with {channels} channels is not supported; convert the file to stereo", path.display())]
    OpusChannels {
        /// The file.
        path: PathBuf,
        /// Number of channels.
        channels: usize,
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
/// Damaged packets are skipped, and samples that are not finite become 0. Of a truncated file the frames before its end
/// are returned, and of a chained file those before its channels or sample rate change.
///
/// # Errors
/// [`AudioError`] where the file cannot be opened or nothing in it can be decoded.
pub fn read(path: &Path) -> Result<Recording, AudioError> {
    let not_audio = || AudioError::NotAudio { path: path.to_owned() };
    let open = |cause| AudioError::Open { path: path.to_owned(), cause };
    let file = File::open(path).map_err(open)?;
    let metadata = file.metadata().map_err(open)?;
    if metadata.is_dir() {
        return Err(not_audio());
    }
    if metadata.len() == 0 {
        return Err(AudioError::Empty { path: path.to_owned() });
    }
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, Default::default(), Default::default())
        .map_err(|_| not_audio())?;
    let track = format.default_track(TrackType::Audio).ok_or_else(not_audio)?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).ok_or_else(not_audio)?;
    let mut decoder = if parameters.codec == CODEC_ID_OPUS {
        let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count());
        let unsupported = || AudioError::OpusChannels { path: path.to_owned(), channels };
        Decoder::Opus(Box::new(Opus::new(channels).ok_or_else(unsupported)?))
    } else {
        let decoder = symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default());
        Decoder::Symphonia(decoder.map_err(|_| not_audio())?)
    };

    let mut recording = Recording { channels: Vec::new(), sample_rate: 0 };
    let mut planes: Vec<Vec<f32>> = Vec::new();
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != track_id {
            continue;
        }
        let rate = match decoder.decode(&packet, &mut planes) {
            Ok(Some(rate)) => rate,
            Ok(None) => continue,
            Err(EndOfStream) => break,
        };
        let channels = planes.len();
        if recording.channels.is_empty() {
            recording.sample_rate = rate;
            recording.channels = vec![Vec::new(); channels];
        }
        // A chained file has changed its channels or sample rate.
        if channels != recording.channels.len() || rate != recording.sample_rate || rate == 0 {
            break;
        }
        for (channel, plane) in recording.channels.iter_mut().zip(&planes) {
            channel.extend(plane.iter().map(|sample| if sample.is_finite() { *sample } else { 0.0 }));
        }
    }
    if recording.frames() == 0 { Err(AudioError::Empty { path: path.to_owned() }) } else { Ok(recording) }
}

/// The decoder of a track.
enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// No further packet can be decoded.
struct EndOfStream;

impl Decoder {
    /// Decodes a packet into `planes`, one per channel. Returns the sample rate, or `None` for a damaged packet.
    fn decode(&mut self, packet: &Packet, planes: &mut Vec<Vec<f32>>) -> Result<Option<u32>, EndOfStream> {
        match self {
            Self::Opus(opus) => Ok(opus.decode(&packet.data, planes).then_some(opus::RATE)),
            Self::Symphonia(decoder) => match decoder.decode(packet) {
                Ok(decoded) => {
                    decoded.copy_to_vecs_planar(planes);
                    Ok(Some(decoded.spec().rate()))
                }
                Err(DecodeError::DecodeError(_)) => Ok(None),
                Err(_) => Err(EndOfStream),
            },
        }
    }
}
