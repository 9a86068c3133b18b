//! Platt scaling of logits (Platt 1999), regularised towards the identity.

use serde::{Deserialize, Serialize};

// The limits below are this project's choice.

/// The lowest scale. A scale above 0 keeps the order of the logits.
const MIN_SCALE: f64 = 0.05;

/// The scale of a tag is fitted only where its labels sum up to this, and those of the rest as well: few labels say how
/// frequent a tag is, but not how steep.
const MIN_LABELS: f64 = 5.0;

/// Weights of the squared distances from the identity, as of normal priors with a deviation of 0.5 of the scale and of 1
/// of the offset. A tag with hundreds of windows hardly feels them.
const SCALE_PRIOR: f64 = 4.0;
const OFFSET_PRIOR: f64 = 1.0;

/// A probability counts as at least this far from 0 and 1.
const MIN_PROBABILITY: f32 = 1e-6;

/// Newton steps at most; a dozen are usual.
const MAX_STEPS: usize = 100;

/// Turns a logit `x` into `scale * x + offset`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub struct PlattScaling {
    /// Above 0.
    pub scale: f64,
    /// In logits.
    pub offset: f64,
}

impl PlattScaling {
    /// Changes nothing.
    pub const IDENTITY: Self = Self { scale: 1.0, offset: 0.0 };

    /// The scaled logit.
    pub fn apply(self, logit: f64) -> f64 {
        self.scale * logit + self.offset
    }

    /// The probability whose logit is the scaled logit of `probability`.
    pub fn apply_to_probability(self, probability: f32) -> f32 {
        (1.0 / (1.0 + (-self.apply(logit(probability).into())).exp())) as f32
    }

    /// Fits the scaling that minimises the cross-entropy of `logits` against soft `labels` within 0..=1. Pairs that are
    /// not finite are left out. The scale stays 1 where the labels sum up to almost nothing, or to almost all.
    pub fn fit(logits: &[f32], labels: &[f32]) -> Self {
        let pairs: Vec<(f64, f64)> = logits
            .iter()
            .zip(labels)
            .filter(|(logit, label)| logit.is_finite() && label.is_finite())
            .map(|(logit, label)| (f64::from(*logit), f64::from(*label).clamp(0.0, 1.0)))
            .collect();
        let positives: f64 = pairs.iter().map(|(_, label)| label).sum();
        let has_both = positives >= MIN_LABELS && pairs.len() as f64 - positives >= MIN_LABELS;
        let fitted = minimise(&pairs, Self::IDENTITY, has_both);
        if fitted.scale >= MIN_SCALE {
            return fitted;
        }
        // The loss is convex, so its minimum with a bounded scale lies on the bound.
        minimise(&pairs, Self { scale: MIN_SCALE, offset: fitted.offset }, false)
    }
}

/// The logit of a probability, which is finite also at 0 and 1.
pub(crate) fn logit(probability: f32) -> f32 {
    let probability = probability.clamp(MIN_PROBABILITY, 1.0 - MIN_PROBABILITY);
    (probability / (1.0 - probability)).ln()
}

/// The regularised cross-entropy, its gradient and its Hessian (scale-scale, scale-offset, offset-offset).
fn loss(pairs: &[(f64, f64)], at: PlattScaling) -> (f64, [f64; 2], [f64; 3]) {
    let (from_one, offset) = (at.scale - 1.0, at.offset);
    let mut value = (SCALE_PRIOR * from_one * from_one + OFFSET_PRIOR * offset * offset) / 2.0;
    let mut gradient = [SCALE_PRIOR * from_one, OFFSET_PRIOR * offset];
    let mut hessian = [SCALE_PRIOR, 0.0, OFFSET_PRIOR];
    for (logit, label) in pairs {
        let scaled = at.apply(*logit);
        value += scaled.max(0.0) - scaled * label + (-scaled.abs()).exp().ln_1p();
        let probability = 1.0 / (1.0 + (-scaled).exp());
        let (slope, curvature) = (probability - label, probability * (1.0 - probability));
        gradient[0] += slope * logit;
        gradient[1] += slope;
        hessian[0] += curvature * logit * logit;
        hessian[1] += curvature * logit;
        hessian[2] += curvature;
    }
    (value, gradient, hessian)
}

/// Newton's method with steps that are halved until the loss falls, from `start`; on demand over the offset alone.
fn minimise(pairs: &[(f64, f64)], start: PlattScaling, fits_scale: bool) -> PlattScaling {
    let mut at = start;
    let mut now = loss(pairs, at);
    for _ in 0..MAX_STEPS {
        let (value, gradient, hessian) = now;
        let step = if fits_scale {
            let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
            [
                (hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
                (hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
            ]
        } else {
            [0.0, gradient[1] / hessian[2]]
        };
        let decrease = step[0] * gradient[0] + step[1] * gradient[1];
        let mut length = 1.0;
        let next = loop {
            let next = PlattScaling { scale: at.scale - length * step[0], offset: at.offset - length * step[1] };
            let there = loss(pairs, next);
            if there.0 <= value - 1e-4 * length * decrease {
                break Some((next, there));
            }
            length /= 2.0;
            if length < 1e-12 {
                break None;
            }
        };
        // No step lowers the loss any more: this is the minimum, to the last digits.
        let Some((next, there)) = next else { break };
        (at, now) = (next, there);
        if step.iter().all(|part| part.abs() < 1e-10) {
            break;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::metrics::{expected_calibration_error, roc_auc};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha12Rng;
    use rand_distr::StandardNormal;

    fn sigmoid(logit: f64) -> f64 {
        1.0 / (1.0 + (-logit).exp())
    }

    /// True logits around `mean`, and hard labels that are drawn from them.
    fn truth(count: usize, mean: f64, seed: u64) -> (Vec<f64>, Vec<f32>) {
        let mut random = ChaCha12Rng::seed_from_u64(seed);
        let logits: Vec<f64> = (0..count).map(|_| mean + 1.5 * random.sample::<f64, _>(StandardNormal)).collect();
        let labels = logits.iter().map(|logit| f32::from(random.random_bool(sigmoid(*logit)))).collect();
        (logits, labels)
    }

    /// What a model gives whose scaling would be right.
    fn distorted(truth: &[f64], right: PlattScaling) -> Vec<f32> {
        truth.iter().map(|logit| ((logit - right.offset) / right.scale) as f32).collect()
    }

    fn probabilities(logits: &[f32], scaling: PlattScaling) -> Vec<f32> {
        logits.iter().map(|logit| sigmoid(scaling.apply(f64::from(*logit))) as f32).collect()
    }

    #[test]
    fn a_known_distortion_is_recovered_and_the_calibration_error_falls() {
        for (scale, offset) in [(1.0, 0.0), (2.5, -1.0), (0.4, 1.5), (0.8, -2.0), (1.6, 0.7)] {
            let right = PlattScaling { scale, offset };
            for mean in [0.0, -3.0] {
                let (logits, hard) = truth(20_000, mean, 7);
                let soft: Vec<f32> = logits.iter().map(|logit| sigmoid(*logit) as f32).collect();
                let given = distorted(&logits, right);
                // Soft labels say the probability itself, so that the fit is exact but for the regularisation.
                for (labels, tolerance) in [(&soft, 0.02), (&hard, 0.12)] {
                    let found = PlattScaling::fit(&given, labels);
                    assert!((found.scale / scale - 1.0).abs() < tolerance, "{right:?}: {found:?}");
                    assert!((found.offset - offset).abs() < 2.0 * tolerance, "{right:?}: {found:?}");
                    let error = |scaling| expected_calibration_error(&probabilities(&given, scaling), labels).unwrap();
                    let (before, after) = (error(PlattScaling::IDENTITY), error(found));
                    assert!(after < 0.02, "{right:?}: {before} to {after}");
                    assert!(right == PlattScaling::IDENTITY || after < before / 2.0, "{right:?}: {before} to {after}");
                }
            }
        }
    }

    #[test]
    fn the_ranking_never_changes_even_where_the_labels_contradict_it() {
        let (logits, labels) = truth(500, -1.0, 3);
        let inverted: Vec<f32> = labels.iter().map(|label| 1.0 - label).collect();
        let given = distorted(&logits, PlattScaling { scale: 1.7, offset: 0.3 });
        for labels in [&labels, &inverted] {
            let found = PlattScaling::fit(&given, labels);
            assert!(found.scale >= MIN_SCALE, "{found:?}");
            let positive: Vec<bool> = labels.iter().map(|label| *label > 0.5).collect();
            let scaled: Vec<f32> = given.iter().map(|logit| found.apply(f64::from(*logit)) as f32).collect();
            assert_eq!(roc_auc(&given, &positive), roc_auc(&scaled, &positive));
        }
        // On the bound the offset is still the best one: the mean probability is the mean label.
        let found = PlattScaling::fit(&given, &inverted);
        assert_eq!(found.scale, MIN_SCALE);
        let mean = |values: &[f32]| values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        assert!((mean(&probabilities(&given, found)) - mean(&inverted)).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn a_tag_without_positives_keeps_its_scale_and_its_offset_falls_a_little() {
        let (logits, _) = truth(5_000, -4.0, 5);
        let given = distorted(&logits, PlattScaling::IDENTITY);
        let found = PlattScaling::fit(&given, &[0.0; 5_000]);
        assert_eq!(found.scale, 1.0);
        assert!((-6.0..-1.0).contains(&found.offset), "{found:?}");
        let all = PlattScaling::fit(&given, &[1.0; 5_000]);
        assert!(all.scale == 1.0 && (1.0..14.0).contains(&all.offset), "{all:?}");
        // A rare tag stays near the identity where the labels say nothing else.
        let mut rare = vec![0.0; 300];
        rare[0] = 1.0;
        let logits: Vec<f32> = (0..300).map(|index| -5.7 + (index as f32 * 0.7).sin()).collect();
        let found = PlattScaling::fit(&logits, &rare);
        assert!(found.scale == 1.0 && found.offset.abs() < 0.3, "{found:?}");
        for (logits, labels) in [(&[][..], &[][..]), (&[f32::NAN, f32::INFINITY], &[1.0, 0.0]), (&[0.0], &[0.5])] {
            assert_eq!(PlattScaling::fit(logits, labels), PlattScaling::IDENTITY);
        }
        // Logits that are all the same, or huge.
        for logits in [[3.0; 40], [-1e30; 40], [1e6; 40]] {
            let labels: Vec<f32> = (0..40).map(|index| (index % 2) as f32).collect();
            let found = PlattScaling::fit(&logits, &labels);
            assert!(found.scale >= MIN_SCALE && found.scale.is_finite() && found.offset.is_finite(), "{found:?}");
        }
    }
}
