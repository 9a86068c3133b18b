//! Spans of the timeline that the user marks as a tag.

use super::Timeline;
use tagvane_engine::teaching::MarkedSpan;

impl Timeline {
    /// The span between two times on the timeline's clock, in any order, marked as an example of a tag or as a
    /// counterexample; `None` where no entry in it has an embedding.
    pub fn mark(&self, is_example: bool, from: f64, to: f64) -> Option<MarkedSpan> {
        let (from, to) = (from.min(to), from.max(to));
        let marked: Vec<_> = self
            .entries()
            .rev()
            .skip_while(|entry| entry.clock > to)
            .take_while(|entry| entry.clock >= from)
            .filter(|entry| !entry.embedding.is_empty())
            .collect();
        // The last one is the first in time.
        let (first, last) = (marked.last()?, marked.first()?);
        let embeddings: Vec<&[i8]> = marked.iter().rev().map(|entry| entry.embedding).collect();
        let start = first.position.map(|position| position.seconds);
        MarkedSpan::new(is_example, start, last.clock - first.clock + self.hop(), &embeddings)
    }
}
