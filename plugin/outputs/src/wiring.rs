//! Which tag goes where: as the user says it, by names, and as the audio thread reads
//! it, by numbers.

use crate::osc::OscSettings;
use crate::{PUBLISHED, SLOTS};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, AtomicUsize};

/// The most tags that a slot listens to.
pub const MOST_IN_SOURCE: usize = 16;

/// What a project remembers of the outputs besides their parameters. Tags are named, so
/// that another model finds those that it has too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wiring {
    /// What each slot listens to.
    pub sources: [Source; SLOTS],
    /// The tags of a large model that the host sees; of a model with at most
    /// [`PUBLISHED`] tags it sees all.
    pub published: Vec<String>,
    /// What goes out as OSC, and where to.
    pub osc: OscSettings,
}

/// What a slot listens to; with no tags it is unused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// The tags' names. Those that the model does not have count for nothing, and so do
    /// more than [`MOST_IN_SOURCE`].
    pub tags: Vec<String>,
    /// What is made of several.
    pub how: How,
}

/// What a slot makes of several tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The strongest counts.
    #[default]
    Maximum,
    /// Their mean counts.
    Mean,
}

impl Source {
    /// Its name in front of a person; `None` where it is unused.
    pub fn name(&self) -> Option<String> {
        match (&*self.tags, self.how) {
            ([], _) => None,
            ([tag], _) => Some(tag.clone()),
            (tags, How::Maximum) => Some(format!("max of {}", tags.join(", "))),
            (tags, How::Mean) => Some(format!("mean of {}", tags.join(", "))),
        }
    }
}

/// The wiring in numbers, which the audio thread reads while it may be written: for one
/// tick it can be part old and part new.
pub(crate) struct Wired {
    /// Counts the changes of what a tag's number means.
    tags_version: AtomicU64,
    tags: AtomicUsize,
    /// The tag at each published place, plus one; 0 is none.
    published: [AtomicU16; PUBLISHED],
    sources: [WiredSource; SLOTS],
}

#[derive(Default)]
struct WiredSource {
    mean: AtomicU8,
    count: AtomicU8,
    tags: [AtomicU16; MOST_IN_SOURCE],
}

impl Wired {
    pub(crate) fn new() -> Self {
        Self {
            tags_version: AtomicU64::new(0),
            tags: AtomicUsize::new(0),
            published: [const { AtomicU16::new(0) }; PUBLISHED],
            sources: Default::default(),
        }
    }

    /// Takes over a wiring of a model whose tags have these names.
    pub(crate) fn wire(&self, wiring: &Wiring, names: &[String]) {
        for (place, tag) in self.published.iter().zip(published(wiring, names).map(Some).chain(std::iter::repeat(None)))
        {
            place.store(tag.map_or(0, |tag| tag as u16 + 1), Relaxed);
        }
        for (wired, source) in self.sources.iter().zip(&wiring.sources) {
            let known = source.tags.iter().filter_map(|tag| names.iter().position(|name| name == tag));
            let mut count = 0;
            for (place, tag) in wired.tags.iter().zip(known) {
                place.store(tag as u16, Relaxed);
                count += 1;
            }
            wired.mean.store(u8::from(source.how == How::Mean), Relaxed);
            wired.count.store(count, Relaxed);
        }
    }

    /// From now on a tag's number means another tag, of `tags` in all.
    pub(crate) fn renumber(&self, tags: usize) {
        self.tags.store(tags, Relaxed);
        self.tags_version.fetch_add(1, Release);
    }

    pub(crate) fn tags_version(&self) -> u64 {
        self.tags_version.load(Acquire)
    }

    /// How many tags there are.
    pub(crate) fn tags(&self) -> usize {
        self.tags.load(Relaxed)
    }

    /// The tag at a published place.
    pub(crate) fn published(&self, place: usize) -> Option<usize> {
        usize::from(self.published.get(place)?.load(Relaxed)).checked_sub(1)
    }

    /// What a slot's source says, when the tags stand at `tags`; `None` where it is unused.
    pub(crate) fn source(&self, slot: usize, tags: &[f32]) -> Option<f32> {
        let source = &self.sources[slot];
        let count = usize::from(source.count.load(Relaxed));
        let values =
            source.tags[..count].iter().map(|tag| tags.get(usize::from(tag.load(Relaxed))).copied().unwrap_or(0.0));
        match count {
            0 => None,
            _ if source.mean.load(Relaxed) == 1 => Some(values.sum::<f32>() / count as f32),
            _ => Some(values.fold(0.0, f32::max)),
        }
    }
}

/// The numbers of the tags that the host sees, in the order it sees them.
pub(crate) fn published<'a>(wiring: &'a Wiring, names: &'a [String]) -> Box<dyn Iterator<Item = usize> + 'a> {
    if names.len() <= PUBLISHED {
        return Box::new(0..names.len());
    }
    let chosen: Vec<usize> =
        wiring.published.iter().filter_map(|tag| names.iter().position(|name| name == tag)).take(PUBLISHED).collect();
    if chosen.is_empty() { Box::new(0..PUBLISHED) } else { Box::new(chosen.into_iter()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|tag| format!("tag {tag}")).collect()
    }

    fn source(tags: &[&str], how: How) -> Source {
        Source { tags: tags.iter().map(|tag| (*tag).to_owned()).collect(), how }
    }

    #[test]
    fn slots_hear_one_tag_the_strongest_or_the_mean() {
        let wired = Wired::new();
        let mut wiring = Wiring::default();
        wiring.sources[0] = source(&["tag 2"], How::Maximum);
        wiring.sources[1] = source(&["tag 0", "tag 2", "unknown"], How::Maximum);
        wiring.sources[2] = source(&["tag 0", "tag 2"], How::Mean);
        wiring.sources[3] = source(&["unknown"], How::Mean);
        wired.wire(&wiring, &names(3));
        let heard: Vec<Option<f32>> = (0..5).map(|slot| wired.source(slot, &[0.2, 0.9, 0.6])).collect();
        assert_eq!(heard, [Some(0.6), Some(0.6), Some(0.4), None, None]);
    }

    #[test]
    fn a_small_model_shows_all_and_a_large_one_what_is_chosen() {
        let wired = Wired::new();
        let mut wiring =
            Wiring { published: vec!["tag 70".into(), "gone".into(), "tag 3".into()], ..Wiring::default() };
        let places = |wiring: &Wiring, count| {
            wired.wire(wiring, &names(count));
            (0..PUBLISHED).map_while(|place| wired.published(place)).collect::<Vec<_>>()
        };
        assert_eq!(places(&wiring, 5), [0, 1, 2, 3, 4]);
        assert_eq!(places(&wiring, 100), [70, 3]);
        wiring.published.clear();
        assert_eq!(places(&wiring, 100), (0..PUBLISHED).collect::<Vec<_>>());
        wiring.published = names(90);
        assert_eq!(places(&wiring, 100).len(), PUBLISHED);
    }

    #[test]
    fn more_tags_than_a_slot_takes_are_left_out() {
        let wired = Wired::new();
        let mut wiring = Wiring::default();
        wiring.sources[7] = Source { tags: names(40), how: How::Maximum };
        wired.wire(&wiring, &names(40));
        let tags: Vec<f32> = (0..40).map(|tag| tag as f32 / 100.0).collect();
        assert_eq!(wired.source(7, &tags), Some(0.15));
    }
}
