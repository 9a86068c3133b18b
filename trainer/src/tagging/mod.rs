//! Tags recordings with a model: mean probabilities per recording, and a timeline of windows.

mod embedded;
mod output;
mod replace;
mod tagger;
pub(crate) mod windows;
mod write_tags;

pub(crate) use output::OrderedMap;
pub use output::{label_file_names, write_csv, write_json, write_label_track, write_timeline_csv};
pub use replace::remove_abandoned_copies;
pub use tagger::{TaggedRecording, Tagger, WindowPrediction};
pub(crate) use tagger::{make_unique, ranked};
pub use write_tags::{GENRES_FIELD, MODEL_FIELD, TAGS_FIELD, TagChange, TagWriter};
