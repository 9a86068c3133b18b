//! Datasets, architectures, training, evaluation and export of the taggers that
//! Tagvane runs.
//!
//! The journey of a recording: [`corpus`] finds it, [`prepare`] decodes and labels it into a cache
//! ([`data`]), [`training`] teaches a [`network`] of an [`architecture`] and leaves
//! checkpoints, [`evaluation`] measures it, and [`export`] writes the ONNX file. [`musicnn`]
//! makes the teachers.
#![forbid(unsafe_code)]

pub mod architecture;
pub mod corpus;
pub mod data;
mod error;
pub mod evaluation;
pub mod export;
pub mod figures;
pub mod files;
pub mod kernels;
pub mod musicnn;
pub mod network;
pub mod parallel;
pub mod prepare;
pub mod render;
pub mod report;
pub mod tagging;
pub mod training;

pub use error::{Result, TrainerError};
