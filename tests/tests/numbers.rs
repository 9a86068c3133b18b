//! One model, three runtimes: burn, ONNX Runtime and tract give the same numbers.

use burn::backend::Flex;
use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use std::path::{Path, PathBuf};
use std::process::Command;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{Hearing, Inference, Model};
use tagvane_tests::{CLIPS, clip, noise, python, root, shipped_model};
use tagvane_trainer::architecture::Architecture;
use tagvane_trainer::architecture::catalogue::rows;
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::config::Config;

/// A model file and what is sent through it.
struct Case {
    name: String,
    file: PathBuf,
    windows: Vec<Vec<f32>>,
}

/// Checks each file by ONNX's own checker and runs it in ONNX Runtime; gives a row of
/// probabilities for each window. All in one process, which takes seconds to start.
fn onnx_runtime(cases: &[Case]) -> Vec<Vec<Vec<f32>>> {
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
    let answer = |(index, case): (usize, &Case)| {
        let bytes = std::fs::read(path(index, "out")).unwrap();
        let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        values.chunks_exact(values.len() / case.windows.len()).map(<[f32]>::to_vec).collect()
    };
    cases.iter().enumerate().map(answer).collect()
}

fn burn(network: &Network<Flex>, window: &[f32]) -> Vec<f32> {
    let input = Tensor::from_data(TensorData::new(window.to_vec(), [1, window.len()]), &Default::default());
    sigmoid(network.forward(input).logits).into_data().iter::<f32>().collect()
}

fn apart(what: &str, a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "{what}");
    let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= 1e-5, "{what}: {worst} apart");
    worst
}

/// Whether a named network slides: the m^n ones do, and those on frames of raw waveform
/// that do not overlap, which are the same but for their first layer.
fn slides(name: &str) -> bool {
    match name.split('-').collect::<Vec<_>>().as_slice() {
        ["raw", _, length, hop] => length == hop,
        ["narrow", power] | [power, _] => power.contains('^'),
        _ => name == "shipped",
    }
}

/// Compares burn and tract with ONNX Runtime, window by window.
fn compare(case: &Case, network: &Network<Flex>, reference: &[Vec<f32>]) {
    let ways = [Inference::Sliding, Inference::FullWindows];
    let models = ways.map(|inference| Model::open(&case.file, inference).unwrap());
    let slides = slides(&case.name);
    assert_eq!(models[0].inference() == Inference::Sliding, slides, "{}", case.name);
    let mut worst: f32 = 0.0;
    for (index, (window, reference)) in case.windows.iter().zip(reference).enumerate() {
        let what = format!("{}, window {index}", case.name);
        for model in &models {
            let tract = model.probabilities(window).unwrap();
            worst = worst.max(apart(&format!("{what}, {:?} and ONNX Runtime", model.inference()), &tract, reference));
        }
        let burn = burn(network, window);
        worst = worst.max(apart(&format!("{what}, burn and ONNX Runtime"), &burn, reference));
    }
    println!("{}: at most {worst:.1e} apart", case.name);
}

#[test]
fn the_shipped_model_is_the_same_everywhere() {
    let config = Config::read(&root().join("trainer/configs/free-music.toml"), &[]).unwrap();
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
    let network = from_onnx(&bytes, &config.architecture, 50, &Default::default()).unwrap();
    let reference = onnx_runtime(std::slice::from_ref(&case)).remove(0);
    compare(&case, &network, &reference);
}

/// Hop by hop over music, noise at full scale, a square wave and silence.
#[test]
fn the_shipped_model_slides_as_it_runs_full_windows() {
    let [sliding, full] =
        [Inference::Sliding, Inference::FullWindows].map(|way| Model::open(&shipped_model(), way).unwrap());
    let (window, hop) = (sliding.window(), sliding.hop());
    let mut sound = Vec::new();
    for name in CLIPS {
        let recording = clip(name);
        let resampler = Resampler::new(f64::from(recording.sample_rate), 22_050.0).unwrap();
        sound.extend_from_slice(&resampler.resample_all(&recording.mono())[..4 * window]);
    }
    sound.extend(noise(2 * window, 1.0));
    sound.extend((0..2 * window).map(|i| if (i / 50).is_multiple_of(2) { 1.0 } else { -1.0 }));
    sound.extend(vec![0.0; 2 * window]);
    let mut hearing = Hearing::new(sliding);
    let mut worst: f32 = 0.0;
    for hops in 1..=sound.len() / hop {
        let heard = &sound[(hops * hop).saturating_sub(window)..hops * hop];
        hearing.step(heard).unwrap();
        if heard.len() == window && hops.is_multiple_of(5) {
            let what = format!("after {hops} hops");
            worst =
                worst.max(apart(&what, &hearing.probabilities(heard).unwrap(), &full.probabilities(heard).unwrap()));
        }
    }
    println!("at most {worst:.1e} apart");
}

/// The rows of every table, with a sixteenth of their filters. What burn computed
/// before the export is compared, and what is read back from the file.
#[test]
fn every_named_network_is_the_same_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    let mut networks = Vec::new();
    for row in rows() {
        let slim: Vec<usize> = row.architecture.widths().iter().map(|width| (width / 16).max(4)).collect();
        let architecture = row.architecture.with_widths(slim);
        let network = Network::<Flex>::new(&architecture.plan(7).unwrap(), &Default::default());
        let file = folder.path().join(format!("{}.onnx", row.name));
        write(&file, &network, &architecture);
        let window = noise(architecture.window(), 0.8);
        cases.push(Case { name: row.name, file, windows: vec![window] });
        networks.push((network, architecture));
    }
    for ((case, reference), (network, architecture)) in cases.iter().zip(onnx_runtime(&cases)).zip(networks) {
        compare(case, &network, &reference);
        let bytes = std::fs::read(&case.file).unwrap();
        let back: Network<Flex> = from_onnx(&bytes, &architecture, 7, &Default::default()).unwrap();
        apart(&case.name, &burn(&back, &case.windows[0]), &reference[0]);
    }
}

fn write(file: &Path, network: &Network<Flex>, architecture: &Architecture) {
    std::fs::write(file, to_onnx(network, architecture, &tagvane_engine::Metadata::default())).unwrap();
}
