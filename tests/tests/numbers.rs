//! One model, three runtimes: burn, ONNX Runtime and tract give the same numbers.

use burn::backend::Flex;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use std::path::Path;
use std::process::Command;
use tagvane_engine::Model;
use tagvane_engine::resample::Resampler;
use tagvane_tests::{CLIPS, clip, noise, python, root, shipped_model};
use tagvane_trainer::architecture::Architecture;
use tagvane_trainer::config::Config;
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::network::SampleCnn;

/// Runs a model in ONNX Runtime over windows; gives a row of probabilities for each.
fn onnx_runtime(model: &Path, windows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("windows.f32"), folder.path().join("answers.f32"));
    let bytes: Vec<u8> = windows.iter().flatten().flat_map(|sample| sample.to_le_bytes()).collect();
    std::fs::write(&input, bytes).unwrap();
    let script = "import sys, numpy, onnxruntime
model, window, source, target = sys.argv[1:]
windows = numpy.fromfile(source, 'float32').reshape(-1, int(window))
session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
numpy.concatenate([session.run(['probabilities'], {'waveform': row[None]})[0] for row in windows]).tofile(target)";
    let status = Command::new(python())
        .args(["-c", script])
        .arg(model)
        .arg(windows[0].len().to_string())
        .args([&input, &output])
        .status();
    assert!(status.unwrap().success());
    let bytes = std::fs::read(&output).unwrap();
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    values.chunks_exact(values.len() / windows.len()).map(<[f32]>::to_vec).collect()
}

fn burn(network: &SampleCnn<Flex>, window: &[f32]) -> Vec<f32> {
    let input = Tensor::from_data(TensorData::new(window.to_vec(), [1, window.len()]), &Default::default());
    sigmoid(network.forward(input).logits).into_data().iter::<f32>().collect()
}

fn assert_equal(what: &str, a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len(), "{what}");
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{what}: at most {worst:.1e} apart");
    assert!(worst <= 1e-5, "{what}: {worst} apart");
}

/// Compares the three runtimes over windows; `file` holds the model.
fn compare(file: &Path, architecture: &Architecture, windows: &[Vec<f32>]) {
    let bytes = std::fs::read(file).unwrap();
    let model = Model::from_bytes(&bytes).unwrap();
    let network: SampleCnn<Flex> = from_onnx(&bytes, architecture, &Default::default()).unwrap();
    for (index, (window, reference)) in windows.iter().zip(onnx_runtime(file, windows)).enumerate() {
        assert_equal(
            &format!("window {index}, tract and ONNX Runtime"),
            &model.probabilities(window).unwrap(),
            &reference,
        );
        assert_equal(&format!("window {index}, burn and ONNX Runtime"), &burn(&network, window), &reference);
    }
}

#[test]
fn the_shipped_model_is_the_same_everywhere() {
    let config = Config::read(&root().join("trainer/configs/debian-narrow.toml")).unwrap();
    let window = config.architecture.window;
    let mut windows = vec![vec![0.0; window], noise(window, 0.5), vec![1.0; window]];
    for name in CLIPS {
        let recording = clip(name);
        let rate = f64::from(recording.sample_rate);
        let music = Resampler::new(rate, 22_050.0).unwrap().resample_all(&recording.mono());
        windows.extend(music.chunks_exact(window).take(3).map(<[f32]>::to_vec));
    }
    compare(&shipped_model(), &config.architecture, &windows);
}

/// Every kind of the family: even and odd m, a long first stride, narrow and wide.
#[test]
fn fresh_networks_of_the_family_are_the_same_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    for (m, n, window) in [(2, 5, 64), (3, 4, 243), (3, 3, 729), (4, 3, 256), (5, 3, 625)] {
        let widths = (0..=n).map(|layer| 4 + 3 * layer).collect();
        let architecture = Architecture { m, n, window, widths, tags: 7 };
        architecture.check().unwrap();
        let network = SampleCnn::<Flex>::new(&architecture, &Default::default());
        let metadata = tagvane_engine::Metadata::default();
        let file = folder.path().join(format!("{m}-{n}-{window}.onnx"));
        let bytes = to_onnx(&network, &architecture, &metadata);
        std::fs::write(&file, &bytes).unwrap();
        let windows = vec![noise(window, 0.8), vec![0.3; window]];
        compare(&file, &architecture, &windows);
        // And what was written is what was meant, not only what can be read back.
        let model = Model::from_bytes(&bytes).unwrap();
        assert_equal("the original", &burn(&network, &windows[0]), &model.probabilities(&windows[0]).unwrap());
    }
}
