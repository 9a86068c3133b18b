//! A recording of a data set, before it is decoded into a cache.

use std::path::PathBuf;

/// One recording of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Name in the data set; unique.
    pub name: String,
    /// The audio file; `None` where the audio is synthesized.
    pub path: Option<PathBuf>,
    /// The unit of the data split: all recordings of a group are held out together.
    pub group: String,
    /// Labels from the data set, one value per tag, 0 to 1; `None` where the data set has none and teachers supply
    /// pseudo-labels.
    pub labels: Option<Vec<f32>>,
}
