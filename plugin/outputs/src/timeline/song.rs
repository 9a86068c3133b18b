//! Where the host's song stands: said by the audio thread block by block, asked for by moments.

use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use serde::Serialize;
use std::collections::VecDeque;
use tagvane_engine::Moment;

/// A place in the host's song.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Song {
    /// Seconds from its beginning.
    pub seconds: f64,
    /// Quarter notes from its beginning, where the host counts them.
    pub beats: Option<f64>,
    /// The bar it is in, where the host says.
    pub bar: Option<Bar>,
}

/// A bar of a song.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bar {
    /// Its number; the first is 0.
    pub number: i32,
    /// Where it begins, in quarter notes from the song's beginning.
    pub start: f64,
    /// How long it is, in quarter notes, above zero.
    pub length: f64,
}

/// The song as a block begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Where it stands; `None` while it does not play.
    pub song: Option<Song>,
    /// Quarter notes a minute; 0 where the host does not say.
    pub tempo: f64,
}

impl Place {
    /// Where the song stands so many seconds later, or earlier, if nothing jumps.
    fn after(&self, seconds: f64) -> Option<Song> {
        let song = self.song?;
        let beats = song.beats.map(|beats| beats + seconds * self.tempo / 60.0);
        let bar = song.bar.zip(beats).filter(|(bar, _)| bar.length > 0.0).map(|(bar, beats)| {
            let bars = ((beats - bar.start) / bar.length).floor();
            Bar { number: bar.number.saturating_add(bars as i32), start: bar.start + bars * bar.length, ..bar }
        });
        Some(Song { seconds: song.seconds + seconds, beats, bar })
    }
}

/// A place and the moment it is of.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Anchor {
    moment: Moment,
    place: Place,
}

impl Anchor {
    /// Whether `later` is where this one leads without a jump.
    fn leads_to(&self, later: &Self) -> bool {
        let passed = later.moment.seconds - self.moment.seconds;
        let near = |a: f64, b: f64| (a - b).abs() < JUMP;
        match (self.place.after(passed), later.place.song) {
            (Some(expected), Some(song)) => {
                near(expected.seconds, song.seconds)
                    && match (expected.beats, song.beats) {
                        (Some(expected), Some(beats)) => near(expected, beats),
                        (expected, beats) => expected.is_some() == beats.is_some(),
                    }
            }
            (expected, song) => expected.is_some() == song.is_some(),
        }
    }
}

/// What the song is off by, in seconds or quarter notes, where it jumped.
const JUMP: f64 = 0.02;

/// Seconds after which a place is said again, though nothing jumped.
const SPACING: f64 = 0.5;

/// Places that may wait: over a minute of them, or so many jumps.
const WAITING: usize = 256;

/// Places that are remembered.
const REMEMBERED: usize = 512;

/// The audio thread's end.
pub(crate) struct Teller {
    ring: HeapProd<Anchor>,
    last: Option<Anchor>,
}

/// The other end, and what came out of it.
pub(crate) struct Places {
    ring: HeapCons<Anchor>,
    anchors: VecDeque<Anchor>,
}

pub(crate) fn places() -> (Teller, Places) {
    let (producer, consumer) = HeapRb::new(WAITING).split();
    (Teller { ring: producer, last: None }, Places { ring: consumer, anchors: VecDeque::new() })
}

impl Teller {
    /// Says where the song stands at a moment; what can be told from before is not said again.
    pub(crate) fn tell(&mut self, moment: Moment, place: Place) {
        let anchor = Anchor { moment, place };
        let known = self.last.is_some_and(|last| {
            last.moment.start == moment.start
                && (0.0..SPACING).contains(&(moment.seconds - last.moment.seconds))
                && last.leads_to(&anchor)
        });
        if !known && self.ring.try_push(anchor).is_ok() {
            self.last = Some(anchor);
        }
    }
}

impl Places {
    /// Takes what was said since the last time.
    pub(crate) fn gather(&mut self) {
        self.anchors.extend(self.ring.pop_iter());
        let old = self.anchors.len().saturating_sub(REMEMBERED);
        self.anchors.drain(..old);
    }

    /// Where the song stood at a moment; `None` where it did not play, or nobody said.
    pub(crate) fn song(&self, moment: Moment) -> Option<Song> {
        let of_start = || self.anchors.iter().filter(|anchor| anchor.moment.start == moment.start);
        let before = of_start().rev().find(|anchor| anchor.moment.seconds <= moment.seconds);
        let anchor = before.or_else(|| of_start().next())?;
        anchor.place.after(moment.seconds - anchor.moment.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Moment {
        Moment { start: 1, seconds }
    }

    fn playing(seconds: f64) -> Place {
        let beats = seconds * 2.0;
        let bar = Bar { number: (beats / 3.0) as i32, start: (beats / 3.0).floor() * 3.0, length: 3.0 };
        Place { song: Some(Song { seconds, beats: Some(beats), bar: Some(bar) }), tempo: 120.0 }
    }

    #[test]
    fn a_song_goes_on_through_its_bars() {
        let (mut teller, mut places) = places();
        teller.tell(at(0.0), playing(10.0));
        places.gather();
        let song = places.song(at(2.25)).unwrap();
        assert_eq!((song.seconds, song.beats), (12.25, Some(24.5)));
        assert_eq!(song.bar, Some(Bar { number: 8, start: 24.0, length: 3.0 }));
        assert_eq!(places.song(Moment { start: 2, seconds: 1.0 }), None);
    }

    #[test]
    fn jumps_and_stops_are_said_and_little_else() {
        let (mut teller, mut places) = places();
        let block = 512.0 / 48_000.0;
        for number in 0..1_000 {
            let passed = f64::from(number) * block;
            // A loop of four seconds; the last two seconds stand still.
            let place = if number < 800 { playing(passed % 4.0) } else { Place { song: None, tempo: 120.0 } };
            teller.tell(at(passed), place);
        }
        places.gather();
        assert!(places.anchors.len() < 30, "{} places", places.anchors.len());
        let seconds = |passed: f64| places.song(at(passed)).map(|song| song.seconds);
        for passed in [0.5, 3.9, 4.5, 7.9, 8.2] {
            let expected = passed % 4.0;
            assert!((seconds(passed).unwrap() - expected).abs() < JUMP, "{passed}");
        }
        assert_eq!(seconds(9.5), None);
    }

    #[test]
    fn a_full_ring_loses_places_and_not_the_next_one() {
        let (mut teller, mut places) = places();
        for number in 0..1_000 {
            teller.tell(at(f64::from(number)), playing(f64::from(number % 7)));
        }
        places.gather();
        assert_eq!(places.anchors.len(), WAITING);
        teller.tell(at(2_000.0), playing(5.0));
        places.gather();
        assert_eq!(places.song(at(2_001.0)).unwrap().seconds, 6.0);
    }
}
