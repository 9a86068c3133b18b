//! Turns a model's predictions into the outputs of the plug-in: smoothed tags, slots, automation, MIDI,
//! OSC and a timeline.
//!
//! [`Outputs`] is what the threads of an instance share. It observes the engine, holds the
//! [`OutputConfig`], and gives the editor and the host the latest values. An [`OutputProcessor`] runs on
//! the audio thread:
//! block by block it takes the predictions that are due, smooths the tags, shapes the slots, and queues
//! [`Event`]s for the host and snapshots for the OSC thread. A [`Timeline`] keeps the predictions,
//! each with its position in the host's song.
//!
//! **Write** is the switch, and **armed** its state, that lets the slots with a source write automation while
//! the transport plays.
//!
//! Everything happens on a grid of [`TICK_RATE`] ticks a second, counted from the last discontinuity.
//! A prediction takes effect [`PREDICTION_DELAY`] seconds after the end of its window, no matter when it was made.
//! So a bounce gives the same events at the same frames as playback, at any block size.
//!
//! This crate knows no plug-in format and draws nothing.
#![forbid(unsafe_code)]

mod announcer;
mod config;
mod constants;
mod event;
mod event_queue;
mod midi;
mod names;
mod notes;
mod osc;
mod outputs;
mod params;
mod predictions;
mod processor;
mod rate_limit;
mod routing;
mod slot;
mod smoothed_tags;
mod smoothing;
mod timeline;
mod writer;

pub use config::OutputConfig;
pub use constants::{MAX_PUBLISHED_TAGS, PREDICTION_DELAY, SLOTS, TICK_RATE};
pub use event::{Event, TimedEvent};
pub use names::to_ascii;
pub use osc::{OscMessageKind, OscSettings, OscStatus};
pub use outputs::Outputs;
pub use params::{MidiSettings, NoteSettings, OutputParams, SlotShape};
pub use processor::{Block, OutputProcessor};
pub use routing::{Combine, MAX_SOURCE_TAGS, Routing, SlotSource};
pub use timeline::{
    Bar, ExportFormat, PredictionSpan, Region, Timeline, TimelineEntry, Transport, TransportPosition, audacity_labels,
    find_regions,
};
pub use writer::GestureMode;
