//! What a file's outputs mean: the one that has the tags is found, logits become probabilities, and
//! what is neither is refused in words.

mod support;

use prost::Message as _;
use std::time::{Duration, Instant};
use support::network::{Random, Shape};
use support::{bytes, loudness, node, tensor};
use tagvane_engine::{Engine, Inference, Model, ModelError, ModelSource, SAMPLE_RATE, Status};
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

/// A 3^n network with a sigmoid at its end, 12 filters in its last layer, and 5 tags that it names.
fn network() -> (Shape, ModelProto) {
    let shape = Shape { m: 3, layers: 5, first: 3, widths: vec![4, 4, 6, 6, 8, 8, 12], normalised: true, tags: 5 };
    let mut model = ModelProto::decode(&*shape.network(&mut Random(7))).unwrap();
    let tags = StringStringEntryProto { key: "tags".into(), value: r#"["a", "b", "c", "d", "e"]"#.into() };
    model.metadata_props.push(tags);
    (shape, model)
}

fn probabilities(model: &ModelProto, inference: Inference, window: usize) -> Vec<f32> {
    let model = Model::with(&bytes(model), inference, None).unwrap();
    assert_eq!(model.inference(), inference);
    let mut random = Random(3);
    let sound: Vec<f32> = (0..window).map(|_| random.between(-1.0, 1.0)).collect();
    model.probabilities(&sound).unwrap()
}

/// Once, a model whose only output was `logits` was shown clamped: one tag at 82 %, all others at 0.
#[test]
fn logits_alone_become_probabilities() {
    let (shape, with_sigmoid) = network();
    let mut logits = with_sigmoid.clone();
    let graph = logits.graph.as_mut().unwrap();
    assert_eq!(graph.node.pop().unwrap().op_type, "Sigmoid");
    graph.output = vec![tensor("logits", &[1, 5])];
    let mut renamed = logits.clone();
    let graph = renamed.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output = vec!["output_0".into()];
    graph.output = vec![tensor("output_0", &[1, 5])];
    for inference in [Inference::Sliding, Inference::FullWindows] {
        let expected = probabilities(&with_sigmoid, inference, shape.window());
        assert!(expected.iter().any(|value| (0.1..0.9).contains(value)), "{expected:?}");
        for (name, model) in [("logits", &logits), ("output_0", &renamed)] {
            let found = probabilities(model, inference, shape.window());
            let apart = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // tract has a sigmoid of its own.
            assert!(apart < 1e-6, "{name}, {inference:?}: {apart} apart");
        }
    }
}

/// Once, the first output was taken: the numbers of an embedding stood there as tags.
#[test]
fn the_output_of_the_tags_is_found_in_any_order() {
    let (shape, plain) = network();
    let expected = [Inference::Sliding, Inference::FullWindows]
        .map(|inference| (inference, probabilities(&plain, inference, shape.window())));
    let mut several = plain;
    let graph = several.graph.as_mut().unwrap();
    graph.node.last_mut().unwrap().output = vec!["activations".into()];
    let all = [("embedding", 12), ("activations", 5), ("logits", 5)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let outputs = order.map(|index| all[index]);
        several.graph.as_mut().unwrap().output =
            outputs.iter().map(|(name, width)| tensor(name, &[1, *width])).collect();
        for (inference, expected) in &expected {
            assert_eq!(&probabilities(&several, *inference, shape.window()), expected, "{outputs:?}");
        }
    }
    // Which of them that is, a width alone may tell too; and that none is as wide, is said.
    several.metadata_props[0].value = r#"["a", "b"]"#.into();
    let refused = Model::from_bytes(&bytes(&several)).err().expect("no output has two tags").to_string();
    assert!(refused.contains("names 2 tags, and none of its outputs is as wide"), "{refused}");
}

#[test]
fn numbers_that_are_no_probabilities_are_refused_in_words() {
    let mut model = loudness(3_000);
    model.graph.as_mut().unwrap().node[1] = node("ReduceSum", &["level"], "mean", &[("axes", 1), ("keepdims", 1)]);
    model.opset_import[0].version = 11;
    let bytes = bytes(&model);
    let said = match Model::from_bytes(&bytes).unwrap().probabilities(&[0.5; 3_000]) {
        Err(ModelError::Failed(said)) => said,
        other => panic!("{other:?}"),
    };
    assert!(said.contains("1500, which is no probability") && said.contains("sigmoid"), "{said}");

    let bytes: &'static [u8] = Vec::leak(bytes);
    let engine = Engine::start(ModelSource::Bytes { name: "sum".into(), bytes }, Inference::Sliding);
    engine.wait_until_loaded();
    let mut tap = engine.connect(f64::from(SAMPLE_RATE), tagvane_engine::Pace::EveryHop).unwrap();
    tap.hear(&[&[0.5_f32; 20_000][..]]);
    engine.catch_up();
    assert!(matches!(engine.board().status(), Status::Failed(why) if why.contains("no probability")));
    assert!(engine.board().is_clear());
}

/// Once, a model for 16 kHz whose file does not say so was run at 22050 Hz without a word.
#[test]
fn a_rate_that_a_file_does_not_tell_is_called_assumed() {
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
        let engine = Engine::start(ModelSource::Bytes { name: "model".into(), bytes }, Inference::Sliding);
        let start = Instant::now();
        engine.wait_until_loaded();
        assert!(start.elapsed() < Duration::from_secs(10));
        let Status::Ready { sample_rate, is_sample_rate_assumed, .. } = engine.board().status() else {
            panic!("it does not load")
        };
        assert_eq!((sample_rate, is_sample_rate_assumed), expected, "{rate:?}");
    }
}
