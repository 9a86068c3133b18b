//! Turns a model's predictions into the outputs of the plug-in: smoothed tags, slots, automation, MIDI,
//! OSC and a timeline.
//!
//! [`Outputs`] is what the threads of an instance share. It observes the engine, holds the routing, and
//! gives the editor and the host the latest values. An [`OutputProcessor`] runs on the audio thread:
//! block by block it takes the predictions that are due, smooths the tags, shapes the slots, and queues
//! [`Event`]s for the host and snapshots for the [`OscSender`]. A [`Timeline`] keeps the predictions,
//! each with its position in the host's song.
//!
//! Everything happens on a grid of [`TICK_RATE`] ticks a second, counted from the last discontinuity.
//! A prediction takes effect [`DELAY`] seconds after the end of its window, no matter when it was made.
//! So a bounce gives the same events at the same frames as playback, at any block size.
//!
//! This crate knows no plug-in format and draws nothing.
#![forbid(unsafe_code)]

mod announcer;
mod constants;
mod event;
mod event_queue;
mod midi;
mod names;
mod osc;
mod outputs;
mod predictions;
mod processor;
mod rate_limit;
mod routing;
mod settings;
mod slot;
mod smoothed_tags;
mod smoothing;
mod timeline;
mod writer;

pub use constants::{DELAY, PUBLISHED, SLOTS, TICK_RATE};
pub use event::{Event, TimedEvent};
pub use names::{osc_address_part, to_ascii};
pub use osc::{DEFAULT_ADDRESS, OscSender, OscSettings, OscStatus};
pub use outputs::Outputs;
pub use processor::{Block, OutputProcessor};
pub use routing::{Combine, MAX_SOURCE_TAGS, Routing, Source};
pub use settings::{GestureMode, MidiSettings, Settings, SlotShape};
pub use timeline::{Bar, Format, Region, Timeline, TimelineEntry, Transport, TransportPosition};
