//! The transport as CLAP's event.

use crate::song::{Song, TEMPO};
use clack_host::events::event_types::{TransportEvent, TransportFlags};
use clack_host::events::{EventFlags, EventHeader};
use clack_host::utils::{BeatTime, SecondsTime};

/// A transport event: with a song position it has the tempo and bars of four quarter notes, too.
pub(super) fn transport(song: &Song) -> TransportEvent {
    let (beats, seconds) = (BeatTime::from_int(0), SecondsTime::from_int(0));
    let playing = if song.is_playing { TransportFlags::IS_PLAYING } else { TransportFlags::empty() };
    let timed = TransportFlags::HAS_TEMPO | TransportFlags::HAS_BEATS_TIMELINE | TransportFlags::HAS_SECONDS_TIMELINE;
    TransportEvent {
        header: EventHeader::new_core(0, EventFlags::empty()),
        flags: if song.position.is_some() { playing | timed } else { playing },
        song_pos_beats: song.beats().map_or(beats, BeatTime::from_float),
        song_pos_seconds: song.position.map_or(seconds, SecondsTime::from_float),
        tempo: song.position.map_or(0.0, |_| TEMPO),
        tempo_inc: 0.0,
        loop_start_beats: beats,
        loop_end_beats: beats,
        loop_start_seconds: seconds,
        loop_end_seconds: seconds,
        bar_start: beats,
        bar_number: 0,
        time_signature_numerator: 0,
        time_signature_denominator: 0,
    }
}
