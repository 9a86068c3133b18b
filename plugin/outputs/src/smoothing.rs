//! Attack and release.

use crate::TICKS;

/// Nearer than this is there.
const NEAR: f32 = 1e-4;

/// What a value goes of its way to another in one tick, rising and falling.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Smoothing {
    rise: f32,
    fall: f32,
}

impl Smoothing {
    /// Time constants in milliseconds: so long after a step 63 % of it is done.
    pub(crate) fn new(attack: f32, release: f32) -> Self {
        let part = |milliseconds: f32| {
            if milliseconds > 0.0 { 1.0 - (-1_000.0 / (milliseconds * TICKS as f32)).exp() } else { 1.0 }
        };
        Self { rise: part(attack), fall: part(release) }
    }

    /// `value` one tick later, on its way to `target`.
    pub(crate) fn step(self, value: f32, target: f32) -> f32 {
        let way = target - value;
        if way.abs() < NEAR { target } else { value + way * if way > 0.0 { self.rise } else { self.fall } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_at_once_and_a_time_constant_does_63_percent() {
        assert_eq!(Smoothing::new(0.0, 0.0).step(0.2, 0.9), 0.9);
        let (mut up, mut down) = (0.0, 1.0);
        let smoothing = Smoothing::new(200.0, 500.0);
        for _ in 0..20 {
            up = smoothing.step(up, 1.0);
        }
        for _ in 0..50 {
            down = smoothing.step(down, 0.0);
        }
        assert!((up - 0.632).abs() < 1e-3 && (down - 0.368).abs() < 1e-3, "{up} {down}");
        let arrived = (0..3_000).fold(0.0, |value, _| smoothing.step(value, 0.7));
        assert_eq!(arrived, 0.7);
    }
}
