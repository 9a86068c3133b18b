//! The trainer's whole path on the three clips: prepare, train, resume, export; then the plugin's
//! engine runs the model.

use burn::backend::{Autodiff, Flex};
use std::path::Path;
use tagvane_engine::{Metadata, Model};
use tagvane_tests::{CLIPS, clip_path};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::{OnlineAugmentation, Split};
use tagvane_trainer::evaluation::{MetricConfig, Unit, evaluate_onnx};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::teachers::{PseudoLabeller, sources};
use tagvane_trainer::prepare::{PrepareOptions, prepare_pseudo_labelled_sources};
use tagvane_trainer::training::checkpoint::{self, RunState};
use tagvane_trainer::training::config::{Card, Config, Groups, Optimiser, Training};
use tagvane_trainer::training::schedule::Schedule;
use tagvane_trainer::training::{StopAt, TrainingData, train};

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
            batch_size: 8,
            accumulate_grad_batches: 1,
            init_from: Vec::new(),
            seed: 7,
            checkpoint_every: 0,
            label_temperature: 1.0,
            label_smoothing: 0.0,
            precision: Precision::Single,
            optimiser: Optimiser::Adam,
            schedule: Schedule::OneCycle { learning_rate: 0.01, epochs },
            augmentation: OnlineAugmentation { shift: 100, gain: (0.5, 1.4), polarity: true, noise: 0.01, mixup: None },
            weight_averaging: None,
        },
        evaluation: MetricConfig { threshold: 0.5, min_positives: 1 },
        card: Card { trained_on: "three clips".into(), licence: "none".into() },
    }
}

/// Prepares a cache of the three clips, each in its own group, with pseudo-labels of an untrained
/// teacher.
fn prepare_cache(folder: &Path) -> std::path::PathBuf {
    let (audio, cache) = (folder.join("audio"), folder.join("cache"));
    for name in CLIPS {
        std::fs::create_dir_all(audio.join(name)).unwrap();
        std::fs::copy(clip_path(name), audio.join(name).join("clip.ogg")).unwrap();
    }
    std::fs::copy(clip_path("rock"), audio.join("rock/duplicate.ogg")).unwrap();
    std::fs::write(audio.join("rock/broken.ogg"), b"this is not audio").unwrap();
    let teacher = folder.join("teacher.onnx");
    std::fs::write(&teacher, to_onnx(&network(4_374), &architecture(4_374), &Metadata::default())).unwrap();
    let teachers = PseudoLabeller::open(&[teacher.clone(), teacher], &Ensemble::default(), 6_561, 12).unwrap();
    let found = sources(&audio, &[]).unwrap();
    let options =
        PrepareOptions { cache: cache.clone(), shard: Shard::WHOLE, min_seconds: 5.0, max_seconds: None, jobs: 1 };
    let tags: Vec<String> = TAGS.iter().map(|tag| (*tag).to_owned()).collect();
    let prepare = || {
        prepare_pseudo_labelled_sources(&options, tags.clone(), &found, |source, samples| {
            teachers.labelling(source, samples, 3, Precision::Single)
        })
        .unwrap()
    };
    let outcome = prepare();
    assert_eq!((outcome.tracks, outcome.segments), (3, 36));
    assert_eq!(outcome.skipped.len(), 2, "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|line| line.contains("broken.ogg")), "{:?}", outcome.skipped);
    assert!(outcome.skipped.iter().any(|line| line.contains("the same audio")), "{:?}", outcome.skipped);
    // A second call repeats no work.
    assert_eq!(prepare(), outcome);
    cache
}

fn has_same_metrics(a: &RunState, b: &RunState) -> bool {
    a.epochs.len() == b.epochs.len() && a.epochs.iter().zip(&b.epochs).all(|(a, b)| a.has_same_metrics(b))
}

#[test]
fn music_becomes_a_model_that_the_engine_runs() {
    let folder = tempfile::tempdir().unwrap();
    let cache = prepare_cache(folder.path());
    let config = config(3);
    let data = TrainingData::open(&cache, &config).unwrap();
    assert_eq!((data.training.examples.len(), data.validation.examples.len()), (12, 12));

    let device = Default::default();
    let whole_run = folder.path().join("whole");
    let state = train::<Autodiff<Flex>>(&whole_run, &data, &config, StopAt::default(), &[device]).unwrap();
    assert_eq!(state.epochs.len(), 3);
    assert!(state.epochs.iter().all(|epoch| epoch.training_loss.is_finite() && epoch.validation_loss < f64::MAX));

    // A run that stops after its first epoch and resumes gives the same metrics.
    let stopped_run = folder.path().join("stopped");
    train::<Autodiff<Flex>>(&stopped_run, &data, &config, StopAt { epoch: Some(1), interrupt: None }, &[device])
        .unwrap();
    let resumed = train::<Autodiff<Flex>>(&stopped_run, &data, &config, StopAt::default(), &[device]).unwrap();
    assert!(has_same_metrics(&resumed, &state), "{resumed:?} {state:?}");
    // A run does not resume with another configuration.
    let mut other = config.clone();
    other.training.batch_size = 9;
    let refused =
        train::<Autodiff<Flex>>(&stopped_run, &data, &other, StopAt::default(), &[device]).unwrap_err().to_string();
    assert!(refused.contains("another configuration"), "{refused}");

    let best = checkpoint::epoch_folder(&whole_run, state.best_epoch());
    let network = checkpoint::load_network(&best, network(6_561), &device).unwrap();
    let metadata = Metadata { tags: state.tags.clone(), sample_rate: Some(22_050), ..Default::default() };
    let model = Model::from_bytes(&to_onnx(&network, &config.architecture, &metadata)).unwrap();
    assert_eq!(model.tags(), TAGS);

    let test = Split::open(&cache, 6_561, |group| group == "electronic").unwrap();
    let scores = evaluate_onnx(&model, &test, Unit::Labelled, config.evaluation, 2).unwrap();
    assert_eq!((scores.clips(), scores.by_tag().len()), (12, 4));
}
