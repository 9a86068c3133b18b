//! Learned filters are visualised, drawn and written.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;

use burn::backend::Flex;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use tagvane_engine::Metadata;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::figures::{AscentConfig, LearnedLayer, learned_filters, write};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::checkpoint::{self, EpochMetrics, RunState};
use tagvane_trainer::training::config::Config;
use tract_onnx::pb::ModelProto;

const TAGS: usize = 3;
const RATE: f64 = 22_050.0;

/// A network whose weights are replaced by `weights(name, count)` where that returns any.
fn with_weights(
    architecture: &Architecture,
    mut weights: impl FnMut(&str, usize) -> Option<Vec<f32>>,
) -> Network<Flex> {
    let device = Default::default();
    let network = Network::<Flex>::new(&architecture.plan(TAGS).unwrap(), &device);
    let mut model = ModelProto::decode(to_onnx(&network, architecture, &Metadata::default()).as_slice()).unwrap();
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let count = tensor.raw_data.len() / 4;
        if let Some(weights) = weights(&tensor.name, count) {
            assert_eq!(weights.len(), count, "{}", tensor.name);
            tensor.raw_data = weights.into_iter().flat_map(f32::to_le_bytes).collect();
        }
    }
    from_onnx(&model.encode_to_vec(), architecture, TAGS, &device).unwrap()
}

/// 3^6 with few filters and random weights. They are drawn here, since burn's generator is shared by
/// all tests of the process, which run in parallel.
fn small_network() -> (Architecture, Network<Flex>) {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 6, 2_187, vec![6, 6, 6, 6, 8, 8, 8]));
    let mut random = ChaCha12Rng::seed_from_u64(2);
    let network = with_weights(&architecture, |name, count| {
        let size = if name.ends_with(".weight") { 0.5 } else { 0.1 };
        let drawn = (0..count).map(|_| random.random_range(-size..size)).collect();
        (name.ends_with(".weight") || name.ends_with(".bias")).then_some(drawn)
    });
    (architecture, network)
}

fn learned(seed: u64) -> Vec<LearnedLayer> {
    let (architecture, network) = small_network();
    learned_filters(&network, &architecture, &AscentConfig { seed, ..Default::default() }, &Default::default()).unwrap()
}

#[test]
fn ascent_raises_the_activations_and_depends_on_the_seed_alone() {
    let layers = learned(1);
    assert_eq!(layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for (layer, filters) in layers.iter().zip([6, 6, 6, 6, 8, 8]) {
        assert_eq!(layer.filters.len(), filters);
        assert!(layer.filters.is_sorted_by(|a, b| a.peak_hertz <= b.peak_hertz));
        assert!(layer.filters.iter().all(|filter| filter.peak_hertz > 0.0 && filter.peak_hertz <= RATE / 2.0));
        let mut numbers: Vec<usize> = layer.filters.iter().map(|filter| filter.filter).collect();
        numbers.sort();
        assert_eq!(numbers, (0..filters).collect::<Vec<_>>());
    }
    let filters: Vec<_> = layers.iter().flat_map(|layer| &layer.filters).collect();
    assert!(filters.iter().all(|filter| filter.waveform.len() == 729));
    assert!(filters.iter().all(|filter| filter.waveform.iter().all(|sample| sample.is_finite())));
    let rose = filters.iter().filter(|filter| filter.activation_after > filter.activation_before).count();
    assert!(rose * 4 >= filters.len() * 3, "only {rose} of {} activations rose", filters.len());
    assert_eq!(layers, learned(1));
    assert_ne!(layers, learned(2));
}

#[test]
fn ascent_finds_the_tones_of_sinusoidal_filters() {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 729, vec![8, 4, 4]));
    // Whole periods in the 81 samples of a filter, so that the tone is continuous from frame to frame.
    let cycles = [20, 5, 40, 2, 11, 33, 27, 8];
    let tone =
        |cycles: usize| (0..81).map(move |index| (std::f32::consts::TAU * cycles as f32 * index as f32 / 81.0).cos());
    // The negative biases make half of the filters inactive over noise.
    let biases = [0.5, 0.5, -3.0, -3.0, 0.5, 0.5, -3.0, -3.0];
    let network = with_weights(&architecture, |name, _| match name {
        "layer0.weight" => Some(cycles.into_iter().flat_map(tone).collect()),
        "layer0.bias" => Some(biases.to_vec()),
        _ => None,
    });
    let layers = learned_filters(&network, &architecture, &AscentConfig::default(), &Default::default()).unwrap();
    assert_eq!(layers.len(), 3);

    let mut expected: Vec<(usize, usize)> = cycles.into_iter().zip(0..).collect();
    expected.sort();
    for (found, (cycles, filter)) in layers[0].filters.iter().zip(expected) {
        let hertz = cycles as f64 * RATE / 81.0;
        assert_eq!(found.filter, filter);
        assert!(
            (found.peak_hertz - hertz).abs() <= RATE / 729.0,
            "filter {filter}: {} Hz, not {hertz}",
            found.peak_hertz
        );
        assert_eq!(found.activation_before > 0.0, biases[filter] > 0.0, "filter {filter}");
        assert!(found.activation_after > found.activation_before, "filter {filter}");
    }
}

#[test]
fn other_architectures_and_lengths_are_refused() {
    let (architecture, network) = small_network();
    let refused = |architecture: &Architecture, samples| {
        let ascent = AscentConfig { samples, ..Default::default() };
        learned_filters(&network, architecture, &ascent, &Default::default()).unwrap_err().to_string()
    };
    for name in ["mel-4-729-729", "se", "rese2", "2d-cnn", "1d-cnn"] {
        let other = find(name).unwrap().architecture;
        let error = refused(&other, None);
        assert!(error.contains(&other.to_string()) && error.contains("choose another run"), "{error}");
    }
    let error = refused(&architecture, Some(100));
    assert!(error.contains("100 samples") && error.contains("give 729 to 2187"), "{error}");
}

/// Width and height of a complete PNG file.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), "{}", path.display());
    assert!(bytes.ends_with(b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"), "{}", path.display());
    assert!(bytes.len() > 5_000, "{}: {} bytes", path.display(), bytes.len());
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// Checks the written files and returns `filters.json`.
fn check_and_read_json(folder: &Path) -> Value {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    assert_eq!(names, ["filters.json", "spectra.png", "spectra.svg", "waveforms.png", "waveforms.svg"]);
    assert_eq!(png_size(&folder.join("spectra.png")), (1_260, 680));
    assert_eq!(png_size(&folder.join("waveforms.png")), (1_360, 720));
    for (name, mark, marks) in [("spectra.svg", "<rect", 100), ("waveforms.svg", "<polyline", 40)] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{name}");
        assert!(text.contains("layer 1, strided") && text.contains("layer 6"), "{name}");
        assert!(text.matches(mark).count() >= marks && text.len() < 3_000_000, "{name}: {} bytes", text.len());
    }
    serde_json::from_slice(&std::fs::read(folder.join("filters.json")).unwrap()).unwrap()
}

#[test]
fn figures_are_written_in_both_formats_and_can_be_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("figures");
    let layers = learned(1);
    write(&out, &layers).unwrap();
    write(&out, &layers).unwrap();
    let numbers = check_and_read_json(&out);
    assert_eq!((&numbers["sample_rate"], &numbers["samples"]), (&22_050.into(), &729.into()));
    for (index, layer) in layers.iter().enumerate() {
        let written = &numbers["layers"][index];
        assert_eq!(written["layer"], index + 1);
        for (position, filter) in layer.filters.iter().enumerate() {
            assert_eq!(written["filters"][position]["filter"], filter.filter);
            let peak = written["filters"][position]["peak_hertz"].as_f64().unwrap();
            assert!((peak - filter.peak_hertz).abs() < 1e-6, "{peak} Hz, not {}", filter.peak_hertz);
        }
    }
}

/// Runs `trainer filters --backend flex` with arguments separated by spaces.
fn run_filters(folder: &Path, arguments: &str) -> Output {
    process::command(folder, &format!("filters --backend flex {arguments}")).output().unwrap()
}

#[test]
fn the_command_draws_the_best_epoch_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let (architecture, network) = small_network();
    let epoch = EpochMetrics {
        learning_rate: 0.01,
        training_loss: 0.5,
        validation_loss: 0.5,
        validation_roc_auc: None,
        validation_average_precision: None,
        windows_per_second: 1.0,
        data_wait_fraction: 0.0,
    };
    let tags = (0..TAGS).map(|tag| tag.to_string()).collect();
    let mut state = RunState::new(Config::paper_defaults(architecture, 2), tags);
    state.epochs.push(epoch);
    checkpoint::save(&folder.path().join("run"), &state, network, ()).unwrap();

    let output = run_filters(folder.path(), "--run run --out figures --seed 7");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    assert!(stdout.contains("layer 6: 8 filters from ") && stdout.contains("epoch 1"), "{stdout}");
    let drawn = check_and_read_json(&folder.path().join("figures"));
    write(&folder.path().join("expected"), &learned(7)).unwrap();
    assert_eq!(drawn, check_and_read_json(&folder.path().join("expected")));

    let output = run_filters(folder.path(), "--run run --out figures --samples 20");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.starts_with("error: run: waveforms of 20 samples") && stderr.lines().count() == 1, "{stderr}");
    assert!(!run_filters(folder.path(), "--run nowhere --out figures").status.success());
}
