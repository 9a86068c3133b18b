//! The conversion of teachers from PyTorch's and TensorFlow Lite's files.
//!
//! The small files beside this one are by `make_sources.py`, and `expected.json` is what PyTorch computes from the same
//! weights. `TAGVANE_TEACHERS` names a folder with local copies of the published files and with ONNX files of the same
//! names as the converted ones, by another exporter, that they are compared with:
//!
//! ```sh
//! TAGVANE_TEACHERS=teachers cargo test --release -p tagvane-trainer --test teachers -- --ignored --nocapture
//! ```

mod recordings;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use std::f64::consts::TAU;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_trainer::teachers::published::{TEACHERS, convert_folder};
use tagvane_trainer::teachers::{RATE, TeacherNetwork, to_onnx};

/// The small sources.
const SOURCES: [(&str, TeacherNetwork); 4] = [
    ("fcn.pth", TeacherNetwork::Fcn),
    ("crnn.pth", TeacherNetwork::Crnn),
    ("musicnn.pth", TeacherNetwork::Musicnn),
    ("yamnet.tflite", TeacherNetwork::YamNet),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/teachers")
}

fn source(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// The metadata of a network with so many tags.
fn with_tags(count: usize) -> Metadata {
    Metadata { tags: (0..count).map(|tag| format!("tag {tag}")).collect(), ..Metadata::default() }
}

/// Noise that swells, as in `make_sources.py`.
fn swelling_noise(length: usize) -> Vec<f32> {
    let mut state = 12_345_u64;
    let sample = |index: usize| {
        state = (1_103_515_245 * state + 12_345) & 0x7fff_ffff;
        ((state as f64 / f64::from(1_u32 << 31) - 0.5) * ((index % 8_000) as f64 / 8_000.0)) as f32
    };
    (0..length).map(sample).collect()
}

/// A rising tone over some of this noise, as in `make_sources.py`.
fn rising_tone(length: usize) -> Vec<f32> {
    let sample = |(index, noise): (usize, f32)| {
        let seconds = index as f64 / f64::from(RATE);
        (0.3 * (TAU * (220.0 + 40.0 * seconds) * seconds).sin()) as f32 + 0.1 * noise
    };
    swelling_noise(length).into_iter().enumerate().map(sample).collect()
}

/// The largest difference of two rows of probabilities.
fn difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[test]
fn converted_networks_give_what_pytorch_gives() {
    let expected: Value = serde_json::from_slice(&source("expected.json")).unwrap();
    for (file, network) in SOURCES {
        let onnx = to_onnx(network, &source(file), &with_tags(5)).unwrap();
        let model = Model::from_bytes(&onnx).unwrap();
        assert_eq!((model.window(), model.sample_rate(), model.tags().len()), (network.window(), RATE, 5), "{file}");
        for (name, signal) in [("noise", swelling_noise(model.window())), ("tone", rising_tone(model.window()))] {
            let row = &expected[file.split('.').next().unwrap()][name];
            let row: Vec<f32> = serde_json::from_value(row.clone()).unwrap();
            let found = model.predict(&signal).unwrap();
            assert!(difference(&found, &row) < 2e-5, "{file}, {name}: {found:?} instead of {row:?}");
        }
    }
}

#[test]
fn weights_of_another_network_are_refused_with_what_is_missing() {
    let refusal = |file: &str, network, tags| to_onnx(network, &source(file), &with_tags(tags)).unwrap_err();
    let text = refusal("fcn.pth", TeacherNetwork::Crnn, 5);
    assert!(text.contains("layer5.weight_ih_l0"), "{text}");
    let text = refusal("crnn.pth", TeacherNetwork::Musicnn, 5);
    assert!(text.contains("layers.0.conv.weight"), "{text}");
    let text = refusal("yamnet.tflite", TeacherNetwork::Fcn, 5);
    assert!(text.contains("not a whole state dict"), "{text}");
    let text = refusal("fcn.pth", TeacherNetwork::YamNet, 5);
    assert!(text.contains("not a TensorFlow Lite file"), "{text}");
    for (file, network) in SOURCES {
        let text = refusal(file, network, 50);
        assert!(text.contains("5 outputs") && text.contains("50 tags"), "{file}: {text}");
    }
}

#[test]
fn sources_that_are_cut_off_anywhere_are_refused() {
    let mut random = ChaCha12Rng::seed_from_u64(1);
    for (file, network) in SOURCES {
        let bytes = source(file);
        let pickles = bytes.len().min(12_000);
        for length in (0..pickles).step_by(97).chain((0..20).map(|_| random.random_range(0..bytes.len()))) {
            let refused = to_onnx(network, &bytes[..length], &with_tags(5));
            assert!(refused.is_err(), "{file}: its first {length} bytes are taken for a network");
        }
    }
}

/// Damage where the structure is: most of a state dict is values, in which it would not show.
#[test]
fn damaged_structures_give_a_network_or_one_sentence() {
    let number =
        |variable: &str, default| std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let (seed, cases) = (number("TAGVANE_SEED", 2_700), number("TAGVANE_CASES", 400));
    for (file, network) in SOURCES {
        let valid = source(file);
        let structure = valid.len().min(12_000);
        let mut refused = 0;
        for case in seed..seed + cases {
            eprintln!("{file}, seed {case}");
            let mut random = ChaCha12Rng::seed_from_u64(case);
            let mut bytes = valid.clone();
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..structure);
                match random.random_range(0..4) {
                    0 => bytes[at] = random.random(),
                    1 => bytes[at] ^= 1 << random.random_range(0..8),
                    2 => {
                        let edge = [0, 1, u32::MAX, i32::MAX as u32, 1 << 24][random.random_range(0..5)];
                        bytes.splice(at..at + 4, edge.to_le_bytes());
                    }
                    _ => {
                        let other = random.random_range(0..structure);
                        bytes[at] = bytes[other];
                    }
                }
            }
            let result = catch_unwind(AssertUnwindSafe(|| to_onnx(network, &bytes, &with_tags(5))));
            let result = result.unwrap_or_else(|_| panic!("{file}, seed {case}: it panicked"));
            if let Err(sentence) = result {
                assert!(!sentence.is_empty() && sentence.len() < 500 && !sentence.contains('\n'), "{sentence}");
                refused += 1;
            }
        }
        assert!(refused > cases / 4, "{file}: {refused} of {cases} are refused");
    }
}

#[test]
fn a_folder_without_the_published_files_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // As long as a published file, but another one.
    fs::write(folder.path().join("best_model.pth"), vec![0; TEACHERS[0].weights.bytes as usize]).unwrap();
    let text = convert_folder(folder.path(), &folder.path().join("out")).unwrap_err().to_string();
    assert!(text.contains("none of the teachers' files") && text.contains("cargo trainer teachers"), "{text}");
    assert!(!folder.path().join("out").exists());
}

#[test]
fn every_published_file_has_a_place_and_a_checksum() {
    for teacher in &TEACHERS {
        for file in teacher.files() {
            let text = file.to_string();
            assert!(text.contains("github.com/") && text.contains(file.path) && text.contains(file.licence), "{text}");
            assert!(file.sha256.len() == 64 && file.sha256.bytes().all(|digit| digit.is_ascii_hexdigit()), "{text}");
        }
    }
}

/// The first `length` samples of a clip at the teachers' rate, repeated if it is shorter.
fn clip(name: &str, length: usize) -> Vec<f32> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/clips").join(name);
    let recording = tagvane_audio::read(&path).unwrap();
    let resampler = Resampler::new(f64::from(recording.sample_rate), f64::from(RATE)).unwrap();
    resampler.resample_all(&recording.mono()).into_iter().cycle().take(length).collect()
}

#[test]
#[ignore = "needs the published files and other conversions of them in TAGVANE_TEACHERS"]
fn the_published_teachers_give_what_other_conversions_give() {
    let teachers = PathBuf::from(std::env::var_os("TAGVANE_TEACHERS").expect("TAGVANE_TEACHERS names a folder"));
    let out = tempfile::tempdir().unwrap();
    let conversion = convert_folder(&teachers, out.path()).unwrap();
    assert!(conversion.missing.is_empty(), "{:?}", conversion.missing);
    for path in conversion.written {
        let name = path.file_name().unwrap();
        let model = Model::open(&path, InferenceMode::FullWindows).unwrap();
        let reference = Model::open(&teachers.join(name), InferenceMode::FullWindows).unwrap();
        assert_eq!((model.tags(), model.window()), (reference.tags(), reference.window()), "{name:?}");
        assert_eq!((model.sample_rate(), model.is_sample_rate_assumed()), (RATE, false), "{name:?}");
        let window = model.window();
        let signals = [
            ("noise", swelling_noise(window)),
            ("tone", rising_tone(window)),
            ("silence", vec![0.0; window]),
            ("orchestral", clip("orchestral.ogg", window)),
            ("rock", clip("rock.ogg", window)),
            ("electronic", clip("electronic.ogg", window)),
        ];
        for (signal, samples) in signals {
            let (found, expected) = (model.predict(&samples).unwrap(), reference.predict(&samples).unwrap());
            let difference = difference(&found, &expected);
            println!("{name:?}, {signal}: {difference:.1e}, at most {:.3}", found.iter().copied().fold(0.0, f32::max));
            assert!(difference < 1e-4, "{name:?}, {signal}: {difference}");
        }
    }
}
