//! What the user sets, as the audio thread reads it at every block.

use crate::SLOTS;

/// All settings of the outputs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// The most announcements of tags a second; `None` for none at all.
    pub announce: Option<f64>,
    /// How fast a tag that is shown and sent rises, in milliseconds; 0 is at once.
    pub attack: f32,
    /// How fast it falls, in milliseconds.
    pub release: f32,
    /// The slots' shapes.
    pub slots: [Shape; SLOTS],
    /// What goes out as MIDI; `None` for nothing.
    pub midi: Option<Midi>,
    /// Whether MIDI and OSC follow the slots' live values rather than what the host
    /// plays back.
    pub live: bool,
}

/// How a slot makes its value of its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// The source counts from here on, 0..=1.
    pub threshold: f32,
    /// It stops to count so far below the threshold, 0..=1.
    pub hysteresis: f32,
    /// On or off instead of the source's own strength.
    pub gate: bool,
    /// How fast the value rises, in milliseconds; 0 is at once.
    pub attack: f32,
    /// How fast it falls, in milliseconds.
    pub release: f32,
    /// Upside down.
    pub invert: bool,
    /// The value at the lower end, 0..=1.
    pub low: f32,
    /// The value at the upper end, 0..=1.
    pub high: f32,
}

impl Default for Shape {
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

/// Where MIDI goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Midi {
    /// The channel of the slots, 0..=15; tags go to the next one.
    pub channel: u8,
    /// The first slot's controller, 0..=119; the others follow.
    pub first: u8,
    /// Whether the published tags go out too, from the same controller on.
    pub tags: bool,
}

/// How a host takes the recording of a slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gestures {
    /// One gesture from arming to disarming.
    #[default]
    Held,
    /// A gesture a value: for a host that records a gesture's last value alone, or takes
    /// gestures some time later, so that one could be left open.
    Brief,
    /// Values alone: this host would not take a gesture now.
    Without,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            announce: Some(25.0),
            attack: 0.0,
            release: 0.0,
            slots: [Shape::default(); SLOTS],
            midi: None,
            live: false,
        }
    }
}
