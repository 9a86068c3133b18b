//! The host's transport over time: sent by the audio thread block by block, queried by stream time.

use ringbuf::traits::{Consumer as _, Producer as _, Split as _};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use serde::Serialize;
use std::collections::VecDeque;
use tagvane_engine::StreamTime;

/// A position in the host's song.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TransportPosition {
    /// Seconds since the start of the song.
    pub seconds: f64,
    /// Quarter notes since the start of the song, if the host gives them.
    pub beats: Option<f64>,
    /// The current bar, if the host gives it.
    pub bar: Option<Bar>,
}

/// A bar of the song.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bar {
    /// Its number, from 0.
    pub number: i32,
    /// Its start, in quarter notes since the start of the song.
    pub start: f64,
    /// Its length, in quarter notes, above zero.
    pub length: f64,
}

/// The host's transport at the beginning of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transport {
    /// The position; `None` while the transport is stopped.
    pub position: Option<TransportPosition>,
    /// Quarter notes a minute; 0 if the host does not give them.
    pub tempo: f64,
}

impl Transport {
    /// The position this many seconds later (earlier, if negative), without seeks and loops.
    fn position_after(&self, seconds: f64) -> Option<TransportPosition> {
        let position = self.position?;
        let beats = position.beats.map(|beats| beats + seconds * self.tempo / 60.0);
        let bar = position.bar.zip(beats).filter(|(bar, _)| bar.length > 0.0).map(|(bar, beats)| {
            let bars = ((beats - bar.start) / bar.length).floor();
            Bar { number: bar.number.saturating_add(bars as i32), start: bar.start + bars * bar.length, ..bar }
        });
        Some(TransportPosition { seconds: position.seconds + seconds, beats, bar })
    }
}

/// The transport at a stream time, from which later positions are computed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TransportAnchor {
    time: StreamTime,
    transport: Transport,
}

impl TransportAnchor {
    /// Whether this anchor gives the position of a later one, without a jump.
    fn predicts(&self, later: &Self) -> bool {
        let elapsed = later.time.seconds - self.time.seconds;
        let is_near = |a: f64, b: f64| (a - b).abs() < JUMP;
        match (self.transport.position_after(elapsed), later.transport.position) {
            (Some(expected), Some(position)) => {
                is_near(expected.seconds, position.seconds)
                    && match (expected.beats, position.beats) {
                        (Some(expected), Some(beats)) => is_near(expected, beats),
                        (expected, beats) => expected.is_some() == beats.is_some(),
                    }
            }
            (expected, position) => expected.is_some() == position.is_some(),
        }
    }
}

/// The deviation from the expected position, in seconds or quarter notes, that is a jump.
const JUMP: f64 = 0.02;

/// Seconds between two anchors, at most.
const MAX_SPACING: f64 = 0.5;

/// Anchors that can wait: over a minute without jumps.
const CAPACITY: usize = 256;

/// Anchors that are kept.
const MAX_ANCHORS: usize = 512;

/// The end of the audio thread.
pub(crate) struct TransportSender {
    ring: HeapProd<TransportAnchor>,
    last: Option<TransportAnchor>,
}

/// The receiving end, with the anchors received so far.
pub(crate) struct TransportHistory {
    ring: HeapCons<TransportAnchor>,
    anchors: VecDeque<TransportAnchor>,
}

/// A queue of transport positions.
pub(crate) fn transport_channel() -> (TransportSender, TransportHistory) {
    let (producer, consumer) = HeapRb::new(CAPACITY).split();
    (TransportSender { ring: producer, last: None }, TransportHistory { ring: consumer, anchors: VecDeque::new() })
}

impl TransportSender {
    /// Sends the transport at a stream time, unless the last anchor predicts it.
    pub(crate) fn send(&mut self, time: StreamTime, transport: Transport) {
        let anchor = TransportAnchor { time, transport };
        let is_known = self.last.is_some_and(|last| {
            last.time.segment == time.segment
                && (0.0..MAX_SPACING).contains(&(time.seconds - last.time.seconds))
                && last.predicts(&anchor)
        });
        if !is_known && self.ring.try_push(anchor).is_ok() {
            self.last = Some(anchor);
        }
    }
}

impl TransportHistory {
    /// Takes the anchors from the queue.
    pub(crate) fn update(&mut self) {
        self.anchors.extend(self.ring.pop_iter());
        let excess = self.anchors.len().saturating_sub(MAX_ANCHORS);
        self.anchors.drain(..excess);
    }

    /// The song position at a stream time; `None` if the transport was stopped or is not known.
    pub(crate) fn position(&self, time: StreamTime) -> Option<TransportPosition> {
        let of_segment = || self.anchors.iter().filter(|anchor| anchor.time.segment == time.segment);
        let before = of_segment().rev().find(|anchor| anchor.time.seconds <= time.seconds);
        let anchor = before.or_else(|| of_segment().next())?;
        anchor.transport.position_after(time.seconds - anchor.time.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> StreamTime {
        StreamTime { segment: 1, seconds }
    }

    fn playing(seconds: f64) -> Transport {
        let beats = seconds * 2.0;
        let bar = Bar { number: (beats / 3.0) as i32, start: (beats / 3.0).floor() * 3.0, length: 3.0 };
        Transport { position: Some(TransportPosition { seconds, beats: Some(beats), bar: Some(bar) }), tempo: 120.0 }
    }

    #[test]
    fn a_position_continues_through_the_bars() {
        let (mut sender, mut history) = transport_channel();
        sender.send(at(0.0), playing(10.0));
        history.update();
        let position = history.position(at(2.25)).unwrap();
        assert_eq!((position.seconds, position.beats), (12.25, Some(24.5)));
        assert_eq!(position.bar, Some(Bar { number: 8, start: 24.0, length: 3.0 }));
        assert_eq!(history.position(StreamTime { segment: 2, seconds: 1.0 }), None);
    }

    #[test]
    fn jumps_and_stops_are_sent_and_little_else() {
        let (mut sender, mut history) = transport_channel();
        let block = 512.0 / 48_000.0;
        for number in 0..1_000 {
            let elapsed = f64::from(number) * block;
            // A loop of four seconds; the transport stops for the last two seconds.
            let stopped = Transport { position: None, tempo: 120.0 };
            sender.send(at(elapsed), if number < 800 { playing(elapsed % 4.0) } else { stopped });
        }
        history.update();
        assert!(history.anchors.len() < 30, "{} anchors", history.anchors.len());
        let seconds = |elapsed: f64| history.position(at(elapsed)).map(|position| position.seconds);
        for elapsed in [0.5, 3.9, 4.5, 7.9, 8.2] {
            let expected = elapsed % 4.0;
            assert!((seconds(elapsed).unwrap() - expected).abs() < JUMP, "{elapsed}");
        }
        assert_eq!(seconds(9.5), None);
    }

    #[test]
    fn a_full_queue_drops_anchors_and_then_continues() {
        let (mut sender, mut history) = transport_channel();
        for number in 0..1_000 {
            sender.send(at(f64::from(number)), playing(f64::from(number % 7)));
        }
        history.update();
        assert_eq!(history.anchors.len(), CAPACITY);
        sender.send(at(2_000.0), playing(5.0));
        history.update();
        assert_eq!(history.position(at(2_001.0)).unwrap().seconds, 6.0);
    }
}
