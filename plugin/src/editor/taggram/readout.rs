//! The text under the pointer.

use crate::editor::tag_rows::{TagRow, max_value};
use tagvane_outputs::{Timeline, TransportPosition};

/// The value of a row at a time on the timeline's clock, and where that is in the song.
pub(super) fn text(timeline: &Timeline, row: &TagRow, clock: f64) -> String {
    let hop = timeline.hop().max(0.01);
    let entry = timeline.entries().rev().find(|entry| entry.clock <= clock + hop / 2.0);
    let Some(entry) = entry.filter(|entry| clock - entry.clock < hop) else {
        return format!("{}: no prediction here", row.name);
    };
    let value = max_value(&row.tags, |tag| entry.probability(tag));
    let newest = timeline.entries().next_back().map_or(entry.clock, |newest| newest.clock);
    format!("{}: {:.0} %\n{}", row.name, value * 100.0, format_position(entry.position, newest - entry.clock))
}

/// The position in the song, or the age in seconds without one.
fn format_position(position: Option<TransportPosition>, age: f64) -> String {
    let Some(position) = position else { return format!("{age:.1} s before the newest") };
    let (minutes, seconds) = ((position.seconds / 60.0).floor(), position.seconds.rem_euclid(60.0));
    let time = format!("{minutes:.0}:{seconds:04.1}");
    match (position.bar, position.beats) {
        (Some(bar), Some(beats)) => {
            format!("bar {}, beat {:.1}, at {time}", bar.number.saturating_add(1), beats - bar.start + 1.0)
        }
        _ => format!("at {time}"),
    }
}
