//! The recording of a slot: gestures, and as few points as draw the curve.

use crate::TICKS;
use crate::event::Event;
use crate::settings::Gestures;

/// Ticks from one point to the next: ten a second at most.
const SPACING: u32 = TICKS / 10;

/// A slot that moved by less since its last point needs no other.
const DEAD_BAND: f32 = 0.01;

/// One slot's recording.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// Whether it records, and what was written last.
    written: Option<f32>,
    /// Whether the host was told of a gesture that has not ended.
    open: bool,
    /// Ticks since the last point.
    since: u32,
}

impl Writer {
    /// Goes on by a tick: the slot stands at `value`, which is to be recorded or not.
    /// Gives what the parameter stands at if the host was told so.
    pub(crate) fn step(
        &mut self,
        slot: usize,
        recording: bool,
        value: f32,
        gestures: Gestures,
        mut tell: impl FnMut(Event),
    ) -> Option<f32> {
        if !recording {
            return self.end(slot, value, tell);
        }
        self.since += 1;
        let point = match self.written {
            None => true,
            Some(written) => {
                let moved = (value - written).abs();
                // Ends of the range are reached to the last digit.
                let arrived = moved > 0.0 && (value == 0.0 || value == 1.0);
                self.since >= SPACING && (moved >= DEAD_BAND || arrived)
            }
        };
        if !point {
            return None;
        }
        if gestures != Gestures::Without && !self.open {
            tell(Event::Begin { slot });
            self.open = true;
        }
        // Hosts draw a line from point to point: one that rested gets its end marked, or
        // the rest would become a ramp.
        if let Some(written) = self.written
            && self.since >= 2 * SPACING
        {
            tell(Event::Slot { slot, value: written });
        }
        tell(Event::Slot { slot, value });
        if gestures != Gestures::Held && self.open {
            tell(Event::End { slot });
            self.open = false;
        }
        (self.written, self.since) = (Some(value), 0);
        self.written
    }

    /// Stops recording, at `value`.
    pub(crate) fn end(&mut self, slot: usize, value: f32, mut tell: impl FnMut(Event)) -> Option<f32> {
        let written = self.written.take()?;
        self.since = 0;
        let mut last = None;
        if self.open {
            if value != written {
                tell(Event::Slot { slot, value });
                last = Some(value);
            }
            tell(Event::End { slot });
            self.open = false;
        }
        last
    }

    /// Whether it records.
    pub(crate) fn records(&self) -> bool {
        self.written.is_some()
    }

    /// Whether a gesture has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(gestures: Gestures, values: impl Iterator<Item = f32>) -> Vec<Event> {
        let (mut writer, mut told) = (Writer::default(), Vec::new());
        let mut last = 0.0;
        for value in values {
            last = value;
            writer.step(3, true, value, gestures, |event| told.push(event));
        }
        writer.step(3, false, last, gestures, |event| told.push(event));
        assert!(!writer.is_open());
        told
    }

    fn balanced(told: &[Event]) -> bool {
        let mut open = false;
        for event in told {
            match event {
                Event::Begin { .. } if open => return false,
                Event::Begin { .. } => open = true,
                Event::End { .. } if !open => return false,
                Event::End { .. } => open = false,
                _ => {}
            }
        }
        !open
    }

    fn moving(ticks: u32) -> impl Iterator<Item = f32> {
        (0..ticks).map(|tick| 0.5 + 0.4 * (tick as f32 * 0.05).sin())
    }

    #[test]
    fn a_minute_is_hundreds_of_points_in_balanced_gestures() {
        let points = |told: &[Event]| told.iter().filter(|event| matches!(event, Event::Slot { .. })).count();
        let begins = |told: &[Event]| told.iter().filter(|event| matches!(event, Event::Begin { .. })).count();
        for (gestures, expected) in [(Gestures::Held, 1..=1), (Gestures::Brief, 300..=600), (Gestures::Without, 0..=0)]
        {
            let told = record(gestures, moving(60 * TICKS));
            assert!((300..=601).contains(&points(&told)), "{gestures:?}: {} points", points(&told));
            assert!(balanced(&told), "{gestures:?}");
            assert!(expected.contains(&begins(&told)), "{gestures:?}: {} gestures", begins(&told));
        }
    }

    #[test]
    fn what_rests_is_one_point_and_a_step_stays_a_step() {
        let values = std::iter::repeat_n(0.25, 300).chain(std::iter::repeat_n(0.75, 300));
        let told = record(Gestures::Held, values);
        let slot = 3;
        assert_eq!(
            told,
            [
                Event::Begin { slot },
                Event::Slot { slot, value: 0.25 },
                Event::Slot { slot, value: 0.25 },
                Event::Slot { slot, value: 0.75 },
                Event::End { slot }
            ]
        );
    }

    #[test]
    fn a_host_that_ceases_to_take_gestures_gets_the_end_of_the_open_one() {
        let (mut writer, mut told) = (Writer::default(), Vec::new());
        for (tick, value) in moving(200).enumerate() {
            let gestures = if tick < 100 { Gestures::Held } else { Gestures::Without };
            writer.step(0, true, value, gestures, |event| told.push(event));
        }
        assert!(balanced(&told) && !writer.is_open());
    }
}
