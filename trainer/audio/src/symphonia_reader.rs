//! Decoding by Symphonia, and by opus-pure of the Opus that Symphonia demultiplexes.

use crate::error::AudioError;
use crate::opus::{self, Opus};
use std::path::Path;
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;

/// The most packets with nothing but the padding of an encoder.
const MAX_PADDING_PACKETS: usize = 2;

/// Reads the header of `source`, whose name is `path`; `None` if the format is not known.
pub(crate) fn open_format(source: Box<dyn MediaSource>, path: &Path) -> Option<Box<dyn FormatReader>> {
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(source, Default::default());
    symphonia::default::get_probe().probe(&hint, stream, Default::default(), Default::default()).ok()
}

/// Reads the packets of the default audio track one by one and decodes them.
pub(crate) struct PacketReader {
    format: Box<dyn FormatReader>,
    track: u32,
    decoder: Decoder,
    packets_past_end: usize,
    damaged_packets: usize,
}

impl PacketReader {
    /// Reads the header of `source`; errors name `path`, whose extension is a hint of the format.
    ///
    /// # Errors
    /// [`AudioError::NotAudio`] where the format or the codec is not known.
    pub(crate) fn new(source: Box<dyn MediaSource>, path: &Path) -> Result<Self, AudioError> {
        let not_audio = || AudioError::NotAudio { path: path.to_owned() };
        let format = open_format(source, path).ok_or_else(not_audio)?;
        let (track, decoder) = Decoder::of_default_track(&*format).ok_or_else(not_audio)?;
        Ok(Self { format, track, decoder, packets_past_end: 0, damaged_packets: 0 })
    }

    /// The length in frames that the file states; `None` if it states none.
    pub(crate) fn stated_frames(&self) -> Option<u64> {
        self.format.default_track(TrackType::Audio)?.num_frames.filter(|frames| *frames > 0)
    }

    /// The number of packets that could not be decoded.
    pub(crate) fn damaged_packets(&self) -> usize {
        self.damaged_packets
    }

    /// Decodes the next packet into `planes`, one per channel. Returns its sample rate, or `None` at the end, which is
    /// also the end of what is left of a truncated file.
    pub(crate) fn next_packet(&mut self, planes: &mut Vec<Vec<f32>>) -> Option<u32> {
        loop {
            match self.format.next_packet() {
                Ok(Some(mut packet)) if packet.track_id == self.track => {
                    // Padding of the encoder is trimmed, but not what follows the announced end: files that are joined
                    // announce the length of the first one.
                    let is_padding = packet.trim_end > Duration::ZERO && packet.trim_end >= packet.dur;
                    self.packets_past_end += usize::from(is_padding);
                    if self.packets_past_end > MAX_PADDING_PACKETS {
                        (packet.trim_start, packet.trim_end) = (Duration::ZERO, Duration::ZERO);
                    }
                    match self.decoder.decode(&packet, planes) {
                        Ok(Some(rate)) => return Some(rate),
                        Ok(None) => self.damaged_packets += 1,
                        Err(EndOfStream) => return None,
                    }
                }
                Ok(Some(_)) => {}
                // The next part of a chained file, which may have other codecs, channels and rates.
                Err(SymphoniaError::ResetRequired) => {
                    (self.track, self.decoder) = Decoder::of_default_track(&*self.format)?;
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

/// The decoder of a track.
enum Decoder {
    Symphonia { decoder: Box<dyn AudioDecoder>, parameters: Box<AudioCodecParameters> },
    Opus(Opus),
}

/// No further packet can be decoded.
struct EndOfStream;

impl Decoder {
    /// The default audio track and its decoder; `None` if there is none.
    fn of_default_track(format: &dyn FormatReader) -> Option<(u32, Self)> {
        let track = format.default_track(TrackType::Audio)?;
        let parameters = track.codec_params.as_ref()?.audio()?;
        let decoder = if parameters.codec == CODEC_ID_OPUS {
            let channels = parameters.channels.as_ref().map_or(1, |channels| channels.count());
            Self::Opus(Opus::new(channels, parameters.extra_data.as_deref())?)
        } else {
            Self::Symphonia { decoder: symphonia_decoder(parameters)?, parameters: Box::new(parameters.clone()) }
        };
        Some((track.id, decoder))
    }

    /// Decodes a packet into `planes`, one per channel. Returns the sample rate, or `None` for a damaged packet.
    fn decode(&mut self, packet: &Packet, planes: &mut Vec<Vec<f32>>) -> Result<Option<u32>, EndOfStream> {
        match self {
            Self::Opus(opus) => Ok(opus.decode(&packet.data, planes).then_some(opus::RATE)),
            Self::Symphonia { decoder, parameters } => match decode_packet(decoder, packet, planes) {
                Err(SymphoniaError::DecodeError(_)) => {
                    // A decoder refuses packets with other channels than its first one.
                    let Some(mut fresh) = symphonia_decoder(parameters) else { return Ok(None) };
                    let rate = decode_packet(&mut fresh, packet, planes).ok();
                    if rate.is_some() {
                        *decoder = fresh;
                    }
                    Ok(rate)
                }
                Ok(rate) => Ok(Some(rate)),
                Err(_) => Err(EndOfStream),
            },
        }
    }
}

fn symphonia_decoder(parameters: &AudioCodecParameters) -> Option<Box<dyn AudioDecoder>> {
    symphonia::default::get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default()).ok()
}

/// Decodes a packet into `planes`, one per channel. Returns the sample rate.
fn decode_packet(
    decoder: &mut Box<dyn AudioDecoder>,
    packet: &Packet,
    planes: &mut Vec<Vec<f32>>,
) -> Result<u32, SymphoniaError> {
    let decoded = decoder.decode(packet)?;
    decoded.copy_to_vecs_planar(planes);
    Ok(decoded.spec().rate())
}
