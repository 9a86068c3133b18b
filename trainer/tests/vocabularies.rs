//! Several vocabularies in one cache and one network; metrics over recordings and over segments.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use burn::backend::Flex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::path::Path;
use support::tone;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::vocabularies;
use tagvane_trainer::data::{Cache, Labels, Segment, Source, Split};
use tagvane_trainer::evaluation::{MetricConfig, Unit, evaluate_onnx, evaluate_pseudo_labels};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::prepare::augmented_copies::AugmentedCopies;
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::teachers::PseudoLabeller;
use tagvane_trainer::prepare::{LabelOutcome, PrepareOptions, prepare_sources_with};

const WINDOW: usize = 6_561;
const METRIC_CONFIG: MetricConfig = MetricConfig { threshold: 0.3, min_positives: 1 };

fn tags(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The tags of two vocabularies, which share a word.
fn two_vocabularies() -> Vec<String> {
    vocabularies::join(&[&tags(&["guitar", "rock"]), &tags(&["rock", "jazz", "soul"])])
}

fn sources(folder: &Path) -> Vec<Source> {
    let source = |number: usize| {
        let (name, path) = (format!("{number}.wav"), folder.join(format!("{number}.wav")));
        tone(&path, 150.0 * (number + 1) as f32, 4.0);
        let group = if number < 4 { "a" } else { "b" }.into();
        Source { name, path: Some(path), group, labels: None }
    };
    (0..8).map(source).collect()
}

/// The samples of a source at 22050 Hz.
fn samples(source: &Source) -> Result<Vec<f32>, String> {
    let reader = hound::WavReader::open(source.path.as_ref().unwrap()).unwrap();
    let rate = f64::from(reader.spec().sample_rate);
    let samples: Vec<f32> = reader.into_samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect();
    Ok(Resampler::new(rate, 22_050.0).unwrap().resample_all(&samples))
}

fn options(cache: &Path) -> PrepareOptions {
    PrepareOptions { cache: cache.to_owned(), shard: Shard::WHOLE, min_seconds: 1.0, max_seconds: None, jobs: 1 }
}

/// Three segments per recording, with labels that rise with the numbers of the recording, the tag and
/// the segment.
fn labels(tags: usize) -> impl Fn(&Source, &[f32]) -> tagvane_trainer::Result<LabelOutcome> + Sync {
    move |source, samples| {
        let number: f32 = source.name[..1].parse().unwrap();
        let segment = |index: usize| {
            let start = index * (samples.len() - WINDOW) / 2;
            let probabilities = (0..tags).map(|tag| (number + tag as f32 + index as f32) / 16.0).collect();
            Segment { start, length: WINDOW, probabilities }
        };
        Ok(LabelOutcome::Labelled(Labels::Segments((0..3).map(segment).collect())))
    }
}

fn network(tags: usize) -> (Architecture, Network<Flex>) {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, WINDOW, vec![4, 4, 6, 6, 8, 8]));
    let network = Network::<Flex>::new(&architecture.plan(tags).unwrap(), &Default::default());
    (architecture, network)
}

fn exported(network: &Network<Flex>, architecture: &Architecture, tags: Vec<String>) -> Model {
    let metadata = Metadata { tags, sample_rate: Some(22_050), ..Default::default() };
    Model::with(&to_onnx(network, architecture, &metadata), InferenceMode::FullWindows, None).unwrap()
}

#[test]
fn one_vocabulary_of_a_network_can_be_exported_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    prepare_sources_with(&options(&cache), two_vocabularies(), &sources(folder.path()), samples, labels(5)).unwrap();
    let split = Split::open(&cache, WINDOW, |_| true).unwrap();
    assert_eq!(split.examples.len(), 24);

    let (architecture, whole) = network(5);
    let part = exported(&whole.clone().with_tags(2..5), &architecture, tags(&["rock", "jazz", "soul"]));
    let whole = exported(&whole, &architecture, two_vocabularies());
    let mut window = vec![0.0; WINDOW];
    split.cache.read(3, 1_000, &mut window).unwrap();
    let (all, some) = (whole.predict(&window).unwrap(), part.predict(&window).unwrap());
    assert!(all[2..].iter().zip(&some).all(|(a, b)| (a - b).abs() < 1e-6), "{all:?}, {some:?}");

    let of = |model, unit| evaluate_onnx(model, &split, unit, METRIC_CONFIG, 1).unwrap();
    let (all, some) = (of(&whole, Unit::Labelled), of(&part, Unit::Labelled));
    assert_eq!((all.clips(), some.clips()), (24, 24));
    for (a, b) in all.by_tag()[2..].iter().zip(some.by_tag()) {
        assert_eq!((a.positives, a.roc_auc), (b.positives, b.roc_auc), "{}", b.tag);
        assert!((a.mean_label - b.mean_label).abs() < 1e-9 && (a.mean_error - b.mean_error).abs() < 1e-6);
        assert_eq!(a.tag, b.tag);
    }

    // The label of a recording is the mean of its three segments' labels.
    let recordings = of(&part, Unit::Recording);
    assert_eq!(recordings.clips(), 8);
    let label = |number: usize, tag: usize| (number + tag + 3) as f64 / 16.0;
    for (tag, score) in recordings.by_tag().iter().enumerate() {
        let mean = (0..8).map(|number| label(number, tag)).sum::<f64>() / 8.0;
        assert!((score.mean_label - mean).abs() < 1e-6, "{score:?}, {mean}");
        assert_eq!(score.positives, (0..8).filter(|number| label(*number, tag) >= 0.3).count());
    }

    // Of other tags those are evaluated that the cache has.
    let other = exported(&network(3).1, &architecture, tags(&["blues", "jazz", "rock"]));
    let scores = evaluate_onnx(&other, &split, Unit::Labelled, METRIC_CONFIG, 1).unwrap().by_tag();
    assert_eq!(scores.iter().map(|score| score.tag.rsplit(": ").next().unwrap()).collect::<Vec<_>>(), ["rock", "jazz"]);
    for (score, expected) in scores.iter().zip(all.by_tag()[2..].iter()) {
        assert_eq!((score.positives, score.mean_label), (expected.positives, expected.mean_label));
    }
    let metadata = Metadata { tags: tags(&["rock", "jazz", "soul"]), sample_rate: Some(16_000), ..Default::default() };
    let at_16_khz = Model::from_bytes(&to_onnx(&network(3).1, &architecture, &metadata)).unwrap();
    let error = evaluate_onnx(&at_16_khz, &split, Unit::Labelled, METRIC_CONFIG, 1).err().unwrap().to_string();
    assert!(error.contains("for audio at 16000 Hz") && error.contains("--truth"), "{error}");
    let other = exported(&network(1).1, &architecture, tags(&["blues"]));
    let error = evaluate_onnx(&other, &split, Unit::Labelled, METRIC_CONFIG, 1).err().unwrap().to_string();
    assert!(error.contains("no tag in common: the model predicts blues"), "{error}");
}

#[test]
fn pseudo_labels_of_one_cache_are_evaluated_against_the_labels_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (pseudo, truth) = (folder.path().join("pseudo"), folder.path().join("truth"));
    let sources = sources(folder.path());
    prepare_sources_with(&options(&pseudo), two_vocabularies(), &sources, samples, labels(5)).unwrap();
    // Recordings from number 4 on are jazz; none is rock or soul.
    let known = |source: &Source, _: &[f32]| {
        let jazz = f32::from(u8::from(source.name.as_str() >= "4"));
        Ok(LabelOutcome::Labelled(Labels::Clip(vec![0.0, jazz, 0.0])))
    };
    prepare_sources_with(&options(&truth), tags(&["rock", "jazz", "soul"]), &sources[1..], samples, known).unwrap();
    let open = |path: &Path| Cache::open(path, |_| true).unwrap();
    let scores = evaluate_pseudo_labels(&open(&pseudo), &open(&truth), MetricConfig::default()).unwrap();
    assert_eq!(scores.clips(), 7);
    let jazz = &scores.by_tag()[1];
    // The pseudo-labels rise with the number, so they rank all positives first.
    assert_eq!((jazz.positives, jazz.roc_auc), (4, Some(1.0)));
    assert_eq!(scores.averaged_tags().len(), 1);
    let error =
        evaluate_pseudo_labels(&open(&truth), &open(&pseudo), MetricConfig::default()).err().unwrap().to_string();
    assert!(error.contains("no vocabulary in common"), "{error}");
}

/// Regression: a model for audio at 22050 Hz labelled audio at 16 kHz, and 0 samples or segments divided by zero or were
/// reported as silence.
#[test]
fn teachers_for_another_sample_rate_and_empty_segments_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (architecture, network) = network(2);
    let teacher = |rate: Option<u32>| {
        let metadata = Metadata { tags: tags(&["rock", "jazz"]), sample_rate: rate, ..Default::default() };
        let path = folder.path().join(format!("{rate:?}.onnx"));
        std::fs::write(&path, to_onnx(&network, &architecture, &metadata)).unwrap();
        path
    };
    let open = |rate, length, segments| PseudoLabeller::open(&[teacher(rate)], &Ensemble::default(), length, segments);
    for rate in [None, Some(16_000)] {
        assert!(open(rate, 6_561, 1).is_ok(), "{rate:?}");
    }
    let message = open(Some(22_050), 6_561, 1).err().unwrap().to_string();
    assert!(message.contains("22050 Hz; give a teacher for audio at 16000 Hz"), "{message}");
    for (length, segments) in [(0, 1), (6_561, 0)] {
        let message = open(None, length, segments).err().unwrap().to_string();
        assert!(message.contains("above 0"), "{message}");
    }
}

#[test]
fn labels_do_not_depend_on_the_blocks_in_which_a_recording_arrives() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("teacher.onnx");
    let (architecture, network) = network(2);
    let metadata = Metadata { tags: tags(&["rock", "jazz"]), sample_rate: Some(16_000), ..Default::default() };
    std::fs::write(&path, to_onnx(&network, &architecture, &metadata)).unwrap();
    let source = Source { name: "noise".into(), path: None, group: "a".into(), labels: None };
    for seed in 0..6 {
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        // The teacher's window is longer than some segments and shorter than others.
        let labeller = PseudoLabeller::open(
            std::slice::from_ref(&path),
            &Ensemble::default(),
            random.random_range(500..30_000),
            9,
        )
        .unwrap();
        let mut samples: Vec<f32> = (0..200_000).map(|_| random.random_range(-1.0..1.0)).collect();
        samples[60_000..130_000].fill(0.0);
        let whole = labeller.pseudo_label(&source, &samples, seed, Precision::Single).unwrap();
        let LabelOutcome::Labelled(Labels::Segments(segments)) = &whole else { panic!("{whole:?}") };
        assert!((2..9).contains(&segments.len()), "{} segments", segments.len());

        let mut labelling = labeller.labelling(&source, samples.len(), seed, Precision::Single).unwrap();
        let mut rest = &samples[..];
        while !rest.is_empty() {
            let (block, after) = rest.split_at(random.random_range(1..20_000).min(rest.len()));
            labelling.push(block).unwrap();
            rest = after;
        }
        assert_eq!(labelling.finish().unwrap(), whole);
        // Each segment's label is the mean over as many of the teacher's windows as come closest to its length, or that of
        // the one around its middle.
        let teacher = Model::open(&path, InferenceMode::FullWindows).unwrap();
        let input = Resampler::new(22_050.0, 16_000.0).unwrap().resample_all(&samples);
        for Segment { start, length, probabilities } in segments {
            let middle = ((start + length / 2) as f64 / 22_050.0 * 16_000.0) as i64;
            let span = *length as f64 / 22_050.0 * 16_000.0;
            let count = (span / WINDOW as f64).round().max(1.0);
            let window = |index: usize| -> Vec<f32> {
                let first = middle + ((index as f64 + 0.5 - count / 2.0) * span / count) as i64 - WINDOW as i64 / 2;
                let sample = |index: i64| usize::try_from(index).ok().and_then(|index| input.get(index)).copied();
                (first..first + WINDOW as i64).map(|index| sample(index).unwrap_or(0.0)).collect()
            };
            let predictions: Vec<Vec<f32>> =
                (0..count as usize).map(|index| teacher.predict(&window(index)).unwrap()).collect();
            for (tag, probability) in probabilities.iter().enumerate() {
                let mean = predictions.iter().map(|row| f64::from(row[tag])).sum::<f64>() / count;
                assert!((f64::from(*probability) - mean).abs() < 1e-6, "the segment at {start}: {probability}, {mean}");
            }
        }
    }
}

#[test]
fn augmented_copies_differ_from_each_other_and_are_reproducible() {
    let folder = tempfile::tempdir().unwrap();
    let originals = sources(folder.path());
    let cache = folder.path().join("cache");
    let options = options(&cache);
    let sources = AugmentedCopies::sources(&originals, 3);
    assert_eq!((sources.len(), sources[4].name.as_str()), (24, "1.wav~2"));
    let copies = AugmentedCopies::new(&options, &originals, None, 7);
    let sounds: Vec<Vec<f32>> = sources.iter().map(|source| copies.samples(source).unwrap()).collect();
    for (index, sound) in sounds.iter().enumerate() {
        assert!(sounds[..index].iter().all(|other| other != sound), "{}", sources[index].name);
        assert_eq!(*sound, copies.samples(&sources[index]).unwrap());
    }
    let summary =
        prepare_sources_with(&options, two_vocabularies(), &sources, |source| copies.samples(source), labels(5))
            .unwrap();
    assert_eq!((summary.tracks, summary.segments), (24, 72));
    // Copies are in the group of their original, and do not replace it.
    let summary = prepare_sources_with(&options, two_vocabularies(), &originals, samples, labels(5)).unwrap();
    assert_eq!((summary.tracks, summary.segments), (32, 96));
    assert_eq!(Cache::open(&cache, |group| group == "b").unwrap().len(), 16);
}

/// A network with several vocabularies is one file, which says which tags are whose.
#[test]
fn an_exported_network_has_all_of_its_vocabularies() {
    let all = two_vocabularies();
    let (architecture, network) = network(5);
    let parts = vocabularies::parts(&all);
    let metadata = Metadata { tags: all.clone(), vocabularies: parts.clone(), ..Default::default() };
    let model = Model::from_bytes(&to_onnx(&network, &architecture, &metadata)).unwrap();
    assert_eq!((model.tags(), &model.metadata().vocabularies), (&all[..], &parts));
    assert_eq!(parts.iter().map(|part| part.tag_count).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(model.metadata().display_tags().len(), 5);
}
