//! What filters have learnt is found, written and drawn.

use burn::backend::Flex;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use tagvane_engine::Metadata;
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::figures::{Ascent, LearnedLayer, learned_filters, write};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::checkpoint::{self, Epoch, State, UnderWay};
use tagvane_trainer::training::config::Config;
use tract_onnx::pb::ModelProto;

const TAGS: usize = 3;
const RATE: f64 = 22_050.0;

/// The network with other weights, which are asked for by their name and number.
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

/// 3^6 with few filters, which has learnt nothing. burn's random numbers are the whole
/// program's, and tests run side by side, so the weights are drawn here.
fn small() -> (Architecture, Network<Flex>) {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 6, 2_187, vec![6, 6, 6, 6, 8, 8, 8]));
    let mut random = StdRng::seed_from_u64(2);
    let network = with_weights(&architecture, |name, count| {
        let size = if name.ends_with(".weight") { 0.5 } else { 0.1 };
        let drawn = (0..count).map(|_| random.random_range(-size..size)).collect();
        (name.ends_with(".weight") || name.ends_with(".bias")).then_some(drawn)
    });
    (architecture, network)
}

fn learned(seed: u64) -> Vec<LearnedLayer> {
    let (architecture, network) = small();
    learned_filters(&network, &architecture, &Ascent { seed, ..Default::default() }, &Default::default()).unwrap()
}

#[test]
fn filters_climb_and_the_same_seed_climbs_the_same_way() {
    let layers = learned(1);
    assert_eq!(layers.iter().map(|layer| layer.layer).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    for (layer, filters) in layers.iter().zip([6, 6, 6, 6, 8, 8]) {
        assert_eq!(layer.filters.len(), filters);
        assert!(layer.filters.is_sorted_by(|a, b| a.peak <= b.peak));
        assert!(layer.filters.iter().all(|filter| filter.peak > 0.0 && filter.peak <= RATE / 2.0));
        let mut numbers: Vec<usize> = layer.filters.iter().map(|filter| filter.filter).collect();
        numbers.sort();
        assert_eq!(numbers, (0..filters).collect::<Vec<_>>());
    }
    let filters: Vec<_> = layers.iter().flat_map(|layer| &layer.filters).collect();
    assert!(filters.iter().all(|filter| filter.waveform.len() == 729));
    assert!(filters.iter().all(|filter| filter.waveform.iter().all(|sample| sample.is_finite())));
    let rose = filters.iter().filter(|filter| filter.after > filter.before).count();
    assert!(rose * 4 >= filters.len() * 3, "only {rose} of {} filters answer to what was found", filters.len());
    assert_eq!(layers, learned(1));
    assert_ne!(layers, learned(2));
}

#[test]
fn filters_that_are_tones_find_their_tones() {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 729, vec![8, 4, 4]));
    // Whole periods in the 81 samples of a filter, so that a tone goes on from one
    // frame to the next.
    let cycles = [20, 5, 40, 2, 11, 33, 27, 8];
    let tone =
        |cycles: usize| (0..81).map(move |index| (std::f32::consts::TAU * cycles as f32 * index as f32 / 81.0).cos());
    // Half of them are silent over noise.
    let biases = [0.5, 0.5, -3.0, -3.0, 0.5, 0.5, -3.0, -3.0];
    let network = with_weights(&architecture, |name, _| match name {
        "layer0.weight" => Some(cycles.into_iter().flat_map(tone).collect()),
        "layer0.bias" => Some(biases.to_vec()),
        _ => None,
    });
    let layers = learned_filters(&network, &architecture, &Ascent::default(), &Default::default()).unwrap();
    assert_eq!(layers.len(), 3);

    let mut wanted: Vec<(usize, usize)> = cycles.into_iter().zip(0..).collect();
    wanted.sort();
    for (found, (cycles, filter)) in layers[0].filters.iter().zip(wanted) {
        let hertz = cycles as f64 * RATE / 81.0;
        assert_eq!(found.filter, filter);
        assert!((found.peak - hertz).abs() <= RATE / 729.0, "filter {filter}: {} Hz, not {hertz}", found.peak);
        assert_eq!(found.before > 0.0, biases[filter] > 0.0, "filter {filter}");
        assert!(found.after > found.before, "filter {filter}");
    }
}

#[test]
fn other_networks_and_lengths_are_refused_in_a_sentence() {
    let (architecture, network) = small();
    let refused = |architecture: &Architecture, samples| {
        let ascent = Ascent { samples, ..Default::default() };
        learned_filters(&network, architecture, &ascent, &Default::default()).unwrap_err().to_string()
    };
    for name in ["mel-4-729-729", "se", "rese2", "2d-cnn", "1d-cnn"] {
        let other = find(name).unwrap().architecture;
        let said = refused(&other, None);
        assert!(said.contains(&other.to_string()) && said.contains("choose another run"), "{said}");
    }
    let said = refused(&architecture, Some(100));
    assert!(said.contains("100 samples") && said.contains("give 729 to 2187"), "{said}");
}

/// Width and height of a whole PNG file.
fn png_size(path: &Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), "{}", path.display());
    assert!(bytes.ends_with(b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"), "{}", path.display());
    assert!(bytes.len() > 5_000, "{}: {} bytes", path.display(), bytes.len());
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// The figures' numbers, after a look at the files.
fn numbers(folder: &Path) -> Value {
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
fn figures_are_drawn_in_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("figures");
    let layers = learned(1);
    // A second time over the first.
    write(&out, &layers).unwrap();
    write(&out, &layers).unwrap();
    let numbers = numbers(&out);
    assert_eq!((&numbers["sample_rate"], &numbers["samples"]), (&22_050.into(), &729.into()));
    for (index, layer) in layers.iter().enumerate() {
        let written = &numbers["layers"][index];
        assert_eq!(written["layer"], index + 1);
        for (place, filter) in layer.filters.iter().enumerate() {
            assert_eq!(written["filters"][place]["filter"], filter.filter);
            let peak = written["filters"][place]["peak_hertz"].as_f64().unwrap();
            assert!((peak - filter.peak).abs() < 1e-6, "{peak} Hz, not {}", filter.peak);
        }
    }
}

/// Runs `trainer filters --backend flex`; the arguments have no spaces in them.
fn filters(folder: &Path, arguments: &str) -> Output {
    let mut trainer = Command::new(env!("CARGO_BIN_EXE_trainer"));
    trainer.args(["filters", "--backend", "flex"]).args(arguments.split(' ')).current_dir(folder);
    trainer.output().unwrap()
}

#[test]
fn the_command_draws_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let (architecture, network) = small();
    let epoch = Epoch {
        learning_rate: 0.01,
        training_loss: 0.5,
        validation_loss: 0.5,
        validation_auc: None,
        validation_precision: None,
        speed: 1.0,
        waited: 0.0,
    };
    let state = State {
        config: Config::of_paper(architecture, 2),
        tags: (0..TAGS).map(|tag| tag.to_string()).collect(),
        epochs: vec![epoch],
        under_way: UnderWay::default(),
    };
    checkpoint::save(&folder.path().join("run"), &state, network, ()).unwrap();

    let output = filters(folder.path(), "--run run --out figures --seed 7");
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && failed.is_empty(), "{failed}");
    assert!(said.contains("layer 6: 8 filters from ") && said.contains("epoch 1"), "{said}");
    let drawn = numbers(&folder.path().join("figures"));
    write(&folder.path().join("wanted"), &learned(7)).unwrap();
    assert_eq!(drawn, numbers(&folder.path().join("wanted")));

    let output = filters(folder.path(), "--run run --out figures --samples 20");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.starts_with("error: run: waveforms of 20 samples") && said.lines().count() == 1, "{said}");
    assert!(!filters(folder.path(), "--run nowhere --out figures").status.success());
}
