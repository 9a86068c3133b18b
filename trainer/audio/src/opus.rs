//! Opus, which Symphonia takes out of its container and does not decode.

use opus_pure::OpusDecoder;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Frames a second, whatever the encoder was given.
pub(crate) const RATE: u32 = 48_000;

/// The most frames of a packet: 120 ms (RFC 6716, section 3.2).
const MOST: usize = 5_760;

/// A stream of packets.
pub(crate) struct Opus {
    decoder: OpusDecoder,
    channels: usize,
    interleaved: Vec<f32>,
}

impl Opus {
    /// A decoder for mono or stereo; `None` for more channels, which are several streams.
    pub(crate) fn new(channels: usize) -> Option<Self> {
        let decoder = OpusDecoder::new(RATE as i32, channels).ok().filter(|_| (1..=2).contains(&channels))?;
        Some(Self { decoder, channels, interleaved: vec![0.0; MOST * channels] })
    }

    /// Puts a packet's samples into `planes`, one a channel; gives whether it could be decoded.
    pub(crate) fn decode(&mut self, packet: &[u8], planes: &mut Vec<Vec<f32>>) -> bool {
        let Self { decoder, channels, interleaved } = self;
        // Whatever a damaged packet does to the decoder, the next one is decoded afresh.
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(packet, MOST, interleaved)));
        let Ok(Ok(frames)) = decoded else {
            // It can only fail where the decoder itself is of an impossible kind.
            let _ = decoder.reset_state();
            return false;
        };
        let plane =
            |channel: usize| interleaved[channel..frames * *channels].iter().step_by(*channels).copied().collect();
        *planes = (0..*channels).map(plane).collect();
        true
    }
}
