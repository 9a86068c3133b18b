//! The host's values as VST3's structs, and VST3's texts.

use crate::session::Setup;
use crate::song::{Song, TEMPO};
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags;
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_::{
    kContTimeValid, kPlaying, kProjectTimeMusicValid, kTempoValid,
};
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{ProcessContext, ProcessSetup, SpeakerArr, SpeakerArrangement};

/// The speakers of a bus.
pub(super) fn arrangement(channels: usize) -> SpeakerArrangement {
    match channels {
        1 => SpeakerArr::kMono,
        2 => SpeakerArr::kStereo,
        4 => SpeakerArr::k40Music,
        6 => SpeakerArr::k51,
        8 => SpeakerArr::k71Music,
        // No speakers have names for these.
        channels => u64::MAX.checked_shr(64_u32.saturating_sub(channels as u32)).unwrap_or(0),
    }
}

/// The transport and the clock as VST3's struct.
pub(super) fn process_context(song: &Song, sample_rate: f64) -> ProcessContext {
    // SAFETY: a plain C struct, for which all zeros are valid.
    let mut context: ProcessContext = unsafe { std::mem::zeroed() };
    context.sampleRate = sample_rate;
    context.continousTimeSamples = song.clock as i64;
    context.projectTimeSamples =
        song.position.map_or(song.clock as i64, |seconds| (seconds * sample_rate).round() as i64);
    context.state = flags(kContTimeValid) | if song.is_playing { flags(kPlaying) } else { 0 };
    if let Some(beats) = song.beats() {
        (context.projectTimeMusic, context.tempo) = (beats, TEMPO);
        context.state |= flags(kProjectTimeMusicValid | kTempoValid);
    }
    context
}

/// Flags of a transport, which are a C enumeration: unsigned on Linux, signed on Windows.
#[allow(clippy::unnecessary_cast, reason = "it is one on Windows")]
fn flags(flags: StatesAndFlags) -> u32 {
    flags as u32
}

/// The setup as VST3's struct.
pub(super) fn process_setup(setup: Setup) -> ProcessSetup {
    ProcessSetup {
        processMode: (if setup.offline { kOffline } else { kRealtime }) as i32,
        symbolicSampleSize: kSample32 as i32,
        maxSamplesPerBlock: setup.max_block_frames as i32,
        sampleRate: setup.sample_rate,
    }
}

/// Decodes a null-terminated UTF-16 string.
pub(super) fn utf16(text: &[u16]) -> String {
    let end = text.iter().position(|unit| *unit == 0).unwrap_or(text.len());
    String::from_utf16_lossy(&text[..end])
}
