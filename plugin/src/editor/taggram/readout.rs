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
    let time = format_time(position.seconds);
    match (position.bar, position.beats) {
        (Some(bar), Some(beats)) => {
            format!("bar {}, beat {:.1}, at {time}", bar.number.saturating_add(1), beats - bar.start + 1.0)
        }
        _ => format!("at {time}"),
    }
}

/// A time in the song as minutes and seconds; before its beginning it is negative.
pub(crate) fn format_time(seconds: f64) -> String {
    let tenths = (seconds.abs() * 10.0).round();
    let (minutes, rest) = ((tenths / 600.0).floor(), tenths % 600.0 / 10.0);
    format!("{}{minutes:.0}:{rest:04.1}", if seconds < 0.0 && tenths > 0.0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_minutes_and_seconds_before_the_beginning_too() {
        let texts = [0.0, 59.96, 125.04, -0.2, -75.0, -0.01].map(format_time);
        assert_eq!(texts, ["0:00.0", "1:00.0", "2:05.0", "-0:00.2", "-1:15.0", "0:00.0"]);
    }
}
