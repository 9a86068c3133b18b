//! `evaluate --truth`: models side by side on recordings whose truth is known in part.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use burn::backend::Flex;
use process::{command, fail, succeed};
use serde_json::Value;
use std::path::Path;
use support::tone;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::vocabularies;
use tagvane_trainer::evaluation::metrics::roc_auc;
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::Network;

fn tags(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Writes a small untrained network for windows of `window` samples.
fn write_model(path: &Path, window: usize, seed: u64, outputs: usize, metadata: &Metadata) {
    let widths = if window == 6_561 { vec![4, 4, 6, 6, 8, 8] } else { vec![4, 4, 6, 6, 8] };
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, widths.len() - 1, window, widths));
    let network = Network::<Flex>::with_seed(&architecture.plan(outputs).unwrap(), seed, &Default::default());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, to_onnx(&network, &architecture, metadata)).unwrap();
}

/// The lengths of the recordings: shorter than a window, and some windows long.
const SECONDS: [f32; 8] = [0.1, 0.9, 2.0, 0.25, 1.3, 0.7, 3.0, 0.05];

/// Per recording: positive and negative tags, in several spellings.
const TRUTH: [(&str, &str); 8] = [
    ("rock;Hip-Hop", "jazz"),
    ("rock", "jazz;hip hop"),
    ("rock;jazz", "Hip-Hop"),
    ("jazz", "rock;HIP-HOP"),
    ("", "rock"),
    ("JAZZ", "Rock"),
    ("rock;hip-hop", "jazz"),
    ("", "sitar"),
];

fn write_truth(folder: &Path) {
    let mut text = String::from("file,seconds,positive,negative,source,licence,basis\n");
    for (index, (positive, negative)) in TRUTH.iter().enumerate() {
        tone(&folder.join(format!("music/clips/{index}.wav")), 90.0 * (index + 1) as f32, SECONDS[index]);
        text += &format!("clips/{index}.wav,{},{positive},{negative},\"made, here\",CC0,\n", SECONDS[index]);
    }
    std::fs::write(folder.join("music/truth.csv"), text).unwrap();
}

/// The mean prediction of a model over the windows of a recording: one a window, the last ends with the recording, and a
/// recording shorter than a window is repeated.
fn predict(model: &Model, file: &Path, rate: f64) -> Vec<f32> {
    let recording = tagvane_audio::read(file).unwrap();
    let samples = Resampler::new(f64::from(recording.sample_rate), rate).unwrap().resample_all(&recording.mono());
    let window = model.window();
    let last = samples.len().saturating_sub(window);
    let starts: Vec<usize> = (0..last).step_by(window).chain([last]).collect();
    let mut sums = vec![0.0; model.tags().len()];
    for start in &starts {
        let samples: Vec<f32> = samples[*start..].iter().copied().cycle().take(window).collect();
        sums.iter_mut().zip(model.predict(&samples).unwrap()).for_each(|(sum, value)| *sum += f64::from(value));
    }
    sums.iter().map(|sum| (sum / starts.len() as f64) as f32).collect()
}

/// Positives, negatives and ROC-AUC of a tag, whose key is `key`, from the predictions of the output `output`.
fn expected(predicted: &[Vec<f32>], output: usize, key: &str) -> (usize, usize, Option<f64>) {
    let has = |cell: &str| cell.split(';').any(|tag| tag.to_lowercase().replace([' ', '-'], "") == key);
    let (mut scores, mut positive) = (Vec::new(), Vec::new());
    for ((yes, no), predicted) in TRUTH.iter().zip(predicted) {
        if has(yes) || has(no) {
            scores.push(predicted[output]);
            positive.push(has(yes));
        }
    }
    let positives = positive.iter().filter(|is| **is).count();
    (positives, positive.len() - positives, roc_auc(&scores, &positive))
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn models_of_any_rate_and_window_stand_side_by_side_with_the_figures_of_their_means() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_truth(folder);
    // One has both vocabularies, the other none, another rate, another window and a file elsewhere that says it.
    let joined = vocabularies::join(&[&tags(&["guitar", "rock"]), &tags(&["jazz", "genre---hiphop", "rock"])]);
    let metadata = Metadata { tags: joined, sample_rate: Some(22_050), ..Default::default() };
    write_model(&folder.join("two.onnx"), 6_561, 1, 5, &metadata);
    write_model(&folder.join("read-only/bare.onnx"), 2_187, 2, 2, &Metadata::default());
    std::fs::create_dir(folder.join("stated")).unwrap();
    std::fs::write(folder.join("stated/bare.json"), "{\"tags\": [\"Jazz\", \"sitar\"], \"sample_rate\": 16000}")
        .unwrap();
    let models = "--onnx two.onnx --onnx read-only/bare.onnx --sidecars stated";
    let output = succeed(
        folder,
        &format!(
            "evaluate {models} --truth music/truth.csv --min-known 2 --json figures.json --csv figures.csv \
             --reaction Rock --reaction jazz"
        ),
    );

    let files: Vec<_> = (0..TRUTH.len()).map(|index| folder.join(format!("music/clips/{index}.wav"))).collect();
    let predictions = |path: &str, rate: f64| -> Vec<Vec<f32>> {
        let model = Model::open(&folder.join(path), InferenceMode::FullWindows).unwrap();
        files.iter().map(|file| predict(&model, file, rate)).collect()
    };
    let (two, bare) = (predictions("two.onnx", 22_050.0), predictions("read-only/bare.onnx", 16_000.0));
    let figures = json(&folder.join("figures.json"));
    assert_eq!((&figures["clips"], &figures["min_known"]), (&8.into(), &2.into()));
    let names: Vec<&str> =
        figures["models"].as_array().unwrap().iter().map(|model| model["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["two: vocabulary 1", "two: vocabulary 2", "bare"]);
    for (model, wanted) in [
        (0, &[("rock", "rock", &two, 1)][..]),
        (1, &[("rock", "rock", &two, 4), ("Hip-Hop", "hiphop", &two, 3), ("jazz", "jazz", &two, 2)]),
        (2, &[("jazz", "jazz", &bare, 0), ("sitar", "sitar", &bare, 1)]),
    ] {
        let scores = figures["models"][model]["tags"].as_array().unwrap();
        assert_eq!(scores.len(), wanted.len(), "{scores:?}");
        let mut areas = Vec::new();
        for (score, (tag, key, predicted, output)) in scores.iter().zip(wanted) {
            let (positives, negatives, area) = expected(predicted, *output, key);
            assert_eq!((score["tag"].as_str(), score["positives"].as_u64()), (Some(*tag), Some(positives as u64)));
            assert_eq!(
                (score["negatives"].as_u64(), score["roc_auc"].as_f64()),
                (Some(negatives as u64), area),
                "{tag}"
            );
            areas.extend(area.filter(|_| positives >= 2 && negatives >= 2));
        }
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        assert!((figures["models"][model]["roc_auc"].as_f64().unwrap() - mean).abs() < 1e-12);
        assert_eq!(figures["models"][model]["tags_averaged"], areas.len());
    }
    // As many changes as there are positives or negatives, whichever are more.
    let reactions = figures["reactions"].as_array().unwrap();
    let counts = |reactions: &Value| -> Vec<(String, u64)> {
        let tags = reactions["tags"].as_array().unwrap().iter();
        tags.map(|tag| (tag["tag"].as_str().unwrap().to_owned(), tag["changes"].as_u64().unwrap())).collect()
    };
    let (rock, jazz) = (("rock".to_owned(), 4), ("jazz".to_owned(), 3));
    assert_eq!(counts(&reactions[0]), std::slice::from_ref(&rock));
    assert_eq!(counts(&reactions[1]), [rock, jazz.clone()]);
    assert_eq!((reactions[2]["model"].as_str(), counts(&reactions[2])), (Some("bare"), vec![jazz]));
    assert_eq!(output.matches(" of 4\n").count(), 2, "{output}");
    // Four rock recordings, of which two are no jazz; the last recording says nothing of either.
    assert_eq!(expected(&two, 1, "rock").0, 4);
    assert_eq!(expected(&two, 1, "rock").1, 3);

    let csv = std::fs::read_to_string(folder.join("figures.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "tag,positives,negatives,two: vocabulary 1,two: vocabulary 2,bare");
    assert!(lines[1].starts_with("rock,4,3,0.") || lines[1].starts_with("rock,4,3,1,"), "{csv}");
    assert!(lines.iter().any(|line| line.starts_with("sitar,0,1,,,")) && lines.len() == 5, "{csv}");
    for words in [
        "tags with fewer than 2 positives or negatives, which are in no mean:\nsitar",
        "8 recordings; mean over the tags with at least 2 positives and 2 negatives:",
        "two: vocabulary 1: ROC-AUC",
        "over 3 tags; no such tag, of those that all models predict; lowest: ",
    ] {
        assert!(output.contains(words), "{words} is missing from {output}");
    }
    // The rate is stated, so nothing is assumed; without the folder it is, and no tag has a name.
    let stated = command(folder, &format!("evaluate {models} --truth music/truth.csv")).output().unwrap();
    assert!(!String::from_utf8_lossy(&stated.stderr).contains("assumed"));
    let message = fail(folder, "evaluate --onnx read-only/bare.onnx --truth music/truth.csv");
    assert!(message.contains("bare.onnx: the model does not say its sample rate"), "{message}");
    assert!(message.contains("no tag in common: the model predicts tag 1, tag 2, and the truth knows rock, Hip-Hop"));
    assert!(message.contains("in a file NAME.json beside it or in the folder of --sidecars"), "{message}");
}

#[test]
fn what_cannot_be_evaluated_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_truth(folder);
    let metadata = Metadata { tags: tags(&["rock", "jazz"]), sample_rate: Some(22_050), ..Default::default() };
    write_model(&folder.join("model.onnx"), 2_187, 1, 2, &metadata);
    let other = Metadata { tags: tags(&["polka", "waltz"]), ..metadata.clone() };
    write_model(&folder.join("other.onnx"), 2_187, 1, 2, &other);
    let double = Metadata { tags: tags(&["Rock", "ROCK"]), ..metadata };
    write_model(&folder.join("double.onnx"), 2_187, 1, 2, &double);
    let list = |name: &str, text: &str| std::fs::write(folder.join("music").join(name), text).unwrap();
    list("column.csv", "file,postive,negative\nclips/0.wav,rock,\n");
    list("missing.csv", "file,positive,negative\nclips/0.wav,rock,\nclips/x.wav,rock,\nclips/y.wav,,rock\n");
    list("cells.csv", "file,positive,negative\nclips/0.wav,rock,\nclips/1.wav,rock\n");
    list("audio.csv", "file,positive,negative\ntruth.csv,rock,\n");
    for (arguments, words) in [
        ("--onnx model.onnx --truth nowhere.csv", "nowhere.csv"),
        ("--onnx nowhere.onnx --truth music/truth.csv", "nowhere.onnx"),
        (
            "--onnx model.onnx --truth music/column.csv",
            "column.csv: line 1: the column \"postive\" is unknown; name the",
        ),
        ("--onnx model.onnx --truth music/missing.csv", "clips/x.wav and 1 more cannot be found; put the audio files"),
        ("--onnx model.onnx --truth music/cells.csv", "line 3: there are 2 cells, but 3 columns; separate them"),
        ("--onnx model.onnx --truth music/audio.csv", "truth.csv"),
        ("--onnx other.onnx --truth music/truth.csv", "predicts polka, waltz, and the truth knows rock, Hip-Hop, jazz"),
        ("--onnx double.onnx --truth music/truth.csv", "\"Rock\" and \"ROCK\", and either may be the tag \"rock\""),
        ("--run nowhere --truth music/truth.csv", "nowhere"),
        ("--truth music/truth.csv", "--onnx"),
        ("--onnx model.onnx --truth music/truth.csv --cache cache", "cannot be used with"),
        ("--onnx model.onnx --truth music/truth.csv --min-positives 3", "cannot be used with"),
        ("--onnx model.onnx --onnx other.onnx --cache cache", "side by side with --truth"),
        ("--onnx model.onnx --min-known 3 --cache cache", "--min-known is for --truth"),
        (
            "--onnx model.onnx --truth music/truth.csv --reaction sitar",
            "with and without the tag \"sitar\"; give another",
        ),
        ("--onnx model.onnx --cache cache --reaction rock", "--reaction is for --truth"),
        ("--onnx model.onnx", "--cache or --truth"),
        ("--run run", "--cache or --truth"),
    ] {
        let message = fail(folder, &format!("evaluate {arguments}"));
        assert!(message.contains(words), "{arguments}: {message}");
    }
    // Two files of one name are told apart by their paths.
    std::fs::create_dir(folder.join("copy")).unwrap();
    std::fs::copy(folder.join("model.onnx"), folder.join("copy/model.onnx")).unwrap();
    let output = succeed(folder, "evaluate --onnx model.onnx --onnx copy/model.onnx --truth music/truth.csv");
    assert!(
        output.contains("copy/model.onnx: ROC-AUC") && output.contains("tags that no model predicts (2)"),
        "{output}"
    );
}
