//! From a source's probability to a slot's value.

use crate::settings::Shape;
use crate::smoothing::Smoothing;

/// One slot's memory.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// Whether the source counts: it was at the threshold, and has not fallen below by
    /// the hysteresis since.
    open: bool,
    /// Smoothed, before inversion and range.
    level: f32,
}

impl Slot {
    /// Goes on by a tick; gives the slot's value, 0..=1.
    pub(crate) fn step(&mut self, source: f32, shape: &Shape) -> f32 {
        let closes_below = if self.open { shape.threshold - shape.hysteresis } else { shape.threshold };
        self.open = source >= closes_below && source > 0.0;
        let target = match (self.open, shape.gate) {
            (false, _) => 0.0,
            (true, true) => 1.0,
            (true, false) => source,
        };
        self.level = Smoothing::new(shape.attack, shape.release).step(self.level, target);
        let level = if shape.invert { 1.0 - self.level } else { self.level };
        (shape.low + level * (shape.high - shape.low)).clamp(0.0, 1.0)
    }

    /// Whether nothing is heard any more.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.level == 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Shape = Shape {
        threshold: 0.5,
        hysteresis: 0.2,
        gate: false,
        attack: 0.0,
        release: 0.0,
        invert: false,
        low: 0.0,
        high: 1.0,
    };

    fn through(shape: &Shape, sources: &[f32]) -> Vec<f32> {
        let mut slot = Slot::default();
        sources.iter().map(|source| slot.step(*source, shape)).collect()
    }

    #[test]
    fn the_threshold_opens_and_the_hysteresis_keeps_open() {
        let sources = [0.4, 0.5, 0.35, 0.29, 0.35, 0.6];
        assert_eq!(through(&AT_ONCE, &sources), [0.0, 0.5, 0.35, 0.0, 0.0, 0.6]);
        let gate = Shape { gate: true, ..AT_ONCE };
        assert_eq!(through(&gate, &sources), [0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn range_and_inversion_come_last() {
        let shape = Shape { threshold: 0.0, low: 0.25, high: 0.75, ..AT_ONCE };
        assert_eq!(through(&shape, &[0.0, 0.5, 1.0]), [0.25, 0.5, 0.75]);
        let inverted = Shape { invert: true, ..shape };
        assert_eq!(through(&inverted, &[0.0, 0.5, 1.0]), [0.75, 0.5, 0.25]);
        let falling = Shape { low: 1.0, high: 0.0, ..shape };
        assert_eq!(through(&falling, &[0.0, 1.0]), [1.0, 0.0]);
    }

    #[test]
    fn nothing_heard_is_closed_at_any_threshold() {
        let gate = Shape { gate: true, threshold: 0.0, ..AT_ONCE };
        assert_eq!(through(&gate, &[0.0, 0.01, 0.0]), [0.0, 1.0, 0.0]);
    }
}
