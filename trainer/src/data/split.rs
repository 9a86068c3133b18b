//! The windows of some groups of a cache: a training, validation or test split.

use super::cache::{Cache, Example};
use crate::error::Result;
use std::path::Path;

/// Some groups of a cache, cut into windows of one length.
pub struct Split {
    /// The tracks of these groups.
    pub cache: Cache,
    /// The windows, in the order of the tracks.
    pub examples: Vec<Example>,
    /// Samples per window.
    pub window: usize,
}

impl Split {
    /// Opens the groups of a cache that `wanted` accepts.
    ///
    /// # Errors
    /// [`TrainerError`](crate::TrainerError) where the cache cannot be opened.
    pub fn open(cache: &Path, window: usize, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let cache = Cache::open(cache, wanted)?;
        let examples = cache.examples(window);
        Ok(Self { cache, examples, window })
    }

    /// At most `count` of the windows, evenly spaced.
    pub fn evenly_spaced(&self, count: usize) -> Vec<Example> {
        let step = self.examples.len().div_ceil(count).max(1);
        self.examples.iter().copied().step_by(step).collect()
    }
}
