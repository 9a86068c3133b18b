//! The trainer's whole path on a little music of our own: prepare, train, resume,
//! export, and the plugin's engine runs what came out.

use burn::backend::{Autodiff, Flex};
use std::path::Path;
use tagvane_engine::{Metadata, Model};
use tagvane_tests::{CLIPS, clip_path};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::Augmentation;
use tagvane_trainer::evaluation::{Counting, Unit, evaluate_onnx};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::teachers::{Teachers, sources};
use tagvane_trainer::prepare::{Request, run};
use tagvane_trainer::training::checkpoint::{self, State};
use tagvane_trainer::training::config::{Card, Config, Groups, Optimiser, Training};
use tagvane_trainer::training::schedule::Schedule;
use tagvane_trainer::training::{Data, Split, train};

const TAGS: [&str; 4] = ["one", "two", "three", "four"];

fn architecture(window: usize) -> Architecture {
    Architecture::SampleLevel(SampleLevel::new(3, 5, window, vec![4, 4, 6, 6, 8, 8]))
}

fn network(window: usize) -> Network<Flex> {
    Network::new(&architecture(window).plan(TAGS.len()).unwrap(), &Default::default())
}

fn config(epochs: usize) -> Config {
    Config {
        architecture: architecture(6_561),
        groups: Groups { validation: vec!["rock".into()], test: vec!["electronic".into()] },
        training: Training {
            batch: 8,
            accumulate: 1,
            begin_with: Vec::new(),
            seed: 7,
            checkpoint_every: 0,
            precision: Precision::Single,
            optimiser: Optimiser::Adam,
            schedule: Schedule::OneCycle { learning_rate: 0.01, epochs },
            augmentation: Augmentation { shift: 100, gain: (0.5, 1.4), polarity: true, noise: 0.01 },
        },
        evaluation: Counting { positive_from: 0.5, least_positives: 1 },
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
    std::fs::write(&teacher, to_onnx(&network(4_374), &architecture(4_374), &Metadata::default())).unwrap();
    let teachers = Teachers::open(&[teacher.clone(), teacher], 6_561, 12).unwrap();
    let found = sources(&audio, &[]).unwrap();
    let request = Request { cache: cache.clone(), shard: Shard::WHOLE, shortest: 5.0, longest: None, jobs: 1 };
    let tags: Vec<String> = TAGS.iter().map(|tag| (*tag).to_owned()).collect();
    let prepare = || {
        run(&request, tags.clone(), &found, |source, samples| teachers.label(source, samples, 3, Precision::Single))
            .unwrap()
    };
    let outcome = prepare();
    assert_eq!((outcome.tracks, outcome.segments), (3, 36));
    assert_eq!(outcome.skipped.len(), 2, "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|line| line.contains("broken.ogg")), "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|line| line.contains("the same audio")), "{:?}", outcome.skipped);
    // Once more, and nothing is done twice.
    assert_eq!(prepare(), outcome);
    cache
}

fn learnt_the_same(a: &State, b: &State) -> bool {
    a.epochs.len() == b.epochs.len() && a.epochs.iter().zip(&b.epochs).all(|(a, b)| a.learnt_the_same(b))
}

#[test]
fn music_becomes_a_model_that_the_engine_runs() {
    let folder = tempfile::tempdir().unwrap();
    let cache = prepared(folder.path());
    let config = config(3);
    let data = Data::open(&cache, &config).unwrap();
    assert_eq!((data.training.examples.len(), data.validation.examples.len()), (12, 12));

    let device = Default::default();
    let whole_run = folder.path().join("whole");
    let state = train::<Autodiff<Flex>>(&whole_run, &data, &config, None, &[device]).unwrap();
    assert_eq!(state.epochs.len(), 3);
    assert!(state.epochs.iter().all(|epoch| epoch.training_loss.is_finite() && epoch.validation_loss < f64::MAX));

    // Another run is cut off after its first epoch and goes on: the same follows.
    let cut_run = folder.path().join("cut");
    train::<Autodiff<Flex>>(&cut_run, &data, &config, Some(1), &[device]).unwrap();
    let resumed = train::<Autodiff<Flex>>(&cut_run, &data, &config, None, &[device]).unwrap();
    assert!(learnt_the_same(&resumed, &state), "{resumed:?} {state:?}");
    // A run with another configuration does not go on from here.
    let mut other = config.clone();
    other.training.batch = 9;
    let refused = train::<Autodiff<Flex>>(&cut_run, &data, &other, None, &[device]).unwrap_err().to_string();
    assert!(refused.contains("another configuration"), "{refused}");

    let best = checkpoint::folder(&whole_run, state.best());
    let network = checkpoint::load_network(&best, network(6_561), &device).unwrap();
    let metadata = Metadata { tags: state.tags.clone(), sample_rate: Some(22_050), ..Default::default() };
    let model = Model::from_bytes(&to_onnx(&network, &config.architecture, &metadata)).unwrap();
    assert_eq!(model.tags(), TAGS);

    let test = Split::open(&cache, 6_561, |group| group == "electronic").unwrap();
    let scores = evaluate_onnx(&model, &test, Unit::Labelled, config.evaluation, 2).unwrap();
    assert_eq!((scores.clips(), scores.by_tag().len()), (12, 4));
}
