//! Audio files in: Ogg Vorbis, Opus, FLAC, MP3 and WAV, decoded whole.
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
    /// One vector a channel, all of one length, samples nominally in -1..1.
    pub channels: Vec<Vec<f32>>,
    /// Frames a second.
    pub sample_rate: u32,
}

impl Recording {
    /// The length in frames.
    pub fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// The length in seconds.
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

/// Why a file gives no audio; the text names the file and is one sentence.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// There is no such file, or it cannot be opened.
    #[error("{}: cannot be opened: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is in no format that can be decoded.
    #[error("{}: this is no audio file that can be read (wav, flac, mp3, ogg and opus can)", path.display())]
    NotAudio {
        /// The file.
        path: PathBuf,
    },
    /// The file decodes to nothing.
    #[error("{}: the file holds no audio", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Decodes the first audio track of the file at `path`, wholly into memory.
///
/// Damaged packets within a file are skipped, as players do; what remains is
/// returned.
///
/// # Errors
/// [`AudioError`] where nothing can be decoded.
pub fn read(path: &Path) -> Result<Recording, AudioError> {
    let not_audio = || AudioError::NotAudio { path: path.to_owned() };
    let open = |cause| AudioError::Open { path: path.to_owned(), cause };
    let file = File::open(path).map_err(open)?;
    let about = file.metadata().map_err(open)?;
    if about.is_dir() {
        return Err(not_audio());
    }
    if about.len() == 0 {
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
        Decoder::Opus(Box::new(Opus::new(channels).ok_or_else(not_audio)?))
    } else {
        let made = symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default());
        Decoder::Symphonia(made.map_err(|_| not_audio())?)
    };

    let mut recording = Recording { channels: Vec::new(), sample_rate: 0 };
    let mut planes: Vec<Vec<f32>> = Vec::new();
    // A read error ends the recording where it stands: the file is cut off there.
    while let Ok(Some(packet)) = format.next_packet() {
        if packet.track_id != track_id {
            continue;
        }
        let rate = match decoder.decode(&packet, &mut planes) {
            Ok(Some(rate)) => rate,
            Ok(None) => continue,
            Err(End) => break,
        };
        let channels = planes.len();
        if recording.channels.is_empty() {
            recording.sample_rate = rate;
            recording.channels = vec![Vec::new(); channels];
        }
        // A chained file may change its shape half-way: the first part is kept.
        if channels != recording.channels.len() || rate != recording.sample_rate || rate == 0 {
            break;
        }
        for (channel, plane) in recording.channels.iter_mut().zip(&planes) {
            channel.extend(plane.iter().map(|sample| if sample.is_finite() { *sample } else { 0.0 }));
        }
    }
    if recording.frames() == 0 { Err(AudioError::Empty { path: path.to_owned() }) } else { Ok(recording) }
}

/// What turns packets into samples.
enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(Box<Opus>),
}

/// Nothing more can be decoded.
struct End;

impl Decoder {
    /// Puts a packet's samples into `planes`, one a channel; gives their rate, or `None` where the
    /// packet is damaged.
    fn decode(&mut self, packet: &Packet, planes: &mut Vec<Vec<f32>>) -> Result<Option<u32>, End> {
        match self {
            Self::Opus(opus) => Ok(opus.decode(&packet.data, planes).then_some(opus::RATE)),
            Self::Symphonia(decoder) => match decoder.decode(packet) {
                Ok(decoded) => {
                    decoded.copy_to_vecs_planar(planes);
                    Ok(Some(decoded.spec().rate()))
                }
                Err(DecodeError::DecodeError(_)) => Ok(None),
                Err(_) => Err(End),
            },
        }
    }
}
