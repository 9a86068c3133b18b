//! The trainer's whole path on a little music of our own: prepare, train, resume,
//! export, and the plugin's engine runs what came out.

use burn::backend::{Autodiff, Flex};
use std::path::Path;
use tagvane_engine::{Metadata, Model};
use tagvane_tests::{CLIPS, clip_path};
use tagvane_trainer::architecture::Architecture;
use tagvane_trainer::batches::Augmentation;
use tagvane_trainer::cache::Cache;
use tagvane_trainer::checkpoint;
use tagvane_trainer::config::{Card, Config, Groups, Training};
use tagvane_trainer::evaluate::evaluate_onnx;
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::SampleCnn;
use tagvane_trainer::prepare::{Request, prepare};
use tagvane_trainer::train::{Data, train};

const TAGS: [&str; 4] = ["one", "two", "three", "four"];

fn architecture(window: usize) -> Architecture {
    Architecture { m: 3, n: 5, window, widths: vec![4, 4, 6, 6, 8, 8], tags: TAGS.len() }
}

fn config(epochs: usize) -> Config {
    Config {
        architecture: architecture(6_561),
        groups: Groups { validation: vec!["rock".into()], test: vec!["electronic".into()] },
        training: Training {
            epochs,
            batch: 8,
            learning_rate: 0.01,
            seed: 7,
            augmentation: Augmentation { shift: 100, gain: (0.5, 1.4), polarity: true },
        },
        card: Card { trained_on: "three clips".into(), licence: "none".into() },
    }
}

/// A cache of the three clips, each its own group, labelled by a made-up teacher.
fn prepared(folder: &Path) -> std::path::PathBuf {
    let (audio, cache) = (folder.join("audio"), folder.join("cache"));
    for name in CLIPS {
        std::fs::create_dir_all(audio.join(name)).unwrap();
        std::fs::copy(clip_path(name), audio.join(name).join("clip.ogg")).unwrap();
    }
    std::fs::copy(clip_path("rock"), audio.join("rock/the same again.ogg")).unwrap();
    std::fs::write(audio.join("rock/broken.ogg"), b"this is no audio").unwrap();
    let teacher = folder.join("teacher.onnx");
    let network = SampleCnn::<Flex>::new(&architecture(4_374), &Default::default());
    std::fs::write(&teacher, to_onnx(&network, &architecture(4_374), &Metadata::default())).unwrap();
    let request = Request {
        audio: &audio,
        cache: &cache,
        teachers: &[teacher.clone(), teacher],
        tags: &TAGS,
        window: 6_561,
        segments: 12,
        shortest: 5.0,
        exclude: &[],
        seed: 3,
        jobs: 1,
    };
    let outcome = prepare(&request).unwrap();
    assert_eq!((outcome.tracks, outcome.segments), (3, 36));
    assert_eq!(outcome.skipped.len(), 2, "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|line| line.contains("broken.ogg")), "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|line| line.contains("the same audio")), "{:?}", outcome.skipped);
    // Once more, and nothing is done twice.
    let again = prepare(&request).unwrap();
    assert_eq!((again.tracks, again.segments, again.skipped.len()), (3, 36, 2));
    cache
}

#[test]
fn music_becomes_a_model_that_the_engine_runs() {
    let folder = tempfile::tempdir().unwrap();
    let cache = prepared(folder.path());
    let config = config(3);
    let data = Data::load(&cache, &config).unwrap();
    assert_eq!((data.training.segments().len(), data.validation.segments().len()), (12, 12));

    let device = Default::default();
    let whole_run = folder.path().join("whole");
    let state = train::<Autodiff<Flex>>(&whole_run, &data, &config, None, &device).unwrap();
    assert_eq!(state.epochs.len(), 3);
    assert!(state.epochs.iter().all(|epoch| epoch.training_loss.is_finite() && epoch.validation_loss.is_finite()));

    // Another run is cut off after its first epoch and goes on: the same follows.
    let cut_run = folder.path().join("cut");
    let cut = train::<Autodiff<Flex>>(&cut_run, &data, &config, Some(1), &device).unwrap();
    assert_eq!(cut.epochs, state.epochs[..1]);
    let resumed = train::<Autodiff<Flex>>(&cut_run, &data, &config, None, &device).unwrap();
    assert_eq!(resumed.epochs, state.epochs);
    // A run with another configuration does not go on from here.
    let mut other = config.clone();
    other.training.learning_rate = 0.02;
    let refused = train::<Autodiff<Flex>>(&cut_run, &data, &other, None, &device).unwrap_err().to_string();
    assert!(refused.contains("another configuration"), "{refused}");

    let best = checkpoint::folder(&whole_run, state.best());
    let network = SampleCnn::<Flex>::new(&config.architecture, &device);
    let network = checkpoint::load_network(&best, network, &device).unwrap();
    let metadata = Metadata { tags: state.tags.clone(), sample_rate: Some(22_050), ..Default::default() };
    let model = Model::from_bytes(&to_onnx(&network, &config.architecture, &metadata)).unwrap();
    assert_eq!(model.tags(), TAGS);

    let test = Cache::load(&cache, |group| group == "electronic").unwrap();
    let scores = evaluate_onnx(&model, &test, 2).unwrap();
    assert_eq!((scores.segments(), scores.by_tag().len()), (12, 4));
}
