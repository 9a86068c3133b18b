//! The Opus decoder; Symphonia demultiplexes Opus but does not decode it.

use opus_pure::OpusDecoder;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Sample rate of decoded Opus in hertz.
pub(crate) const RATE: u32 = 48_000;

/// Maximum number of frames in a packet: 120 ms (RFC 6716, section 3.2).
const MAX_FRAMES: usize = 5_760;

/// The decoder of one stream.
pub(crate) struct Opus {
    decoder: OpusDecoder,
    channels: usize,
    interleaved: Vec<f32>,
}

impl Opus {
    /// A decoder for mono or stereo; `None` for more channels, which Opus encodes as several streams.
    pub(crate) fn new(channels: usize) -> Option<Self> {
        let decoder = OpusDecoder::new(RATE as i32, channels).ok().filter(|_| (1..=2).contains(&channels))?;
        Some(Self { decoder, channels, interleaved: vec![0.0; MAX_FRAMES * channels] })
    }

    /// Decodes a packet into `planes`, one per channel. Returns whether the packet was valid.
    pub(crate) fn decode(&mut self, packet: &[u8], planes: &mut Vec<Vec<f32>>) -> bool {
        let Self { decoder, channels, interleaved } = self;
        // A damaged packet may cause a panic; the decoder is then reset for the next packet.
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(packet, MAX_FRAMES, interleaved)));
        let Ok(Ok(frames)) = decoded else {
            // A reset fails only for an invalid configuration, which `new` rules out.
            let _ = decoder.reset_state();
            return false;
        };
        let plane =
            |channel: usize| interleaved[channel..frames * *channels].iter().step_by(*channels).copied().collect();
        *planes = (0..*channels).map(plane).collect();
        true
    }
}
