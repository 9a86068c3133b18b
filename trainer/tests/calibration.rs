//! Calibration of an exported model, from a run and its validation windows to the engine.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use burn::backend::Flex;
use process::{fail, succeed};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use std::path::Path;
use support::{SMALL_NETWORK, low_and_high};
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::{Cache, Split};
use tagvane_trainer::evaluation::metrics::{expected_calibration_error, roc_auc};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::Network;

const WINDOW: usize = 2_187;

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

fn logit(probability: f32) -> f64 {
    let probability = f64::from(probability);
    (probability / (1.0 - probability)).ln()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn scaling_folded_into_the_last_layer_gives_the_scaled_logits_in_both_ways_to_run() {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, WINDOW, vec![8, 8, 8, 16, 16, 16]));
    let tags: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    let network = Network::<Flex>::with_seed(&architecture.plan(tags.len()).unwrap(), 3, &Default::default());
    let (scales, offsets) = ([1.0, 0.05, 3.0, 0.7], [0.0, -4.0, 1.5, 2.5]);
    let scaled = network.clone().with_scaled_logits(&scales, &offsets);
    let metadata = Metadata { tags, sample_rate: Some(22_050), ..Default::default() };
    let [plain, scaled] = [network, scaled].map(|network| to_onnx(&network, &architecture, &metadata));
    let mut random = ChaCha12Rng::seed_from_u64(1);
    for inference in [InferenceMode::FullWindows, InferenceMode::Sliding] {
        let [plain, scaled] = [&plain, &scaled].map(|bytes| Model::with(bytes, inference, None).unwrap());
        assert_eq!(scaled.inference(), inference);
        for _ in 0..20 {
            let window: Vec<f32> = (0..WINDOW).map(|_| random.random_range(-1.0..1.0)).collect();
            let (before, after) = (plain.predict(&window).unwrap(), scaled.predict(&window).unwrap());
            for (tag, (before, after)) in before.iter().zip(&after).enumerate() {
                let wanted = sigmoid(f64::from(scales[tag]) * logit(*before) + f64::from(offsets[tag]));
                assert!(
                    (wanted - f64::from(*after)).abs() < 1e-5,
                    "{inference:?}, tag {tag}: {before} {after} {wanted}"
                );
            }
        }
    }
}

/// Probabilities of a model for the windows of a split, and their labels: `[tags][windows]`.
fn predictions(model: &Model, split: &Split) -> (Vec<Vec<f32>>, Vec<Vec<f32>>) {
    let tags = split.cache.info.tags.len();
    let (mut predicted, mut labels) = (vec![Vec::new(); tags], vec![Vec::new(); tags]);
    let mut window = vec![0.0; split.window];
    for example in &split.examples {
        split.cache.read(example.track, example.start, &mut window).unwrap();
        let (probabilities, label) = (model.predict(&window).unwrap(), split.cache.labels(*example));
        for tag in 0..tags {
            predicted[tag].push(probabilities[tag]);
            labels[tag].push(label[tag]);
        }
    }
    (predicted, labels)
}

#[test]
fn an_exported_run_is_calibrated_on_its_validation_windows_and_ranks_them_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let training = "
[training]
batch_size = 12
seed = 5
optimiser = { kind = \"adam\" }
schedule = { kind = \"one-cycle\", learning_rate = 1e-3, epochs = 1 }
";
    std::fs::write(folder.join("run.toml"), format!("{SMALL_NETWORK}{training}")).unwrap();
    low_and_high(folder, "high");
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache cache");
    succeed(folder, "train run.toml --cache cache --run run");
    succeed(folder, "export --run run --out plain.onnx");
    assert!(!folder.join("run/calibration.json").exists());
    let output = succeed(folder, "export --run run --out calibrated.onnx --calibrate-on cache");
    assert!(output.contains("before: expected calibration error: ") && output.contains("after: "), "{output}");

    let open = |name: &str| Model::open(&folder.join(name), InferenceMode::Sliding).unwrap();
    let split = Split::open(&folder.join("cache"), WINDOW, |group| group == "validation").unwrap();
    let ((plain, labels), (calibrated, _)) =
        (predictions(&open("plain.onnx"), &split), predictions(&open("calibrated.onnx"), &split));
    let figures = json(&folder.join("run/calibration.json"));
    assert_eq!(figures["windows"], split.examples.len());
    for tag in 0..2 {
        let figures = &figures["tags"][tag];
        let number = |key: &str| figures[key].as_f64().unwrap();
        assert_eq!(figures["tag"].as_str(), Some(split.cache.info.tags[tag].as_str()));
        assert!(number("scale") > 0.0 && (number("scale") != 1.0 || number("offset") != 0.0), "{figures}");
        for (before, after) in plain[tag].iter().zip(&calibrated[tag]) {
            let wanted = sigmoid(number("scale") * logit(*before) + number("offset"));
            assert!((wanted - f64::from(*after)).abs() < 1e-5, "{before} {after} {wanted}");
        }
        let positive: Vec<bool> = labels[tag].iter().map(|label| *label >= 0.5).collect();
        assert_eq!(roc_auc(&plain[tag], &positive), roc_auc(&calibrated[tag], &positive));
        let errors =
            [&plain[tag], &calibrated[tag]].map(|predicted| expected_calibration_error(predicted, &labels[tag]));
        assert!((errors[0].unwrap() - number("error_before")).abs() < 1e-3, "{errors:?} {figures}");
        assert!((errors[1].unwrap() - number("error_after")).abs() < 1e-3, "{errors:?} {figures}");
        assert!(errors[1] < errors[0], "{errors:?}");
    }

    // `evaluate` reports the calibration of any model, and --truth measures a run like its export.
    let report = |name: &str| {
        let output =
            succeed(folder, &format!("evaluate --onnx {name} --cache cache --group validation --json figures.json"));
        assert!(output.contains("expected calibration error: ") && output.contains(" ECE"), "{output}");
        json(&folder.join("figures.json"))["calibration"][0]["expected_calibration_error"].as_f64().unwrap()
    };
    let (before, after) = (report("plain.onnx"), report("calibrated.onnx"));
    assert!(after < before, "{before} {after}");
    let truth = "file,positive,negative\naudio/0.wav,low,high\naudio/1.wav,high,low\naudio/2.wav,low,high\n";
    std::fs::write(folder.join("truth.csv"), truth).unwrap();
    succeed(folder, "evaluate --run run --onnx plain.onnx --truth truth.csv --min-known 1 --json truth.json");
    let truth = json(&folder.join("truth.json"));
    assert_eq!((truth["models"][0]["model"].as_str(), truth["models"].as_array().unwrap().len()), (Some("run"), 2));
    assert_eq!(truth["models"][0]["tags"], truth["models"][1]["tags"]);
    assert_eq!(truth["models"][0]["tags_averaged"], 2);

    // Another data set, groups of the training, and groups that are not there.
    low_and_high(folder, "shrill");
    succeed(folder, "prepare folder --csv list.csv --audio audio --cache other");
    for (arguments, words) in [
        ("--calibrate-on nowhere", "nowhere"),
        ("--calibrate-on other", "other: the run was trained on other tags; calibrate it on"),
        ("--calibrate-on cache --calibrate-group training", "the run was trained on this group"),
        ("--calibrate-on cache --calibrate-group test", "there are no clips in the groups test; the cache has"),
        ("--calibrate-group validation", "--calibrate-on"),
    ] {
        let message = fail(folder, &format!("export --run run --out failed.onnx {arguments}"));
        assert!(message.contains(words), "{arguments}: {message}");
        assert!(!folder.join("failed.onnx").exists());
    }
    assert!(Cache::open(&folder.join("other"), |_| true).is_ok());
}
