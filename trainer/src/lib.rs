//! Data sets, architectures, training, evaluation and export of the music taggers that Tagvane runs.
//!
//! The pipeline: [`corpus`] collects recordings, [`prepare`] decodes and labels them into a cache ([`data`]),
//! [`training`] trains a [`network`] of an [`architecture`] and writes checkpoints, [`evaluation`] computes metrics,
//! and [`export`] writes the ONNX file. [`render`] synthesizes further recordings, [`musicnn`] and [`teachers`]
//! convert the teachers for pseudo-labels, [`tagging`] runs a model over recordings, and [`catalogue`] over very many of
//! them.
#![forbid(unsafe_code)]

pub mod architecture;
mod audio;
pub mod cards;
pub mod catalogue;
pub mod corpus;
pub mod data;
mod error;
pub mod evaluation;
pub mod export;
pub mod figures;
pub mod files;
pub mod kernels;
mod local_copies;
mod mixing;
pub mod musicnn;
pub mod network;
pub mod parallel;
pub mod prepare;
pub mod progress;
pub mod renamed;
pub mod render;
pub mod report;
mod reproducible;
pub mod tagging;
pub mod teachers;
pub mod teaching;
pub mod training;

pub use error::{Result, TrainerError};
