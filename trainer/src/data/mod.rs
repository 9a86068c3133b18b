//! Decoded and labelled audio on disk, and the batches that networks are trained on.

pub mod batches;
pub mod cache;
mod source;
mod split;
pub mod vocabularies;
mod writer;

pub use batches::{Batch, DataLoader, OnlineAugmentation, to_tensors};
pub use cache::{Cache, CacheInfo, Example, Labels, Segment, Track};
pub use source::Source;
pub use split::Split;
pub use writer::PartWriter;
