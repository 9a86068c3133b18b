//! The values of the plug-in's parameters for the outputs, which the audio thread reads in every block.
//! What else a project stores of the outputs is an [`OutputConfig`](crate::OutputConfig).

use crate::constants::SLOTS;

/// The values of all parameters for the outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputParams {
    /// The most announcements of tags a second, above 0; `None` for no announcements.
    pub announce_rate: Option<f64>,
    /// The time constant of a rising tag, in milliseconds; 0 for no smoothing.
    pub attack: f32,
    /// The time constant of a falling tag, in milliseconds; 0 for no smoothing.
    pub release: f32,
    /// The shapes of the slots.
    pub slots: [SlotShape; SLOTS],
    /// What is sent as MIDI; `None` for no MIDI.
    pub midi: Option<MidiSettings>,
    /// Whether MIDI and OSC follow the live values of the slots rather than the automation that the
    /// host plays back.
    pub sends_live_values: bool,
}

/// How a slot computes its value from its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotShape {
    /// The source opens the slot at this value, 0..=1.
    pub threshold: f32,
    /// The source closes the slot this far below the threshold, 0..=1.
    pub hysteresis: f32,
    /// Whether an open slot gives 1 instead of the value of its source.
    pub is_gate: bool,
    /// The time constant of a rising value, in milliseconds; 0 for no smoothing.
    pub attack: f32,
    /// The time constant of a falling value, in milliseconds; 0 for no smoothing.
    pub release: f32,
    /// Whether the value is inverted.
    pub is_inverted: bool,
    /// The output for a value of 0, 0..=1.
    pub low: f32,
    /// The output for a value of 1, 0..=1.
    pub high: f32,
}

impl SlotShape {
    /// Whether a value of the slot is that of an open gate: nearer to `high` than to `low`. A slot that is no gate has
    /// none.
    pub(crate) fn is_gate_open(&self, value: f32) -> bool {
        self.is_gate && (value - self.high).abs() < (value - self.low).abs()
    }
}

impl Default for SlotShape {
    fn default() -> Self {
        Self {
            threshold: 0.0,
            hysteresis: 0.05,
            is_gate: false,
            attack: 50.0,
            release: 300.0,
            is_inverted: false,
            low: 0.0,
            high: 1.0,
        }
    }
}

/// What is sent as MIDI, and where.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MidiSettings {
    /// The channel of the slots, 0..=15; the tags use the next one, after 15 channel 0.
    pub channel: u8,
    /// The controller of the first slot and of the first tag, 0..=119. The others follow it; those beyond 119
    /// are not sent.
    pub first_controller: u8,
    /// Whether a value has 14 bits: the upper seven on a controller below 32, the lower seven on the one 32 above it.
    /// Controllers from 32 on have no partner then and are not sent.
    pub is_14_bit: bool,
    /// Whether the published tags are sent too.
    pub sends_tags: bool,
    /// The notes of the slots in gate mode; `None` for no notes.
    pub notes: Option<NoteSettings>,
}

/// The notes of the slots in gate mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoteSettings {
    /// The key of the first slot, 0..=127. The others follow it; those beyond 127 send no note.
    pub first_key: u8,
    /// The velocity of all notes, 1..=127.
    pub velocity: u8,
}

impl Default for MidiSettings {
    fn default() -> Self {
        Self { channel: 0, first_controller: 20, is_14_bit: false, sends_tags: false, notes: None }
    }
}

impl Default for NoteSettings {
    fn default() -> Self {
        Self { first_key: 36, velocity: 100 }
    }
}

impl Default for OutputParams {
    fn default() -> Self {
        Self {
            announce_rate: Some(25.0),
            attack: 0.0,
            release: 0.0,
            slots: [SlotShape::default(); SLOTS],
            midi: None,
            sends_live_values: false,
        }
    }
}
