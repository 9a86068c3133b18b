//! The events that wait for the host.

use crate::constants::{MAX_PUBLISHED_TAGS, SLOTS};
use crate::event::{Event, TimedEvent};
use std::collections::VecDeque;

/// Events that can wait without an allocation.
const CAPACITY: usize = 4_096;

/// The most events of one tick: for each tag its value and two control changes; for each slot a gesture with two
/// values, two control changes, and two notes that end and one that begins; and Write.
const MAX_EVENTS_A_TICK: usize = 3 * MAX_PUBLISHED_TAGS + 9 * SLOTS + 1;

/// Events for the host, in order, with the position in its block.
pub(crate) struct EventQueue {
    events: VecDeque<TimedEvent>,
    /// Frames of the host's block that are processed.
    frame: u32,
    /// The state of Write that the host knows.
    host_armed: bool,
}

impl EventQueue {
    pub(crate) fn new() -> Self {
        Self { events: VecDeque::with_capacity(CAPACITY), frame: 0, host_armed: false }
    }

    /// A block of the host begins.
    pub(crate) fn begin_block(&mut self) {
        self.frame = 0;
    }

    /// The frames of the host's block that are processed.
    pub(crate) fn frame(&self) -> u32 {
        self.frame
    }

    /// Frames of the host's block were processed.
    pub(crate) fn advance(&mut self, frames: u32) {
        self.frame += frames;
    }

    /// Whether the events of a tick fit in without an allocation.
    pub(crate) fn has_room(&self) -> bool {
        self.events.len() + MAX_EVENTS_A_TICK <= CAPACITY
    }

    pub(crate) fn push(&mut self, frame: u32, event: Event) {
        self.events.push_back(TimedEvent { frame, event });
    }

    /// The host armed or disarmed Write.
    pub(crate) fn set_host_armed(&mut self, armed: bool) {
        self.host_armed = armed;
    }

    /// Adds an event if the host does not know that Write is armed, or is not.
    pub(crate) fn announce_armed(&mut self, armed: bool) {
        if armed != self.host_armed {
            self.host_armed = armed;
            self.push(self.frame, Event::Write { armed });
        }
    }

    /// Whether the end of a gesture waits.
    pub(crate) fn has_gesture_end(&self) -> bool {
        self.events.iter().any(|timed| matches!(timed.event, Event::EndGesture { .. }))
    }

    /// Gives the events to `push` until it returns false; the event that it refused and those behind it
    /// wait for the beginning of the next block.
    pub(crate) fn drain(&mut self, mut push: impl FnMut(TimedEvent) -> bool) {
        while let Some(timed) = self.events.front() {
            if !push(*timed) {
                break;
            }
            self.events.pop_front();
        }
        self.events.iter_mut().for_each(|timed| timed.frame = 0);
        self.frame = 0;
    }
}
