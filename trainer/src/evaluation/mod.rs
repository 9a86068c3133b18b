//! Tagging metrics of a model against labels, per tag and macro-averaged.

pub mod metrics;
mod runner;
mod scores;
mod tables;

pub use runner::{Clips, Unit, evaluate_onnx, evaluate_pseudo_labels};
pub use scores::{MetricConfig, Scores, TagScore};
pub use tables::{print, read_predictions, read_weak_tags, write_csv, write_json};
