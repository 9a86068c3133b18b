//! Recordings with voices, laid over other recordings: transposed by small steps, filtered, in a room.

use super::augmented_copies::excerpt;
use super::offline_augmentation::OfflineAugmentation;
use super::{PrepareOptions, decode_whole};
use crate::audio::normalise_peak;
use crate::data::Source;
use crate::mixing::add_backing;
use crate::render::backings::Backings;
use crate::reproducible;
use rand::Rng as _;

/// A voice is transposed by at most so many semitones.
const MAX_TRANSPOSITION: i32 = 2;

/// Lays recordings with voices over others.
pub struct VoiceOvers<'a> {
    options: &'a PrepareOptions,
    backings: Backings,
    seed: u64,
}

impl<'a> VoiceOvers<'a> {
    /// Mixes with excerpts of `backings`, with parameters drawn from `seed`.
    pub fn new(options: &'a PrepareOptions, backings: Backings, seed: u64) -> Self {
        Self { options, backings, seed }
    }

    /// The sources of `count` mixes of each voice, named `name+1`, `name+2` and so on.
    pub fn sources(voices: &[Source], count: usize) -> Vec<Source> {
        let mix = |source: &Source, number| Source { name: format!("{}+{number}", source.name), ..source.clone() };
        voices.iter().flat_map(|source| (1..=count).map(move |number| mix(source, number))).collect()
    }

    /// The audio of a mix: mono, at the sample rate of the cache. At most a minute of the voice is augmented as in
    /// [`OfflineAugmentation`], but transposed by whole semitones, and is 6 dB below to 6 dB above the backing.
    ///
    /// # Errors
    /// The reason why the mix is skipped.
    pub fn samples(&self, mix: &Source) -> Result<Vec<f32>, String> {
        let mut random = reproducible::generator(self.seed, &mix.name);
        let semitones = random.random_range(-MAX_TRANSPOSITION..=MAX_TRANSPOSITION);
        let drawn = OfflineAugmentation::draw(&mut random);
        let augmentation = OfflineAugmentation {
            speed: 2_f64.powf(f64::from(semitones) / 12.0),
            mix_gain: None,
            voice_gain: None,
            codec_quality: None,
            ..drawn
        };
        let voice = excerpt(decode_whole(self.options, mix)?, &mut random);
        let mut mixed = augmentation.apply(&voice, None, None, &mut random)?;
        let backing = self.backings.excerpt(mixed.len(), &mut random)?;
        add_backing(&mut mixed, &backing, random.random_range(-6.0..=6.0));
        normalise_peak(&mut mixed, drawn.peak_level);
        Ok(mixed)
    }
}
