//! A recording as it could have been: faster or slower, through another equaliser, in a room,
//! with another one mixed in, through a codec. The teachers judge what comes out.

use biquad::{Biquad as _, Coefficients, DirectForm2Transposed, ToHertz as _, Type};
use fft_convolver::FFTConvolver;
use rand::Rng;
use rand::rngs::StdRng;
use rand_distr::StandardNormal;
use std::num::{NonZeroU8, NonZeroU32};
use tagvane_engine::SAMPLE_RATE;
use tagvane_engine::resample::Resampler;
use vorbis_rs::{VorbisBitrateManagementStrategy, VorbisDecoder, VorbisEncoderBuilder, VorbisError};

const RATE: f32 = SAMPLE_RATE as f32;

/// What is done to a recording, in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variation {
    /// How much faster it plays, and higher with it.
    pub speed: f64,
    /// How loud the other recording is, as a factor; none is mixed in where it is `None`.
    pub mixed: Option<f32>,
    /// How loud a voice over it is, in the same way.
    pub voice: Option<f32>,
    /// Gain of the low and of the high shelf, in decibels.
    pub shelves: (f32, f32),
    /// Where a peak or a dip is, in hertz, and its gain in decibels.
    pub peak: (f32, f32),
    /// How long a room rings until it is 60 dB softer, in seconds, and how loud it is beside
    /// the sound itself.
    pub room: Option<(f32, f32)>,
    /// Ogg Vorbis of this quality, -0.2 to 1.
    pub codec: Option<f32>,
    /// The highest sample in the end.
    pub level: f32,
}

impl Variation {
    /// One at random: speed by up to a seventh, a third each mixed, under a voice, in a room and
    /// through a codec.
    pub fn draw(random: &mut StdRng) -> Self {
        let third = |random: &mut StdRng| random.random_bool(1.0 / 3.0);
        Self {
            speed: 2_f64.powf(random.random_range(-0.2..0.2)),
            mixed: third(random).then(|| random.random_range(0.2..1.0)),
            voice: third(random).then(|| random.random_range(0.4..2.0)),
            shelves: (random.random_range(-9.0..9.0), random.random_range(-9.0..9.0)),
            peak: (random.random_range(200.0..6_000.0), random.random_range(-9.0..9.0)),
            room: third(random).then(|| (random.random_range(0.2..2.5), random.random_range(0.1..0.8))),
            codec: third(random).then(|| random.random_range(-0.2..0.3)),
            level: random.random_range(0.15..0.98),
        }
    }

    /// The recording as varied; `other` and `voice` are what may be mixed in, `random` the room's
    /// echoes.
    ///
    /// # Errors
    /// In words, where a step fails.
    pub fn apply(
        &self,
        samples: &[f32],
        other: Option<&[f32]>,
        voice: Option<&[f32]>,
        random: &mut StdRng,
    ) -> Result<Vec<f32>, String> {
        let rate = f64::from(SAMPLE_RATE);
        let mut varied =
            Resampler::new(rate * self.speed, rate).map_err(|error| error.to_string())?.resample_all(samples);
        let own = loudness(&varied);
        for (gain, other) in [(self.mixed, other), (self.voice, voice)] {
            if let (Some(gain), Some(other)) = (gain, other.filter(|other| !other.is_empty())) {
                // As loud as the recording itself before the gain.
                let gain = gain * own / loudness(other).max(1e-6);
                varied.iter_mut().zip(other.iter().cycle()).for_each(|(sample, other)| *sample += gain * other);
            }
        }
        for (kind, hertz) in [
            (Type::LowShelf(self.shelves.0), 250.0),
            (Type::HighShelf(self.shelves.1), 3_500.0),
            (Type::PeakingEQ(self.peak.1), self.peak.0),
        ] {
            let filter = Coefficients::<f32>::from_params(kind, RATE.hz(), hertz.hz(), std::f32::consts::FRAC_1_SQRT_2);
            let mut filter = DirectForm2Transposed::<f32>::new(filter.map_err(|error| format!("{error:?}"))?);
            varied.iter_mut().for_each(|sample| *sample = filter.run(*sample));
        }
        if let Some((seconds, loud)) = self.room {
            varied = in_room(&varied, seconds, loud, random)?;
        }
        scale(&mut varied, self.level);
        if let Some(quality) = self.codec {
            varied = through_codec(&varied, quality).map_err(|error| error.to_string())?;
        }
        Ok(varied)
    }
}

/// The root of the mean square.
fn loudness(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len().max(1) as f64).sqrt() as f32
}

/// Brings the highest sample to a level; silence stays silence.
fn scale(samples: &mut [f32], level: f32) {
    let highest = samples.iter().fold(0.0_f32, |highest, sample| highest.max(sample.abs()));
    if highest > 0.0 {
        samples.iter_mut().for_each(|sample| *sample *= level / highest);
    }
}

/// The sound and its echoes: noise that falls by 60 dB in so many seconds.
fn in_room(samples: &[f32], seconds: f32, loud: f32, random: &mut StdRng) -> Result<Vec<f32>, String> {
    const BLOCK: usize = 4_096;
    let length = ((seconds * RATE) as usize).max(1);
    let falling = |sample: usize| 10_f32.powf(-3.0 * sample as f32 / length as f32);
    let mut echoes: Vec<f32> =
        (0..length).map(|sample| falling(sample) * random.sample::<f32, _>(StandardNormal)).collect();
    let energy = echoes.iter().map(|echo| echo * echo).sum::<f32>().sqrt();
    echoes.iter_mut().for_each(|echo| *echo *= loud / energy.max(1e-6));
    let mut convolver = FFTConvolver::default();
    convolver.init(BLOCK, &echoes).map_err(|error| format!("{error:?}"))?;
    let mut room = vec![0.0; samples.len()];
    convolver.process(samples, &mut room).map_err(|error| format!("{error:?}"))?;
    room.iter_mut().zip(samples).for_each(|(room, sample)| *room += sample);
    Ok(room)
}

/// What Ogg Vorbis leaves of the sound, as long as it was.
fn through_codec(samples: &[f32], quality: f32) -> Result<Vec<f32>, VorbisError> {
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

    const AS_IT_IS: Variation = Variation {
        speed: 1.0,
        mixed: None,
        voice: None,
        shelves: (0.0, 0.0),
        peak: (1_000.0, 0.0),
        room: None,
        codec: None,
        level: 0.5,
    };

    fn tone(hertz: f32, seconds: f32) -> Vec<f32> {
        let turns = |sample: usize| sample as f32 / RATE * hertz;
        (0..(seconds * RATE) as usize).map(|sample| 0.5 * (std::f32::consts::TAU * turns(sample)).sin()).collect()
    }

    /// How strong a tone is in a sound, 1 where it is all of it.
    fn strength(samples: &[f32], hertz: f32) -> f32 {
        let turns = |at: usize| f64::from(hertz) * at as f64 / f64::from(RATE) * std::f64::consts::TAU;
        let along = |wave: fn(f64) -> f64| {
            samples.iter().enumerate().map(|(at, sample)| f64::from(*sample) * wave(turns(at))).sum::<f64>()
        };
        let both = along(f64::sin).hypot(along(f64::cos)) as f32 * 2.0 / samples.len() as f32;
        both / (loudness(samples) * std::f32::consts::SQRT_2)
    }

    fn apply(variation: Variation, samples: &[f32], other: Option<&[f32]>) -> Vec<f32> {
        variation.apply(samples, other, other, &mut StdRng::seed_from_u64(1)).unwrap()
    }

    #[test]
    fn each_step_does_what_it_says_and_nothing_else() {
        let sound = tone(440.0, 2.0);
        let same = apply(AS_IT_IS, &sound, None);
        assert!(same.iter().zip(&sound).all(|(a, b)| (a - b).abs() < 1e-3));

        let faster = apply(Variation { speed: 1.125, ..AS_IT_IS }, &sound, None);
        assert!(faster.len().abs_diff((2.0 * RATE / 1.125) as usize) < 4, "{} samples", faster.len());
        assert!(strength(&faster[4_000..30_000], 495.0) > 0.9);

        let mixed = apply(Variation { mixed: Some(1.0), ..AS_IT_IS }, &sound, Some(&tone(1_000.0, 0.7)));
        assert!((strength(&mixed, 440.0) - strength(&mixed, 1_000.0)).abs() < 0.1);

        let under = apply(Variation { voice: Some(2.0), ..AS_IT_IS }, &sound, Some(&tone(1_000.0, 0.7)));
        assert!((1.9..2.1).contains(&(strength(&under, 1_000.0) / strength(&under, 440.0))));

        let both: Vec<f32> = sound.iter().zip(tone(6_000.0, 2.0)).map(|(low, high)| low + high).collect();
        let dark = apply(Variation { shelves: (9.0, -9.0), ..AS_IT_IS }, &both, None);
        assert!(strength(&dark, 440.0) > 2.0 * strength(&dark, 6_000.0));

        let mut click = vec![0.0; 44_100];
        click[0] = 1.0;
        let room = apply(Variation { room: Some((1.0, 0.5)), ..AS_IT_IS }, &click, None);
        let ringing = |from: usize| loudness(&room[from..from + 2_205]);
        assert!(ringing(1_000) > 5.0 * ringing(11_025) && ringing(11_025) > 0.0 && ringing(30_000) == 0.0);

        let coded = apply(Variation { codec: Some(-0.1), ..AS_IT_IS }, &both, None);
        assert_eq!(coded.len(), both.len());
        let off: Vec<f32> = coded.iter().zip(apply(AS_IT_IS, &both, None)).map(|(a, b)| a - b).collect();
        let part = loudness(&off) / loudness(&coded);
        assert!((0.001..0.5).contains(&part), "the codec changed {part} of it");
    }

    #[test]
    fn chance_draws_sound_variations_and_the_same_again() {
        let sound = tone(440.0, 3.0);
        for seed in 0..40 {
            let vary = || {
                let mut random = StdRng::seed_from_u64(seed);
                let variation = Variation::draw(&mut random);
                (variation, variation.apply(&sound, Some(&sound), Some(&sound), &mut random).unwrap())
            };
            let (variation, varied) = vary();
            assert_eq!((variation, varied.clone()), vary(), "seed {seed}");
            assert!(varied.iter().all(|sample| sample.is_finite() && sample.abs() < 1.5), "seed {seed}: {variation:?}");
            assert!((0.85..1.16).contains(&variation.speed), "{variation:?}");
        }
        assert_eq!(apply(AS_IT_IS, &vec![0.0; 1_000], None), vec![0.0; 1_000]);
    }
}
