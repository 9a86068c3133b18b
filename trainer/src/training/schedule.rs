//! How fast a network learns, and when it is done.

use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate along a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// Section 4.2 of the paper: the rate is divided by `factor` when the validation
    /// loss has not fallen for `patience` epochs, and learning goes on from the best
    /// weights so far. After `drops` such drops the next one is the end.
    Plateau {
        /// The first rate.
        learning_rate: f64,
        /// What it is divided by.
        factor: f64,
        /// Epochs without a lower loss.
        patience: usize,
        /// How often it is divided.
        drops: usize,
        /// The end in any case; without it, only the loss ends a run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epochs: Option<usize>,
    },
    /// One rise along a cosine from a 25th of the rate during the first quarter, then
    /// one fall along another to nearly nothing.
    OneCycle {
        /// The rate at the top.
        learning_rate: f64,
        /// Passes over the training examples.
        epochs: usize,
    },
}

/// What the next epoch is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Go on from where the last epoch ended.
    GoOn,
    /// Go on from the best epoch's weights, with a fresh optimiser.
    GoBack,
    /// The run is over.
    End,
}

impl Schedule {
    /// What is to be done after epochs with these validation losses.
    pub fn next(&self, losses: &[f64]) -> Next {
        match self {
            Self::OneCycle { epochs, .. } => {
                if losses.len() < *epochs {
                    Next::GoOn
                } else {
                    Next::End
                }
            }
            Self::Plateau { epochs, .. } if epochs.is_some_and(|epochs| losses.len() >= epochs) => Next::End,
            Self::Plateau { drops, .. } => match self.drops(losses) {
                (dropped, _) if dropped > *drops => Next::End,
                (_, true) => Next::GoBack,
                (_, false) => Next::GoOn,
            },
        }
    }

    /// How often the rate has dropped after these losses, and whether the last epoch
    /// was the reason for a drop. A loss that is no number is never lower.
    fn drops(&self, losses: &[f64]) -> (usize, bool) {
        let Self::Plateau { patience, .. } = self else { return (0, false) };
        let (mut best, mut waited, mut drops, mut now) = (f64::INFINITY, 0, 0, false);
        for loss in losses {
            now = false;
            if *loss < best {
                (best, waited) = (*loss, 0);
            } else {
                waited += 1;
                if waited >= *patience {
                    (waited, drops, now) = (0, drops + 1, true);
                }
            }
        }
        (drops, now)
    }

    /// The learning rate in the epoch after these losses, `within` of it (0 to 1) done.
    pub fn learning_rate(&self, losses: &[f64], within: f64) -> f64 {
        match *self {
            Self::Plateau { learning_rate, factor, .. } => learning_rate / factor.powi(self.drops(losses).0 as i32),
            Self::OneCycle { learning_rate: peak, epochs } => {
                const UP: f64 = 0.25;
                let cosine = |from: f64, to: f64, part: f64| to + (from - to) * (1.0 + (PI * part).cos()) / 2.0;
                let progress = (losses.len() as f64 + within) / epochs as f64;
                if progress < UP {
                    cosine(peak / 25.0, peak, progress / UP)
                } else {
                    cosine(peak, peak / 10_000.0, ((progress - UP) / (1.0 - UP)).min(1.0))
                }
            }
        }
    }

    /// How many epochs there are at most, where that is known.
    pub fn epochs(&self) -> Option<usize> {
        match self {
            Self::Plateau { epochs, .. } => *epochs,
            Self::OneCycle { epochs, .. } => Some(*epochs),
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let (rate, sound, what) = match self {
            Self::Plateau { learning_rate, factor, patience, epochs, .. } => (
                learning_rate,
                *factor > 1.0 && *patience > 0 && *epochs != Some(0),
                "factor must be above 1, patience and epochs at least 1",
            ),
            Self::OneCycle { learning_rate, epochs } => (learning_rate, *epochs > 0, "epochs must be at least 1"),
        };
        if !(*rate > 0.0 && rate.is_finite()) {
            return Err("in [training.schedule], learning_rate must be above 0".into());
        }
        if sound { Ok(()) } else { Err(format!("in [training.schedule], {what}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: Schedule = Schedule::Plateau { learning_rate: 0.01, factor: 5.0, patience: 3, drops: 4, epochs: None };

    #[test]
    fn one_cycle_rises_once_and_falls_to_nearly_nothing() {
        let schedule = Schedule::OneCycle { learning_rate: 2e-3, epochs: 4 };
        let at = |epoch: usize, within| schedule.learning_rate(&vec![1.0; epoch], within);
        assert!((at(0, 0.0) - 8e-5).abs() < 1e-12);
        assert!((at(1, 0.0) - 2e-3).abs() < 1e-12);
        assert!(at(0, 0.5) > at(0, 0.0) && at(2, 0.4) < at(1, 0.2));
        assert!(at(3, 1.0) < 1e-6);
        assert_eq!((schedule.next(&[1.0; 3]), schedule.next(&[1.0; 4])), (Next::GoOn, Next::End));
    }

    /// Section 4.2: five rates from 0.01 to 0.000016, each until three epochs in a row
    /// bring nothing.
    #[test]
    fn the_rate_drops_four_times_and_then_it_ends() {
        let mut losses = vec![0.5, 0.4];
        for drop in 1..=4 {
            losses.extend([0.41, f64::NAN]);
            assert_eq!(PAPER.next(&losses), Next::GoOn, "{losses:?}");
            losses.push(0.4);
            assert_eq!(PAPER.next(&losses), Next::GoBack, "{losses:?}");
            let rate = 0.01 / 5_f64.powi(drop);
            assert!((PAPER.learning_rate(&losses, 0.5) - rate).abs() < 1e-12);
        }
        losses.extend([0.42, 0.42]);
        assert_eq!(PAPER.next(&losses), Next::GoOn);
        losses.push(0.42);
        assert_eq!(PAPER.next(&losses), Next::End);
    }

    #[test]
    fn a_lower_loss_starts_the_waiting_anew() {
        assert_eq!(PAPER.next(&[0.5, 0.6, 0.6, 0.4, 0.6, 0.6]), Next::GoOn);
        assert_eq!(PAPER.next(&[0.5, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6]), Next::GoBack);
        assert_eq!(PAPER.learning_rate(&[0.5, 0.6, 0.6, 0.4], 0.0), 0.01);
    }
}
