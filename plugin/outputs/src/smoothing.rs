//! Exponential smoothing with attack and release.

use crate::constants::TICK_RATE;

/// A value this close to its target jumps to it.
const SNAP: f32 = 1e-4;

/// The fraction of the distance to a target that a value covers in one tick, rising and falling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Smoothing {
    rise: f32,
    fall: f32,
}

impl Smoothing {
    /// Time constants in milliseconds, after which 63 % of a step is covered; 0 for no smoothing.
    pub(crate) fn new(attack: f32, release: f32) -> Self {
        let fraction = |milliseconds: f32| {
            if milliseconds > 0.0 { 1.0 - (-1_000.0 / (milliseconds * TICK_RATE as f32)).exp() } else { 1.0 }
        };
        Self { rise: fraction(attack), fall: fraction(release) }
    }

    /// `value` one tick later.
    pub(crate) fn step(self, value: f32, target: f32) -> f32 {
        let distance = target - value;
        if distance.abs() < SNAP {
            target
        } else {
            value + distance * if distance > 0.0 { self.rise } else { self.fall }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_constant_covers_63_percent_and_zero_covers_all() {
        assert_eq!(Smoothing::new(0.0, 0.0).step(0.2, 0.9), 0.9);
        let (mut rising, mut falling) = (0.0, 1.0);
        let smoothing = Smoothing::new(200.0, 500.0);
        for _ in 0..20 {
            rising = smoothing.step(rising, 1.0);
        }
        for _ in 0..50 {
            falling = smoothing.step(falling, 0.0);
        }
        assert!((rising - 0.632).abs() < 1e-3 && (falling - 0.368).abs() < 1e-3, "{rising} {falling}");
        let settled = (0..3_000).fold(0.0, |value, _| smoothing.step(value, 0.7));
        assert_eq!(settled, 0.7);
    }
}
