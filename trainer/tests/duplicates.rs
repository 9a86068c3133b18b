//! The same audio under several names is in a cache once, in one group, whichever parts have it.
//!
//! `TAGVANE_SEED` is the random seed.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use std::collections::HashMap;
use std::path::Path;
use support::tone;
use tagvane_trainer::data::{Cache, CacheInfo, Labels, PartWriter, Source, TrackAudio};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::{LabelOutcome, PrepareOptions, prepare_labelled_sources, prepare_sources_with};

const GROUPS: [&str; 3] = ["training", "validation", "test"];
const TAGS: usize = 3;

/// A track that a test adds to a part of a cache.
#[derive(Clone)]
struct Given {
    name: String,
    group: &'static str,
    part: usize,
    /// Tracks with the same number have the same audio.
    audio: u8,
    labels: Vec<f32>,
}

/// Writes a cache of two parts. A part gets its tracks in their order.
fn write(root: &Path, given: &[Given]) {
    let info = CacheInfo::new((0..TAGS).map(|tag| format!("tag {tag}")).collect());
    for part in 1..=2 {
        let mut writer = PartWriter::open(root, &info, part, 2).unwrap();
        for track in given.iter().filter(|track| track.part == part) {
            let samples: Vec<f32> = (0..50 + u16::from(track.audio)).map(|index| f32::from(index) / 100.0).collect();
            let source = Source { name: track.name.clone(), path: None, group: track.group.into(), labels: None };
            writer.add_track(&source, TrackAudio::of(&samples), Labels::Clip(track.labels.clone()), None).unwrap();
        }
        writer.finish().unwrap();
    }
}

/// The source, the group and the labels of the tracks in `groups`.
fn opened(root: &Path, groups: &[&str]) -> Vec<(String, String, Vec<f32>)> {
    let cache = Cache::open(root, |group| groups.contains(&group)).unwrap();
    let track = |index: usize| {
        let track = cache.track(index);
        let mut samples = vec![0.0; track.samples];
        cache.read(index, 0, &mut samples).unwrap();
        assert!((samples[10] - 0.1).abs() < 1e-4, "the audio is not its own");
        let Labels::Clip(labels) = &track.labels else { panic!("no clip labels") };
        (track.source.clone(), track.group.clone(), labels.clone())
    };
    (0..cache.len()).map(track).collect()
}

#[test]
fn three_names_of_the_same_audio_are_one_recording_in_the_group_that_is_held_out_most() {
    // Three names, each in one of three groups and in one of two parts.
    for case in 0..27 * 8 {
        let (groups, parts) = (case / 8, case % 8);
        let name = |index: usize| Given {
            name: ["a.wav", "b.wav", "c.wav"][index].into(),
            group: GROUPS[groups / 3_usize.pow(index as u32) % 3],
            part: 1 + (parts >> index & 1),
            audio: 7,
            labels: (0..TAGS).map(|tag| f32::from(u8::from(tag == index))).collect(),
        };
        let given: Vec<Given> = (0..3).map(name).collect();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &given);
        let held_out = given.iter().map(|track| GROUPS.iter().position(|group| *group == track.group)).max().unwrap();
        let group = GROUPS[held_out.unwrap()];
        let kept = given.iter().find(|track| track.group == group).unwrap();
        let expected = (kept.name.clone(), group.to_owned(), vec![1.0; TAGS]);
        assert_eq!(opened(folder.path(), &GROUPS), std::slice::from_ref(&expected), "case {case}");
        for other in GROUPS {
            let expected = if other == group { vec![expected.clone()] } else { Vec::new() };
            assert_eq!(opened(folder.path(), &[other]), expected, "case {case}, {other}");
        }
        let cache = Cache::open(folder.path(), |_| true).unwrap();
        assert_eq!(cache.duplicates().len(), 2, "case {case}");
        for duplicate in cache.duplicates() {
            let own = given.iter().find(|track| track.name == duplicate.source).unwrap();
            assert_eq!((own.group, &duplicate.kept), (duplicate.group.as_str(), &kept.name), "case {case}");
        }
    }
}

/// Any tracks in any groups, parts and order.
#[test]
fn no_audio_is_in_two_groups_of_a_random_split() {
    let seed = std::env::var("TAGVANE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261);
    println!("seed {seed}");
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    for case in 0..60 {
        let count = random.random_range(1..40_usize);
        let audio = random.random_range(1..30_u8);
        let given: Vec<Given> = (0..count)
            .map(|index| Given {
                name: format!("{:02}.wav", (index * 17) % 41),
                group: [GROUPS[0], GROUPS[1], GROUPS[2], "album"][random.random_range(0..4)],
                part: random.random_range(1..3),
                audio: random.random_range(0..audio),
                labels: (0..TAGS).map(|_| random.random_range(0..5_u8)).map(|label| f32::from(label) / 4.0).collect(),
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &given);
        let cache = Cache::open(folder.path(), |_| true).unwrap();
        let mut by_audio: HashMap<&str, &str> = HashMap::new();
        for index in 0..cache.len() {
            let track = cache.track(index);
            let other = by_audio.insert(&track.audio_hash, &track.group);
            assert_eq!(other, None, "case {case}: the audio of {} is there twice", track.source);
            let own = given.iter().find(|given| given.name == track.source).unwrap();
            assert_eq!(own.group, track.group, "case {case}");
            let same: Vec<&Given> = given.iter().filter(|given| given.audio == own.audio).collect();
            assert!(track.group == "test" || same.iter().all(|given| given.group != "test"), "case {case}");
            let Labels::Clip(labels) = &track.labels else { panic!("no clip labels") };
            for (tag, label) in labels.iter().enumerate() {
                let largest = same.iter().map(|given| given.labels[tag]).fold(0.0, f32::max);
                assert_eq!(*label, largest, "case {case}, {}", track.source);
            }
        }
        let mut sounds: Vec<u8> = given.iter().map(|given| given.audio).collect();
        sounds.sort();
        sounds.dedup();
        assert_eq!(cache.len(), sounds.len(), "case {case}: audio was lost");
        assert_eq!(cache.duplicates().len(), count - sounds.len(), "case {case}");

        // Neither the parts nor the order matter.
        let mut other: Vec<Given> = given.iter().rev().cloned().collect();
        other.iter_mut().for_each(|given| given.part = random.random_range(1..3));
        let again = tempfile::tempdir().unwrap();
        write(again.path(), &other);
        assert_eq!(
            opened(again.path(), &[GROUPS[2], "album"]),
            opened(folder.path(), &[GROUPS[2], "album"]),
            "case {case}"
        );
    }
}

fn options(cache: &Path, shard: Shard) -> PrepareOptions {
    PrepareOptions { cache: cache.to_owned(), shard, min_seconds: 0.5, max_seconds: None, jobs: 2 }
}

fn source(folder: &Path, name: &str, group: &str, labels: [f32; 2]) -> Source {
    Source { name: name.into(), path: Some(folder.join(name)), group: group.into(), labels: Some(labels.into()) }
}

#[test]
fn copies_of_a_file_and_other_files_of_its_audio_are_found_across_shards() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    tone(&path("a.wav"), 300.0, 1.0);
    std::fs::copy(path("a.wav"), path("copy.wav")).unwrap();
    tone(&path("other.wav"), 400.0, 1.0);
    // The same samples in a file that has another chunk after them.
    let mut bytes = std::fs::read(path("a.wav")).unwrap();
    bytes.extend(b"note\x04\0\0\0text");
    let size = (bytes.len() as u32 - 8).to_le_bytes();
    bytes[4..8].copy_from_slice(&size);
    std::fs::write(path("tagged.wav"), bytes).unwrap();
    let sources = [
        source(folder.path(), "a.wav", "training", [1.0, 0.0]),
        source(folder.path(), "copy.wav", "test", [0.0, 0.0]),
        source(folder.path(), "other.wav", "training", [0.0, 1.0]),
        source(folder.path(), "tagged.wav", "validation", [0.0, 0.5]),
    ];
    let prepare = |cache: &Path, number, count| {
        let tags = vec!["low".to_owned(), "high".to_owned()];
        prepare_labelled_sources(&options(cache, Shard { number, count }), tags, &sources).unwrap()
    };
    let (one, two) = (path("one"), path("two"));
    let summary = prepare(&one, 1, 1);
    assert_eq!(summary.tracks, 2);
    assert_eq!(
        summary.skipped,
        [
            "a.wav: the same audio as copy.wav, which is in test instead of training",
            "tagged.wav: the same audio as copy.wav, which is in test instead of validation"
        ]
    );
    let first = prepare(&two, 1, 2);
    assert_eq!((first.tracks, first.skipped.len(), first.duplicates_in_cache), (2, 0, None));
    let last = prepare(&two, 2, 2);
    let said = last.duplicates_in_cache.clone().unwrap();
    assert!(said.starts_with("2 recordings have the same audio as another one and are left out, 2 of them"), "{said}");
    assert_eq!(prepare(&two, 2, 2), last, "a second call changes nothing");
    for cache in [one, two] {
        let cache = Cache::open(&cache, |_| true).unwrap();
        let tracks: Vec<_> = (0..2).map(|index| cache.track(index)).collect();
        assert_eq!((tracks[0].source.as_str(), tracks[0].group.as_str()), ("copy.wav", "test"));
        assert_eq!(tracks[0].labels, Labels::Clip(vec![1.0, 0.5]));
        assert_eq!((cache.len(), tracks[1].source.as_str()), (2, "other.wav"));
    }
}

/// Altered audio has another hash, so its file's hash tells where it is from.
#[test]
fn altered_copies_of_one_file_are_not_in_two_groups() {
    let folder = tempfile::tempdir().unwrap();
    tone(&folder.path().join("a.wav"), 300.0, 1.0);
    std::fs::copy(folder.path().join("a.wav"), folder.path().join("b.wav")).unwrap();
    let copies = |name: &str, group: &str| {
        let original = source(folder.path(), name, group, [1.0, 0.0]);
        [1, 2].map(|number| Source { name: format!("{name}~{number}"), ..original.clone() })
    };
    let sources: Vec<Source> = copies("a.wav", "training").into_iter().chain(copies("b.wav", "validation")).collect();
    let cache = folder.path().join("cache");
    let altered = |source: &Source| Ok(source.name.bytes().map(|byte| f32::from(byte) / 255.0).collect());
    for number in [2, 1] {
        let tags = vec!["low".to_owned(), "high".to_owned()];
        let options = options(&cache, Shard { number, count: 2 });
        let labels =
            |source: &Source, _: &[f32]| Ok(LabelOutcome::Labelled(Labels::Clip(source.labels.clone().unwrap())));
        prepare_sources_with(&options, tags, &sources, altered, labels).unwrap();
    }
    let cache = Cache::open(&cache, |_| true).unwrap();
    let names: Vec<&str> = (0..cache.len()).map(|index| cache.track(index).source.as_str()).collect();
    assert_eq!(names, ["b.wav~1", "b.wav~2"]);
    assert!((0..2).all(|index| cache.track(index).group == "validation"));
}

/// Caches of the present format without the hash of the file.
#[test]
fn a_cache_of_an_earlier_version_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let track = |name: &str, part: usize| Given {
        name: name.into(),
        group: "training",
        part,
        audio: 0,
        labels: vec![1.0; TAGS],
    };
    write(folder.path(), &[track("a", 1), track("b", 2)]);
    let list = std::fs::read_to_string(folder.path().join("part-00001-of-00002/tracks.jsonl")).unwrap();
    assert!(!list.contains("file_hash") && list.contains("\"fingerprint\""), "{list}");
    assert_eq!(opened(folder.path(), &GROUPS).len(), 1);
}
