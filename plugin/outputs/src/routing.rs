//! Which tag drives which slot: by names, as the user and the project have it, and resolved to indices
//! for the audio thread.

use crate::constants::{MAX_PUBLISHED_TAGS, SLOTS};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, AtomicUsize};

/// The most tags in the source of a slot.
pub const MAX_SOURCE_TAGS: usize = 16;

/// Which tags drive which slot, and which ones the host sees. It names the tags, so that it also applies to
/// another model with the same tags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// The source of each slot.
    pub sources: [SlotSource; SLOTS],
    /// The tags that the host sees where there are more than [`MAX_PUBLISHED_TAGS`]; otherwise it sees all. If none is
    /// chosen, it sees the first ones and the taught ones.
    pub published: Vec<String>,
}

/// The source of a slot; a slot without tags is not used.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SlotSource {
    /// The names of the tags. Tags that the model does not have are ignored, and so are those after the
    /// first [`MAX_SOURCE_TAGS`] that it has.
    pub tags: Vec<String>,
    /// How several tags are combined.
    #[serde(rename = "how")]
    pub combine: Combine,
}

/// How several tags give one value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    /// Their maximum.
    #[default]
    Maximum,
    /// Their mean.
    Mean,
}

impl SlotSource {
    /// The display name; `None` without tags.
    pub fn name(&self) -> Option<String> {
        match (&*self.tags, self.combine) {
            ([], _) => None,
            ([tag], _) => Some(tag.clone()),
            (tags, Combine::Maximum) => Some(format!("max of {}", tags.join(", "))),
            (tags, Combine::Mean) => Some(format!("mean of {}", tags.join(", "))),
        }
    }
}

/// A [`Routing`] with the indices of a model's tags in the place of their names.
///
/// The audio thread reads it while another thread may write it: for one tick it can be part old and part
/// new.
pub(crate) struct ResolvedRouting {
    /// Counts the changes of the tags of the model's own.
    tags_version: AtomicU64,
    tag_count: AtomicUsize,
    /// One more than the tag at each published index; 0 for none.
    published: [AtomicU16; MAX_PUBLISHED_TAGS],
    sources: [ResolvedSource; SLOTS],
}

#[derive(Default)]
struct ResolvedSource {
    is_mean: AtomicBool,
    /// The number of valid `tags`.
    count: AtomicU8,
    tags: [AtomicU16; MAX_SOURCE_TAGS],
}

impl ResolvedRouting {
    pub(crate) fn new() -> Self {
        Self {
            tags_version: AtomicU64::new(0),
            tag_count: AtomicUsize::new(0),
            published: [const { AtomicU16::new(0) }; MAX_PUBLISHED_TAGS],
            sources: Default::default(),
        }
    }

    /// Resolves a routing for tags with these names, of which the first `own_tags` are the model's own.
    pub(crate) fn resolve(&self, routing: &Routing, names: &[String], own_tags: usize) {
        let tags = published_tags(routing, names, own_tags).map(Some).chain(std::iter::repeat(None));
        for (published, tag) in self.published.iter().zip(tags) {
            published.store(tag.map_or(0, |tag| tag as u16 + 1), Relaxed);
        }
        for (resolved, source) in self.sources.iter().zip(&routing.sources) {
            let tags = source.tags.iter().filter_map(|tag| names.iter().position(|name| name == tag));
            let mut count = 0;
            for (resolved, tag) in resolved.tags.iter().zip(tags) {
                resolved.store(tag as u16, Relaxed);
                count += 1;
            }
            resolved.is_mean.store(source.combine == Combine::Mean, Relaxed);
            resolved.count.store(count, Relaxed);
        }
    }

    /// Sets the number of tags.
    pub(crate) fn set_tag_count(&self, tag_count: usize) {
        self.tag_count.store(tag_count, Relaxed);
    }

    /// The indices refer to the tags of another model from now on.
    pub(crate) fn count_tags_version(&self) {
        self.tags_version.fetch_add(1, Release);
    }

    /// A number that changes with the tags of the model's own.
    pub(crate) fn tags_version(&self) -> u64 {
        self.tags_version.load(Acquire)
    }

    /// The number of tags of the model.
    pub(crate) fn tag_count(&self) -> usize {
        self.tag_count.load(Relaxed)
    }

    /// The tag at a published index.
    pub(crate) fn published_tag(&self, index: usize) -> Option<usize> {
        usize::from(self.published.get(index)?.load(Relaxed)).checked_sub(1)
    }

    /// The value of a slot's source for the values of all tags; `None` if the slot is not used.
    pub(crate) fn source_value(&self, slot: usize, tags: &[f32]) -> Option<f32> {
        let source = &self.sources[slot];
        let count = usize::from(source.count.load(Relaxed));
        let values =
            source.tags[..count].iter().map(|tag| tags.get(usize::from(tag.load(Relaxed))).copied().unwrap_or(0.0));
        match count {
            0 => None,
            _ if source.is_mean.load(Relaxed) => Some(values.sum::<f32>() / count as f32),
            _ => Some(values.fold(0.0, f32::max)),
        }
    }
}

/// The indices of the tags that the host sees, in its order. The first `own_tags` are the model's own. If none is chosen,
/// the taught tags take the places that the model's leave, or else the last places, from the last one on: a new one moves no
/// other.
pub(crate) fn published_tags<'a>(
    routing: &'a Routing,
    names: &'a [String],
    own_tags: usize,
) -> Box<dyn Iterator<Item = usize> + 'a> {
    if names.len() <= MAX_PUBLISHED_TAGS {
        return Box::new(0..names.len());
    }
    let chosen: Vec<usize> = routing
        .published
        .iter()
        .filter_map(|tag| names.iter().position(|name| name == tag))
        .take(MAX_PUBLISHED_TAGS)
        .collect();
    if !chosen.is_empty() {
        return Box::new(chosen.into_iter());
    }
    let has_room = own_tags < MAX_PUBLISHED_TAGS;
    let taught = if has_room { 0 } else { names.len().saturating_sub(own_tags).min(MAX_PUBLISHED_TAGS) };
    Box::new((0..MAX_PUBLISHED_TAGS - taught).chain((own_tags..own_tags + taught).rev()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|tag| format!("tag {tag}")).collect()
    }

    fn source(tags: &[&str], combine: Combine) -> SlotSource {
        SlotSource { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), combine }
    }

    #[test]
    fn a_source_is_one_tag_a_maximum_or_a_mean() {
        let resolved = ResolvedRouting::new();
        let mut routing = Routing::default();
        routing.sources[0] = source(&["tag 2"], Combine::Maximum);
        routing.sources[1] = source(&["tag 0", "tag 2", "unknown"], Combine::Maximum);
        routing.sources[2] = source(&["tag 0", "tag 2"], Combine::Mean);
        routing.sources[3] = source(&["unknown"], Combine::Mean);
        resolved.resolve(&routing, &names(3), 3);
        let values: Vec<Option<f32>> = (0..5).map(|slot| resolved.source_value(slot, &[0.2, 0.9, 0.6])).collect();
        assert_eq!(values, [Some(0.6), Some(0.6), Some(0.4), None, None]);
    }

    #[test]
    fn a_small_model_publishes_all_tags_and_a_large_one_the_chosen_ones() {
        let resolved = ResolvedRouting::new();
        let mut routing =
            Routing { published: vec!["tag 70".into(), "gone".into(), "tag 3".into()], ..Routing::default() };
        let published_with = |routing: &Routing, count, own| {
            resolved.resolve(routing, &names(count), own);
            (0..MAX_PUBLISHED_TAGS).map_while(|index| resolved.published_tag(index)).collect::<Vec<_>>()
        };
        let published = |routing: &Routing, count| published_with(routing, count, count);
        assert_eq!(published(&routing, 5), [0, 1, 2, 3, 4]);
        assert_eq!(published(&routing, 100), [70, 3]);
        routing.published.clear();
        assert_eq!(published(&routing, 100), (0..MAX_PUBLISHED_TAGS).collect::<Vec<_>>());
        let expected = |taught: &[usize]| (0..64 - taught.len()).chain(taught.iter().copied()).collect::<Vec<_>>();
        assert_eq!(published_with(&routing, 101, 100), expected(&[100]));
        assert_eq!(published_with(&routing, 103, 100), expected(&[102, 101, 100]), "no other tag moves");
        assert_eq!(published_with(&routing, 70, 60), expected(&[]));
        routing.published = names(90);
        assert_eq!(published(&routing, 100).len(), MAX_PUBLISHED_TAGS);
    }

    #[test]
    fn tags_beyond_the_maximum_are_ignored() {
        let resolved = ResolvedRouting::new();
        let mut routing = Routing::default();
        routing.sources[7] = SlotSource { tags: names(40), combine: Combine::Maximum };
        resolved.resolve(&routing, &names(40), 40);
        let tags: Vec<f32> = (0..40).map(|tag| tag as f32 / 100.0).collect();
        assert_eq!(resolved.source_value(7, &tags), Some(0.15));
    }
}
