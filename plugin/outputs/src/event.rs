//! What the host is told.

/// One thing that the host is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A published tag stands at a probability now.
    Tag {
        /// Its place among the published ones.
        index: usize,
        /// 0..=1.
        value: f32,
    },
    /// A recording of a slot begins.
    Begin {
        /// Its index.
        slot: usize,
    },
    /// A slot is moved.
    Slot {
        /// Its index.
        slot: usize,
        /// 0..=1.
        value: f32,
    },
    /// The recording of a slot ends.
    End {
        /// Its index.
        slot: usize,
    },
    /// Write was switched, and not by the host.
    Write {
        /// Whether it is armed now.
        armed: bool,
    },
    /// A MIDI control change.
    Controller {
        /// 0..=15.
        channel: u8,
        /// 0..=119.
        controller: u8,
        /// 0..=127.
        value: u8,
    },
}

/// An event with the frame of the host's block that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timed {
    /// The frame, from the block's beginning.
    pub frame: u32,
    /// What happens there.
    pub event: Event,
}
