//! Writes the automation of a slot: gestures, and as few points as the curve needs.

use crate::constants::TICK_RATE;
use crate::event::Event;

/// Ticks between two points, at least: ten points a second.
const SPACING: u32 = TICK_RATE / 10;

/// A slot that has moved by less since its last point needs no new one.
const DEAD_BAND: f32 = 0.01;

/// How gestures enclose the automation of a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GestureMode {
    /// One gesture from arming to disarming.
    #[default]
    Held,
    /// One gesture for each value: for a host that records only the last value of a gesture, or that
    /// receives gestures late, so that one could stay open.
    PerValue,
    /// Values without gestures: for a host that cannot receive gestures now.
    Off,
}

/// The automation of one slot.
#[derive(Debug, Default)]
pub(crate) struct AutomationWriter {
    /// The last point that was written; `None` while it does not write.
    written: Option<f32>,
    /// Whether the host knows of a gesture that has not ended.
    has_open_gesture: bool,
    /// Ticks since the last point.
    ticks: u32,
}

impl AutomationWriter {
    /// Advances by a tick, with the slot at `value`; events go to `push`. Returns the new value of the
    /// parameter if the host received one.
    pub(crate) fn step(
        &mut self,
        slot: usize,
        is_recording: bool,
        value: f32,
        mode: GestureMode,
        mut push: impl FnMut(Event),
    ) -> Option<f32> {
        if !is_recording {
            return self.end(slot, value, push);
        }
        self.ticks += 1;
        let needs_point = match self.written {
            None => true,
            Some(written) => {
                let distance = (value - written).abs();
                // The ends of the range are written exactly.
                let is_at_end = distance > 0.0 && (value == 0.0 || value == 1.0);
                self.ticks >= SPACING && (distance >= DEAD_BAND || is_at_end)
            }
        };
        if !needs_point {
            return None;
        }
        if mode != GestureMode::Off && !self.has_open_gesture {
            push(Event::BeginGesture { slot });
            self.has_open_gesture = true;
        }
        // Hosts draw a line from point to point: without a point at the end of a rest, the rest would
        // become a ramp.
        if let Some(written) = self.written
            && self.ticks >= 2 * SPACING
        {
            push(Event::Slot { slot, value: written });
        }
        push(Event::Slot { slot, value });
        if mode != GestureMode::Held && self.has_open_gesture {
            push(Event::EndGesture { slot });
            self.has_open_gesture = false;
        }
        (self.written, self.ticks) = (Some(value), 0);
        self.written
    }

    /// Stops writing, with the slot at `value`. Returns the new value of the parameter if the host
    /// received one.
    pub(crate) fn end(&mut self, slot: usize, value: f32, mut push: impl FnMut(Event)) -> Option<f32> {
        let written = self.written.take()?;
        self.ticks = 0;
        let mut last = None;
        if self.has_open_gesture {
            if value != written {
                push(Event::Slot { slot, value });
                last = Some(value);
            }
            push(Event::EndGesture { slot });
            self.has_open_gesture = false;
        }
        last
    }

    /// Whether it writes automation.
    pub(crate) fn is_writing(&self) -> bool {
        self.written.is_some()
    }

    /// Whether the host knows of a gesture that has not ended.
    pub(crate) fn has_open_gesture(&self) -> bool {
        self.has_open_gesture
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mode: GestureMode, values: impl Iterator<Item = f32>) -> Vec<Event> {
        let (mut writer, mut events) = (AutomationWriter::default(), Vec::new());
        let mut last = 0.0;
        for value in values {
            last = value;
            writer.step(3, true, value, mode, |event| events.push(event));
        }
        writer.step(3, false, last, mode, |event| events.push(event));
        assert!(!writer.has_open_gesture());
        events
    }

    fn are_balanced(events: &[Event]) -> bool {
        let mut is_open = false;
        for event in events {
            match event {
                Event::BeginGesture { .. } if is_open => return false,
                Event::BeginGesture { .. } => is_open = true,
                Event::EndGesture { .. } if !is_open => return false,
                Event::EndGesture { .. } => is_open = false,
                _ => {}
            }
        }
        !is_open
    }

    fn moving(ticks: u32) -> impl Iterator<Item = f32> {
        (0..ticks).map(|tick| 0.5 + 0.4 * (tick as f32 * 0.05).sin())
    }

    #[test]
    fn a_minute_gives_hundreds_of_points_in_balanced_gestures() {
        let points = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::Slot { .. })).count();
        let gestures =
            |events: &[Event]| events.iter().filter(|event| matches!(event, Event::BeginGesture { .. })).count();
        for (mode, expected) in
            [(GestureMode::Held, 1..=1), (GestureMode::PerValue, 300..=600), (GestureMode::Off, 0..=0)]
        {
            let events = write(mode, moving(60 * TICK_RATE));
            assert!((300..=601).contains(&points(&events)), "{mode:?}: {} points", points(&events));
            assert!(are_balanced(&events), "{mode:?}");
            assert!(expected.contains(&gestures(&events)), "{mode:?}: {} gestures", gestures(&events));
        }
    }

    #[test]
    fn a_plateau_has_a_point_at_each_end_and_a_step_stays_a_step() {
        let values = std::iter::repeat_n(0.25, 300).chain(std::iter::repeat_n(0.75, 300));
        let events = write(GestureMode::Held, values);
        let slot = 3;
        assert_eq!(
            events,
            [
                Event::BeginGesture { slot },
                Event::Slot { slot, value: 0.25 },
                Event::Slot { slot, value: 0.25 },
                Event::Slot { slot, value: 0.75 },
                Event::EndGesture { slot }
            ]
        );
    }

    #[test]
    fn switching_gestures_off_ends_the_open_one() {
        let (mut writer, mut events) = (AutomationWriter::default(), Vec::new());
        for (tick, value) in moving(200).enumerate() {
            let mode = if tick < 100 { GestureMode::Held } else { GestureMode::Off };
            writer.step(0, true, value, mode, |event| events.push(event));
        }
        assert!(are_balanced(&events) && !writer.has_open_gesture());
    }
}
