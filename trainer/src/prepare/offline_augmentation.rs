//! Offline augmentation of a recording: speed, mixing, equaliser, reverberation, codec, level. The teachers label the
//! augmented audio.

use crate::audio::normalise_peak;
use crate::mixing::{add_reverb, rms};
use biquad::{Biquad as _, Coefficients, DirectForm2Transposed, ToHertz as _, Type};
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use std::num::{NonZeroU8, NonZeroU32};
use tagvane_engine::SAMPLE_RATE;
use tagvane_engine::resample::Resampler;
use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisDecoder, VorbisEncoderBuilder, VorbisError};

pub use crate::mixing::Reverb;

const RATE: f32 = SAMPLE_RATE as f32;

/// The parameters of an augmentation. Steps are applied in the order of the fields, except that the peak level is set
/// before the codec.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfflineAugmentation {
    /// Playback speed as a factor; pitch changes with it.
    pub speed: f64,
    /// RMS level of another recording that is mixed in, as a factor of the recording's; `None` mixes none.
    pub mix_gain: Option<f32>,
    /// RMS level of a voice that is mixed in, as a factor of the recording's; `None` mixes none.
    pub voice_gain: Option<f32>,
    /// Gain of a shelving filter below 250 Hz, in decibels.
    pub low_shelf_db: f32,
    /// Gain of a shelving filter above 3500 Hz, in decibels.
    pub high_shelf_db: f32,
    /// Frequency of a peaking filter, in hertz.
    pub peaking_hertz: f32,
    /// Gain of the peaking filter, in decibels.
    pub peaking_db: f32,
    /// Reverberation; `None` adds none.
    pub reverb: Option<Reverb>,
    /// Quality of an Ogg Vorbis encoding, -0.2 to 1; `None` does not encode.
    pub codec_quality: Option<f32>,
    /// Peak that the signal is normalised to, above 0; 1 is full scale.
    pub peak_level: f32,
}

impl OfflineAugmentation {
    /// Draws random parameters: speed within about 15 percent, and mixing, voice, reverberation and codec with
    /// probability 1/3 each. The fields are drawn in their order, on which the copies of existing caches depend.
    pub fn draw(random: &mut ChaCha12Rng) -> Self {
        let third = |random: &mut ChaCha12Rng| random.random_bool(1.0 / 3.0);
        Self {
            speed: 2_f64.powf(random.random_range(-0.2..0.2)),
            mix_gain: third(random).then(|| random.random_range(0.2..1.0)),
            voice_gain: third(random).then(|| random.random_range(0.4..2.0)),
            low_shelf_db: random.random_range(-9.0..9.0),
            high_shelf_db: random.random_range(-9.0..9.0),
            peaking_hertz: random.random_range(200.0..6_000.0),
            peaking_db: random.random_range(-9.0..9.0),
            reverb: third(random)
                .then(|| Reverb { seconds: random.random_range(0.2..2.5), gain: random.random_range(0.1..0.8) }),
            codec_quality: third(random).then(|| random.random_range(-0.2..0.3)),
            peak_level: random.random_range(0.15..0.98),
        }
    }

    /// Applies the augmentation to mono samples at 22050 Hz. `other` and `voice` are the signals to mix in, which are
    /// repeated as often as needed; `random` draws the impulse response of the reverberation.
    ///
    /// # Errors
    /// A message where a step fails.
    pub fn apply(
        &self,
        samples: &[f32],
        other: Option<&[f32]>,
        voice: Option<&[f32]>,
        random: &mut ChaCha12Rng,
    ) -> Result<Vec<f32>, String> {
        let rate = f64::from(SAMPLE_RATE);
        let mut augmented =
            Resampler::new(rate * self.speed, rate).map_err(|error| error.to_string())?.resample_all(samples);
        let level = rms(&augmented);
        for (gain, other) in [(self.mix_gain, other), (self.voice_gain, voice)] {
            if let (Some(gain), Some(other)) = (gain, other.filter(|other| !other.is_empty())) {
                let gain = gain * level / rms(other).max(1e-6);
                augmented.iter_mut().zip(other.iter().cycle()).for_each(|(sample, other)| *sample += gain * other);
            }
        }
        for (kind, hertz) in [
            (Type::LowShelf(self.low_shelf_db), 250.0),
            (Type::HighShelf(self.high_shelf_db), 3_500.0),
            (Type::PeakingEQ(self.peaking_db), self.peaking_hertz),
        ] {
            let filter = Coefficients::<f32>::from_params(kind, RATE.hz(), hertz.hz(), std::f32::consts::FRAC_1_SQRT_2);
            let mut filter = DirectForm2Transposed::<f32>::new(filter.map_err(|error| format!("{error:?}"))?);
            augmented.iter_mut().for_each(|sample| *sample = filter.run(*sample));
        }
        if let Some(reverb) = self.reverb {
            augmented = add_reverb(&augmented, reverb, random)?;
        }
        normalise_peak(&mut augmented, self.peak_level);
        if let Some(quality) = self.codec_quality {
            augmented = encode_and_decode(&augmented, quality).map_err(|error| error.to_string())?;
        }
        Ok(augmented)
    }
}

/// Encodes with Ogg Vorbis and decodes again; the length is unchanged.
fn encode_and_decode(samples: &[f32], quality: f32) -> Result<Vec<f32>, VorbisError> {
    const BLOCK: usize = 8_192;
    let (rate, mono) = (NonZeroU32::new(SAMPLE_RATE).unwrap_or(NonZeroU32::MIN), NonZeroU8::MIN);
    let mut encoder = VorbisEncoderBuilder::new_with_serial(rate, mono, Vec::new(), 1)
        .bitrate_management_strategy(VorbisBitrateManagementStrategy::QualityVbr { target_quality: quality })
        .build()?;
    for block in samples.chunks(BLOCK) {
        encoder.encode_audio_block([block])?;
    }
    let mut decoder = VorbisDecoder::new(std::io::Cursor::new(encoder.finish()?))?;
    let mut decoded = Vec::with_capacity(samples.len());
    while let Some(block) = decoder.decode_audio_block()? {
        decoded.extend_from_slice(block.samples()[0]);
    }
    decoded.resize(samples.len(), 0.0);
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    const IDENTITY: OfflineAugmentation = OfflineAugmentation {
        speed: 1.0,
        mix_gain: None,
        voice_gain: None,
        low_shelf_db: 0.0,
        high_shelf_db: 0.0,
        peaking_hertz: 1_000.0,
        peaking_db: 0.0,
        reverb: None,
        codec_quality: None,
        peak_level: 0.5,
    };

    fn tone(hertz: f32, seconds: f32) -> Vec<f32> {
        let turns = |sample: usize| sample as f32 / RATE * hertz;
        (0..(seconds * RATE) as usize).map(|sample| 0.5 * (std::f32::consts::TAU * turns(sample)).sin()).collect()
    }

    /// Amplitude of a tone relative to the whole signal; 1 for a pure tone.
    fn strength(samples: &[f32], hertz: f32) -> f32 {
        let turns = |at: usize| f64::from(hertz) * at as f64 / f64::from(RATE) * std::f64::consts::TAU;
        let along = |wave: fn(f64) -> f64| {
            samples.iter().enumerate().map(|(at, sample)| f64::from(*sample) * wave(turns(at))).sum::<f64>()
        };
        let both = along(f64::sin).hypot(along(f64::cos)) as f32 * 2.0 / samples.len() as f32;
        both / (rms(samples) * std::f32::consts::SQRT_2)
    }

    fn apply(augmentation: OfflineAugmentation, samples: &[f32], other: Option<&[f32]>) -> Vec<f32> {
        augmentation.apply(samples, other, other, &mut ChaCha12Rng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn each_step_changes_only_what_it_should() {
        let sound = tone(440.0, 2.0);
        let same = apply(IDENTITY, &sound, None);
        assert!(same.iter().zip(&sound).all(|(a, b)| (a - b).abs() < 1e-3));

        let faster = apply(OfflineAugmentation { speed: 1.125, ..IDENTITY }, &sound, None);
        assert!(faster.len().abs_diff((2.0 * RATE / 1.125) as usize) < 4, "{} samples", faster.len());
        assert!(strength(&faster[4_000..30_000], 495.0) > 0.9);

        let mixed = apply(OfflineAugmentation { mix_gain: Some(1.0), ..IDENTITY }, &sound, Some(&tone(1_000.0, 0.7)));
        assert!((strength(&mixed, 440.0) - strength(&mixed, 1_000.0)).abs() < 0.1);

        let voiced =
            apply(OfflineAugmentation { voice_gain: Some(2.0), ..IDENTITY }, &sound, Some(&tone(1_000.0, 0.7)));
        assert!((1.9..2.1).contains(&(strength(&voiced, 1_000.0) / strength(&voiced, 440.0))));

        let both: Vec<f32> = sound.iter().zip(tone(6_000.0, 2.0)).map(|(low, high)| low + high).collect();
        let dark = apply(OfflineAugmentation { low_shelf_db: 9.0, high_shelf_db: -9.0, ..IDENTITY }, &both, None);
        assert!(strength(&dark, 440.0) > 2.0 * strength(&dark, 6_000.0));

        let mut click = vec![0.0; 44_100];
        click[0] = 1.0;
        let reverb = Some(Reverb { seconds: 1.0, gain: 0.5 });
        let reverberant = apply(OfflineAugmentation { reverb, ..IDENTITY }, &click, None);
        let level = |from: usize| rms(&reverberant[from..from + 2_205]);
        assert!(level(1_000) > 5.0 * level(11_025) && level(11_025) > 0.0 && level(30_000) == 0.0);

        let coded = apply(OfflineAugmentation { codec_quality: Some(-0.1), ..IDENTITY }, &both, None);
        assert_eq!(coded.len(), both.len());
        let error: Vec<f32> = coded.iter().zip(apply(IDENTITY, &both, None)).map(|(a, b)| a - b).collect();
        let relative_error = rms(&error) / rms(&coded);
        assert!((0.001..0.5).contains(&relative_error), "the codec changed the signal by {relative_error}");
    }

    #[test]
    fn random_augmentations_are_finite_and_reproducible() {
        let sound = tone(440.0, 3.0);
        for seed in 0..40 {
            let augment = || {
                let mut random = ChaCha12Rng::seed_from_u64(seed);
                let augmentation = OfflineAugmentation::draw(&mut random);
                (augmentation, augmentation.apply(&sound, Some(&sound), Some(&sound), &mut random).unwrap())
            };
            let (augmentation, augmented) = augment();
            assert_eq!((augmentation, augmented.clone()), augment(), "seed {seed}");
            assert!(
                augmented.iter().all(|sample| sample.is_finite() && sample.abs() < 1.5),
                "seed {seed}: {augmentation:?}"
            );
            assert!((0.85..1.16).contains(&augmentation.speed), "{augmentation:?}");
        }
        assert_eq!(apply(IDENTITY, &vec![0.0; 1_000], None), vec![0.0; 1_000]);
    }
}
