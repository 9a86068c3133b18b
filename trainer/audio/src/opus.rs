//! The Opus decoder; Symphonia demultiplexes Opus but does not decode it.

use opus_pure::{OpusDecoder, OpusMSDecoder};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Sample rate of decoded Opus in hertz.
pub(crate) const RATE: u32 = 48_000;

/// Maximum number of frames in a packet: 120 ms (RFC 6716, section 3.2).
const MAX_FRAMES: usize = 5_760;

/// Where the identification header has the family of the channel mapping (RFC 7845, section 5.1).
const MAPPING_FAMILY: usize = 18;

/// The decoder of one track.
pub(crate) struct Opus {
    streams: Streams,
    channels: usize,
    interleaved: Vec<f32>,
}

/// Opus encodes more than two channels as several streams.
enum Streams {
    One(Box<OpusDecoder>),
    Several(OpusMSDecoder),
}

impl Opus {
    /// A decoder of 1 to 8 channels, whose mapping is in the identification header; `None` if they are not supported.
    pub(crate) fn new(channels: usize, header: Option<&[u8]>) -> Option<Self> {
        let family = header.and_then(|header| header.get(MAPPING_FAMILY)).copied().unwrap_or(0);
        let streams = match channels {
            1 | 2 => Streams::One(Box::new(OpusDecoder::new(RATE as i32, channels).ok()?)),
            3..=8 => Streams::Several(OpusMSDecoder::new(RATE as i32, channels, family).ok()?),
            _ => return None,
        };
        Some(Self { streams, channels, interleaved: vec![0.0; MAX_FRAMES * channels] })
    }

    /// Decodes a packet into `planes`, one per channel. Returns whether the packet was valid.
    pub(crate) fn decode(&mut self, packet: &[u8], planes: &mut Vec<Vec<f32>>) -> bool {
        let Self { streams, channels, interleaved } = self;
        // A damaged packet may cause a panic; the decoder is then reset for the next packet.
        let decoded = catch_unwind(AssertUnwindSafe(|| match streams {
            Streams::One(decoder) => decoder.decode(packet, MAX_FRAMES, interleaved),
            Streams::Several(decoder) => decoder.decode(packet, MAX_FRAMES, interleaved),
        }));
        let Ok(Ok(frames)) = decoded else {
            // A reset fails only for an invalid configuration, which `new` rules out.
            let _ = match streams {
                Streams::One(decoder) => decoder.reset_state(),
                Streams::Several(decoder) => decoder.reset_state(),
            };
            return false;
        };
        let plane =
            |channel: usize| interleaved[channel..frames * *channels].iter().step_by(*channels).copied().collect();
        *planes = (0..*channels).map(plane).collect();
        true
    }
}
