//! Tagging metrics of a model against labels, per tag and macro-averaged.

mod calibration;
pub mod metrics;
mod platt;
mod predictions;
mod reaction;
mod runner;
mod scores;
mod tables;
mod tag_match;
mod truth;
mod truth_scores;
mod truth_tables;

pub use calibration::{Calibration, TagCalibration};
pub use platt::PlattScaling;
pub(crate) use platt::logit;
pub use predictions::read_predictions;
pub use reaction::{ModelReactions, Reaction, measure_reactions};
pub(crate) use runner::predict_split;
pub use runner::{Clips, Unit, evaluate_onnx, evaluate_pseudo_labels};
pub use scores::{MetricConfig, Scores, TagScore, VocabularyCalibration};
pub use tables::{format_calibration, format_metric, print, read_weak_tags, write_csv, write_json};
pub use tag_match::TagMatch;
pub use truth::{TruthClip, TruthSet};
pub use truth_scores::{TruthScores, TruthTagScore, evaluate_truth};
pub use truth_tables::TruthTable;
