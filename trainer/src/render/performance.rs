//! How a phrase is performed: rubato, tuning, dynamics, legato, and the room with its noise.

use crate::mixing::{Reverb, active_rms, add_reverb};
use rand::Rng as _;
use rand_chacha::ChaCha12Rng;
use rand_distr::StandardNormal;
use std::f64::consts::TAU;

/// A slow swing of tempo or dynamics.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swing {
    /// In seconds.
    pub period: f64,
    /// In turns.
    pub phase: f64,
    /// Largest deviation, relative to the mean.
    pub depth: f64,
}

/// The parameters of a performance.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// The tempo deviates by the sum of these swings.
    pub rubato: [Swing; 2],
    /// The dynamics follow this swing.
    pub dynamics: Swing,
    /// Tuning of all notes, in cents.
    pub tuning_cents: f64,
    /// Standard deviation of the tuning of a note, in cents; none deviates by more than three times that.
    pub note_cents: f64,
    /// The part of its length that a note sounds before its release; above 1 it overlaps with the next one.
    pub articulation: f64,
    /// Duration of the fade at the end of a note, in seconds.
    pub release: f64,
    /// Whether notes ring on that can.
    pub lets_ring: bool,
    /// The room; `None` for a dry sound.
    pub room: Option<Reverb>,
    /// Level of noise relative to the notes, in decibels; `None` for none.
    pub noise_db: Option<f32>,
}

impl Performance {
    /// Draws random parameters: up to 12 percent of rubato, 15 cents of tuning and 8 of a note, staccato to legato, and a
    /// room in two of three performances.
    pub fn draw(random: &mut ChaCha12Rng) -> Self {
        let swing = |random: &mut ChaCha12Rng, periods: std::ops::Range<f64>, depth: f64| Swing {
            period: random.random_range(periods),
            phase: random.random_range(0.0..1.0),
            depth: random.random_range(0.0..depth),
        };
        let articulation =
            if random.random_bool(0.5) { random.random_range(1.0..1.08) } else { random.random_range(0.45..0.98) };
        Self {
            rubato: [swing(random, 2.0..5.0, 0.06), swing(random, 5.0..14.0, 0.06)],
            dynamics: swing(random, 3.0..12.0, 0.5),
            tuning_cents: random.random_range(-15.0..15.0),
            note_cents: random.random_range(0.0..8.0),
            articulation,
            release: random.random_range(0.03..0.3),
            lets_ring: random.random_bool(0.7),
            room: random
                .random_bool(0.67)
                .then(|| Reverb { seconds: random.random_range(0.2..2.2), gain: random.random_range(0.1..0.7) }),
            noise_db: random.random_bool(0.5).then(|| random.random_range(-65.0..-35.0)),
        }
    }

    /// When something is played that stands at `seconds` in the score; it never goes back.
    pub fn time(&self, seconds: f64) -> f64 {
        let deviation = |swing: &Swing| {
            let radians = |seconds: f64| TAU * (seconds / swing.period + swing.phase);
            (radians(seconds).sin() - radians(0.0).sin()) * swing.depth * swing.period / TAU
        };
        (seconds + self.rubato.iter().map(deviation).sum::<f64>()).max(0.0)
    }

    /// The gain of a note of this MIDI velocity at `seconds`.
    pub fn gain(&self, seconds: f64, velocity: u8) -> f32 {
        let Swing { period, phase, depth } = self.dynamics;
        let swing = 1.0 + depth * (TAU * (seconds / period + phase)).sin();
        ((f64::from(velocity) / 100.0).powf(1.5) * swing) as f32
    }

    /// The tuning of a note, in semitones.
    pub fn tuning(&self, random: &mut ChaCha12Rng) -> f64 {
        let deviation = random.sample::<f64, _>(StandardNormal).clamp(-3.0, 3.0) * self.note_cents;
        (self.tuning_cents + deviation) / 100.0
    }

    /// Puts a signal into the room and adds the noise.
    ///
    /// # Errors
    /// A message where the reverberation fails.
    pub fn place(&self, samples: &mut Vec<f32>, random: &mut ChaCha12Rng) -> Result<(), String> {
        if let Some(room) = self.room {
            *samples = add_reverb(samples, room, random)?;
        }
        if let Some(db) = self.noise_db {
            // White noise through a one-pole low-pass filter, whose output has this part of the power of its input.
            const POLE: f32 = 0.7;
            let power = (1.0 - POLE) / (1.0 + POLE);
            let gain = active_rms(samples) * 10_f32.powf(db / 20.0) / power.sqrt();
            let mut noise = 0.0;
            for sample in samples {
                noise = POLE * noise + (1.0 - POLE) * random.sample::<f32, _>(StandardNormal);
                *sample += gain * noise;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn time_goes_on_and_gains_and_tunings_stay_small() {
        for seed in 0..200 {
            let mut random = ChaCha12Rng::seed_from_u64(seed);
            let performance = Performance::draw(&mut random);
            assert_eq!(performance, Performance::draw(&mut ChaCha12Rng::seed_from_u64(seed)), "seed {seed}");
            let times: Vec<f64> = (0..2_000).map(|step| performance.time(f64::from(step) / 100.0)).collect();
            assert_eq!(times[0], 0.0);
            assert!(times.windows(2).all(|pair| (0.85..1.15).contains(&((pair[1] - pair[0]) * 100.0))), "seed {seed}");
            for _ in 0..100 {
                assert!(performance.tuning(&mut random).abs() < 0.4, "seed {seed}");
            }
            assert!((0.4..=1.6).contains(&performance.gain(3.0, 100)), "seed {seed}");
            assert!(performance.gain(3.0, 60) < performance.gain(3.0, 120), "seed {seed}");
        }
    }

    #[test]
    fn noise_is_as_loud_as_asked_for() {
        let mut random = ChaCha12Rng::seed_from_u64(1);
        let dry = Performance { room: None, noise_db: Some(-20.0), ..Performance::draw(&mut random) };
        let clean: Vec<f32> = (0..44_100).map(|at| (at as f32 * 0.1).sin()).collect();
        let mut noisy = clean.clone();
        dry.place(&mut noisy, &mut random).unwrap();
        let noise: Vec<f32> = noisy.iter().zip(&clean).map(|(noisy, clean)| noisy - clean).collect();
        let db = 20.0 * (active_rms(&noise) / active_rms(&clean)).log10();
        assert!((db + 20.0).abs() < 0.3, "{db}");
    }
}
