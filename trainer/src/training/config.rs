//! The configuration of a training run, a TOML file.

use super::schedule::Schedule;
use crate::architecture::Architecture;
use crate::data::{LabelTransform, OnlineAugmentation};
use crate::error::{Result, TrainerError};
use crate::evaluation::MetricConfig;
use crate::files;
use crate::network::Precision;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// All hyperparameters of a run. Together with the cache they determine its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub architecture: Architecture,
    /// The data split.
    pub groups: Groups,
    /// The training hyperparameters.
    pub training: Training,
    /// The settings of the metrics.
    #[serde(default)]
    pub evaluation: MetricConfig,
    /// The model card in the exported file's metadata.
    #[serde(default)]
    pub card: Card,
}

/// The data split: groups of the cache that are held out. All other groups are for training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// The validation set, which selects the best epoch.
    pub validation: Vec<String>,
    /// The test set, which only `evaluate` uses.
    pub test: Vec<String>,
}

impl Groups {
    /// Whether `group` is for training.
    pub fn is_training(&self, group: &str) -> bool {
        !self.validation.iter().chain(&self.test).any(|other| other == group)
    }
}

/// The training hyperparameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Batch size, in windows.
    // Checkpoints of earlier versions call it `batch`.
    #[serde(alias = "batch")]
    pub batch_size: usize,
    /// Batches whose gradients are accumulated for one optimiser step.
    // Likewise `accumulate`.
    #[serde(default = "one", alias = "accumulate")]
    pub accumulate_grad_batches: usize,
    /// Exported models of the same architecture to fine-tune, instead of random weights: one, or
    /// several that were exported from one run. A plain m^n network may have fewer filters; they are copied. Tags of the cache that none of them has start from
    /// random weights. Relative paths are relative to the working directory, not to the configuration.
    // Likewise `begin_with`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "begin_with")]
    pub init_from: Vec<PathBuf>,
    /// Seed of the weights, the shuffling, the augmentation and the dropout.
    pub seed: u64,
    /// Optimiser steps between checkpoints within an epoch; 0 writes them after epochs only.
    #[serde(default)]
    pub checkpoint_every: usize,
    /// Temperature of the labels in the training loss, above 0: a label `p` becomes `sigmoid(logit(p) / T)`. Above 1
    /// soft labels come closer to 0.5, below 1 closer to 0 and 1; labels of 0 and 1 stay. By default 1, which changes
    /// nothing. Validation keeps the labels as they are.
    #[serde(default = "no_temperature", skip_serializing_if = "is_no_temperature")]
    pub label_temperature: f64,
    /// Label smoothing in the training loss, at least 0 and below 1, after the temperature: a label `p` becomes
    /// `p (1 - s) + s / 2`. By default 0, which changes nothing. Validation keeps the labels as they are.
    #[serde(default, skip_serializing_if = "is_no_smoothing")]
    pub label_smoothing: f64,
    /// Floating-point type of the convolution blocks. bfloat16 is for LibTorch, and faster on processors
    /// that have it.
    #[serde(default)]
    pub precision: Precision,
    /// The optimiser.
    pub optimiser: Optimiser,
    /// The learning rate schedule, which also decides when training stops.
    pub schedule: Schedule,
    /// Augmentation of the training windows.
    #[serde(default)]
    pub augmentation: OnlineAugmentation,
    /// Averages the weights: the average is validated, evaluated and exported, while training goes on with the weights
    /// themselves. By default there is no average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_averaging: Option<WeightAveraging>,
}

impl Training {
    /// The change to the labels in the training loss.
    pub fn label_transform(&self) -> LabelTransform {
        LabelTransform { temperature: self.label_temperature, smoothing: self.label_smoothing }
    }
}

fn one() -> usize {
    1
}

fn no_temperature() -> f64 {
    LabelTransform::NONE.temperature
}

fn is_no_temperature(temperature: &f64) -> bool {
    *temperature == LabelTransform::NONE.temperature
}

fn is_no_smoothing(smoothing: &f64) -> bool {
    *smoothing == LabelTransform::NONE.smoothing
}

/// An exponential moving average of the weights and of the running statistics of batch normalisation (Polyak and
/// Juditsky 1992; Tarvainen and Valpola 2017).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightAveraging {
    /// What remains of the average at each optimiser step, at least 0 and below 1, such as 0.999. After `t` steps it is
    /// at most `(1 + t) / (10 + t)`, so that the average soon forgets the weights that training starts from.
    pub decay: f64,
}

impl WeightAveraging {
    fn check(&self) -> std::result::Result<(), String> {
        if (0.0..1.0).contains(&self.decay) {
            return Ok(());
        }
        Err("in [training.weight_averaging], decay must be at least 0 and below 1".into())
    }
}

/// An optimiser and its hyperparameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Optimiser {
    /// Stochastic gradient descent with Nesterov momentum (section 4.2).
    Sgd {
        /// Momentum coefficient.
        momentum: f64,
    },
    /// Adam (Kingma and Ba 2015) with its default decay rates.
    Adam,
}

/// The model card in an exported file's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Card {
    /// The training data, in a sentence.
    pub trained_on: String,
    /// The licence of its weights.
    pub licence: String,
}

impl Config {
    /// Reads and validates a configuration. `overrides` have the form `training.batch_size=50` and replace
    /// values of the file.
    ///
    /// # Errors
    /// [`TrainerError`], which names the file and the line or value.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let config: Self = files::read_toml(path, overrides)?;
        config.check().map_err(|what| TrainerError::content(path, what))?;
        Ok(config)
    }

    /// The hyperparameters of the paper (section 4.2), for a cache with the groups `training`,
    /// `validation` and `test`.
    pub fn paper_defaults(architecture: Architecture, batch_size: usize) -> Self {
        let schedule =
            Schedule::Plateau { learning_rate: 0.01, divisor: 5.0, patience: 3, reductions: 4, epochs: None };
        Self {
            architecture,
            groups: Groups { validation: vec!["validation".into()], test: vec!["test".into()] },
            training: Training {
                batch_size,
                accumulate_grad_batches: 1,
                init_from: Vec::new(),
                seed: 1,
                checkpoint_every: 1_000,
                label_temperature: LabelTransform::NONE.temperature,
                label_smoothing: LabelTransform::NONE.smoothing,
                precision: Precision::Single,
                optimiser: Optimiser::Sgd { momentum: 0.9 },
                schedule,
                augmentation: OnlineAugmentation::NONE,
                weight_averaging: None,
            },
            evaluation: MetricConfig::default(),
            card: Card::default(),
        }
    }

    /// The configuration as a TOML file's text.
    ///
    /// # Errors
    /// [`TrainerError::Request`] if a value cannot be represented in TOML.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|error| TrainerError::Request(error.to_string()))
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.architecture.plan(1).map_err(|error| error.to_string())?;
        let Training { batch_size, accumulate_grad_batches, augmentation, optimiser, schedule, .. } = &self.training;
        let gain = augmentation.gain;
        if *batch_size < 2 || *accumulate_grad_batches < 1 {
            return Err("in [training], batch_size must be at least 2 and accumulate_grad_batches at least 1".into());
        }
        if !(gain.0 > 0.0 && gain.1 >= gain.0 && gain.1.is_finite() && (0.0..=1.0).contains(&augmentation.noise)) {
            return Err(
                "in [training.augmentation], gain must be a range [low, high] above 0, noise within 0 to 1".into()
            );
        }
        augmentation.mixup.map_or(Ok(()), |mixup| mixup.check())?;
        self.training.label_transform().check()?;
        self.training.weight_averaging.map_or(Ok(()), |averaging| averaging.check())?;
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
batch_size = 23
seed = 1
optimiser = { kind = "sgd", momentum = 0.9 }
schedule = { kind = "plateau", learning_rate = 0.01, divisor = 5.0, patience = 3, reductions = 4 }
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
        assert_eq!((plain.training.batch_size, plain.training.accumulate_grad_batches), (23, 1));
        assert_eq!(plain.training.augmentation, OnlineAugmentation::NONE);
        let overrides = [
            "training.batch_size=50",
            "architecture.widths=[8, 8, 16]",
            "groups.test=[\"other\"]",
            "training.schedule.patience=1",
            "training.augmentation.noise=0.01",
            "card.licence=CC0",
        ];
        let config = read(TEXT, &overrides).unwrap();
        assert_eq!(config.training.batch_size, 50);
        assert_eq!(config.architecture.widths(), [8, 8, 16]);
        assert_eq!(config.groups.test, ["other"]);
        assert_eq!(config.training.augmentation.noise, 0.01);
    }

    #[test]
    fn errors_name_the_wrong_value() {
        for (overrides, word) in [
            ("architecture.window=28", "28"),
            ("architecture.wimdow=28", "wimdow"),
            ("training.batch_size=1", "batch_size"),
            ("training.batch_size.size=1", "where a section should be"),
            ("training.schedule.learning_rate=0", "learning_rate"),
            ("training.schedule.divisor=1", "divisor"),
            ("training.augmentation.gain=[0.0, 1.0]", "gain"),
            ("training.optimiser.momentum=1.0", "momentum"),
            ("training.augmentation.mixup.alpha=0", "alpha of mixup must be above 0"),
            ("training.augmentation.mixup.alpha=-0.2", "alpha of mixup must be above 0"),
            ("training.augmentation.mixup.alpha=nan", "alpha of mixup must be above 0"),
            ("training.augmentation.mixup.beta=0.2", "beta"),
            ("training.weight_averaging.decay=1.0", "decay must be at least 0 and below 1"),
            ("training.weight_averaging.decay=-0.1", "decay must be at least 0 and below 1"),
            ("training.weight_averaging={}", "decay"),
            ("training.label_temperature=0.0", "label_temperature must be above 0"),
            ("training.label_temperature=-1.0", "label_temperature must be above 0"),
            ("training.label_temperature=inf", "label_temperature must be above 0"),
            ("training.label_smoothing=1.0", "label_smoothing must be at least 0 and below 1"),
            ("training.label_smoothing=-0.1", "label_smoothing must be at least 0 and below 1"),
            ("nothing", "section.key=value"),
        ] {
            let error = read(TEXT, &[overrides]).unwrap_err().to_string();
            assert!(error.contains(word), "{overrides}: {error}");
        }
    }

    /// A checkpoint of a run without these options is as before, and resumes a run that names their defaults.
    #[test]
    fn options_at_their_defaults_are_not_written() {
        let plain = read(TEXT, &[]).unwrap();
        let defaults = ["training.label_temperature=1.0", "training.label_smoothing=0.0"];
        assert_eq!(read(TEXT, &defaults).unwrap(), plain);
        let text = plain.to_toml().unwrap();
        assert!(["label_", "mixup", "weight_averaging"].iter().all(|key| !text.contains(key)), "{text}");
        let options = [
            "training.label_temperature=0.7",
            "training.label_smoothing=0.05",
            "training.weight_averaging.decay=0.999",
            "training.augmentation.mixup.alpha=0.2",
        ];
        let config = read(TEXT, &options).unwrap();
        assert_eq!(config.training.label_transform(), LabelTransform { temperature: 0.7, smoothing: 0.05 });
        assert_eq!(config.training.weight_averaging, Some(WeightAveraging { decay: 0.999 }));
        assert_eq!(config.training.augmentation.mixup.map(|mixup| mixup.alpha), Some(0.2));
        assert_eq!(read(&config.to_toml().unwrap(), &[]).unwrap(), config);
    }

    /// Checkpoints of earlier versions have to stay readable.
    #[test]
    fn former_names_are_refused_in_toml_and_read_from_checkpoints() {
        for (overrides, message) in [
            ("training.begin_with=[\"first.onnx\"]", "begin_with is now called init_from"),
            ("training.batch=50", "batch is now called batch_size"),
            ("training.schedule.factor=5.0", "in [training.schedule], factor is now called divisor"),
            ("architecture.first=5", "first is now called first_kernel_size"),
            ("training.precision=half", "precision = \"half\" is now called \"bf16\""),
        ] {
            let error = read(TEXT, &[overrides]).unwrap_err().to_string();
            assert!(error.contains(message), "{overrides}: {error}");
        }
        let overrides =
            ["training.init_from=[\"first.onnx\"]", "training.precision=bf16", "architecture.first_kernel_size=5"];
        let config = read(TEXT, &overrides).unwrap();
        let mut json = serde_json::to_string(&config).unwrap();
        for (now, former) in [
            ("first_kernel_size", "first"),
            ("batch_size", "batch"),
            ("accumulate_grad_batches", "accumulate"),
            ("init_from", "begin_with"),
            ("bf16", "half"),
            ("divisor", "factor"),
            ("reductions", "drops"),
            ("threshold", "positive_from"),
            ("min_positives", "least_positives"),
        ] {
            assert!(json.contains(&format!("\"{now}\"")), "{json}");
            json = json.replace(&format!("\"{now}\""), &format!("\"{former}\""));
        }
        assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }
}
