//! A recording of a data set, before it is decoded into a cache.

use std::path::PathBuf;

/// One recording of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Name in the data set; unique.
    pub name: String,
    /// The audio file; empty where the audio is synthesized.
    pub path: PathBuf,
    /// The unit of the data split: all recordings of a group are held out together.
    pub group: String,
    /// Labels from the data set, one value per tag; empty where teachers supply pseudo-labels.
    pub labels: Vec<f32>,
}
