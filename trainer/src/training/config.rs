//! A training run as one TOML file.

use super::schedule::Schedule;
use crate::architecture::Architecture;
use crate::data::Augmentation;
use crate::error::{Result, TrainerError};
use crate::evaluation::Counting;
use crate::files;
use crate::network::Precision;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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
    /// What counts when tags are judged.
    #[serde(default)]
    pub evaluation: Counting,
    /// What the exported file says of itself.
    #[serde(default)]
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

/// How a network learns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Windows a batch.
    pub batch: usize,
    /// Batches whose gradients are added up before a step.
    #[serde(default = "one")]
    pub accumulate: usize,
    /// Exported models of the same network whose weights a run begins with, instead of fresh ones:
    /// one, or several parts of one run. Tags of the cache that they do not know begin fresh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub begin_with: Vec<PathBuf>,
    /// Seeds the weights, the order, the variations and the dropout.
    pub seed: u64,
    /// Besides after each epoch, a checkpoint is left every so many batches; 0 is never.
    #[serde(default)]
    pub checkpoint_every: usize,
    /// What the stages compute in; half is for LibTorch, and faster on processors that have bfloat16.
    #[serde(default)]
    pub precision: Precision,
    /// What turns gradients into steps.
    pub optimiser: Optimiser,
    /// How fast, and how long.
    pub schedule: Schedule,
    /// How windows vary.
    #[serde(default)]
    pub augmentation: Augmentation,
}

fn one() -> usize {
    1
}

/// What turns gradients into steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent with Nesterov's momentum (section 4.2).
    Sgd {
        /// The part of the last step that goes into the next.
        momentum: f64,
    },
    /// Adam (Kingma and Ba 2015), with its usual decay rates.
    Adam,
}

/// What an exported model says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// What it was trained on, in a sentence.
    pub trained_on: String,
    /// The licence of its weights.
    pub licence: String,
}

impl Config {
    /// Reads and checks a configuration. `overrides` are values in the form
    /// `training.batch=50`, which stand in for the file's.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file and the line or value.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let config: Self = files::read_toml(path, overrides)?;
        config.check().map_err(|what| TrainerError::content(path, what))?;
        Ok(config)
    }

    /// How the paper trains (section 4.2), over a cache with the groups training,
    /// validation and test.
    pub fn of_paper(architecture: Architecture, batch: usize) -> Self {
        let schedule = Schedule::Plateau { learning_rate: 0.01, factor: 5.0, patience: 3, drops: 4, epochs: None };
        Self {
            architecture,
            groups: Groups { validation: vec!["validation".into()], test: vec!["test".into()] },
            training: Training {
                batch,
                accumulate: 1,
                begin_with: Vec::new(),
                seed: 1,
                checkpoint_every: 1_000,
                precision: Precision::Single,
                optimiser: Optimiser::Sgd { momentum: 0.9 },
                schedule,
                augmentation: Augmentation::NONE,
            },
            evaluation: Counting::default(),
            card: Card::default(),
        }
    }

    /// The configuration as a TOML file's text.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where a value has no form in TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| TrainerError::Request(error.to_string()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.architecture.plan(1).map_err(|error| error.to_string())?;
        let Training { batch, accumulate, augmentation, optimiser, schedule, .. } = &self.training;
        let gain = augmentation.gain;
        if *batch < 2 || *accumulate < 1 {
            return Err("in [training], batch must be at least 2 and accumulate at least 1".into());
        }
        if !(gain.0 > 0.0 && gain.1 >= gain.0 && gain.1.is_finite() && (0.0..=1.0).contains(&augmentation.noise)) {
            return Err("in [training.augmentation], gain must be above 0 and rising, noise within 0 to 1".into());
        }
        if let Optimiser::Sgd { momentum } = optimiser
            && !(0.0..1.0).contains(momentum)
        {
            return Err("in [training.optimiser], momentum must be at least 0 and below 1".into());
        }
        schedule.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
[architecture]
kind = "sample-level"
m = 3
n = 2
window = 27
widths = [4, 4, 4]
[groups]
validation = ["valid"]
test = ["test"]
[training]
batch = 23
seed = 1
optimiser = { kind = "sgd", momentum = 0.9 }
schedule = { kind = "plateau", learning_rate = 0.01, factor = 5.0, patience = 3, drops = 4 }
"#;

    fn read(text: &str, overrides: &[&str]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path, &overrides.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_value_can_be_overridden() {
        let plain = read(TEXT, &[]).unwrap();
        assert_eq!((plain.training.batch, plain.training.accumulate), (23, 1));
        assert_eq!(plain.training.augmentation, Augmentation::NONE);
        let overrides = [
            "training.batch=50",
            "architecture.widths=[8, 8, 16]",
            "groups.test=[\"other\"]",
            "training.schedule.patience=1",
            "training.augmentation.noise=0.01",
            "card.licence=CC0",
        ];
        let config = read(TEXT, &overrides).unwrap();
        assert_eq!(config.training.batch, 50);
        assert_eq!(config.architecture.widths(), [8, 8, 16]);
        assert_eq!(config.groups.test, ["other"]);
        assert_eq!(config.training.augmentation.noise, 0.01);
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        for (overrides, word) in [
            ("architecture.window=28", "28"),
            ("architecture.wimdow=28", "wimdow"),
            ("training.batch=1", "batch"),
            ("training.batch.size=1", "where a section should be"),
            ("training.schedule.learning_rate=0", "learning_rate"),
            ("training.schedule.factor=1", "factor"),
            ("training.augmentation.gain=[0.0, 1.0]", "gain"),
            ("training.optimiser.momentum=1.0", "momentum"),
            ("nothing", "section.key=value"),
        ] {
            let said = read(TEXT, &[overrides]).unwrap_err().to_string();
            assert!(said.contains(word), "{overrides}: {said}");
        }
    }
}
