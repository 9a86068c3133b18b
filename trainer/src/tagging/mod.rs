//! Tags recordings with a model: mean probabilities per recording, and a timeline of windows.

mod output;
mod tagger;
mod windows;

pub use output::{label_file_names, write_csv, write_json, write_label_track, write_timeline_csv};
pub use tagger::{TaggedRecording, Tagger, WindowPrediction, find_recordings};
