//! Learning rate schedules.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// A learning rate schedule, with its stopping rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Reduce on plateau: after `patience` epochs in a row without a new lowest validation loss, the
    /// learning rate is divided by `divisor`, and the best weights so far are restored with a new
    /// optimiser. The count then starts again. Training stops at the first plateau after `reductions`
    /// reductions.
    ///
    /// The paper (section 4.2) divides the learning rate when the loss has not fallen for more than three
    /// epochs. A `patience` of 3 divides it after the third such epoch: by the letter of the paper, one
    /// epoch early.
    Plateau {
        /// Initial learning rate.
        learning_rate: f64,
        /// Divisor of the learning rate at each reduction: the reciprocal of PyTorch's `factor`.
        // Checkpoints of earlier versions call it `factor`.
        #[serde(alias = "factor")]
        divisor: f64,
        /// Epochs in a row without a new lowest loss that cause a reduction. PyTorch reduces one epoch
        /// later at the same `patience`.
        patience: usize,
        /// Number of reductions.
        // Likewise `drops`.
        #[serde(alias = "drops")]
        reductions: usize,
        /// Maximum number of epochs; by default unlimited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs: Option<usize>,
    },
    /// One cycle: a cosine from 1/25 of the peak to the peak in the first quarter of the run, then a
    /// cosine to 1/10000 of it.
    OneCycle {
        /// Peak learning rate.
        learning_rate: f64,
        /// Number of epochs.
        epochs: usize,
    },
}

/// How training continues after an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextEpoch {
    /// Continue with the current weights.
    Continue,
    /// Continue with the weights of the best epoch and a new optimiser.
    RestoreBest,
    /// Stop training.
    Stop,
}

impl Schedule {
    /// How training continues after epochs with these validation losses.
    pub fn next(&self, losses: &[f64]) -> NextEpoch {
        match self {
            Self::OneCycle { epochs, .. } => {
                if losses.len() < *epochs {
                    NextEpoch::Continue
                } else {
                    NextEpoch::Stop
                }
            }
            Self::Plateau { epochs, .. } if epochs.is_some_and(|epochs| losses.len() >= epochs) => NextEpoch::Stop,
            Self::Plateau { reductions, .. } => match self.count_reductions(losses) {
                (count, _) if count > *reductions => NextEpoch::Stop,
                (_, true) => NextEpoch::RestoreBest,
                (_, false) => NextEpoch::Continue,
            },
        }
    }

    /// The number of reductions after these losses, and whether the last epoch caused one. NaN never
    /// counts as a lower loss.
    fn count_reductions(&self, losses: &[f64]) -> (usize, bool) {
        let Self::Plateau { patience, .. } = self else { return (0, false) };
        let (mut best, mut bad_epochs, mut reductions, mut just_reduced) = (f64::INFINITY, 0, 0, false);
        for loss in losses {
            just_reduced = false;
            if *loss < best {
                (best, bad_epochs) = (*loss, 0);
            } else {
                bad_epochs += 1;
                if bad_epochs >= *patience {
                    (bad_epochs, reductions, just_reduced) = (0, reductions + 1, true);
                }
            }
        }
        (reductions, just_reduced)
    }

    /// The learning rate in the epoch after these losses, of which `fraction_done` (0 to 1) is done.
    pub fn learning_rate(&self, losses: &[f64], fraction_done: f64) -> f64 {
        match *self {
            Self::Plateau { learning_rate, divisor, .. } => {
                learning_rate / divisor.powi(self.count_reductions(losses).0 as i32)
            }
            Self::OneCycle { learning_rate: peak, epochs } => {
                const WARM_UP: f64 = 0.25;
                let cosine = |from: f64, to: f64, part: f64| to + (from - to) * (1.0 + (PI * part).cos()) / 2.0;
                let progress = (losses.len() as f64 + fraction_done) / epochs as f64;
                if progress < WARM_UP {
                    cosine(peak / 25.0, peak, progress / WARM_UP)
                } else {
                    cosine(peak, peak / 10_000.0, ((progress - WARM_UP) / (1.0 - WARM_UP)).min(1.0))
                }
            }
        }
    }

    /// Maximum number of epochs, if it is limited.
    pub fn epochs(&self) -> Option<usize> {
        match self {
            Self::Plateau { epochs, .. } => *epochs,
            Self::OneCycle { epochs, .. } => Some(*epochs),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let (learning_rate, is_valid, what) = match self {
            Self::Plateau { learning_rate, divisor, patience, epochs, .. } => (
                learning_rate,
                *divisor > 1.0 && *patience > 0 && *epochs != Some(0),
                "divisor must be above 1, patience and epochs at least 1",
            ),
            Self::OneCycle { learning_rate, epochs } => (learning_rate, *epochs > 0, "epochs must be at least 1"),
        };
        if !(*learning_rate > 0.0 && learning_rate.is_finite()) {
            return Err("in [training.schedule], learning_rate must be above 0".into());
        }
        if is_valid { Ok(()) } else { Err(format!("in [training.schedule], {what}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Schedule =
        Schedule::Plateau { learning_rate: 0.01, divisor: 5.0, patience: 3, reductions: 4, epochs: None };

    #[test]
    fn one_cycle_peaks_after_the_first_quarter_and_decays() {
        let schedule = Schedule::OneCycle { learning_rate: 2e-3, epochs: 4 };
        let at = |epoch: usize, fraction_done| schedule.learning_rate(&vec![1.0; epoch], fraction_done);
        assert!((at(0, 0.0) - 8e-5).abs() < 1e-12);
        assert!((at(1, 0.0) - 2e-3).abs() < 1e-12);
        assert!(at(0, 0.5) > at(0, 0.0) && at(2, 0.4) < at(1, 0.2));
        assert!(at(3, 1.0) < 1e-6);
        assert_eq!((schedule.next(&[1.0; 3]), schedule.next(&[1.0; 4])), (NextEpoch::Continue, NextEpoch::Stop));
    }

    /// As in section 4.2 of the paper: five learning rates from 0.01 to 0.000016. Each lasts until three
    /// epochs in a row have no lower loss.
    #[test]
    fn training_stops_at_the_fifth_plateau() {
        let mut losses = vec![0.5, 0.4];
        for reduction in 1..=4 {
            losses.extend([0.41, f64::NAN]);
            assert_eq!(PAPER.next(&losses), NextEpoch::Continue, "{losses:?}");
            losses.push(0.4);
            assert_eq!(PAPER.next(&losses), NextEpoch::RestoreBest, "{losses:?}");
            let learning_rate = 0.01 / 5_f64.powi(reduction);
            assert!((PAPER.learning_rate(&losses, 0.5) - learning_rate).abs() < 1e-12);
        }
        losses.extend([0.42, 0.42]);
        assert_eq!(PAPER.next(&losses), NextEpoch::Continue);
        losses.push(0.42);
        assert_eq!(PAPER.next(&losses), NextEpoch::Stop);
    }

    #[test]
    fn a_lower_loss_resets_the_patience() {
        assert_eq!(PAPER.next(&[0.5, 0.6, 0.6, 0.4, 0.6, 0.6]), NextEpoch::Continue);
        assert_eq!(PAPER.next(&[0.5, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6]), NextEpoch::RestoreBest);
        assert_eq!(PAPER.learning_rate(&[0.5, 0.6, 0.6, 0.4], 0.0), 0.01);
    }
}
