//! Changes to the labels that a network is trained on.

/// A change to the labels of training windows: their temperature, then label smoothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelTransform {
    /// A label `p` becomes `sigmoid(logit(p) / temperature)`: above 1 labels come closer to 0.5, below 1 closer to 0
    /// and 1. Labels of 0, 0.5 and 1 stay (Hinton et al. 2015).
    pub temperature: f64,
    /// A label `p` then becomes `p (1 - smoothing) + smoothing / 2` (Szegedy et al. 2016).
    pub smoothing: f64,
}

impl LabelTransform {
    /// No change.
    pub const NONE: Self = Self { temperature: 1.0, smoothing: 0.0 };

    /// Checks the values of a configuration.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return Err("in [training], label_temperature must be above 0".into());
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err("in [training], label_smoothing must be at least 0 and below 1".into());
        }
        Ok(())
    }

    /// The label to train on in the place of `label`, within 0 to 1.
    pub(super) fn apply(&self, label: f32) -> f32 {
        if *self == Self::NONE {
            return label;
        }
        let mut label = f64::from(label).clamp(0.0, 1.0);
        if self.temperature != 1.0 {
            // The logits of 0 and 1 are infinite, which the sigmoid takes back to 0 and 1.
            let logit = (label / (1.0 - label)).ln();
            label = 1.0 / (1.0 + (-logit / self.temperature).exp());
        }
        (label * (1.0 - self.smoothing) + self.smoothing / 2.0) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: [f32; 7] = [0.0, f32::MIN_POSITIVE, 0.1, 0.5, 0.731_058_6, 1.0 - f32::EPSILON, 1.0];

    fn apply(temperature: f64, smoothing: f64) -> [f32; 7] {
        LABELS.map(|label| LabelTransform { temperature, smoothing }.apply(label))
    }

    #[test]
    fn temperature_1_and_smoothing_0_keep_every_bit() {
        assert_eq!(apply(1.0, 0.0).map(f32::to_bits), LABELS.map(f32::to_bits));
    }

    #[test]
    fn labels_obey_the_formulas_in_that_order() {
        let close = |actual: [f32; 7], expected: [f64; 7]| {
            let worst = actual.iter().zip(expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-6, "{actual:?} {expected:?}");
        };
        // sigmoid(1) = 0.7310586, and sigmoid(1/2) = 0.6224593. The logit of 0.1 is -ln 9, of which half is -ln 3; that
        // of 1 - 2^-23 is 23 ln 2.
        let half = 1.0 / (1.0 + (-11.5 * std::f64::consts::LN_2).exp());
        close(apply(2.0, 0.0), [0.0, 1.084_202e-19, 0.25, 0.5, 0.622_459_3, half, 1.0]);
        close(apply(1.0, 0.2), [0.1, 0.1, 0.18, 0.5, 0.684_846_9, 0.9, 0.9]);
        close(apply(2.0, 0.2), [0.1, 0.1, 0.3, 0.5, 0.597_967_5, 0.8 * half + 0.1, 0.9]);
        // One and a half times the logit of 0.1 is -ln 27.
        close(apply(2.0 / 3.0, 0.0), [0.0, 0.0, 1.0 / 28.0, 0.5, 0.817_574_5, 1.0, 1.0]);
    }

    #[test]
    fn extreme_temperatures_give_labels() {
        for temperature in [f64::MIN_POSITIVE, 1e-3, 1e3, f64::MAX] {
            let labels = apply(temperature, 0.0);
            assert!(labels.iter().all(|label| (0.0..=1.0).contains(label)), "{temperature}: {labels:?}");
            assert_eq!((labels[0], labels[3], labels[6]), (0.0, 0.5, 1.0));
        }
    }
}
