//! burn, ONNX Runtime and tract give the same probabilities for a model.

use burn::backend::Flex;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use std::path::{Path, PathBuf};
use std::process::Command;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Metadata, Model, StreamState};
use tagvane_tests::{CLIPS, clip, noise, python, root, shipped_model};
use tagvane_trainer::architecture::Architecture;
use tagvane_trainer::architecture::catalogue::entries;
use tagvane_trainer::export::{from_onnx, to_half_precision, to_onnx};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::config::Config;

/// A model file and its input windows.
struct Case {
    name: String,
    file: PathBuf,
    windows: Vec<Vec<f32>>,
}

/// Checks each file with ONNX's checker and runs it in ONNX Runtime. Returns the probabilities of each
/// window of each case. One process runs all cases, because its start takes seconds.
fn run_onnx_runtime(cases: &[Case]) -> Vec<Vec<Vec<f32>>> {
    let folder = tempfile::tempdir().unwrap();
    let path = |index: usize, end: &str| folder.path().join(format!("{index}.{end}"));
    let mut list = String::new();
    for (index, case) in cases.iter().enumerate() {
        let bytes: Vec<u8> = case.windows.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect();
        std::fs::write(path(index, "in"), bytes).unwrap();
        let (input, output) = (path(index, "in"), path(index, "out"));
        let window = case.windows[0].len();
        list += &format!("{}\t{window}\t{}\t{}\n", case.file.display(), input.display(), output.display());
    }
    let script = "import sys, numpy, onnx, onnxruntime
for line in sys.stdin:
    model, window, source, target = line.rstrip('\\n').split('\\t')
    onnx.checker.check_model(model, full_check=True)
    windows = numpy.fromfile(source, 'float32').reshape(-1, int(window))
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    numpy.concatenate([session.run(['probabilities'], {'waveform': row[None]})[0] for row in windows]).tofile(target)";
    let list_path = folder.path().join("list");
    std::fs::write(&list_path, list).unwrap();
    let input = std::fs::File::open(list_path).unwrap();
    let status = Command::new(python()).args(["-c", script]).stdin(input).status().unwrap();
    assert!(status.success());
    let read_output = |(index, case): (usize, &Case)| {
        let bytes = std::fs::read(path(index, "out")).unwrap();
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        values.chunks_exact(values.len() / case.windows.len()).map(<[f32]>::to_vec).collect()
    };
    cases.iter().enumerate().map(read_output).collect()
}

fn run_burn(network: &Network<Flex>, window: &[f32]) -> Vec<f32> {
    let input = Tensor::from_data(TensorData::new(window.to_vec(), [1, window.len()]), &Default::default());
    sigmoid(network.forward(input).logits).into_data().iter::<f32>().collect()
}

/// Asserts that two rows differ by at most 1e-5, and returns the largest difference.
fn assert_close(what: &str, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "{what}");
    let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(difference <= 1e-5, "{what}: the probabilities differ by {difference}");
    difference
}

/// Whether the engine runs a named network by sliding inference: the m^n networks, and those on raw
/// frames that do not overlap, which differ in the first layer only.
fn is_sliding(name: &str) -> bool {
    match name.split('-').collect::<Vec<_>>().as_slice() {
        ["raw", _, length, hop] => length == hop,
        ["narrow", power] | [power, _] => power.contains('^'),
        _ => name == "shipped",
    }
}

/// Compares burn and tract with ONNX Runtime, window by window.
fn compare(case: &Case, network: &Network<Flex>, reference: &[Vec<f32>]) {
    let modes = [InferenceMode::Sliding, InferenceMode::FullWindows];
    let models = modes.map(|inference| Model::open(&case.file, inference).unwrap());
    assert_eq!(models[0].inference() == InferenceMode::Sliding, is_sliding(&case.name), "{}", case.name);
    let mut max_difference: f32 = 0.0;
    for (index, (window, reference)) in case.windows.iter().zip(reference).enumerate() {
        let what = format!("{}, window {index}", case.name);
        for model in &models {
            let tract = model.predict(window).unwrap();
            max_difference = max_difference.max(assert_close(
                &format!("{what}, {:?} and ONNX Runtime", model.inference()),
                &tract,
                reference,
            ));
        }
        let burn = run_burn(network, window);
        max_difference = max_difference.max(assert_close(&format!("{what}, burn and ONNX Runtime"), &burn, reference));
    }
    println!("{}: differences up to {max_difference:.1e}", case.name);
}

#[test]
fn the_shipped_model_gives_the_same_probabilities_in_all_runtimes() {
    let config = Config::read(&root().join("trainer/configs/music.toml"), &[]).unwrap();
    let window = config.architecture.window();
    let mut windows = vec![vec![0.0; window], noise(window, 0.5), vec![1.0; window]];
    for name in CLIPS {
        let recording = clip(name);
        let rate = f64::from(recording.sample_rate);
        let music = Resampler::new(rate, 22_050.0).unwrap().resample_all(&recording.mono());
        windows.extend(music.chunks_exact(window).take(3).map(<[f32]>::to_vec));
    }
    let case = Case { name: "shipped".into(), file: shipped_model(), windows };
    let bytes = std::fs::read(&case.file).unwrap();
    let network = from_onnx(&bytes, &config.architecture, 214, &Default::default()).unwrap();
    let reference = run_onnx_runtime(std::slice::from_ref(&case)).remove(0);
    compare(&case, &network, &reference);
}

/// ONNX Runtime widens the weights by itself.
#[test]
fn weights_in_half_precision_give_the_same_probabilities_in_all_runtimes_and_nearly_those_of_single_precision() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::read(&root().join("trainer/configs/free-music.toml"), &[]).unwrap();
    let window = config.architecture.window();
    let windows: Vec<Vec<f32>> = CLIPS
        .iter()
        .map(|name| {
            let recording = clip(name);
            let resampler = Resampler::new(f64::from(recording.sample_rate), 22_050.0).unwrap();
            resampler.resample_all(&recording.mono())[..window].to_vec()
        })
        .collect();
    // Not a shipped network, whose weights are rounded already.
    let tags: Vec<String> = (0..214).map(|tag| format!("tag {tag}")).collect();
    let random: Network<Flex> =
        Network::with_seed(&config.architecture.plan(tags.len()).unwrap(), 1, &Default::default());
    let metadata = Metadata { tags, sample_rate: Some(22_050), ..Default::default() };
    let bytes = to_onnx(&random, &config.architecture, &metadata);
    let half = to_half_precision(&bytes).unwrap();
    assert!(half.len() < bytes.len() * 51 / 100, "{} bytes instead of {}", half.len(), bytes.len());
    let case = Case { name: "3^9-59049".into(), file: folder.path().join("half.onnx"), windows };
    std::fs::write(&case.file, &half).unwrap();
    let network = from_onnx(&half, &config.architecture, 214, &Default::default()).unwrap();
    let reference = run_onnx_runtime(std::slice::from_ref(&case)).remove(0);
    compare(&case, &network, &reference);
    let single = Model::from_bytes(&bytes).unwrap();
    for (window, half) in case.windows.iter().zip(&reference) {
        let single = single.predict(window).unwrap();
        let difference = single.iter().zip(half).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("half precision changes probabilities by up to {difference:.1e}");
        assert!(difference > 0.0 && difference < 5e-4, "{difference}");
    }
}

/// The input is music, noise at full scale, a square wave and silence, hop by hop.
#[test]
fn sliding_inference_of_the_shipped_model_equals_full_windows() {
    let [sliding, full] =
        [InferenceMode::Sliding, InferenceMode::FullWindows].map(|mode| Model::open(&shipped_model(), mode).unwrap());
    let (window, hop) = (sliding.window(), sliding.hop());
    let mut samples = Vec::new();
    for name in CLIPS {
        let recording = clip(name);
        let resampler = Resampler::new(f64::from(recording.sample_rate), 22_050.0).unwrap();
        samples.extend_from_slice(&resampler.resample_all(&recording.mono())[..4 * window]);
    }
    samples.extend(noise(2 * window, 1.0));
    samples.extend((0..2 * window).map(|i| if (i / 50).is_multiple_of(2) { 1.0 } else { -1.0 }));
    samples.extend(vec![0.0; 2 * window]);
    let mut state = StreamState::new(sliding);
    let mut max_difference: f32 = 0.0;
    for hops in 1..=samples.len() / hop {
        let window_samples = &samples[(hops * hop).saturating_sub(window)..hops * hop];
        state.step(window_samples).unwrap();
        if window_samples.len() == window && hops.is_multiple_of(5) {
            let what = format!("after {hops} hops");
            max_difference = max_difference.max(assert_close(
                &what,
                &state.predict(window_samples).unwrap().probabilities,
                &full.predict(window_samples).unwrap(),
            ));
        }
    }
    println!("differences up to {max_difference:.1e}");
}

/// The networks of all tables of the papers, with a sixteenth of their filters. burn runs each network
/// before the export, and as imported from the file.
#[test]
fn each_named_network_gives_the_same_probabilities_in_all_runtimes() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    let mut networks = Vec::new();
    for row in entries() {
        let slim: Vec<usize> = row.architecture.widths().iter().map(|width| (width / 16).max(4)).collect();
        let architecture = row.architecture.with_widths(slim);
        let network = Network::<Flex>::new(&architecture.plan(7).unwrap(), &Default::default());
        let file = folder.path().join(format!("{}.onnx", row.name));
        write(&file, &network, &architecture);
        let window = noise(architecture.window(), 0.8);
        cases.push(Case { name: row.name, file, windows: vec![window] });
        networks.push((network, architecture));
    }
    for ((case, reference), (network, architecture)) in cases.iter().zip(run_onnx_runtime(&cases)).zip(networks) {
        compare(case, &network, &reference);
        let bytes = std::fs::read(&case.file).unwrap();
        let imported: Network<Flex> = from_onnx(&bytes, &architecture, 7, &Default::default()).unwrap();
        assert_close(&case.name, &run_burn(&imported, &case.windows[0]), &reference[0]);
    }
}

fn write(file: &Path, network: &Network<Flex>, architecture: &Architecture) {
    std::fs::write(file, to_onnx(network, architecture, &tagvane_engine::Metadata::default())).unwrap();
}
