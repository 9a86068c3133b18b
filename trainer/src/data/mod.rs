//! Decoded and labelled audio on disk, and the batches that networks learn from.

pub mod batches;
pub mod cache;
pub mod vocabularies;
mod writer;

pub use batches::{Augmentation, Batch, Pass};
pub use cache::{Cache, CacheInfo, Example, Labels, Segment, Track};
pub use writer::PartWriter;
