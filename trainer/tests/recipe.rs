//! Options of the training recipe: the average of the weights, mixup, and the labels of the training loss.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule as _, Module as _, ModuleVisitor, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use process::{log_column, succeed};
use std::path::{Path, PathBuf};
use support::{SMALL_NETWORK, low_and_high};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::{Batch, DataLoader, LabelTransform, Mixup, OnlineAugmentation, Split, Waveforms};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::config::{Config, Optimiser, WeightAveraging};
use tagvane_trainer::training::{Learner, TrainingData, checkpoint, validate};

const TRAINING: &str = "
[training]
batch_size = 6
seed = 5
optimiser = { kind = \"sgd\", momentum = 0.9 }
schedule = { kind = \"one-cycle\", learning_rate = 0.05, epochs = 2 }
";

/// Writes a data set with soft labels, its cache and `run.toml`, and returns the cache's path.
fn prepare(folder: &Path) -> PathBuf {
    low_and_high(folder, "high");
    let mut list = String::from("path,group,low,high\n");
    for index in 0..12 {
        let labels = if index % 2 == 0 { "0.9,0.2" } else { "0.2,0.9" };
        list += &format!("{index}.wav,{},{labels}\n", if index < 8 { "training" } else { "validation" });
    }
    std::fs::write(folder.join("list.csv"), list).unwrap();
    std::fs::write(folder.join("run.toml"), format!("{SMALL_NETWORK}{TRAINING}")).unwrap();
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache cache");
    folder.join("cache")
}

/// Trains with some values replaced, and returns the losses in training and in validation.
fn train(folder: &Path, run: &str, overrides: &[&str]) -> [Vec<f64>; 2] {
    let set: String = overrides.iter().map(|value| format!(" --set {value}")).collect();
    succeed(folder, &format!("train run.toml --cache cache --run {run}{set}"));
    ["training_loss", "validation_loss"].map(|column| log_column(&folder.join(run), column))
}

/// All parameters and running statistics of a network, one after the other.
fn all_values<B: Backend>(network: &Network<B>) -> Vec<f32> {
    struct Collect(Vec<f32>);

    impl<B: Backend> ModuleVisitor<B> for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0.extend(param.val().into_data().iter::<f32>());
        }
    }

    let mut collect = Collect(Vec::new());
    network.visit(&mut collect);
    collect.0
}

/// The losses of twelve steps, and after each the values of the network and of the one to evaluate.
fn step_twelve_times(averaging: Option<WeightAveraging>) -> Vec<(f64, Vec<f32>, Vec<f32>)> {
    let devices = [Default::default()];
    let plan = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4; 3])).plan(2).unwrap();
    let network = Network::<Autodiff<Flex>>::with_seed(&plan, 3, &devices[0]);
    let mut learner = Learner::new(network, Optimiser::Adam, &devices).with_weight_averaging(averaging);
    let sample = |index: usize| ((index % 31) as f32 * 0.37).sin();
    let batch = Batch { waveforms: (0..4 * 27).map(sample).collect(), targets: [1.0, 0.0].repeat(4), rows: 4 };
    let mut step = || {
        let loss = learner.step(&batch, 0.05);
        (loss, all_values(&learner.network.valid()), all_values(&learner.evaluation_network()))
    };
    (0..12).map(|_| step()).collect()
}

#[test]
fn weights_and_running_statistics_are_averaged_while_training_is_as_without() {
    let averaged = step_twelve_times(Some(WeightAveraging { decay: 0.5 }));
    let mut expected: Vec<f64> = Vec::new();
    for (step, (plain, averaged)) in step_twelve_times(None).iter().zip(&averaged).enumerate() {
        assert_eq!((plain.0, &plain.1), (averaged.0, &averaged.1), "step {step}");
        assert_eq!(plain.1, plain.2, "without averaging, the network itself is evaluated");
        let decay = if step == 0 { 0.0 } else { f64::min(0.5, (1.0 + step as f64) / (10.0 + step as f64)) };
        expected.resize(plain.1.len(), 0.0);
        for (average, value) in expected.iter_mut().zip(&plain.1) {
            *average = decay * *average + (1.0 - decay) * f64::from(*value);
        }
        let differences = expected.iter().zip(&averaged.2).map(|(a, b)| (a - f64::from(*b)).abs());
        assert!(differences.fold(0.0, f64::max) < 1e-5, "step {step}");
    }
    let (_, trained, evaluated) = &averaged[11];
    let apart = trained.iter().zip(evaluated).filter(|(a, b)| (**a - **b).abs() > 1e-4).count();
    assert!(apart > trained.len() / 2, "{apart} of {}", trained.len());
}

#[test]
fn the_average_is_validated_and_in_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let cache = prepare(folder);
    let [plain_training, plain_validation] = train(folder, "plain", &[]);
    let [training, validation] = train(folder, "averaged", &["training.weight_averaging.decay=0.99"]);
    assert_eq!(training, plain_training, "training goes on with the weights themselves");
    assert!(validation.iter().zip(&plain_validation).all(|(a, b)| a != b), "{validation:?} {plain_validation:?}");

    let config = Config::read(&folder.join("run.toml"), &[]).unwrap();
    let data = TrainingData::open(&cache, &config).unwrap();
    let device = Default::default();
    let plan = config.architecture.plan(2).unwrap();
    for (run, losses) in [("averaged", validation), ("plain", plain_validation)] {
        let (latest, _) = checkpoint::latest(&folder.join(run)).unwrap().unwrap();
        let network = checkpoint::load_network(&latest, Network::<Flex>::new(&plan, &device), &device).unwrap();
        let (loss, _) = validate(&network, &data.validation, 6, config.evaluation, &device).unwrap();
        assert_eq!(loss, losses[1], "{run}");
    }
}

#[test]
fn temperature_and_smoothing_change_the_training_loss_only_and_their_defaults_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    let plain = train(folder, "plain", &[]);
    let defaults = ["training.label_temperature=1.0", "training.label_smoothing=0.0"];
    assert_eq!(train(folder, "defaults", &defaults), plain);
    // At this learning rate no weight changes, so each loss depends on its labels alone.
    let constant = "training.schedule.learning_rate=1e-30";
    let [training, validation] = train(folder, "constant", &[constant]);
    for option in ["training.label_temperature=0.5", "training.label_smoothing=0.1"] {
        let name = option.split(['.', '=']).nth(1).unwrap();
        let [other_training, other_validation] = train(folder, name, &[constant, option]);
        assert_eq!(other_validation, validation, "{option}");
        assert!(training.iter().zip(&other_training).all(|(a, b)| (a - b).abs() > 1e-4), "{option}: {training:?}");
    }
}

/// A batch with its samples in single precision.
struct Samples {
    waveforms: Vec<f32>,
    targets: Vec<f32>,
    rows: usize,
}

/// Loads twenty-one windows of different recordings in batches of four, so that the last batch has a single one.
fn load(split: &Split, augmentation: &OnlineAugmentation, labels: LabelTransform, skip_batches: usize) -> Vec<Samples> {
    let examples: Vec<_> = split.examples.iter().copied().step_by(split.examples.len() / 21).take(21).collect();
    let Split { cache, window, .. } = split;
    let loader = DataLoader {
        cache,
        examples: &examples,
        window: *window,
        batch_size: 4,
        augmentation,
        labels,
        shuffle_seed: Some(9),
        skip_batches,
    };
    let samples = |Batch { waveforms, targets, rows }: Batch| {
        let waveforms = match waveforms {
            Waveforms::Single(samples) => samples,
            Waveforms::Pcm { samples, gains } => {
                let gain = |index: usize| gains.get(index / window).copied().unwrap_or(1.0);
                samples.iter().enumerate().map(|(index, &s)| f32::from(s) / 32_767.0 * gain(index)).collect()
            }
        };
        Samples { waveforms, targets, rows }
    };
    std::thread::scope(|scope| loader.spawn(scope).iter().map(|batch| samples(batch.unwrap())).collect())
}

#[test]
fn mixup_mixes_samples_and_labels_of_augmented_windows_by_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let split = Split::open(&prepare(folder.path()), 2187, |group| group == "training").unwrap();
    let gain = OnlineAugmentation { gain: (0.5, 1.5), polarity: true, ..OnlineAugmentation::NONE };
    let noise = OnlineAugmentation { noise: 0.1, shift: 40, ..gain.clone() };
    for augmentation in [gain, noise] {
        let mixing = OnlineAugmentation { mixup: Some(Mixup { alpha: 1.0 }), ..augmentation.clone() };
        // The temperature comes before mixup: it makes other labels of 0.9 and 0.2, which are mixed.
        let labels = LabelTransform { temperature: 2.0, smoothing: 0.0 };
        let [low, high]: [f32; 2] = [1.0 / 3.0, 0.75];
        let plain = load(&split, &augmentation, labels, 0);
        let mixed = load(&split, &mixing, labels, 0);
        assert_eq!(plain.iter().map(|batch| batch.rows).collect::<Vec<_>>(), [4, 4, 4, 4, 4, 1]);
        let mut weights = Vec::new();
        for (plain, mixed) in plain.iter().zip(&mixed) {
            if plain.rows == 1 {
                assert!(plain.waveforms == mixed.waveforms && plain.targets == mixed.targets, "it is left alone");
                continue;
            }
            for row in 0..plain.rows {
                let other = (row + 1) % plain.rows;
                let window = |batch: &Samples, row: usize| batch.waveforms[row * 2187..(row + 1) * 2187].to_vec();
                let label = |batch: &Samples, row: usize| batch.targets[2 * row];
                let (own_label, other_label) = (label(plain, row), label(plain, other));
                // sigmoid(logit(0.9) / 2) = 3/4, and sigmoid(logit(0.2) / 2) = 1/3.
                assert!([low, high].iter().any(|expected| (expected - own_label).abs() < 1e-6), "{own_label}");
                if (own_label - other_label).abs() < 0.1 {
                    assert!((label(mixed, row) - own_label).abs() < 1e-6);
                    continue;
                }
                let weight = (label(mixed, row) - other_label) / (own_label - other_label);
                let windows = window(plain, row).into_iter().zip(window(plain, other));
                let worst = windows
                    .zip(window(mixed, row))
                    .map(|((own, other), mix)| (weight * own + (1.0 - weight) * other - mix).abs());
                assert!(worst.fold(0.0, f32::max) < 1e-5, "weight {weight}");
                weights.push(weight);
            }
        }
        assert!(weights.iter().filter(|weight| (0.05..0.95).contains(*weight)).count() >= 3, "{weights:?}");

        // An epoch that resumes draws the same.
        let rest = load(&split, &mixing, labels, 2);
        assert_eq!(rest.len(), 4);
        assert!(rest.iter().zip(&mixed[2..]).all(|(a, b)| a.waveforms == b.waveforms && a.targets == b.targets));
    }
}
