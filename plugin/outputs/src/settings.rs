//! The settings of the outputs, as the audio thread reads them in every block.

use crate::constants::SLOTS;

/// All settings that are parameters of the plug-in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The most announcements of tags a second; `None` for no announcements.
    pub announce_rate: Option<f64>,
    /// The time constant of a rising tag, in milliseconds; 0 for no smoothing.
    pub attack: f32,
    /// The time constant of a falling tag, in milliseconds; 0 for no smoothing.
    pub release: f32,
    /// The shapes of the slots.
    pub slots: [SlotShape; SLOTS],
    /// Where MIDI is sent; `None` for no MIDI.
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
    pub gate: bool,
    /// The time constant of a rising value, in milliseconds; 0 for no smoothing.
    pub attack: f32,
    /// The time constant of a falling value, in milliseconds; 0 for no smoothing.
    pub release: f32,
    /// Whether the value is inverted.
    pub invert: bool,
    /// The output for a value of 0, 0..=1.
    pub low: f32,
    /// The output for a value of 1, 0..=1.
    pub high: f32,
}

impl Default for SlotShape {
    fn default() -> Self {
        Self {
            threshold: 0.0,
            hysteresis: 0.05,
            gate: false,
            attack: 50.0,
            release: 300.0,
            invert: false,
            low: 0.0,
            high: 1.0,
        }
    }
}

/// Where MIDI is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MidiSettings {
    /// The channel of the slots, 0..=15; the tags use the next one.
    pub channel: u8,
    /// The controller of the first slot and of the first tag, 0..=119; the others follow it.
    pub first_controller: u8,
    /// Whether the published tags are sent too.
    pub sends_tags: bool,
}

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

impl Default for Settings {
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
