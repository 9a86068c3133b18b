//! Long recordings are tagged and prepared in bounded memory.
#![cfg(feature = "flex")]

use burn::backend::Flex;
use cap::Cap;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::alloc::System;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::Source;
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::{Network, Precision};
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::teachers::PseudoLabeller;
use tagvane_trainer::prepare::{PrepareOptions, prepare_labelled_sources, prepare_pseudo_labelled_sources};
use tagvane_trainer::tagging::Tagger;

/// Counts the allocated memory.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Length of the recording. In memory, its stereo samples are 635 MB.
const SECONDS: u32 = 30 * 60;

/// The memory that a long recording may need, in bytes.
const LIMIT: usize = 64 << 20;

/// Writes a stereo WAV file of half an hour, a second of noise every minute and otherwise silence, which is a hole on most
/// file systems.
fn long_recording(path: &Path) {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    hound::WavWriter::create(path, spec).unwrap().finalize().unwrap();
    let header = std::fs::metadata(path).unwrap().len();
    // The size of zero in the header means "until the end of the file".
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(header + u64::from(SECONDS) * 44_100 * 4).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    for minute in 0..u64::from(SECONDS) / 60 {
        let mut noise = vec![0; 44_100 * 4];
        random.fill(&mut noise[..]);
        file.seek(SeekFrom::Start(header + (minute * 60 + 30) * 44_100 * 4)).unwrap();
        file.write_all(&noise).unwrap();
    }
}

/// The most memory that was allocated at a time while `work` ran, beyond what was allocated before.
fn memory_of(work: impl FnOnce()) -> usize {
    let before = MEMORY.allocated();
    MEMORY.set_limit(before + LIMIT).unwrap();
    work();
    MEMORY.set_limit(usize::MAX).unwrap();
    MEMORY.max_allocated().saturating_sub(before)
}

#[test]
fn half_an_hour_needs_no_more_memory_than_a_few_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.wav");
    long_recording(&path);

    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, 6_561, vec![4, 4, 6, 6, 8, 8]));
    let network = Network::<Flex>::new(&architecture.plan(1).unwrap(), &Default::default());
    let metadata = Metadata { tags: vec!["tag".into()], sample_rate: Some(22_050), ..Default::default() };
    let model = folder.path().join("model.onnx");
    std::fs::write(&model, to_onnx(&network, &architecture, &metadata)).unwrap();
    let tagger = Tagger::new(Model::open(&model, InferenceMode::FullWindows).unwrap(), Some(30.0)).unwrap();
    let tagging = memory_of(|| {
        let mut calls = 0;
        let tagged = tagger.tag(&path, |_, _| calls += 1).unwrap();
        assert_eq!((tagged.seconds, tagged.timeline.len()), (f64::from(SECONDS), SECONDS as usize / 30 + 1));
        assert!(calls > 1_000, "{calls} blocks");
    });

    let cache = folder.path().join("cache");
    let options =
        PrepareOptions { cache: cache.clone(), shard: Shard::WHOLE, min_seconds: 0.0, max_seconds: None, jobs: 1 };
    let source =
        Source { name: "long.wav".into(), path: Some(path), group: "training".into(), labels: Some(vec![1.0]) };
    let preparing = memory_of(|| {
        let summary = prepare_labelled_sources(&options, vec!["tag".into()], std::slice::from_ref(&source)).unwrap();
        assert_eq!(summary.tracks, 1, "{summary:?}");
    });
    let check_audio = |cache: &Path| {
        let audio = File::open(cache.join("part-00001-of-00001/audio.pcm")).unwrap();
        assert_eq!(audio.metadata().unwrap().len(), u64::from(SECONDS) * 22_050 * 2);
    };
    check_audio(&cache);

    let teacher = folder.path().join("teacher.onnx");
    let metadata = Metadata { sample_rate: Some(16_000), ..metadata };
    std::fs::write(&teacher, to_onnx(&network, &architecture, &metadata)).unwrap();
    let labeller = PseudoLabeller::open(&[teacher], &Ensemble::default(), 59_049, 600).unwrap();
    let options = PrepareOptions { cache: folder.path().join("pseudo-labelled"), ..options };
    let labelling = memory_of(|| {
        let begin = |source: &Source, samples: usize| labeller.labelling(source, samples, 1, Precision::Single);
        let summary =
            prepare_pseudo_labelled_sources(&options, labeller.tags(), std::slice::from_ref(&source), begin).unwrap();
        assert_eq!(summary.tracks, 1, "{summary:?}");
        // One of three seconds has a second of noise, every minute.
        assert!((30..90).contains(&summary.segments), "{summary:?}");
    });
    check_audio(&options.cache);
    let megabytes = [tagging, preparing, labelling].map(|bytes| bytes >> 20);
    assert!(megabytes.iter().all(|megabytes| *megabytes < LIMIT >> 20), "{megabytes:?} MB");
}
