//! `tag` writes the predictions of each window in all formats, for every file that can be decoded.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use burn::backend::Flex;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use support::tone;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::evaluation::{MetricConfig, read_predictions};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::Network;
use tagvane_trainer::tagging::Tagger;

/// The tags of the model, and the tags after duplicates are numbered.
const TAGS: [&str; 3] = ["guitar", "slow, or not", "guitar"];
const UNIQUE_TAGS: [&str; 3] = ["guitar", "slow, or not", "guitar (2)"];
const WINDOW: usize = 6_561;
const RATE: f64 = 22_050.0;

/// Writes `model.onnx`, a small untrained network.
fn model(folder: &Path) -> Model {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, WINDOW, vec![4, 4, 6, 6, 8, 8]));
    let network = Network::<Flex>::new(&architecture.plan(TAGS.len()).unwrap(), &Default::default());
    let tags = TAGS.iter().map(|tag| (*tag).to_owned()).collect();
    let metadata = Metadata { tags, sample_rate: Some(RATE as u32), ..Default::default() };
    let path = folder.join("model.onnx");
    std::fs::write(&path, to_onnx(&network, &architecture, &metadata)).unwrap();
    Model::open_for_recordings(&path, None).unwrap()
}

/// Runs `trainer tag model.onnx` in `folder`; `arguments` are separated by single spaces.
fn tag(folder: &Path, arguments: &str) -> Output {
    process::command(folder, &format!("tag model.onnx {arguments}")).output().unwrap()
}

fn to_text(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn json(path: &Path) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The header of a CSV file and its rows.
fn csv(path: &Path) -> (Vec<String>, Vec<Vec<String>>) {
    let row = |record: &csv::StringRecord| record.iter().map(str::to_owned).collect::<Vec<_>>();
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = row(reader.headers().unwrap());
    (header, reader.records().map(|record| row(&record.unwrap())).collect())
}

fn assert_close(actual: impl IntoIterator<Item = f64>, expected: &[f32]) {
    let actual: Vec<f64> = actual.into_iter().collect();
    assert_eq!(actual.len(), expected.len());
    let is_close = actual.iter().zip(expected).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-6);
    assert!(is_close, "{actual:?} is not {expected:?}");
}

#[test]
fn the_timeline_has_the_predictions_of_each_window() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let path = folder.path().join("model.onnx");
    let full = Model::open(&path, InferenceMode::FullWindows).unwrap();
    let sliding = |hop: Option<f64>| Model::open_for_recordings(&path, hop).unwrap();
    assert_eq!((model.inference(), model.hop()), (InferenceMode::Sliding, 2_187));
    let (window, step) = (WINDOW as f64 / RATE, 243.0 / RATE);
    // With full windows the default hop is half a window, 3281 samples, with sliding inference a third, 2187 samples. Two
    // seconds are 44100 samples, so the last window starts at 37539.
    for (model, seconds, hop, windows) in [
        (full.clone(), 0.1_f32, None, 1),
        (full.clone(), 2.0, None, 13),
        (full.clone(), 2.0, Some(window), 7),
        (sliding(None), 0.1, None, 1),
        (sliding(None), 2.0, None, 19),
        (sliding(Some(window)), 2.0, Some(window), 7),
        // Ten steps between two windows, and a distance that no step suits.
        (sliding(Some(10.0 * step)), 2.0, Some(10.0 * step), 17),
        (sliding(Some(0.1)), 2.0, Some(0.1), 19),
        // Steps that the distance is no multiple of.
        (sliding(None), 2.0, Some(0.1), 19),
    ] {
        let path = folder.path().join("tone.wav");
        tone(&path, 330.0, seconds);
        let tagged = Tagger::new(model.clone(), hop).unwrap().tag(&path, |_, _| {}).unwrap();
        assert_eq!((&tagged.file, tagged.timeline.len()), (&path, windows), "{hop:?}");
        assert_eq!(tagged.tags, UNIQUE_TAGS);
        assert!((tagged.seconds - f64::from(seconds)).abs() < 1e-6);
        assert_eq!((tagged.timeline[0].start, tagged.timeline[windows - 1].end), (0.0, tagged.seconds));

        let recording = tagvane_audio::read(&path).unwrap();
        let resampler = Resampler::new(f64::from(recording.sample_rate), RATE).unwrap();
        let samples = resampler.resample_all(&recording.mono());
        let mut sums = vec![0.0; TAGS.len()];
        for prediction in &tagged.timeline {
            let start = (prediction.start * RATE).round() as usize;
            let mut window = samples[start..samples.len().min(start + WINDOW)].to_vec();
            window.resize(WINDOW, 0.0);
            let probabilities = full.predict(&window).unwrap();
            assert_close(prediction.probabilities.iter().map(|value| f64::from(*value)), &probabilities);
            sums.iter_mut().zip(&probabilities).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        assert_close(sums.iter().map(|sum| sum / windows as f64), &tagged.mean);
        assert!(tagged.ranked_tags().is_sorted_by(|(_, a), (_, b)| a >= b));
    }
    for hop in [0.0, -1.0, 1e-5, f64::NAN, f64::INFINITY] {
        assert!(Tagger::new(model.clone(), Some(hop)).is_err(), "{hop}");
    }
}

/// Regression: the mean of channels that cancel was analysed, which is silence.
#[test]
fn channels_that_cancel_are_tagged_as_one_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let write = |name: &str, right: f32| {
        let path = folder.path().join(name);
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 22_050,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(&path, spec).unwrap();
        for index in 0..3 * 22_050 {
            let left = 10_000.0 * (index as f32 * 0.1).sin() * (index as f32 * 0.0003).sin();
            writer.write_sample(left as i16).unwrap();
            writer.write_sample((right * left) as i16).unwrap();
        }
        writer.finalize().unwrap();
        path
    };
    let tagger = Tagger::new(model, None).unwrap();
    let tag = |path: &Path| tagger.tag(path, |_, _| {}).unwrap().timeline;
    let (in_phase, inverted) = (tag(&write("in-phase.wav", 1.0)), tag(&write("inverted.wav", -1.0)));
    // The first decision falls after 0.1 s, in the second window.
    assert_ne!(in_phase[0], inverted[0]);
    assert_eq!(in_phase[2..], inverted[2..]);
    let errors = to_text(&self::tag(folder.path(), "inverted.wav in-phase.wav").stderr);
    assert!(errors.contains("inverted.wav: its channels cancel, so channel 1 is used"), "{errors}");
    assert!(!errors.contains("in-phase.wav"), "{errors}");
}

#[test]
fn all_formats_agree_and_a_broken_file_is_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path());
    let path = |name: &str| folder.path().join(name);
    tone(&path("music/a/song.wav"), 220.0, 0.5);
    tone(&path("music/b/song.mp3"), 880.0, 1.0);
    std::fs::write(path("music/broken.ogg"), b"this is no audio").unwrap();
    std::fs::write(path("music/notes.txt"), b"nothing to listen to").unwrap();
    let outputs = "--json out/all.json --csv out/means.csv --timeline-csv out/timeline.csv --audacity labels";
    let output = tag(folder.path(), &format!("music {outputs} --threshold 0 --jobs 2"));
    let errors = to_text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("broken.ogg") && errors.contains("1 of 3"), "{errors}");
    assert!(!errors.contains("notes.txt") && !errors.contains("song"), "{errors}");

    let tagger = Tagger::new(model, None).unwrap();
    let expected = ["music/a/song.wav", "music/b/song.mp3"].map(|name| tagger.tag(&path(name), |_, _| {}).unwrap());
    let documents = json(&path("out/all.json"));
    let (header, means) = csv(&path("out/means.csv"));
    assert_eq!(header[..1], ["file"]);
    assert_eq!(header[1..], UNIQUE_TAGS);
    let (header, timeline) = csv(&path("out/timeline.csv"));
    assert_eq!(header[..3], ["file", "start", "end"]);
    assert_eq!(header[3..], UNIQUE_TAGS);
    assert_eq!((documents.len(), means.len()), (2, 2));
    assert_eq!(timeline.len(), expected.iter().map(|recording| recording.timeline.len()).sum::<usize>());

    let number = |text: &String| text.parse::<f64>().unwrap();
    let mut rows = timeline.iter();
    for ((recording, document), mean) in expected.iter().zip(&documents).zip(&means) {
        let name = document["file"].as_str().unwrap();
        assert!(recording.file.ends_with(name) && mean[0] == name, "{name}");
        assert_eq!(document["seconds"], recording.seconds);
        assert_eq!(document["tags"], Value::from(UNIQUE_TAGS.to_vec()));
        assert_close(UNIQUE_TAGS.iter().map(|tag| document["mean"][tag].as_f64().unwrap()), &recording.mean);
        assert_close(mean[1..].iter().map(number), &recording.mean);
        let windows = document["timeline"].as_array().unwrap();
        assert_eq!(windows.len(), recording.timeline.len());
        for (window, prediction) in windows.iter().zip(&recording.timeline) {
            let times = [prediction.start as f32, prediction.end as f32];
            assert_close([&window["start"], &window["end"]].map(|time| time.as_f64().unwrap()), &times);
            let probabilities = window["probabilities"].as_array().unwrap();
            assert_close(probabilities.iter().map(|value| value.as_f64().unwrap()), &prediction.probabilities);
            let row = rows.next().unwrap();
            assert_eq!(row[0], name);
            assert_close(row[1..3].iter().map(number), &times);
            assert_close(row[3..].iter().map(number), &prediction.probabilities);
        }
    }
    // With threshold 0 each tag has one region over the whole recording.
    for (name, end) in [("song.txt", "0.500000"), ("song (2).txt", "1.000000")] {
        let labels: String = UNIQUE_TAGS.iter().map(|tag| format!("0.000000\t{end}\t{tag}\n")).collect();
        assert_eq!(std::fs::read_to_string(path("labels").join(name)).unwrap(), labels);
    }
    // `evaluate` reads the means as predictions.
    let means = path("out/means.csv");
    let (scores, left_out) = read_predictions(&means, &means, MetricConfig::default()).unwrap();
    assert_eq!((scores.clips(), left_out.len()), (2, 0));
}

#[test]
fn the_highest_tags_are_printed_if_no_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path());
    tone(&folder.path().join("one.wav"), 220.0, 0.5);
    let output = tag(folder.path(), "one.wav one.wav");
    assert!(output.status.success(), "{}", to_text(&output.stderr));
    let lines = to_text(&output.stdout);
    assert_eq!(lines.trim_end().lines().count(), 1, "{lines}");
    assert!(lines.starts_with("one.wav: ") && lines.matches(" %").count() == TAGS.len(), "{lines}");
}

#[test]
fn invalid_input_is_an_error_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path());
    tone(&folder.path().join("good.wav"), 220.0, 0.5);
    std::fs::write(folder.path().join("broken.wav"), b"this is no audio").unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (arguments, word) in [
        ("broken.wav missing.wav", "none of 2"),
        ("missing.wav", "missing.wav"),
        ("empty", "no recordings are in empty"),
        ("good.wav --threshold 1.5", "--threshold"),
        ("good.wav --threshold NaN", "--threshold"),
        ("good.wav --hop 0", "hop"),
        ("good.wav --shard 3/2", "--shard 3/2: give K/N"),
    ] {
        let output = tag(folder.path(), &format!("{arguments} --json all.json"));
        let errors = to_text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {errors}");
        assert!(errors.contains(word), "{arguments}: {errors}");
        assert!(!folder.path().join("all.json").exists(), "{arguments}");
    }
    std::fs::write(folder.path().join("model.onnx"), b"this is no model").unwrap();
    let errors = to_text(&tag(folder.path(), "good.wav").stderr);
    assert!(errors.contains("model.onnx") && errors.contains("not an ONNX model"), "{errors}");
}

#[test]
fn shards_together_tag_every_file_once() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path());
    let names = ["a/song.wav", "b/song.wav", "c/Song.wav", "d/song.wav", "e/other.wav"];
    for (index, name) in names.iter().enumerate() {
        tone(&folder.path().join("music").join(name), 200.0 + 100.0 * index as f32, 0.4);
    }
    let mut files = Vec::new();
    // The last shard is empty, which is not an error.
    for number in 1..=6 {
        let name = format!("part-{number}.json");
        let tables = format!("--csv part-{number}.csv --timeline-csv timeline-{number}.csv");
        let output = tag(folder.path(), &format!("music --shard {number}/6 --json {name} {tables} --audacity labels"));
        assert!(output.status.success(), "{}", to_text(&output.stderr));
        // Regression: the tables of the empty shard had no columns for the tags.
        let rows = usize::from(number < 6);
        let (header, means) = csv(&folder.path().join(format!("part-{number}.csv")));
        assert_eq!((&header[1..], means.len()), (&UNIQUE_TAGS.map(str::to_owned)[..], rows));
        let (header, windows) = csv(&folder.path().join(format!("timeline-{number}.csv")));
        assert_eq!((&header[3..], windows.is_empty()), (&UNIQUE_TAGS.map(str::to_owned)[..], rows == 0));
        files.extend(
            json(&folder.path().join(name)).iter().map(|document| PathBuf::from(document["file"].as_str().unwrap())),
        );
    }
    files.sort();
    assert_eq!(files, names.map(|name| Path::new("music").join(name)));
    let labels: Vec<PathBuf> =
        std::fs::read_dir(folder.path().join("labels")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(labels.len(), names.len(), "{labels:?}");

    let printed = to_text(&tag(folder.path(), "music/a/song.wav music").stdout);
    assert_eq!(printed.lines().count(), names.len(), "{printed}");
}
