//! Models that other programs exported give the probabilities of ONNX Runtime, or are refused in words.
//!
//! `tests/foreign` has the files and how they were made. `TAGVANE_FOREIGN_MODELS` names another folder of such
//! files: each `NAME.onnx` beside a `NAME.expected.json`, which has the outputs of ONNX Runtime for
//! [`signal`], or the words of the refusal.

use serde_json::Value;
use std::path::{Path, PathBuf};
use tagvane_engine::{InferenceMode, Model};

/// The largest difference to ONNX Runtime, in probability.
const MAX_DIFFERENCE: f64 = 1e-4;

/// Noise within -0.5..0.5 that the scripts in `tests/foreign` generate too.
fn signal(length: usize) -> Vec<f32> {
    let mut state = 12_345_u64;
    let sample = |_| {
        state = (1_103_515_245 * state + 12_345) & 0x7fff_ffff;
        (state as f64 / f64::from(1_u32 << 31) - 0.5) as f32
    };
    (0..length).map(sample).collect()
}

fn models() -> Vec<PathBuf> {
    let folder = match std::env::var_os("TAGVANE_FOREIGN_MODELS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/foreign/models"),
    };
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut models: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|end| end == "onnx")).collect();
    models.sort();
    models
}

/// Compares a model in an inference mode with what is expected. Returns what is wrong.
fn compare(path: &Path, inference: InferenceMode) -> Result<(), String> {
    let expected = std::fs::read(path.with_extension("expected.json")).map_err(|error| error.to_string())?;
    let expected: Value = serde_json::from_slice(&expected).map_err(|error| error.to_string())?;
    let model = match (Model::open(path, inference), expected["refused"].as_str()) {
        (Ok(model), None) => model,
        (Err(error), Some(words)) if error.to_string().contains(words) => return Ok(()),
        (Ok(_), Some(words)) => return Err(format!("it is accepted, but should be refused: {words}")),
        (Err(error), _) => return Err(format!("it is refused: {error}")),
    };
    let window = expected["window"].as_u64().unwrap_or(0) as usize;
    if model.window() != window {
        return Err(format!("its window is {}, but should be {window}", model.window()));
    }
    let actual = model.predict(&signal(window)).map_err(|error| error.to_string())?;
    let wanted: Vec<f64> =
        expected["probabilities"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    if wanted.len() != actual.len() {
        return Err(format!("it has {} tags, but should have {}", actual.len(), wanted.len()));
    }
    let difference =
        actual.iter().zip(&wanted).map(|(actual, wanted)| (f64::from(*actual) - wanted).abs()).fold(0.0, f64::max);
    let is_sliding = model.inference() == InferenceMode::Sliding;
    println!(
        "{:<44} {difference:.1e}{}",
        path.file_stem().unwrap_or_default().display(),
        if is_sliding { " sliding" } else { "" }
    );
    if expected["slides"] == true && inference == InferenceMode::Sliding && !is_sliding {
        return Err("it is not run by sliding inference".into());
    }
    if difference > expected["tolerance"].as_f64().unwrap_or(MAX_DIFFERENCE) {
        Err(format!("it differs by {difference:.1e}"))
    } else {
        Ok(())
    }
}

#[test]
fn models_of_other_programs_give_what_onnx_runtime_gives() {
    let models = models();
    assert!(!models.is_empty());
    let mut failures = Vec::new();
    for path in &models {
        for inference in [InferenceMode::FullWindows, InferenceMode::Sliding] {
            if let Err(what) = compare(path, inference) {
                failures.push(format!("{}, {inference:?}: {what}", path.display()));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} models:\n{}", failures.len(), models.len(), failures.join("\n"));
}
