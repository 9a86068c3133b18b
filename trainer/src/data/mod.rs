//! Decoded and labelled audio on disk, and the batches that networks are trained on.

pub mod batches;
pub mod cache;
pub mod duplicates;
mod label_transform;
mod mixup;
mod source;
mod split;
mod track;
mod track_audio;
pub mod vocabularies;
pub(crate) mod waveforms;
mod writer;

pub use batches::{Batch, DataLoader, OnlineAugmentation, to_tensors};
pub use cache::{Cache, CacheInfo, Example};
pub use duplicates::Duplicate;
pub use label_transform::LabelTransform;
pub use mixup::Mixup;
pub use source::Source;
pub use split::Split;
pub use track::{Labels, Segment, Track};
pub use track_audio::TrackAudio;
pub use waveforms::Waveforms;
pub use writer::PartWriter;
