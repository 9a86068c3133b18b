//! Files that are no models, or want to do harm: each gives one sentence.

mod support;

use support::network::{Random, Shape};
use support::{bytes, loudness, node, tensor, weight};
use tagvane_engine::{Inference, Model, ModelError};
use tract_onnx::pb::{GraphProto, ModelProto, StringStringEntryProto, tensor_proto::DataLocation};

fn refuse(model: &ModelProto) -> String {
    let said = match Model::from_bytes(&bytes(model)) {
        Ok(_) => panic!("this was accepted"),
        Err(error) => error.to_string(),
    };
    assert!(!said.contains('\n') && said.len() < 300, "not one short sentence: {said}");
    said
}

fn edited(edit: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = loudness(3_000);
    edit(model.graph.as_mut().unwrap());
    model
}

#[test]
fn a_sound_model_is_accepted_and_right() {
    let model = Model::from_bytes(&bytes(&loudness(3_000))).unwrap();
    assert_eq!(
        (model.tags(), model.window(), model.sample_rate()),
        (&["mean".to_owned(), "peak".into()][..], 3_000, 22_050)
    );
    let mut window = vec![0.25; 3_000];
    window[7] = -0.75;
    let answer = model.probabilities(&window).unwrap();
    assert!((answer[0] - (0.25 * 2_999.0 + 0.75) / 3_000.0).abs() < 1e-5 && answer[1] == 0.75, "{answer:?}");
    assert!(matches!(model.probabilities(&window[1..]), Err(ModelError::Failed(_))));
}

#[test]
fn what_is_no_model_is_refused() {
    let whole = bytes(&loudness(3_000));
    for cut in 0..whole.len() {
        // A cut inside the metadata leaves a whole graph; everything else is refused.
        if let Ok(model) = Model::from_bytes(&whole[..cut]) {
            assert_eq!(model.window(), 3_000, "cut at {cut}");
        }
    }
    for bytes in [&b""[..], b"RIFF\x10\0\0\0WAVE", &[0xff; 4_096], b"{\"json\": true}"] {
        assert!(Model::from_bytes(bytes).is_err());
    }
}

#[test]
fn random_bytes_and_flipped_bits_never_panic_or_hang() {
    let whole = bytes(&loudness(3_000));
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    println!("seed {state:#x}");
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random() % 4 {
            let place = random() % bytes.len();
            bytes[place] ^= 1 << (random() % 8);
        }
        if let Ok(model) = Model::from_bytes(&bytes) {
            // Whatever it computes now, it is a probability or an error.
            if let Ok(answer) = model.probabilities(&vec![0.5; model.window()]) {
                assert!(answer.iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
    }
}

#[test]
fn files_beside_the_model_are_not_opened() {
    for location in ["../../etc/passwd", "/etc/passwd", "weights.bin"] {
        let said = refuse(&edited(|graph| {
            let mut tensor = weight("w", &[1], vec![1.0]);
            tensor.data_location = Some(DataLocation::External as i32);
            tensor.external_data = vec![StringStringEntryProto { key: "location".into(), value: location.into() }];
            graph.initializer.push(tensor);
        }));
        assert!(said.contains("another file"), "{said}");
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    for dims in [&[1_i64 << 40][..], &[-1], &[1 << 31, 1 << 31, 1 << 31], &[5_000]] {
        let said = refuse(&edited(|graph| graph.initializer.push(weight("w", dims, vec![1.0]))));
        assert!(said.contains("tensor \"w\""), "{said}");
    }
    let said = refuse(&edited(|graph| graph.initializer.push(weight("w", &[2], vec![1.0, f32::NAN]))));
    assert!(said.contains("finite"), "{said}");
}

#[test]
fn operators_that_could_do_harm_are_refused() {
    for operator in ["Loop", "If", "ConstantOfShape", "RandomNormal", "NoSuchThing", "Expand", ""] {
        let said = refuse(&edited(|graph| graph.node.push(node(operator, &["level"], "more", &[]))));
        assert!(said.contains("operator"), "{said}");
    }
}

#[test]
fn shapes_that_are_no_tagger_are_refused() {
    for dims in [&[1, 3][..], &[1, 2, 3_000], &[3_000], &[1, 1 << 40], &[1, 1, 1, 3_000]] {
        let said = refuse(&edited(|graph| graph.input = vec![tensor("waveform", dims)]));
        assert!(!said.is_empty());
    }
    let said = refuse(&edited(|graph| graph.output = vec![tensor("level", &[1, 3_000])]));
    assert!(said.contains("output"), "{said}");
    let said = refuse(&edited(|graph| graph.input.push(tensor("second", &[1, 5]))));
    assert!(!said.is_empty());
}

#[test]
fn a_model_without_metadata_gets_names() {
    let mut model = loudness(3_000);
    model.metadata_props.clear();
    let model = Model::from_bytes(&bytes(&model)).unwrap();
    assert_eq!(model.tags(), ["tag 1", "tag 2"]);
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = Model::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), Inference::Sliding);
    assert!(matches!(folder, Err(ModelError::Refused(_) | ModelError::Io(_))));
    let nothing = Model::open(std::path::Path::new("no/such/model.onnx"), Inference::Sliding);
    assert!(matches!(nothing, Err(ModelError::Io(_))));
}

/// A network that slides, of a few kilobytes a layer, whose frames would be terabytes.
#[test]
fn a_sliding_network_of_terabytes_is_refused() {
    let mut widths = vec![1; 13];
    widths[0] = 1_000_000;
    let shape = Shape { m: 3, layers: 11, first: 6, widths, normalised: false, tags: 2 };
    let bytes = shape.network(&mut Random(1));
    let Err(ModelError::Refused(why)) = Model::from_bytes(&bytes) else { panic!("it was accepted") };
    assert!(why.contains("too large"), "{why}");
}

#[test]
fn flipped_bits_in_a_sliding_network_never_panic_or_hang() {
    let mut random = Random(77);
    println!("seed 77");
    let shape = Shape { m: 3, layers: 4, first: 3, widths: vec![3; 6], normalised: true, tags: 4 };
    let whole = shape.network(&mut random);
    let mut slid = 0;
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(4) {
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
        }
        let Ok(model) = Model::from_bytes(&bytes) else { continue };
        slid += usize::from(model.inference() == Inference::Sliding);
        let window = vec![0.5; model.window()];
        let answers = model.probabilities(&window).into_iter().flatten();
        assert!(answers.into_iter().all(|answer| (0.0..=1.0).contains(&answer)));
    }
    assert!(slid > 100, "only {slid} could slide");
}
