//! Pseudo-labels by teachers that look at 29 s, which label recordings.

use super::{difference, rising_tone, source, swelling_noise, with_tags};
use std::path::{Path, PathBuf};
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Model};
use tagvane_trainer::data::{Labels, Segment, Source};
use tagvane_trainer::evaluation::PlattScaling;
use tagvane_trainer::network::Precision;
use tagvane_trainer::prepare::LabelOutcome;
use tagvane_trainer::prepare::ensemble::{Ensemble, TeacherWeight};
use tagvane_trainer::prepare::teachers::{PseudoLabeller, SEGMENT_LENGTH};
use tagvane_trainer::teachers::{TeacherNetwork, to_onnx};

/// The name of a tag of [`with_tags`].
fn tag_name(tag: usize) -> String {
    with_tags(5).tags[tag].clone()
}

/// Converts a small source to an ONNX file.
fn teacher(folder: &Path, file: &str, network: TeacherNetwork) -> PathBuf {
    let path = folder.join(file).with_extension("onnx");
    std::fs::write(&path, to_onnx(network, &source(file), &with_tags(5)).unwrap()).unwrap();
    path
}

/// Labels at most three segments of a recording.
fn segments(teachers: &[PathBuf], ensemble: &Ensemble, samples: &[f32]) -> Vec<Segment> {
    let labeller = PseudoLabeller::open(teachers, ensemble, SEGMENT_LENGTH, 3).unwrap();
    let source = Source { name: "noise".into(), path: None, group: "a".into(), labels: None };
    match labeller.pseudo_label(&source, samples, 7, Precision::Single).unwrap() {
        LabelOutcome::Labelled(Labels::Segments(segments)) => segments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn segments_get_the_mean_of_their_window_and_of_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let paths = [("fcn.pth", TeacherNetwork::Fcn), ("musicnn.pth", TeacherNetwork::Musicnn)]
        .map(|(file, network)| teacher(folder.path(), file, network));
    let [fcn, musicnn] = paths.each_ref().map(|path| Model::open(path, InferenceMode::FullWindows).unwrap());
    let quiet_tone = rising_tone(21 * 22_050).into_iter().map(|sample| sample * 0.02).collect();
    let samples = [swelling_noise(20 * 22_050), quiet_tone].concat();
    let input = Resampler::new(22_050.0, 16_000.0).unwrap().resample_all(&samples);

    // Two windows: the first, and the one that ends with the recording.
    let windows = [&input[..fcn.window()], &input[input.len() - fcn.window()..]];
    let [first, last] = windows.map(|window| fcn.predict(window).unwrap());
    assert!(difference(&first, &last) > 1e-3, "the windows would not be told apart");
    let recording: Vec<f32> = first.iter().zip(&last).map(|(first, last)| (first + last) / 2.0).collect();
    let found = segments(&paths[..1], &Ensemble::default(), &samples);
    assert_eq!(found.len(), 3);
    for Segment { probabilities, .. } in &found {
        assert!(difference(probabilities, &recording) < 1e-5, "{probabilities:?} instead of {recording:?}");
    }

    // The window counts thrice for the first tag, alone for the second, and is the half of the others.
    let weights = [("fcn", 1.0), ("musicnn", 3.0)].map(|(name, first)| TeacherWeight {
        name: name.into(),
        weight: 1.0,
        scaling: PlattScaling::IDENTITY,
        tags: [(tag_name(0), first), (tag_name(1), if name == "fcn" { 0.0 } else { 1.0 })].into(),
    });
    let weighted = Ensemble { teachers: weights.to_vec(), ..Default::default() };
    for (ensemble, shares) in [(Ensemble::default(), [0.5; 5]), (weighted, [0.75, 1.0, 0.5, 0.5, 0.5])] {
        for Segment { start, length, probabilities } in segments(&paths, &ensemble, &samples) {
            let middle = ((start + length / 2) as f64 / 22_050.0 * 16_000.0) as usize;
            let window = musicnn.predict(&input[middle - musicnn.window() / 2..][..musicnn.window()]).unwrap();
            let pairs = window.iter().zip(&recording).zip(shares);
            let expected: Vec<f32> =
                pairs.map(|((window, whole), share)| window * share + whole * (1.0 - share)).collect();
            assert!(difference(&probabilities, &expected) < 1e-5, "{start}: {probabilities:?} instead of {expected:?}");
        }
    }
    // A scaling goes over the logits of its teacher, before the mean.
    let scaling = PlattScaling { scale: 0.5, offset: 1.0 };
    let scaled = TeacherWeight { scaling, tags: [].into(), ..weights[0].clone() };
    let ensemble = Ensemble { teachers: vec![scaled], ..Default::default() };
    let scale = |probability: &f32| {
        let logit = (probability / (1.0 - probability)).ln();
        1.0 / (1.0 + (-(0.5 * logit + 1.0)).exp())
    };
    let expected: Vec<f32> = recording.iter().map(scale).collect();
    for Segment { probabilities, .. } in segments(&paths[..1], &ensemble, &samples) {
        assert!(difference(&probabilities, &expected) < 1e-5, "{probabilities:?} instead of {expected:?}");
    }
    let misspelt = TeacherWeight { tags: [("tog 1".to_owned(), 1.0)].into(), ..weights[0].clone() };
    let misspelt = Ensemble { teachers: vec![misspelt], ..Default::default() };
    let error = PseudoLabeller::open(&paths, &misspelt, SEGMENT_LENGTH, 3).err().unwrap().to_string();
    assert!(error.contains("a weight of fcn for tog 1"), "{error}");
    let silent = |name: &str| TeacherWeight { name: name.into(), ..weights[0].clone() };
    let none = Ensemble { teachers: vec![silent("fcn"), silent("musicnn")], ..Default::default() };
    let error = PseudoLabeller::open(&paths, &none, SEGMENT_LENGTH, 3).err().unwrap().to_string();
    assert!(error.contains(&format!("no teacher has a weight for {}", tag_name(1))), "{error}");
}

#[test]
fn a_recording_shorter_than_the_window_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = teacher(folder.path(), "fcn.pth", TeacherNetwork::Fcn);
    let samples = rising_tone(9 * 22_050);
    let model = Model::open(&path, InferenceMode::FullWindows).unwrap();
    let input = Resampler::new(22_050.0, 16_000.0).unwrap().resample_all(&samples);
    let repeated: Vec<f32> = input.into_iter().cycle().take(model.window()).collect();
    let expected = model.predict(&repeated).unwrap();
    for Segment { probabilities, .. } in segments(&[path], &Ensemble::default(), &samples) {
        assert!(difference(&probabilities, &expected) < 1e-5, "{probabilities:?} instead of {expected:?}");
    }
}
