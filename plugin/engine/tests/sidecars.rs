//! What a model file does not say is read from files beside it.

mod support;

use std::path::{Path, PathBuf};
use support::{bytes, loudness};
use tagvane_engine::{Engine, InferenceMode, Model, ModelSource};
use tract_onnx::pb::{TensorShapeProto, tensor_shape_proto::Dimension, type_proto};

/// A folder of its own, with a model of two tags that says nothing of itself, and these files beside it.
fn model_beside(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sidecars").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut model = loudness(3_000);
    model.metadata_props.clear();
    std::fs::write(folder.join("tagger.onnx"), bytes(&model)).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder.join("tagger.onnx")
}

/// The name of a folder, the files beside the model, and the tags and the sample rate that it then has.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], u32);

#[test]
fn tags_and_rate_are_read_from_every_form() {
    let cases: [Case<'_>; 7] = [
        ("none", &[], &["tag 1", "tag 2"], 22_050),
        ("json", &[("tagger.json", r#"{"tags": ["a", "b"], "sample_rate": 16000}"#)], &["a", "b"], 16_000),
        (
            "essentia",
            &[("tagger.json", r#"{"name": "x", "classes": ["a", "b"], "inference": {"sample_rate": 16000}}"#)],
            &["a", "b"],
            16_000,
        ),
        ("labels", &[("tagger.labels.txt", "a\r\n\r\nb\n")], &["a", "b"], 22_050),
        (
            "hugging_face",
            &[
                ("config.json", r#"{"id2label": {"0": "a", "1": "b"}}"#),
                ("preprocessor_config.json", r#"{"sampling_rate": 48000}"#),
            ],
            &["a", "b"],
            48_000,
        ),
        (
            "several",
            &[
                ("tagger.json", r#"{"sample_rate": 16000}"#),
                ("tagger.labels.txt", "a\nb"),
                ("config.json", r#"{"tags": ["c"]}"#),
            ],
            &["a", "b"],
            16_000,
        ),
        (
            "damaged",
            &[("tagger.json", r#"{"tags": ["a", "#), ("tagger.labels.txt", "\u{0}\n")],
            &["tag 1", "tag 2"],
            22_050,
        ),
    ];
    for (name, files, tags, rate) in cases {
        let model = Model::open(&model_beside(name, files), InferenceMode::FullWindows).unwrap();
        assert_eq!(
            (&model.tags().iter().map(String::as_str).collect::<Vec<_>>()[..], model.sample_rate()),
            (tags, rate),
            "{name}"
        );
        assert_eq!(model.is_sample_rate_assumed(), rate == 22_050, "{name}");
    }
}

/// What a file says itself counts, whatever stands beside it.
#[test]
fn the_files_own_metadata_wins() {
    let path = model_beside("own", &[("tagger.json", r#"{"tags": ["a", "b"], "sample_rate": 16000}"#)]);
    std::fs::write(&path, bytes(&loudness(3_000))).unwrap();
    let model = Model::open(&path, InferenceMode::FullWindows).unwrap();
    assert_eq!((model.tags(), model.sample_rate()), (&["mean".to_owned(), "peak".to_owned()][..], 22_050));
}

#[test]
fn a_window_beside_the_file_fixes_an_open_length() {
    let path = model_beside("window", &[("tagger.json", r#"{"window": 4000}"#)]);
    let mut model = loudness(3_000);
    let kind = model.graph.as_mut().unwrap().input[0].r#type.as_mut().unwrap();
    let Some(type_proto::Value::TensorType(tensor)) = &mut kind.value else { panic!("a tensor") };
    tensor.shape = Some(TensorShapeProto { dim: vec![Dimension::default(); 2] });
    std::fs::write(&path, bytes(&model)).unwrap();
    assert_eq!(Model::open(&path, InferenceMode::FullWindows).unwrap().window(), 4_000);
    std::fs::remove_file(path.with_extension("json")).unwrap();
    // Without it, the window of the shipped models is assumed.
    let model = Model::open(&path, InferenceMode::FullWindows).unwrap();
    assert_eq!((model.window(), model.is_window_assumed()), (59_049, true));
}

/// Instances share a model by the hash of its file, but not what stands beside it.
#[test]
fn the_same_file_in_two_folders_has_the_tags_of_each() {
    let engines = [("left", "a\nb"), ("right", "c\nd")].map(|(name, tags)| {
        let path = model_beside(name, &[("tagger.labels.txt", tags)]);
        let engine = Engine::start(ModelSource::File(path), InferenceMode::FullWindows);
        engine.wait_until_loaded();
        engine
    });
    assert_eq!(engines.each_ref().map(|engine| engine.board().name(0).unwrap()), ["a", "c"]);
}
