//! Malformed and hostile model files: each gives an error of one sentence. `attacks` has the files that
//! aim at time and memory.

mod support;

use support::network::{NetworkSpec, SeededRng};
use support::{bytes, loudness, node, tensor, weight};
use tagvane_engine::{InferenceMode, Model, ModelError};
use tract_onnx::pb::{GraphProto, ModelProto, StringStringEntryProto, tensor_proto::DataLocation};

/// The error for a model, which must be one short sentence.
fn error_for(model: &ModelProto) -> String {
    let error = match Model::from_bytes(&bytes(model)) {
        Ok(_) => panic!("it is accepted"),
        Err(error) => error.to_string(),
    };
    assert!(!error.contains('\n') && error.len() < 300, "not one short sentence: {error}");
    error
}

/// The loudness tagger with an edited graph.
fn edited(edit: impl FnOnce(&mut GraphProto)) -> ModelProto {
    let mut model = loudness(3_000);
    edit(model.graph.as_mut().unwrap());
    model
}

#[test]
fn a_valid_model_is_accepted_and_predicts_correctly() {
    let model = Model::from_bytes(&bytes(&loudness(3_000))).unwrap();
    assert_eq!(
        (model.tags(), model.window(), model.sample_rate()),
        (&["mean".to_owned(), "peak".into()][..], 3_000, 22_050)
    );
    let mut window = vec![0.25; 3_000];
    window[7] = -0.75;
    let probabilities = model.predict(&window).unwrap();
    let &[mean, peak] = probabilities.as_slice() else { panic!("{probabilities:?}") };
    assert!((mean - (0.25 * 2_999.0 + 0.75) / 3_000.0).abs() < 1e-5 && peak == 0.75, "{mean} {peak}");
    assert!(matches!(model.predict(&window[1..]), Err(ModelError::Failed(_))));
}

#[test]
fn truncated_files_and_other_formats_are_refused() {
    let whole = bytes(&loudness(3_000));
    for cut in 0..whole.len() {
        // A cut inside the metadata leaves a whole graph.
        if let Ok(model) = Model::from_bytes(&whole[..cut]) {
            assert_eq!(model.window(), 3_000, "cut at {cut}");
        }
    }
    for bytes in [&b""[..], b"RIFF\x10\0\0\0WAVE", &[0xff; 4_096], b"{\"json\": true}"] {
        assert!(Model::from_bytes(bytes).is_err());
    }
}

#[test]
fn flipped_bits_never_panic_or_hang() {
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
            let index = random() % bytes.len();
            bytes[index] ^= 1 << (random() % 8);
        }
        if let Ok(model) = Model::from_bytes(&bytes) {
            // Any prediction consists of probabilities.
            if let Ok(probabilities) = model.predict(&vec![0.5; model.window()]) {
                assert!(probabilities.iter().all(|value| (0.0..=1.0).contains(value)));
            }
        }
    }
}

#[test]
fn external_data_is_refused() {
    for location in ["../../etc/passwd", "/etc/passwd", "weights.bin"] {
        let error = error_for(&edited(|graph| {
            let mut tensor = weight("w", &[1], vec![1.0]);
            tensor.data_location = Some(DataLocation::External as i32);
            tensor.external_data = vec![StringStringEntryProto { key: "location".into(), value: location.into() }];
            graph.initializer.push(tensor);
        }));
        assert!(error.contains("another file"), "{error}");
    }
}

#[test]
fn tensors_with_wrong_sizes_or_values_are_refused() {
    for dims in [&[1_i64 << 40][..], &[-1], &[1 << 31, 1 << 31, 1 << 31], &[5_000]] {
        let error = error_for(&edited(|graph| graph.initializer.push(weight("w", dims, vec![1.0]))));
        assert!(error.contains("tensor \"w\""), "{error}");
    }
    let error = error_for(&edited(|graph| graph.initializer.push(weight("w", &[2], vec![1.0, f32::NAN]))));
    assert!(error.contains("finite"), "{error}");
}

#[test]
fn other_operators_are_refused() {
    for operator in ["Loop", "If", "Scan", "RandomNormal", "NoSuchThing", "NonZero", ""] {
        let error = error_for(&edited(|graph| graph.node.push(node(operator, &["level"], "more", &[]))));
        assert!(error.contains("operator"), "{error}");
    }
}

#[test]
fn other_inputs_and_outputs_are_refused() {
    for dims in [&[1, 3][..], &[1, 2, 3_000], &[1 << 40], &[1, 1 << 40], &[1, 1, 1, 3_000]] {
        let error = error_for(&edited(|graph| graph.input = vec![tensor("waveform", dims)]));
        assert!(error.contains("waveform of shape"), "{error}");
    }
    let error = error_for(&edited(|graph| graph.output = vec![tensor("level", &[1, 3_000])]));
    assert!(error.contains("3000 tags"), "{error}");
    let error = error_for(&edited(|graph| graph.input.push(tensor("second", &[1, 5]))));
    assert!(error.contains("one input"), "{error}");
}

#[test]
fn tags_without_names_are_numbered() {
    let mut model = loudness(3_000);
    model.metadata_props.clear();
    let model = Model::from_bytes(&bytes(&model)).unwrap();
    assert_eq!(model.tags(), ["tag 1", "tag 2"]);
}

#[test]
fn folders_and_missing_files_are_refused() {
    let folder = Model::open(std::path::Path::new(env!("CARGO_MANIFEST_DIR")), InferenceMode::Sliding);
    assert!(matches!(folder, Err(ModelError::Refused(_) | ModelError::Io(_))));
    let missing = Model::open(std::path::Path::new("no/such/model.onnx"), InferenceMode::Sliding);
    assert!(matches!(missing, Err(ModelError::Io(_))));
}

/// Each layer takes a few kilobytes of the file, and its frames would take terabytes.
#[test]
fn a_sliding_network_with_terabytes_of_frames_is_refused() {
    let mut widths = vec![1; 13];
    widths[0] = 1_000_000;
    let spec = NetworkSpec { m: 3, layers: 11, first: 6, widths, has_batch_norm: false, tags: 2 };
    let bytes = spec.to_onnx(&mut SeededRng(1));
    let Err(ModelError::Refused(why)) = Model::from_bytes(&bytes) else { panic!("it is accepted") };
    assert!(why.contains("too large"), "{why}");
}

#[test]
fn flipped_bits_in_a_sliding_network_never_panic_or_hang() {
    let mut rng = SeededRng(77);
    println!("seed 77");
    let spec = NetworkSpec { m: 3, layers: 4, first: 3, widths: vec![3; 6], has_batch_norm: true, tags: 4 };
    let whole = spec.to_onnx(&mut rng);
    let mut sliding = 0;
    for _ in 0..2_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.below(4) {
            let index = rng.below(bytes.len());
            bytes[index] ^= 1 << rng.below(8);
        }
        let Ok(model) = Model::from_bytes(&bytes) else { continue };
        sliding += usize::from(model.inference() == InferenceMode::Sliding);
        let window = vec![0.5; model.window()];
        let mut probabilities = model.predict(&window).into_iter().flatten();
        assert!(probabilities.all(|value| (0.0..=1.0).contains(&value)));
    }
    assert!(sliding > 100, "only {sliding} files support sliding inference");
}
