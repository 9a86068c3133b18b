//! The predictions of a session with their positions in the host's song: for the editor's taggram and
//! for export.

mod entries;
mod export;
mod regions;
mod transport;

pub use entries::TimelineEntry;
pub use export::ExportFormat;
pub use regions::{PredictionSpan, Region, audacity_labels, find_regions};
pub use transport::{Bar, Transport, TransportPosition};
pub(crate) use transport::{TransportHistory, TransportSender, transport_channel};

use entries::Entries;
use std::time::Duration;
use tagvane_engine::StreamTime;

/// Probabilities that are kept: an hour of 214 tags at ten predictions a second, in 16 MB.
const MAX_PROBABILITIES: usize = 8_000_000;

/// The deviation of the song position, in seconds, that makes an entry a discontinuity.
const MAX_DEVIATION: f64 = 0.05;

/// The predictions of a session: at least the last hour of the shipped models.
pub struct Timeline {
    tags: Vec<String>,
    /// Seconds of the model's window.
    window: f64,
    /// Seconds between two predictions.
    hop: f64,
    entries: Entries,
    /// The number of the first entry that is kept.
    first: u64,
    /// The end of the last window.
    last: Option<StreamTime>,
    transport: TransportHistory,
}

impl Timeline {
    /// An empty timeline without a model.
    pub(crate) fn new(transport: TransportHistory) -> Self {
        Self { tags: Vec::new(), window: 0.0, hop: 0.0, entries: Entries::new(0), first: 0, last: None, transport }
    }

    /// The tags, in the order of the probabilities.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Seconds between two predictions.
    pub fn hop(&self) -> f64 {
        self.hop
    }

    /// The entries that are kept, the oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = TimelineEntry<'_>> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The sequence numbers of the entries that are kept. The end of an earlier call is the first new entry.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.entries.len() as u64
    }

    /// The entry with a number; `None` if it is not kept.
    pub fn entry(&self, number: u64) -> Option<TimelineEntry<'_>> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Takes the predictions of another model from now on. The entries are kept if it has the same tags.
    pub(crate) fn set_model(&mut self, tags: &[String], window: Duration, hop: Duration) {
        (self.window, self.hop) = (window.as_secs_f64(), hop.as_secs_f64());
        if self.tags != tags {
            self.tags = tags.to_vec();
            self.first = self.numbers().end;
            self.entries = Entries::new(tags.len());
            self.last = None;
        }
    }

    /// Adds the prediction for the window that ended at `time`; an empty slice for a silent window.
    pub(crate) fn record(&mut self, time: StreamTime, probabilities: &[f32]) {
        self.transport.update();
        let middle = StreamTime { seconds: time.seconds - self.window / 2.0, ..time };
        let position = self.transport.position(middle);
        let elapsed = match self.last {
            Some(last) if last.segment == time.segment => Some((time.seconds - last.seconds).max(0.0)),
            _ => None,
        };
        let before = self.entries.iter().next_back();
        let clock = before.map_or(self.hop, |entry| entry.clock + elapsed.unwrap_or(self.hop));
        let is_discontinuity = match (before, elapsed) {
            (Some(entry), Some(elapsed)) => match (entry.position, position) {
                (Some(from), Some(to)) => (to.seconds - from.seconds - elapsed).abs() > MAX_DEVIATION,
                (from, to) => from.is_some() != to.is_some(),
            },
            _ => true,
        };
        self.entries.push(clock, position, is_discontinuity, probabilities);
        self.last = Some(time);
        while self.entries.len() > (MAX_PROBABILITIES / self.tags.len().max(1)).max(1) {
            self.entries.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const HOP: f64 = 0.1;

    /// A timeline with two tags, and the audio thread's end of its transport.
    pub(crate) fn timeline() -> (Timeline, TransportSender) {
        let (sender, transport) = transport_channel();
        let mut timeline = Timeline::new(transport);
        let names = ["rock".to_owned(), "slow, sad".to_owned()];
        timeline.set_model(&names, Duration::from_secs(2), Duration::from_secs_f64(HOP));
        (timeline, sender)
    }

    fn at(segment: u32, seconds: f64) -> StreamTime {
        StreamTime { segment, seconds }
    }

    fn playing(seconds: f64) -> Transport {
        Transport { position: Some(TransportPosition { seconds, beats: Some(seconds), bar: None }), tempo: 60.0 }
    }

    #[test]
    fn an_entry_has_the_position_of_the_middle_of_its_window() {
        let (mut timeline, mut sender) = timeline();
        sender.send(at(1, 0.0), playing(30.0));
        timeline.record(at(1, 2.0), &[0.25, 1.0]);
        timeline.record(at(1, 2.1), &[f32::NAN]);
        let entries: Vec<TimelineEntry<'_>> = timeline.entries().collect();
        assert_eq!(entries[0].position.unwrap().seconds, 31.0);
        assert!((entries[1].position.unwrap().beats.unwrap() - 31.1).abs() < 1e-9);
        assert!((entries[1].clock - entries[0].clock - HOP).abs() < 1e-9);
        assert!(entries[0].is_discontinuity && !entries[1].is_discontinuity);
        assert!((entries[0].probability(0) - 0.25).abs() < 1e-4);
        assert_eq!([entries[0].probability(1), entries[1].probability(0), entries[1].probability(7)], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn starts_seeks_and_loops_are_discontinuities_and_the_clock_continues() {
        let (mut timeline, mut sender) = timeline();
        let mut discontinuities = Vec::new();
        for number in 0..100_u32 {
            let seconds = f64::from(number) * HOP;
            // The song loops after five seconds.
            let position = if seconds < 5.0 { seconds } else { seconds - 5.0 };
            sender.send(at(1, seconds), playing(position));
            if number >= 20 {
                timeline.record(at(1, seconds), &[0.5, 0.5]);
            }
        }
        timeline.record(at(2, 2.0), &[0.5, 0.5]);
        for (number, entry) in timeline.entries().enumerate() {
            if entry.is_discontinuity {
                discontinuities.push(number);
            }
            assert!((entry.clock - (number + 1) as f64 * HOP).abs() < 1e-6);
        }
        // The middle of a window is at five seconds when its end is at six: entry 40.
        assert_eq!(discontinuities, [0, 40, 80]);
    }

    #[test]
    fn an_hour_of_a_two_bar_loop_has_one_cut_for_each_loop() {
        let (mut timeline, mut sender) = timeline();
        let (loop_seconds, blocks) = (4.0, 3_600 * 100);
        for block in 0..blocks {
            // Blocks of 10 ms, and a prediction with each tenth.
            let seconds = f64::from(block) / 100.0;
            sender.send(at(1, seconds), playing(seconds % loop_seconds));
            if block % 10 == 0 {
                timeline.record(at(1, seconds), &[0.5, 0.5]);
            }
        }
        let cuts: Vec<f64> =
            timeline.entries().filter(|entry| entry.is_discontinuity).map(|entry| entry.clock).collect();
        // The first entry is one, too. The middle of a window is a second before its end.
        assert_eq!(cuts.len(), 900, "{:?}", &cuts[..5]);
        for (number, pair) in cuts.windows(2).enumerate().skip(1) {
            assert!((pair[1] - pair[0] - loop_seconds).abs() < 1e-6, "cut {number} is at {}", pair[0]);
        }
        let positions = timeline.entries().filter_map(|entry| entry.position);
        assert!(positions.skip(20).all(|position| (0.0..loop_seconds).contains(&position.seconds)));
    }

    #[test]
    fn memory_is_bounded_and_entries_keep_their_numbers() {
        let (mut timeline, _sender) = timeline();
        let names: Vec<String> = (0..1_000).map(|tag| tag.to_string()).collect();
        timeline.set_model(&names, Duration::from_secs(2), Duration::from_secs_f64(HOP));
        for number in 0..9_000 {
            timeline.record(at(1, f64::from(number) * HOP), &[0.5; 1_000]);
        }
        assert_eq!(timeline.entries().len(), MAX_PROBABILITIES / 1_000);
        assert_eq!(timeline.numbers(), 1_000..9_000);
        assert!(timeline.entry(999).is_none() && timeline.entry(8_999).is_some());
        // A model with other tags empties the timeline.
        timeline.set_model(&names[..2], Duration::from_secs(2), Duration::from_secs_f64(HOP));
        assert_eq!(timeline.numbers(), 9_000..9_000);
    }
}
