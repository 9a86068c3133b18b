//! A training run as one TOML file.

use crate::architecture::Architecture;
use crate::batches::Augmentation;
use crate::error::{Result, TrainerError};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Everything that decides what a run learns, but for the cache itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub architecture: Architecture,
    /// Who hears what.
    pub groups: Groups,
    /// How it learns.
    pub training: Training,
    /// What the exported file says of itself.
    pub card: Card,
}

/// Groups of the cache that are kept out of training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// Heard only to choose among epochs.
    pub validation: Vec<String>,
    /// Heard only by `evaluate`.
    pub test: Vec<String>,
}

impl Groups {
    /// Whether `group` is for training.
    pub fn is_training(&self, group: &str) -> bool {
        !self.validation.iter().chain(&self.test).any(|other| other == group)
    }
}

/// How a network learns: Adam under a one-cycle learning rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Passes over the training groups.
    pub epochs: usize,
    /// Segments a step.
    pub batch: usize,
    /// The learning rate at the top of its cycle.
    pub learning_rate: f64,
    /// Seeds the weights, the order, the variations and the dropout.
    pub seed: u64,
    /// How segments vary.
    pub augmentation: Augmentation,
}

impl Training {
    /// The learning rate at `progress`, 0 to 1 over the whole run: up along a
    /// cosine from a 25th of the peak during the first quarter, then down along
    /// another to nearly nothing.
    pub fn learning_rate_at(&self, progress: f64) -> f64 {
        const UP: f64 = 0.25;
        let cosine =
            |from: f64, to: f64, part: f64| to + (from - to) * (1.0 + (std::f64::consts::PI * part).cos()) / 2.0;
        let peak = self.learning_rate;
        if progress < UP {
            cosine(peak / 25.0, peak, progress / UP)
        } else {
            cosine(peak, peak / 10_000.0, ((progress - UP) / (1.0 - UP)).min(1.0))
        }
    }
}

/// What an exported model says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What it was trained on, in a sentence.
    pub trained_on: String,
    /// The licence of its weights.
    pub licence: String,
}

impl Config {
    /// Reads and checks a configuration.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file and the line or value.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(TrainerError::file(path))?;
        let config: Self = toml::from_str(&text).map_err(|error| TrainerError::content(path, error.to_string()))?;
        config.architecture.check()?;
        let Training { epochs, batch, learning_rate, augmentation, .. } = &config.training;
        let gain = augmentation.gain;
        let sound = *epochs > 0 && *batch > 1 && *learning_rate > 0.0 && gain.0 > 0.0 && gain.1 >= gain.0;
        if !sound {
            let what = "in [training], epochs must be at least 1, batch at least 2, learning_rate and gain above 0";
            return Err(TrainerError::content(path, what));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_once_and_falls_to_nearly_nothing() {
        let training = Training { epochs: 1, batch: 2, learning_rate: 2e-3, seed: 0, augmentation: Augmentation::NONE };
        let at = |progress| training.learning_rate_at(progress);
        assert!((at(0.0) - 8e-5).abs() < 1e-12);
        assert!((at(0.25) - 2e-3).abs() < 1e-12);
        assert!(at(0.1) > at(0.0) && at(0.6) < at(0.3));
        assert!(at(1.0) < 1e-6);
    }
}
