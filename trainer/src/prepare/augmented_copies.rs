//! Offline augmentation: altered copies of recordings, as sources of their own.

use super::offline_augmentation::OfflineAugmentation;
use super::{PrepareOptions, decode_whole};
use crate::data::Source;
use crate::render::voices::Voices;
use crate::reproducible;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;
use std::collections::HashMap;
use tagvane_engine::SAMPLE_RATE;

/// Makes augmented copies of recordings.
pub struct AugmentedCopies<'a> {
    options: &'a PrepareOptions,
    /// The recordings of each group. Only recordings of the same group are mixed, because a group may be held out.
    groups: HashMap<&'a str, Vec<&'a Source>>,
    /// Voices to mix in.
    voices: Option<&'a Voices>,
    seed: u64,
}

/// Maximum length of a copy in samples. A minute keeps many copies of different excerpts as cheap as a few copies of
/// whole recordings.
const MAX_SAMPLES: usize = 60 * SAMPLE_RATE as usize;

/// An excerpt of at most [`MAX_SAMPLES`] at a random position.
pub(super) fn excerpt(mut samples: Vec<f32>, random: &mut ChaCha12Rng) -> Vec<f32> {
    let start = random.random_range(0..=samples.len().saturating_sub(MAX_SAMPLES));
    samples.drain(..start);
    samples.truncate(MAX_SAMPLES);
    samples
}

impl<'a> AugmentedCopies<'a> {
    /// Copies of `originals`, with parameters drawn from `seed`.
    pub fn new(options: &'a PrepareOptions, originals: &'a [Source], voices: Option<&'a Voices>, seed: u64) -> Self {
        let mut groups: HashMap<&str, Vec<&Source>> = HashMap::new();
        for source in originals {
            groups.entry(&source.group).or_default().push(source);
        }
        Self { options, groups, voices, seed }
    }

    /// The sources of `count` copies of each recording, named `name~1`, `name~2` and so on.
    pub fn sources(originals: &[Source], count: usize) -> Vec<Source> {
        let copy = |source: &Source, number| Source { name: format!("{}~{number}", source.name), ..source.clone() };
        originals.iter().flat_map(|source| (1..=count).map(move |number| copy(source, number))).collect()
    }

    /// The audio of a copy: mono, at the sample rate of the cache.
    ///
    /// It depends on the copy's name and the seed, on the recordings of its group and their order, because another one
    /// may be mixed in, and on whether there are voices. The recording that is mixed in may be the original itself:
    /// leaving it out would change the draws, and with them every copy of existing caches.
    ///
    /// # Errors
    /// The reason why the copy is skipped.
    pub fn samples(&self, copy: &Source) -> Result<Vec<f32>, String> {
        let mut random = reproducible::generator(self.seed, &copy.name);
        let augmentation = OfflineAugmentation::draw(&mut random);
        let samples = excerpt(decode_whole(self.options, copy)?, &mut random);
        let other = augmentation.mix_gain.and_then(|_| {
            let other = self.groups.get(copy.group.as_str())?.choose(&mut random)?;
            Some(excerpt(decode_whole(self.options, other).ok()?, &mut random))
        });
        let voice =
            augmentation.voice_gain.and(self.voices).map(|voices| voices.synthesize(&mut random)).transpose()?;
        augmentation.apply(&samples, other.as_deref(), voice.as_deref(), &mut random)
    }
}
