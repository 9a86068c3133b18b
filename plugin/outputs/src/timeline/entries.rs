//! The entries of a timeline, in blocks of memory that are large enough to be returned to the system. An allocation for
//! each entry, between those of a host's audio, once kept a hundred times its size from being used again.

use super::transport::TransportPosition;
use std::collections::VecDeque;
use tagvane_engine::teaching::TaughtTag;

/// Probabilities in a block: 128 KB.
const BLOCK: usize = 1 << 16;

/// The prediction for one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimelineEntry<'a> {
    /// Seconds of analysed audio: one hop for the first entry, and for each one the audio between its window
    /// and the one before it, or a hop after a discontinuity.
    pub clock: f64,
    /// The song position in the middle of the window; `None` if the transport was stopped.
    pub position: Option<TransportPosition>,
    /// Whether it does not continue the entry before it: after a start, a seek or a loop.
    pub is_discontinuity: bool,
    /// In units of 1/65535.
    pub(super) probabilities: &'a [u16],
    /// The whitened embedding in [steps](tagvane_engine::to_steps); empty if the model has none, it was another model, or the
    /// window was silent.
    pub embedding: &'a [i8],
    /// The tags that are computed from the embedding, after those of the model.
    pub(super) taught: &'a [TaughtTag],
    /// The tag of new sections and its value for this window, which came later.
    pub(super) section: Option<(usize, f32)>,
}

impl TimelineEntry<'_> {
    /// The probability of a tag, 0..=1; zero if there is no such tag. Taught tags have the value that they would have had if
    /// they had been taught before. That of new sections has the value that came later for this window, and zero until then.
    pub fn probability(&self, tag: usize) -> f32 {
        if let Some((_, value)) = self.section.filter(|(section, _)| *section == tag) {
            return value;
        }
        match self.probabilities.get(tag) {
            Some(value) => f32::from(*value) / f32::from(u16::MAX),
            None => {
                let taught = tag.checked_sub(self.probabilities.len()).and_then(|index| self.taught.get(index));
                taught.map_or(0.0, |taught| taught.function.probability(self.embedding))
            }
        }
    }
}

/// An entry without its probabilities.
struct EntryHead {
    clock: f64,
    position: Option<TransportPosition>,
    is_discontinuity: bool,
    has_embedding: bool,
}

struct Block {
    probabilities: Vec<u16>,
    embeddings: Vec<i8>,
}

/// Entries with the same number of tags of the model and the same size of embedding, the oldest first.
pub(super) struct Entries {
    tags: usize,
    embedding_size: usize,
    heads: VecDeque<EntryHead>,
    /// The probabilities and the embeddings of `per_block` entries each.
    blocks: VecDeque<Block>,
    per_block: usize,
    /// The entries of the first block that are no longer kept.
    dropped: usize,
}

impl Entries {
    /// No entries, of this number of tags and values of an embedding.
    pub(super) fn new(tags: usize, embedding_size: usize) -> Self {
        let per_block = (BLOCK / tags.max(embedding_size).max(1)).max(1);
        Self { tags, embedding_size, heads: VecDeque::new(), blocks: VecDeque::new(), per_block, dropped: 0 }
    }

    /// The number of tags.
    pub(super) fn tags(&self) -> usize {
        self.tags
    }

    /// The values of an embedding.
    pub(super) fn embedding_size(&self) -> usize {
        self.embedding_size
    }

    /// Bytes of an entry.
    pub(super) fn entry_bytes(&self) -> usize {
        self.tags * size_of::<u16>() + self.embedding_size + size_of::<EntryHead>()
    }

    /// Forgets the embeddings so far.
    pub(super) fn clear_embeddings(&mut self) {
        self.heads.iter_mut().for_each(|head| head.has_embedding = false);
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// Appends an entry. Missing probabilities are zero, as are those that are not numbers; an embedding of another size is
    /// left out.
    pub(super) fn push(
        &mut self,
        clock: f64,
        position: Option<TransportPosition>,
        is_discontinuity: bool,
        probabilities: &[f32],
        embedding: &[i8],
    ) {
        let place = (self.dropped + self.heads.len()) % self.per_block;
        if place == 0 {
            self.blocks.push_back(Block {
                probabilities: Vec::with_capacity(self.per_block * self.tags),
                embeddings: Vec::with_capacity(self.per_block * self.embedding_size),
            });
        }
        let has_embedding = embedding.len() == self.embedding_size && !embedding.is_empty();
        self.heads.push_back(EntryHead { clock, position, is_discontinuity, has_embedding });
        if let Some(block) = self.blocks.back_mut() {
            let quantized = |tag: usize| {
                let probability = probabilities.get(tag).copied().unwrap_or(0.0);
                // The cast saturates, and turns NaN into zero.
                (probability * f32::from(u16::MAX)).round() as u16
            };
            block.probabilities.extend((0..self.tags).map(quantized));
            let zeros = std::iter::repeat(&0);
            let embedding = if has_embedding { embedding } else { &[] };
            block.embeddings.extend(embedding.iter().chain(zeros).take(self.embedding_size));
        }
    }

    /// Drops the oldest entry.
    pub(super) fn pop_front(&mut self) {
        if self.heads.pop_front().is_some() {
            self.dropped += 1;
        }
        if self.dropped == self.per_block {
            self.blocks.pop_front();
            self.dropped = 0;
        }
    }

    /// The entry at an index, from the oldest that is kept.
    pub(super) fn get(&self, index: usize) -> Option<TimelineEntry<'_>> {
        self.heads.get(index).map(|head| self.entry(index, head))
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = TimelineEntry<'_>> + ExactSizeIterator {
        self.heads.iter().enumerate().map(|(index, head)| self.entry(index, head))
    }

    fn entry<'a>(&'a self, index: usize, head: &EntryHead) -> TimelineEntry<'a> {
        let place = self.dropped + index;
        let (number, block) = (place % self.per_block, self.blocks.get(place / self.per_block));
        let of_entry = |size: usize| number * size..(number + 1) * size;
        let EntryHead { clock, position, is_discontinuity, has_embedding } = *head;
        TimelineEntry {
            clock,
            position,
            is_discontinuity,
            probabilities: block.and_then(|block| block.probabilities.get(of_entry(self.tags))).unwrap_or_default(),
            embedding: block
                .filter(|_| has_embedding)
                .and_then(|block| block.embeddings.get(of_entry(self.embedding_size)))
                .unwrap_or_default(),
            taught: &[],
            section: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_keep_their_probabilities_while_the_oldest_are_dropped() {
        for tags in [0, 1, 3, 50, BLOCK / 2 + 1, 2 * BLOCK] {
            let mut entries = Entries::new(tags, 5);
            let (mut first, kept) = (0, (3 * BLOCK / (2 * tags.max(64))).max(3));
            for number in 0..4 * kept {
                let probabilities = vec![number as f32 / (4 * kept) as f32; tags];
                let embedding = [number as i8; 5];
                entries.push(
                    number as f64,
                    None,
                    false,
                    &probabilities,
                    if number % 7 == 0 { &[] } else { &embedding },
                );
                if entries.len() > kept {
                    entries.pop_front();
                    first += 1;
                }
                for index in [0, entries.len() / 2, entries.len() - 1] {
                    let entry = entries.get(index).unwrap();
                    assert_eq!(entry.clock, (first + index) as f64, "{tags} tags");
                    let expected = if tags > 0 { (first + index) as f32 / (4 * kept) as f32 } else { 0.0 };
                    let number = first + index;
                    let embedding = if number % 7 == 0 { vec![] } else { vec![number as i8; 5] };
                    assert_eq!(entry.embedding, embedding, "{tags} tags, entry {number}");
                    assert!((entry.probability(tags.saturating_sub(1)) - expected).abs() < 1e-4, "{tags} tags");
                }
            }
            assert_eq!(entries.iter().len(), kept);
            assert!(entries.blocks.len() <= kept / entries.per_block + 2, "{tags} tags: blocks are left over");
        }
    }
}
