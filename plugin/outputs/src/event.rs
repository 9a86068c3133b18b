//! Events for the host.

/// An event for the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A published tag has another probability.
    Tag {
        /// The index among the published tags.
        index: usize,
        /// The probability, 0..=1.
        value: f32,
    },
    /// A gesture on a slot begins.
    BeginGesture {
        /// The index of the slot.
        slot: usize,
    },
    /// The parameter of a slot moves.
    Slot {
        /// The index of the slot.
        slot: usize,
        /// The value, 0..=1.
        value: f32,
    },
    /// A gesture on a slot ends.
    EndGesture {
        /// The index of the slot.
        slot: usize,
    },
    /// Write was armed or disarmed by something else than the host.
    Write {
        /// Whether it is armed now.
        armed: bool,
    },
    /// A MIDI control change.
    ControlChange {
        /// The channel, 0..=15.
        channel: u8,
        /// The controller, 0..=119.
        controller: u8,
        /// The value, 0..=127.
        value: u8,
    },
    /// A MIDI note begins.
    NoteOn {
        /// The channel, 0..=15.
        channel: u8,
        /// The key, 0..=127.
        key: u8,
        /// The velocity, 1..=127.
        velocity: u8,
    },
    /// A MIDI note ends.
    NoteOff {
        /// The channel, 0..=15.
        channel: u8,
        /// The key, 0..=127.
        key: u8,
    },
}

impl Event {
    /// Whether this is a MIDI message.
    pub fn is_midi(&self) -> bool {
        matches!(self, Self::ControlChange { .. } | Self::NoteOn { .. } | Self::NoteOff { .. })
    }
}

/// An event with its position in the host's block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimedEvent {
    /// Frames from the beginning of the block.
    pub frame: u32,
    /// The event.
    pub event: Event,
}
