//! Every kind of architecture trains, and keeps its outputs through export and import.
#![cfg(feature = "flex")]

use burn::backend::{Autodiff, Flex};
use burn::module::AutodiffModule as _;
use burn::tensor::activation::sigmoid;
use prost::Message as _;
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::architecture::catalogue::find;
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::{Batch, to_tensors};
use tagvane_trainer::export::{from_onnx, to_onnx};
use tagvane_trainer::network::Network;
use tagvane_trainer::training::Learner;
use tagvane_trainer::training::config::Optimiser;
use tract_onnx::pb::ModelProto;
use tract_onnx::pb::tensor_proto::DataType;

const TAGS: usize = 3;

/// Optimiser steps for a network. Those over half a minute of audio are slow and train in fewer.
fn steps_for(name: &str) -> usize {
    if ["2d-cnn", "crnn", "persistent-cnn"].contains(&name) { 16 } else { 24 }
}

#[test]
fn each_architecture_overfits_three_windows_and_survives_export_and_import() {
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
        let entry = find(name).unwrap();
        let narrow = entry.architecture.widths().iter().map(|width| (width / 16).max(4)).collect();
        let architecture = entry.architecture.with_widths(narrow);
        let plan = architecture.plan(TAGS).unwrap();
        let network = Network::<Autodiff<Flex>>::new(&plan, &device);
        let devices = [device];
        let mut learner = Learner::new(network, Optimiser::Adam, &devices);
        let rows = 3;
        // A tone per row, two octaves apart.
        let tone = |row: usize| {
            let step = 0.03 * 4_f32.powi(row as i32);
            (0..plan.window).map(move |sample| 0.5 * (step * sample as f32).sin())
        };
        let batch = Batch {
            waveforms: (0..rows).flat_map(tone).collect(),
            targets: (0..rows * TAGS).map(|index| f32::from(index / TAGS == index % TAGS)).collect(),
            rows,
        };
        let losses: Vec<f64> = (0..steps_for(name)).map(|_| learner.step(&batch, 3e-3)).collect();
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
        assert!(last < first, "{name} does not overfit three windows: {losses:?}");

        let trained = learner.network.valid();
        let bytes = to_onnx(&trained, &architecture, &Metadata::default());
        let imported: Network<Flex> = from_onnx(&bytes, &architecture, TAGS, &device).unwrap();
        let window = to_tensors::<Flex>(&batch, &device).0.narrow(0, 0, 1);
        let predict = |network: &Network<Flex>| -> Vec<f32> {
            sigmoid(network.forward(window.clone()).logits).into_data().iter::<f32>().collect()
        };
        let (before, after) = (predict(&trained), predict(&imported));
        let samples: Vec<f32> = window.clone().into_data().iter::<f32>().collect();
        let tract = Model::from_bytes(&bytes).unwrap().predict(&samples).unwrap();
        for (what, other) in [("imported", &after), ("tract", &tract)] {
            let worst = before.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= 1e-5, "{name}, {what}: {worst} apart");
        }

        // Recalibrating the batch normalisation leaves the outputs as they are.
        let mut recalibrated = imported;
        let waveforms = to_tensors::<Flex>(&batch, &device).0;
        recalibrated.recalibrate_batch_norm(waveforms.clone());
        let worst = before.iter().zip(predict(&recalibrated)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst <= 1e-4, "{name}, recalibrated: {worst} apart");
        // So does training mode, which normalises by the batch's statistics, except where blocks have
        // dropout.
        if !["res2-multi", "rese1", "2d-cnn", "crnn"].contains(&name) {
            let evaluation: Vec<f32> = recalibrated.forward(waveforms).embedding.into_data().iter().collect();
            let network = Network::<Autodiff<Flex>>::from_inner(recalibrated);
            let training = network.forward(to_tensors::<Autodiff<Flex>>(&batch, &device).0).embedding;
            let relative = |(a, b): (&f32, f32)| (a - b).abs() / (1.0 + a.abs());
            let worst = evaluation.iter().zip(training.into_data().iter::<f32>()).map(relative).fold(0.0, f32::max);
            assert!(worst <= 1e-3, "{name}, in training: {worst} apart");
        }

        let other = find("3^9-59049").unwrap().architecture;
        assert!(from_onnx::<Flex>(&bytes, &other, TAGS, &device).is_err(), "{name} is not 3^9");
    }
}

/// Regression: weights of another type were read as float32, and those stored in another field had "another shape".
#[test]
fn weights_that_are_not_raw_float32_and_files_of_another_network_are_refused() {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 2, 27, vec![4, 4, 4]));
    let network = Network::<Flex>::new(&architecture.plan(TAGS).unwrap(), &Default::default());
    let metadata = Metadata { architecture: architecture.to_string(), ..Metadata::default() };
    let model = ModelProto::decode(to_onnx(&network, &architecture, &metadata).as_slice()).unwrap();
    let read = |model: &ModelProto| {
        from_onnx::<Flex>(&model.encode_to_vec(), &architecture, TAGS, &Default::default()).map(drop)
    };
    read(&model).unwrap();

    let refused = |change: &dyn Fn(&mut ModelProto)| {
        let mut changed = model.clone();
        change(&mut changed);
        read(&changed).unwrap_err().to_string()
    };
    let as_integers = refused(&|model| model.graph.as_mut().unwrap().initializer[1].data_type = DataType::Int32 as i32);
    let as_floats = refused(&|model| {
        let tensor = &mut model.graph.as_mut().unwrap().initializer[1];
        tensor.float_data = vec![0.0; tensor.raw_data.len() / 4];
        tensor.raw_data.clear();
    });
    for error in [as_integers, as_floats] {
        assert!(error.contains("is not stored as raw float32"), "{error}");
    }
    for (key, value) in [("architecture", "3^3"), ("window", "81")] {
        let error = refused(&|model| {
            let property = model.metadata_props.iter_mut().find(|property| property.key == key).unwrap();
            property.value = value.into();
        });
        assert!(error.contains(&format!("its {key} is {value}")), "{error}");
    }
}
