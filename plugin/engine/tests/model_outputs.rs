//! The outputs of model files: the output with the tags is selected, logits become probabilities, and other
//! values are an error.

mod support;

use prost::Message as _;
use std::time::{Duration, Instant};
use support::network::{NetworkSpec, SeededRng};
use support::{bytes, loudness, node, tensor, weight};
use tagvane_engine::{Engine, InferenceMode, Model, ModelError, ModelSource, RenderMode, SAMPLE_RATE, Status};
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

/// A 3^n network with a final sigmoid, 12 filters in its last layer, and 5 named tags.
fn network() -> (NetworkSpec, ModelProto) {
    let spec =
        NetworkSpec { m: 3, layers: 5, first: 3, widths: vec![4, 4, 6, 6, 8, 8, 12], has_batch_norm: true, tags: 5 };
    let mut model = ModelProto::decode(&*spec.to_onnx(&mut SeededRng(7))).unwrap();
    let tags = StringStringEntryProto { key: "tags".into(), value: r#"["a", "b", "c", "d", "e"]"#.into() };
    model.metadata_props.push(tags);
    (spec, model)
}

fn probabilities(model: &ModelProto, inference: InferenceMode, window: usize) -> Vec<f32> {
    let model = Model::with(&bytes(model), inference, None).unwrap();
    assert_eq!(model.inference(), inference);
    let mut rng = SeededRng(3);
    let noise: Vec<f32> = (0..window).map(|_| rng.between(-1.0, 1.0)).collect();
    model.predict(&noise).unwrap()
}

/// The logits of a model without another output were once clamped: one tag at 82 %, all others at 0.
#[test]
fn logits_become_probabilities() {
    let (spec, with_sigmoid) = network();
    let mut logits = with_sigmoid.clone();
    let graph = logits.graph.as_mut().unwrap();
    assert_eq!(graph.node.pop().unwrap().op_type, "Sigmoid");
    graph.output = vec![tensor("logits", &[1, 5])];
    let mut renamed = logits.clone();
    let graph = renamed.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output = vec!["output_0".into()];
    graph.output = vec![tensor("output_0", &[1, 5])];
    for inference in [InferenceMode::Sliding, InferenceMode::FullWindows] {
        let expected = probabilities(&with_sigmoid, inference, spec.window());
        assert!(expected.iter().any(|value| (0.1..0.9).contains(value)), "{expected:?}");
        for (name, model) in [("logits", &logits), ("output_0", &renamed)] {
            let actual = probabilities(model, inference, spec.window());
            let difference = actual.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // tract's own sigmoid is an approximation.
            assert!(difference < 1e-6, "{name}, {inference:?}: a difference of {difference}");
        }
    }
}

/// Files before IR version 4 list their weights among the inputs. One that only another output needs was once
/// taken for the waveform.
#[test]
fn weights_among_the_inputs_are_not_inputs() {
    let (spec, plain) = network();
    let mut model = plain.clone();
    model.ir_version = 3;
    let graph = model.graph.as_mut().unwrap();
    let probabilities_name = graph.output[0].name.clone();
    graph.initializer.push(weight("extra", &[5, 3], vec![0.5; 15]));
    graph.node.push(node("MatMul", &[&probabilities_name, "extra"], "other", &[]));
    graph.output.push(tensor("other", &[1, 3]));
    let weights: Vec<_> = graph.initializer.iter().map(|stored| tensor(&stored.name, &stored.dims)).collect();
    graph.input.splice(0..0, weights);
    for inference in [InferenceMode::Sliding, InferenceMode::FullWindows] {
        assert_eq!(
            probabilities(&model, inference, spec.window()),
            probabilities(&plain, inference, spec.window()),
            "{inference:?}"
        );
    }
}

#[test]
fn a_hop_of_nothing_or_beyond_the_window_is_refused() {
    let file = bytes(&loudness(3_000));
    for hop in [0, 3_001] {
        let error = Model::with(&file, InferenceMode::FullWindows, Some(hop)).err().unwrap().to_string();
        assert!(error.contains(&format!("a hop of {hop} samples")), "{error}");
    }
    assert_eq!(Model::with(&file, InferenceMode::FullWindows, Some(3_000)).unwrap().hop(), 3_000);
}

/// The first output was once used: the values of an embedding were shown as tags.
#[test]
fn the_output_of_the_tags_is_selected_in_any_order() {
    let (spec, plain) = network();
    let expected = [InferenceMode::Sliding, InferenceMode::FullWindows]
        .map(|inference| (inference, probabilities(&plain, inference, spec.window())));
    let mut several = plain;
    let graph = several.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output = vec!["activations".into()];
    let all = [("embedding", 12), ("activations", 5), ("logits", 5)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let outputs = order.map(|index| all[index]);
        several.graph.as_mut().unwrap().output =
            outputs.iter().map(|(name, width)| tensor(name, &[1, *width])).collect();
        for (inference, expected) in &expected {
            assert_eq!(&probabilities(&several, *inference, spec.window()), expected, "{outputs:?}");
        }
    }
    // Two tags, but no output of width two.
    several.metadata_props[0].value = r#"["a", "b"]"#.into();
    let error = Model::from_bytes(&bytes(&several)).err().expect("no output has two values").to_string();
    assert!(error.contains("names 2 tags, but none of its outputs has 2 values"), "{error}");
}

#[test]
fn values_that_are_no_probabilities_are_an_error() {
    let mut model = loudness(3_000);
    model.graph.as_mut().unwrap().node[1] = node("ReduceSum", &["level"], "mean", &[("axes", 1), ("keepdims", 1)]);
    model.opset_import[0].version = 11;
    let bytes = bytes(&model);
    let why = match Model::from_bytes(&bytes).unwrap().predict(&[0.5; 3_000]) {
        Err(ModelError::Failed(why)) => why,
        other => panic!("{other:?}"),
    };
    assert!(why.contains("1500 is not a probability") && why.contains("sigmoid"), "{why}");

    let bytes: &'static [u8] = Vec::leak(bytes);
    let engine = Engine::start(ModelSource::Bytes { name: "sum".into(), bytes }, InferenceMode::Sliding);
    engine.wait_until_loaded();
    let mut producer = engine.connect(f64::from(SAMPLE_RATE), RenderMode::Offline).unwrap();
    producer.push(&[&[0.5_f32; 20_000][..]]);
    engine.process_offline();
    assert!(matches!(engine.board().status(), Status::Failed(why) if why.contains("not a probability")));
    assert!(engine.board().is_clear());
}

/// A model for 16 kHz without metadata was once run at 22050 Hz without a warning.
#[test]
fn a_sample_rate_that_is_missing_or_unsupported_is_assumed() {
    for (rate, expected) in
        [(None, (SAMPLE_RATE, true)), (Some("16000"), (16_000, false)), (Some("7"), (SAMPLE_RATE, true))]
    {
        let mut model = loudness(3_000);
        model.metadata_props.retain(|property| property.key != "sample_rate");
        model
            .metadata_props
            .extend(rate.map(|rate| StringStringEntryProto { key: "sample_rate".into(), value: rate.into() }));
        let loaded = Model::from_bytes(&bytes(&model)).unwrap();
        assert_eq!((loaded.sample_rate(), loaded.is_sample_rate_assumed()), expected, "{rate:?}");
        let bytes: &'static [u8] = Vec::leak(bytes(&model));
        let engine = Engine::start(ModelSource::Bytes { name: "model".into(), bytes }, InferenceMode::Sliding);
        let start = Instant::now();
        engine.wait_until_loaded();
        assert!(start.elapsed() < Duration::from_secs(10));
        let Status::Ready { sample_rate, is_sample_rate_assumed, .. } = engine.board().status() else {
            panic!("it is not loaded")
        };
        assert_eq!((sample_rate, is_sample_rate_assumed), expected, "{rate:?}");
    }
}
