//! Varied copies of recordings, as sources of their own.

use super::vary::Variation;
use super::{Request, Source, decode};
use crate::render::voices::Voices;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tagvane_engine::SAMPLE_RATE;

/// Recordings and how often each is varied.
pub struct Copies<'a> {
    request: &'a Request,
    /// Those that can be mixed in: a group's stay in it, since it may be held out.
    groups: HashMap<&'a str, Vec<&'a Source>>,
    /// Who speaks and sings over them.
    voices: Option<&'a Voices>,
    seed: u64,
}

/// How much of a recording a copy has at most, in samples: a minute, so that more copies of other
/// parts, each varied in its own way, cost no more than a few of the whole.
const LONGEST: usize = 60 * SAMPLE_RATE as usize;

/// A part of a recording, anywhere in it.
fn excerpt(mut samples: Vec<f32>, random: &mut StdRng) -> Vec<f32> {
    let start = random.random_range(0..=samples.len().saturating_sub(LONGEST));
    samples.drain(..start);
    samples.truncate(LONGEST);
    samples
}

impl<'a> Copies<'a> {
    /// Copies of `originals`, drawn by `seed`.
    pub fn new(request: &'a Request, originals: &'a [Source], voices: Option<&'a Voices>, seed: u64) -> Self {
        let mut groups: HashMap<&str, Vec<&Source>> = HashMap::new();
        for source in originals {
            groups.entry(&source.group).or_default().push(source);
        }
        Self { request, groups, voices, seed }
    }

    /// `count` copies of each recording, called `name~1` and so on.
    pub fn sources(originals: &[Source], count: usize) -> Vec<Source> {
        let copy = |source: &Source, number| Source { name: format!("{}~{number}", source.name), ..source.clone() };
        originals.iter().flat_map(|source| (1..=count).map(move |number| copy(source, number))).collect()
    }

    /// What a copy sounds like: the same each time.
    ///
    /// # Errors
    /// In words.
    pub fn samples(&self, copy: &Source) -> Result<Vec<f32>, String> {
        let mut hasher = DefaultHasher::new();
        (self.seed, &copy.name).hash(&mut hasher);
        let mut random = StdRng::seed_from_u64(hasher.finish());
        let variation = Variation::draw(&mut random);
        let samples = excerpt(decode(self.request, copy)?, &mut random);
        let other = variation.mixed.and_then(|_| {
            let other = self.groups.get(copy.group.as_str())?.choose(&mut random)?;
            Some(excerpt(decode(self.request, other).ok()?, &mut random))
        });
        let voice = variation.voice.and(self.voices).map(|voices| voices.draw(&mut random)).transpose()?;
        variation.apply(&samples, other.as_deref(), voice.as_deref(), &mut random)
    }
}
