//! The teacher models that `cargo trainer teachers` converts from the wheel agree with an independent
//! conversion of the same checkpoints.

use std::path::PathBuf;
use tagvane_engine::{InferenceMode, Model};
use tagvane_tests::noise;
use tagvane_trainer::musicnn::{RATE, WINDOW, convert};

/// A teacher's name and its six highest probabilities for [`test_signal`], by the index of the tag.
/// From checkpoints read in Python, rebuilt and exported in PyTorch, and run in ONNX Runtime 1.32.
type Expected = (&'static str, [(usize, f32); 6]);

#[rustfmt::skip]
const EXPECTED: [Expected; 4] = [
    ("MTT_musicnn", [(2, 0.108_804), (25, 0.103_973_2), (10, 0.047_114_5), (6, 0.041_849_3), (21, 0.039_256_7), (28, 0.038_648)]),
    ("MTT_vgg", [(25, 0.410_807_7), (10, 0.365_391_6), (2, 0.175_834_4), (6, 0.124_363_8), (24, 0.082_975_4), (14, 0.069_975_6)]),
    ("MSD_musicnn", [(30, 0.370_535_5), (4, 0.333_165_3), (28, 0.169_375), (3, 0.130_939_9), (18, 0.083_041_5), (2, 0.052_160_9)]),
    ("MSD_vgg", [(4, 0.494_951_7), (28, 0.286_701), (30, 0.233_888_3), (18, 0.143_170_3), (6, 0.106_659_3), (41, 0.083_494_2)]),
];

/// A tone, a rising tone and quiet noise.
fn test_signal() -> Vec<f32> {
    let tone = |sample: usize| {
        let seconds = sample as f64 / f64::from(RATE);
        let cycles = [220.0 * seconds, (330.0 + 40.0 * seconds) * seconds];
        let [low, rising] = cycles.map(|cycles| (std::f64::consts::TAU * cycles).sin());
        (0.3 * low + 0.2 * rising) as f32
    };
    noise(WINDOW, 0.05).into_iter().enumerate().map(|(sample, noise)| noise + tone(sample)).collect()
}

#[test]
fn converted_teachers_give_the_probabilities_of_their_checkpoints() {
    let wheel = std::env::var_os("TAGVANE_MUSICNN").expect("TAGVANE_MUSICNN is not set: run `cargo xtask test`");
    let folder = tempfile::tempdir().unwrap();
    let models = convert(&PathBuf::from(wheel), folder.path()).unwrap();
    let signal = test_signal();
    for (path, (name, expected)) in models.iter().zip(EXPECTED) {
        assert_eq!(path.file_stem().unwrap(), name);
        let model = Model::open(path, InferenceMode::FullWindows).unwrap();
        assert_eq!((model.tags().len(), model.window()), (50, WINDOW), "{name}");
        let probabilities = model.predict(&signal).unwrap();
        for (tag, probability) in expected {
            let difference = (probabilities[tag] - probability).abs();
            let found = probabilities[tag];
            assert!(difference < 1e-5, "{name}, {}: {found} differs by {difference}", model.tags()[tag]);
        }
    }
}

#[test]
fn files_other_than_the_wheel_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("musicnn-0.2.0-py3-none-any.whl");
    std::fs::write(&file, b"PK\x03\x04").unwrap();
    let error = convert(&file, folder.path()).unwrap_err().to_string();
    assert!(error.contains("not the wheel of musicnn 0.1.0") && error.contains("pip download"), "{error}");
    assert!(convert(&folder.path().join("none.whl"), folder.path()).is_err());
}
