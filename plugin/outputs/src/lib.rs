//! What is done with tags once they are judged.
//!
//! [`Outputs`] is what the threads of an instance share: it observes the engine, knows
//! which tag goes where, and tells the editor and the host the latest values. A
//! [`Stage`] is the audio thread's end: block by block it takes the judgements that are
//! due, smooths the tags, shapes the slots, and leaves [`Event`]s for the host; an
//! [`Osc`] sender takes what goes out over the network. A [`Timeline`] keeps what was
//! judged, with where the host's song stood.
//!
//! Everything happens on a grid of [`TICKS`] a second from the last start on, and a
//! judgement counts [`DELAY`] seconds after its window ended, not when it was made. So
//! a bounce gives the same events at the same frames as playback, at any block size.
//!
//! This crate knows no plugin format and draws nothing.
#![forbid(unsafe_code)]

mod announcer;
mod event;
mod judgements;
mod midi;
mod names;
mod osc;
mod outputs;
mod settings;
mod slot;
mod smoothing;
mod stage;
mod timeline;
mod wiring;
mod writer;

pub use event::{Event, Timed};
pub use names::{ascii, osc_part};
pub use osc::{DEFAULT_ADDRESS, Osc, OscSettings, OscStatus};
pub use outputs::Outputs;
pub use settings::{Gestures, Midi, Settings, Shape};
pub use stage::{Block, Stage};
pub use timeline::{Bar, Format, Place, Region, Row, Song, Timeline};
pub use wiring::{How, MOST_IN_SOURCE, Source, Wiring};

/// Tags that a host sees as parameters; of a model with more the user chooses.
pub const PUBLISHED: usize = 64;

/// Slots that can be recorded.
pub const SLOTS: usize = 8;

/// How often a second the outputs are looked at.
pub const TICKS: u32 = 100;

/// Seconds from a window's end until its judgement counts: enough for blocks of 4096
/// frames at 44.1 kHz and for a worker that is not told when audio comes.
pub const DELAY: f64 = 0.1;
