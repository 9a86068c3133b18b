//! From the value of a source to the value of a slot.

use crate::params::SlotShape;
use crate::smoothing::Smoothing;

/// Applies a [`SlotShape`] to the source of a slot.
#[derive(Debug, Default)]
pub(crate) struct SlotShaper {
    /// Whether the source has reached the threshold and has not fallen below the hysteresis since.
    is_open: bool,
    /// The smoothed value, before inversion and range.
    level: f32,
}

impl SlotShaper {
    /// Advances by a tick and returns the value of the slot, 0..=1.
    pub(crate) fn step(&mut self, source: f32, shape: &SlotShape) -> f32 {
        let opens_at = if self.is_open { shape.threshold - shape.hysteresis } else { shape.threshold };
        self.is_open = source >= opens_at && source > 0.0;
        let target = match (self.is_open, shape.is_gate) {
            (false, _) => 0.0,
            (true, true) => 1.0,
            (true, false) => source,
        };
        self.level = Smoothing::new(shape.attack, shape.release).step(self.level, target);
        let level = if shape.is_inverted { 1.0 - self.level } else { self.level };
        (shape.low + level * (shape.high - shape.low)).clamp(0.0, 1.0)
    }

    /// Whether the smoothed value is zero.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.level == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shape without smoothing.
    const INSTANT: SlotShape = SlotShape {
        threshold: 0.5,
        hysteresis: 0.2,
        is_gate: false,
        attack: 0.0,
        release: 0.0,
        is_inverted: false,
        low: 0.0,
        high: 1.0,
    };

    fn shaped(shape: &SlotShape, sources: &[f32]) -> Vec<f32> {
        let mut shaper = SlotShaper::default();
        sources.iter().map(|source| shaper.step(*source, shape)).collect()
    }

    #[test]
    fn the_threshold_opens_and_the_hysteresis_keeps_open() {
        let sources = [0.4, 0.5, 0.35, 0.29, 0.35, 0.6];
        assert_eq!(shaped(&INSTANT, &sources), [0.0, 0.5, 0.35, 0.0, 0.0, 0.6]);
        let gate = SlotShape { is_gate: true, ..INSTANT };
        assert_eq!(shaped(&gate, &sources), [0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn inversion_and_range_are_applied_last() {
        let shape = SlotShape { threshold: 0.0, low: 0.25, high: 0.75, ..INSTANT };
        assert_eq!(shaped(&shape, &[0.0, 0.5, 1.0]), [0.25, 0.5, 0.75]);
        let inverted = SlotShape { is_inverted: true, ..shape };
        assert_eq!(shaped(&inverted, &[0.0, 0.5, 1.0]), [0.75, 0.5, 0.25]);
        let falling = SlotShape { low: 1.0, high: 0.0, ..shape };
        assert_eq!(shaped(&falling, &[0.0, 1.0]), [1.0, 0.0]);
    }

    #[test]
    fn a_source_at_zero_closes_a_slot_without_a_threshold() {
        let gate = SlotShape { is_gate: true, threshold: 0.0, ..INSTANT };
        assert_eq!(shaped(&gate, &[0.0, 0.01, 0.0]), [0.0, 1.0, 0.0]);
    }
}
