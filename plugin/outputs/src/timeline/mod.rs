//! What was judged so far, with where the host's song stood: for the editor's taggram, and for
//! files.

mod export;
mod song;

pub use export::{Format, Region};
pub use song::{Bar, Place, Song};
pub(crate) use song::{Places, Teller, places};

use std::collections::VecDeque;
use std::time::Duration;
use tagvane_engine::Moment;

/// Probabilities that are kept: over an hour of fifty tags at ten updates a second, in 4 MB.
const KEPT: usize = 2_000_000;

/// What a song is off by, in seconds, where a row does not go on from the one before.
const CUT: f64 = 0.05;

/// The judgements of a session, the latest hour of them.
pub struct Timeline {
    tags: Vec<String>,
    window: f64,
    hop: f64,
    rows: VecDeque<Row>,
    /// The number of the first row that is kept.
    first: u64,
    last: Option<Moment>,
    places: Places,
}

/// What was judged of one window.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Seconds that were listened to until the middle of the window; goes on over starts, seeks
    /// and loops.
    pub clock: f64,
    /// Where the song stood in the middle of the window, where it played.
    pub song: Option<Song>,
    /// Whether it does not go on from the row before: a start, a seek, a loop.
    pub cut: bool,
    /// In 65535ths.
    probabilities: Box<[u16]>,
}

impl Row {
    /// The probability of a tag, 0..=1; zero of one that does not exist.
    pub fn probability(&self, tag: usize) -> f32 {
        self.probabilities.get(tag).map_or(0.0, |value| f32::from(*value) / f32::from(u16::MAX))
    }
}

impl Timeline {
    /// Nothing was judged yet.
    pub(crate) fn new(places: Places) -> Self {
        Self { tags: Vec::new(), window: 0.0, hop: 0.0, rows: VecDeque::new(), first: 0, last: None, places }
    }

    /// The tags, in the order of the probabilities.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Seconds from one judgement to the next.
    pub fn hop(&self) -> f64 {
        self.hop
    }

    /// The rows that are kept, the oldest first.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = &Row> + ExactSizeIterator {
        self.rows.iter()
    }

    /// The number of the first row that is kept, and of the next one to come: who asked before
    /// knows by them what is new.
    pub fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.first + self.rows.len() as u64
    }

    /// The row of a number, while it is kept.
    pub fn row(&self, number: u64) -> Option<&Row> {
        self.rows.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Another model listens. One with the same tags goes on, of another nothing is known yet.
    pub(crate) fn listen(&mut self, tags: &[String], window: Duration, hop: Duration) {
        (self.window, self.hop) = (window.as_secs_f64(), hop.as_secs_f64());
        if self.tags != tags {
            self.tags = tags.to_vec();
            self.first = self.numbers().end;
            self.rows.clear();
            self.last = None;
        }
    }

    /// Notes what was judged of the window that ended at `moment`; nothing is silence.
    pub(crate) fn record(&mut self, moment: Moment, probabilities: &[f32]) {
        self.places.gather();
        let middle = Moment { seconds: moment.seconds - self.window / 2.0, ..moment };
        let song = self.places.song(middle);
        let passed = match self.last {
            Some(last) if last.start == moment.start => Some((moment.seconds - last.seconds).max(0.0)),
            _ => None,
        };
        let before = self.rows.back();
        let clock = before.map_or(self.hop, |row| row.clock + passed.unwrap_or(self.hop));
        let cut = match (before, passed) {
            (Some(row), Some(passed)) => match (row.song, song) {
                (Some(from), Some(to)) => (to.seconds - from.seconds - passed).abs() > CUT,
                (from, to) => from.is_some() != to.is_some(),
            },
            _ => true,
        };
        let value = |tag: usize| {
            let probability = probabilities.get(tag).copied().unwrap_or(0.0);
            // What is no number becomes zero.
            (probability * f32::from(u16::MAX)).round() as u16
        };
        let probabilities = (0..self.tags.len()).map(value).collect();
        self.rows.push_back(Row { clock, song, cut, probabilities });
        self.last = Some(moment);
        while self.rows.len() > (KEPT / self.tags.len().max(1)).max(1) {
            self.rows.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const HOP: f64 = 0.1;

    /// A timeline with two tags, and the audio thread's end of its places.
    pub(crate) fn timeline() -> (Timeline, Teller) {
        let (teller, places) = places();
        let mut timeline = Timeline::new(places);
        let names = ["rock".to_owned(), "slow, sad".to_owned()];
        timeline.listen(&names, Duration::from_secs(2), Duration::from_secs_f64(HOP));
        (timeline, teller)
    }

    fn at(start: u32, seconds: f64) -> Moment {
        Moment { start, seconds }
    }

    fn playing(seconds: f64) -> Place {
        Place { song: Some(Song { seconds, beats: Some(seconds), bar: None }), tempo: 60.0 }
    }

    #[test]
    fn rows_are_about_the_middle_of_their_windows() {
        let (mut timeline, mut teller) = timeline();
        teller.tell(at(1, 0.0), playing(30.0));
        timeline.record(at(1, 2.0), &[0.25, 1.0]);
        timeline.record(at(1, 2.1), &[f32::NAN]);
        let rows: Vec<&Row> = timeline.rows().collect();
        assert_eq!(rows[0].song.unwrap().seconds, 31.0);
        assert!((rows[1].song.unwrap().beats.unwrap() - 31.1).abs() < 1e-9);
        assert!((rows[1].clock - rows[0].clock - HOP).abs() < 1e-9);
        assert!(rows[0].cut && !rows[1].cut);
        assert!((rows[0].probability(0) - 0.25).abs() < 1e-4);
        assert_eq!([rows[0].probability(1), rows[1].probability(0), rows[1].probability(7)], [1.0, 0.0, 0.0]);
    }

    #[test]
    fn starts_seeks_and_loops_are_cuts_and_the_clock_goes_on() {
        let (mut timeline, mut teller) = timeline();
        let mut cuts = Vec::new();
        for number in 0..100_u32 {
            let seconds = f64::from(number) * HOP;
            // A loop back at five seconds of song.
            let song = if seconds < 5.0 { seconds } else { seconds - 5.0 };
            teller.tell(at(1, seconds), playing(song));
            if number >= 20 {
                timeline.record(at(1, seconds), &[0.5, 0.5]);
            }
        }
        timeline.record(at(2, 2.0), &[0.5, 0.5]);
        for (number, row) in timeline.rows().enumerate() {
            if row.cut {
                cuts.push(number);
            }
            assert!((row.clock - (number + 1) as f64 * HOP).abs() < 1e-6);
        }
        // The middle of the window is at five seconds when its end is at six: row 40.
        assert_eq!(cuts, [0, 40, 80]);
    }

    #[test]
    fn memory_is_bounded_and_numbers_go_on() {
        let (mut timeline, _teller) = timeline();
        let names: Vec<String> = (0..1_000).map(|tag| tag.to_string()).collect();
        timeline.listen(&names, Duration::from_secs(2), Duration::from_secs_f64(HOP));
        for number in 0..3_000 {
            timeline.record(at(1, f64::from(number) * HOP), &[0.5; 1_000]);
        }
        assert_eq!(timeline.rows().len(), KEPT / 1_000);
        assert_eq!(timeline.numbers(), 1_000..3_000);
        assert!(timeline.row(999).is_none() && timeline.row(2_999).is_some());
        // Another model's tags are others.
        timeline.listen(&names[..2], Duration::from_secs(2), Duration::from_secs_f64(HOP));
        assert_eq!(timeline.numbers(), 3_000..3_000);
    }
}
