//! Tags audio: host audio in, tag probabilities out.
//!
//! The audio thread pushes each block to an [`AudioProducer`], which mixes it down, resamples it to
//! [`SAMPLE_RATE`] and leaves it in a lock-free queue. An [`Analyzer`] takes it out on a worker thread,
//! keeps the last window, and runs the [`Model`] once a hop. The probabilities go to the [`TagBoard`],
//! which any thread may read, and to an [`EngineObserver`] with their time. An [`Engine`] is all of that
//! for one instance of the plug-in.
//!
//! This crate knows no plug-in format and draws nothing.
#![forbid(unsafe_code)]

mod analyzer;
mod audio_queue;
mod board;
mod downmix;
mod engine;
mod library;
mod loader;
mod model;
mod observer;
pub mod resample;
mod sample_window;
mod shared;
mod source;
mod status;
mod stream_clock;
mod structure;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod sync;
pub mod teaching;
mod workers;

pub use analyzer::{Analyzer, RenderMode};
pub use audio_queue::AudioProducer;
pub use board::TagBoard;
pub use downmix::{Downmix, MAX_CHANNELS};
pub use engine::Engine;
pub use library::{LibraryEntry, ModelLibrary, ModelSummary};
pub use model::{
    Background, ChannelAffine, InferenceMode, MAX_TAGS, MAX_VOCABULARIES, Metadata, Model, ModelError, Prediction,
    SAMPLE_RATE, StreamState, VOCABULARY_SEPARATOR, Vocabulary, WHITENED_EMBEDDING, WINDOWS, to_steps, unnamed_tag,
};
pub use observer::{EngineObserver, StreamPosition, StreamTime};
pub use source::{ModelRequest, ModelSource};
pub use status::{ModelInfo, Status};
pub use structure::SectionTag;
