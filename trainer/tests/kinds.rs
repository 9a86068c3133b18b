//! A network of each kind learns, is exported, and is read back equal.

use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule as _;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend as _;
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::data::Batch;
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::config::Optimiser;
use tagvane_trainer::training::{Steps, to_tensors};

const TAGS: usize = 3;

/// The networks over half a minute are slow, and learn quickly.
fn steps_for(name: &str) -> usize {
    if ["2d-cnn", "crnn", "persistent-cnn"].contains(&name) { 16 } else { 24 }
}

#[test]
fn each_kind_learns_and_is_exported_as_it_is() {
    let device = Default::default();
    for name in [
        "2^6-16384",
        "3^4-59049",
        "raw-5-729-243",
        "mel-4-729-729",
        "se",
        "res2-multi",
        "rese1",
        "1d-cnn",
        "2d-cnn",
        "crnn",
        "persistent-cnn",
    ] {
        Flex::seed(&device, 1);
        let row = find(name).unwrap();
        let slim = row.architecture.widths().iter().map(|width| (width / 16).max(4)).collect();
        let architecture = row.architecture.with_widths(slim);
        let plan = architecture.plan(TAGS).unwrap();
        let network = Network::<Autodiff<Flex>>::new(&plan, &device);
        let devices = [device];
        let mut steps = Steps::new(network, Optimiser::Adam, &devices);
        let rows = 3;
        // A tone a row, an octave and more apart.
        let tone = |row: usize| {
            let step = 0.03 * 4_f32.powi(row as i32);
            (0..plan.window).map(move |sample| 0.5 * (step * sample as f32).sin())
        };
        let batch = Batch {
            waveforms: (0..rows).flat_map(tone).collect(),
            targets: (0..rows * TAGS).map(|index| f32::from(index / TAGS == index % TAGS)).collect(),
            rows,
        };
        let losses: Vec<f64> = (0..steps_for(name)).map(|_| steps.step(&batch, 3e-3)).collect();
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
        assert!(last < first, "{name} does not learn three windows by heart: {losses:?}");

        let learnt = steps.network.valid();
        let bytes = to_onnx(&learnt, &architecture, &Metadata::default());
        let back: Network<Flex> = from_onnx(&bytes, &architecture, TAGS, &device).unwrap();
        let window = to_tensors::<Flex>(&batch, &device).0.narrow(0, 0, 1);
        let answer = |network: &Network<Flex>| -> Vec<f32> {
            sigmoid(network.forward(window.clone()).logits).into_data().iter::<f32>().collect()
        };
        let (before, after) = (answer(&learnt), answer(&back));
        let samples: Vec<f32> = window.clone().into_data().iter::<f32>().collect();
        let tract = Model::from_bytes(&bytes).unwrap().probabilities(&samples).unwrap();
        for (what, other) in [("read back", &after), ("tract", &tract)] {
            let worst = before.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-5, "{name}, {what}: {worst} apart");
        }

        // Normalisation that was folded in comes out again, and changes nothing.
        let mut settled = back;
        let waveforms = to_tensors::<Flex>(&batch, &device).0;
        settled.settle(waveforms.clone());
        let worst = before.iter().zip(answer(&settled)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-4, "{name}, settled: {worst} apart");
        // Nor does it in training, where each batch has a mean and deviation of its own; but for what drops
        // out within blocks.
        if !["res2-multi", "rese1", "2d-cnn", "crnn"].contains(&name) {
            let still: Vec<f32> = settled.forward(waveforms).embedding.into_data().iter().collect();
            let learning = Network::<Autodiff<Flex>>::from_inner(settled);
            let moving = learning.forward(to_tensors::<Autodiff<Flex>>(&batch, &device).0).embedding;
            let apart = |(a, b): (&f32, f32)| (a - b).abs() / (1.0 + a.abs());
            let worst = still.iter().zip(moving.into_data().iter::<f32>()).map(apart).fold(0.0, f32::max);
            assert!(worst <= 1e-3, "{name}, in training: {worst} apart");
        }

        let wrong = find("3^9-59049").unwrap().architecture;
        assert!(from_onnx::<Flex>(&bytes, &wrong, TAGS, &device).is_err(), "{name} is no 3^9");
    }
}
