//! Decoding by Symphonia, and by opus-pure of the Opus that Symphonia demultiplexes.

use crate::error::AudioError;
use crate::opus::{self, Opus};
use crate::recording::Recording;
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

/// Decodes the default audio track of `source`; errors name `path`, whose extension is a hint of the format.
///
/// # Errors
/// [`AudioError::NotAudio`] where the format is not known, [`AudioError::Empty`] where nothing can be decoded.
pub(crate) fn decode(source: Box<dyn MediaSource>, path: &Path) -> Result<Recording, AudioError> {
    let not_audio = || AudioError::NotAudio { path: path.to_owned() };
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let stream = MediaSourceStream::new(source, Default::default());
    let mut format = symphonia::default::get_probe()
        .probe(&hint, stream, Default::default(), Default::default())
        .map_err(|_| not_audio())?;
    let (mut track, mut decoder) = Decoder::of_default_track(&*format).ok_or_else(not_audio)?;
    let mut joined = JoinedAudio::default();
    let mut packets_past_end = 0;
    let mut planes: Vec<Vec<f32>> = Vec::new();
    loop {
        match format.next_packet() {
            Ok(Some(mut packet)) if packet.track_id == track => {
                // Padding of the encoder is trimmed, but not what follows the announced end: files that are joined
                // announce the length of the first one.
                packets_past_end += usize::from(packet.trim_end > Duration::ZERO && packet.trim_end >= packet.dur);
                if packets_past_end > MAX_PADDING_PACKETS {
                    (packet.trim_start, packet.trim_end) = (Duration::ZERO, Duration::ZERO);
                }
                match decoder.decode(&packet, &mut planes) {
                    Ok(Some(rate)) if !joined.push(&planes, rate) => break,
                    Ok(Some(_)) => {}
                    Ok(None) => joined.damaged_packets += 1,
                    Err(EndOfStream) => break,
                }
            }
            Ok(Some(_)) => {}
            // The next part of a chained file, which may have other codecs, channels and rates.
            Err(SymphoniaError::ResetRequired) => match Decoder::of_default_track(&*format) {
                Some(next) => (track, decoder) = next,
                None => break,
            },
            // The end, or the end of what is left of a truncated file.
            Ok(None) | Err(_) => break,
        }
    }
    joined.into_recording().ok_or_else(|| AudioError::Empty { path: path.to_owned() })
}

/// The audio of all packets, with the channels and the sample rate of the first one.
#[derive(Default)]
struct JoinedAudio {
    channels: Vec<Vec<f32>>,
    sample_rate: u32,
    damaged_packets: usize,
    /// What was changed or left out first.
    change: Option<String>,
}

impl JoinedAudio {
    /// Appends the audio of a packet; returns whether more can follow.
    fn push(&mut self, planes: &[Vec<f32>], rate: u32) -> bool {
        if planes.is_empty() || rate == 0 {
            return true;
        }
        if self.channels.is_empty() {
            self.sample_rate = rate;
            self.channels = vec![Vec::new(); planes.len()];
        }
        let seconds = self.channels[0].len() as f64 / f64::from(self.sample_rate);
        if rate != self.sample_rate {
            let (before, after) = (self.sample_rate, rate);
            self.change = Some(format!(
                "the sample rate changes from {before} to {after} Hz after {seconds:.1} s, and the rest is left out"
            ));
            return false;
        }
        let (wanted, given) = (self.channels.len(), planes.len());
        if given != wanted && self.change.is_none() {
            self.change = Some(format!("after {seconds:.1} s its {given} channels are converted to {wanted}"));
        }
        let finite = |sample: f32| if sample.is_finite() { sample } else { 0.0 };
        let frames = planes.iter().map(Vec::len).min().unwrap_or(0);
        for (index, channel) in self.channels.iter_mut().enumerate() {
            match planes.get(index).filter(|_| given == wanted) {
                Some(plane) => channel.extend(plane[..frames].iter().copied().map(finite)),
                // Mono goes to all channels; of others each channel gets the mean.
                None => channel.extend(
                    (0..frames)
                        .map(|frame| planes.iter().map(|plane| finite(plane[frame])).sum::<f32>() / given as f32),
                ),
            }
        }
        true
    }

    /// The recording; `None` if it has no frames.
    fn into_recording(self) -> Option<Recording> {
        if self.channels.first().is_none_or(Vec::is_empty) {
            return None;
        }
        let damaged =
            (self.damaged_packets > 0).then(|| format!("{} damaged packets are left out", self.damaged_packets));
        let notices: Vec<String> = self.change.into_iter().chain(damaged).collect();
        let notice = (!notices.is_empty()).then(|| notices.join("; "));
        Some(Recording { channels: self.channels, sample_rate: self.sample_rate, notice, is_by_ffmpeg: false })
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
