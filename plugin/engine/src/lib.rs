//! Host audio in, tag probabilities out.
//!
//! The journey of a sample: the audio thread hands each block to a [`Tap`], which
//! mixes it down, resamples it to [`SAMPLE_RATE`] and leaves it in a lock-free ring.
//! A [`Listener`] takes it out on a worker thread, keeps the last window, and runs
//! the [`Model`] once a hop. The probabilities go to the [`TagBoard`], which any
//! thread may read, and to an [`Observer`] with the moment they are of. An [`Engine`] is
//! all of that for one instance of the plugin.
//!
//! This crate knows no plugin format and draws nothing.
#![forbid(unsafe_code)]

mod board;
mod downmix;
mod engine;
mod listener;
mod loader;
mod model;
mod observer;
pub mod resample;
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod sync;
mod tap;
mod workers;

pub use board::{About, Status, TagBoard};
pub use downmix::MAX_CHANNELS;
pub use engine::{Engine, ModelSource, Request};
pub use listener::{Listener, Pace};
pub use model::{FORMAT, Hearing, Inference, MAX_TAGS, Metadata, Model, ModelError, SAMPLE_RATE};
pub use observer::{Moment, Observer};
pub use tap::Tap;
