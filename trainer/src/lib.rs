//! Datasets, architectures, training, evaluation and export of the taggers that
//! Tagvane runs.
//!
//! The journey of a recording: [`prepare`] decodes and labels it into a [`cache`],
//! [`train`] learns a [`network`] from the cache and leaves a [`checkpoint`] after
//! every epoch, [`export`] writes the ONNX file, and [`evaluate`] measures it.
#![forbid(unsafe_code)]

pub mod architecture;
pub mod batches;
pub mod cache;
pub mod checkpoint;
pub mod config;
mod error;
pub mod evaluate;
pub mod export;
pub mod files;
pub mod metrics;
pub mod network;
pub mod prepare;
pub mod tags;
pub mod train;

pub use error::{Result, TrainerError};
