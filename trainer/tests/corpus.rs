//! A corpus made from Debian packages that the tests build.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::collections::HashSet;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::Command;
use support::random_teacher;
use tagvane_trainer::corpus::fill::fill_cache;
use tagvane_trainer::corpus::packages::{Package, PackageList};
use tagvane_trainer::corpus::recipe::Recipe;
use tagvane_trainer::corpus::{CorpusRecording, RECORDINGS, collect_recordings, included_paths};
use tagvane_trainer::data::{Cache, Labels};
use tagvane_trainer::files::sha256_file;
use tagvane_trainer::prepare::PrepareOptions;
use tagvane_trainer::prepare::ensemble::Ensemble;
use tagvane_trainer::prepare::shard::Shard;

/// A WAV file with a melody that depends on `seed`.
fn melody(seconds: u32, seed: u32, level: f32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 11_025,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in 0..seconds * 11_025 {
        // A new note every quarter of a second.
        let note = (sample / 2_756).wrapping_mul(seed).wrapping_add(sample / 13_781 * seed) % 24;
        let frequency = 220.0 * 2_f32.powf(note as f32 / 12.0);
        let turns = sample as f32 / 11_025.0 * frequency;
        writer.write_sample((level * 12_000.0 * (std::f32::consts::TAU * turns.fract()).sin()) as i16).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// Builds a Debian package with these files.
fn package(folder: &Path, name: &str, files: &[(&str, Vec<u8>)]) -> Package {
    let tree = folder.join(name);
    for (path, content) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    std::fs::create_dir_all(tree.join("DEBIAN")).unwrap();
    let control =
        format!("Package: {name}\nVersion: 1:2-3\nArchitecture: all\nMaintainer: nobody\nDescription: none\n");
    std::fs::write(tree.join("DEBIAN/control"), control).unwrap();
    let packages = folder.join("corpus/packages");
    std::fs::create_dir_all(&packages).unwrap();
    let file = packages.join(format!("{name}_1%3a2-3_all.deb"));
    let built = Command::new("dpkg-deb").arg("--build").arg(&tree).arg(&file).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let exclude = vec!["/stems/".into()];
    Package {
        name: name.into(),
        version: "1:2-3".into(),
        sha256: sha256_file(&file).unwrap(),
        exclude,
        is_render_source: false,
    }
}

fn package_list(min_seconds: f64, recipe: Option<Recipe>, packages: Vec<Package>) -> PackageList {
    PackageList { min_seconds, recipe, recordings: None, listed: Vec::new(), ensemble: Ensemble::default(), packages }
}

fn zip(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in files {
        writer.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Without dpkg-deb, which only Debian-like systems have, the tests are skipped.
fn has_dpkg() -> bool {
    Command::new("dpkg-deb").arg("--version").output().is_ok()
}

/// Why the recording whose path ends with `suffix` is excluded.
fn excluded<'a>(recordings: &'a [CorpusRecording], suffix: &str) -> Option<&'a str> {
    let found = recordings.iter().find(|recording| recording.path.ends_with(suffix));
    found.unwrap_or_else(|| panic!("no {suffix} in {recordings:?}")).excluded.as_deref()
}

#[test]
fn effects_stems_duplicates_and_damaged_files_are_excluded() {
    if !has_dpkg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let song = melody(30, 5, 1.0);
    let first = package(
        folder.path(),
        "first-music",
        &[
            ("usr/share/first/song.wav", song.clone()),
            ("usr/share/first/effect.wav", melody(3, 7, 1.0)),
            ("usr/share/first/stems/bass.wav", melody(30, 11, 1.0)),
            ("usr/share/first/broken.ogg", b"this is no audio".to_vec()),
            ("usr/share/first/readme.txt", b"nor is this".to_vec()),
        ],
    );
    let archive = zip(&[
        ("music/other.wav", melody(40, 13, 1.0)),
        ("../../escaped.wav", melody(40, 17, 1.0)),
        ("music/song, softer and cut.wav", melody(25, 5, 0.3)),
    ]);
    let second = package(
        folder.path(),
        "second-data",
        &[("usr/share/second/pak.pk3", archive), ("usr/share/second/song again.wav", song)],
    );
    let list = package_list(20.0, None, vec![first, second]);
    let corpus = folder.path().join("corpus");
    let recordings = collect_recordings(&list, &corpus, None, 2).unwrap();
    assert_eq!(excluded(&recordings, "first/song.wav"), None);
    assert_eq!(excluded(&recordings, "music/other.wav"), None);
    assert_eq!(excluded(&recordings, "effect.wav"), Some("shorter than 20 s"));
    assert!(excluded(&recordings, "bass.wav").unwrap().contains("/stems/"));
    assert!(excluded(&recordings, "broken.ogg").is_some());
    let same = "the same as first-music/usr/share/first/song.wav";
    assert_eq!(excluded(&recordings, "song again.wav"), Some(same));
    assert_eq!(excluded(&recordings, "softer and cut.wav"), Some(same));
    assert_eq!(recordings.len(), 7, "{recordings:?}");
    assert!(!corpus.parent().unwrap().join("escaped.wav").exists() && !corpus.join("escaped.wav").exists());
    // A repeated call neither unpacks nor decodes, and gives the same recordings.
    std::fs::remove_dir_all(corpus.join("music")).unwrap();
    assert_eq!(collect_recordings(&list, &corpus, None, 1).unwrap(), recordings);
}

/// Regression: the rules had an effect on packages only that had not been unpacked before.
#[test]
fn changed_rules_exclude_other_recordings_of_a_known_package() {
    if !has_dpkg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let files = [("usr/share/short.wav", melody(5, 5, 1.0)), ("usr/share/stems/long.wav", melody(9, 7, 1.0))];
    let mut list = package_list(4.0, None, vec![package(folder.path(), "music", &files)]);
    let corpus = folder.path().join("corpus");
    let included = |list: &PackageList| -> Vec<String> {
        let recordings = collect_recordings(list, &corpus, None, 1).unwrap();
        let included = recordings.into_iter().filter(|recording| recording.excluded.is_none());
        included.map(|recording| recording.path.replace("music/usr/share/", "")).collect()
    };
    assert_eq!(included(&list), ["short.wav"]);
    list.packages[0].exclude.clear();
    assert!(included(&list).contains(&"stems/long.wav".to_owned()));
    list.min_seconds = 7.0;
    assert_eq!(included(&list), ["stems/long.wav"]);
}

/// Corpora of earlier versions have the former name.
#[test]
fn lists_of_earlier_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join(RECORDINGS);
    let recording = |path: &str, reason: &str| {
        format!("{{\"path\":\"{path}\",\"seconds\":30.0,\"sha256\":\"\",\"left_out\":{reason}}}")
    };
    let text = format!("[{},{}]", recording("music/a.wav", "null"), recording("music/b.wav", "\"shorter than 20 s\""));
    std::fs::write(&list, text).unwrap();
    assert_eq!(included_paths(&list).unwrap(), HashSet::from(["music/a.wav".to_owned()]));
}

#[test]
fn a_package_with_another_hash_or_a_truncated_one_is_rejected() {
    if !has_dpkg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = package(folder.path(), "music", &[("usr/share/song.wav", melody(30, 5, 1.0))]);
    let corpus = folder.path().join("corpus");
    let mut list = package_list(20.0, None, vec![wanted.clone()]);
    list.packages[0].sha256 = "0".repeat(64);
    let error = collect_recordings(&list, &corpus, None, 1).unwrap_err().to_string();
    assert!(error.contains("music_1%3a2-3_all.deb") && error.contains("SHA-256"), "{error}");
    // A truncated package.
    let file = corpus.join("packages/music_1%3a2-3_all.deb");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    wanted.sha256 = sha256_file(&file).unwrap();
    let list = package_list(20.0, None, vec![wanted]);
    let error = collect_recordings(&list, &corpus, None, 1).unwrap_err().to_string();
    assert!(error.contains("not a complete Debian package"), "{error}");
    assert!(!corpus.join("music/music").exists());
}

#[test]
fn a_recipe_fills_a_cache_and_does_not_augment_held_out_packages() {
    if !has_dpkg() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let song = |seed| melody(30, seed, 1.0);
    let packages = vec![
        package(folder.path(), "train-music", &[("usr/share/a.wav", song(5)), ("usr/share/b.wav", song(7))]),
        package(folder.path(), "held-out-music", &[("usr/share/c.wav", song(11))]),
    ];
    let recipe = Recipe {
        max_segments: 3,
        augmented_copies: 2,
        voices: false,
        pieces: 0,
        piece_seconds: 20.0,
        phrases: 5,
        voice_backings: 5,
        singer_backings: 0,
        known_share: 0.0,
        ensemble: None,
        seed: 1,
        train_seed: None,
        bf16_labels: true,
        held_out: vec!["held-out-music".into()],
    };
    let list = package_list(20.0, Some(recipe), packages);
    let corpus = folder.path().join("corpus");
    let recordings = collect_recordings(&list, &corpus, None, 1).unwrap();

    let teacher = |name: &str, tags: &[&str]| random_teacher(&folder.path().join(name), tags);
    let teachers = [teacher("a", &["rock", "jazz"]), teacher("b", &["rock"]), teacher("c", &["rock", "jazz"])];
    let cache = folder.path().join("cache");
    let options =
        PrepareOptions { cache: cache.clone(), shard: Shard::WHOLE, min_seconds: 20.0, max_seconds: None, jobs: 1 };
    let fill = || fill_cache(&list, &corpus, &recordings, None, &[], &teachers, &options).unwrap();
    let summary = fill();
    assert_eq!((summary.tracks, summary.segments), (7, 21), "{:?}", summary.skipped);
    assert_eq!(fill(), summary);

    let cache = Cache::open(&cache, |_| true).unwrap();
    let segment_starts = |cache: &Cache, track: usize| {
        let Labels::Segments(segments) = &cache.track(track).labels else { panic!("no segments") };
        segments.iter().map(|segment| segment.start).collect::<Vec<_>>()
    };
    assert_eq!(cache.info.tags, ["vocabulary 1: rock", "vocabulary 1: jazz", "vocabulary 2: rock"]);
    let names: Vec<String> =
        (0..cache.len()).map(|track| cache.track(track).source.replace("/usr/share", "")).collect();
    assert_eq!(names[0], "held-out-music/c.wav");
    let train =
        ["a.wav", "a.wav~1", "a.wav~2", "b.wav", "b.wav~1", "b.wav~2"].map(|name| format!("train-music/{name}"));
    assert_eq!(names[1..], train);
    for track in 0..cache.len() {
        let Labels::Segments(segments) = &cache.track(track).labels else { panic!("no segments") };
        assert!(segments.iter().all(|segment| segment.length == 59_049 && segment.probabilities.len() == 3));
    }

    // Another `train_seed` changes the segments of the training recordings only.
    let mut other_list = list;
    other_list.recipe.as_mut().unwrap().train_seed = Some(2);
    let options = PrepareOptions { cache: folder.path().join("other"), ..options };
    fill_cache(&other_list, &corpus, &recordings, None, &[], &teachers, &options).unwrap();
    let other = Cache::open(&options.cache, |_| true).unwrap();
    assert_eq!(other.len(), 7);
    assert_eq!(segment_starts(&cache, 0), segment_starts(&other, 0));
    for (track, name) in names.iter().enumerate().skip(1) {
        assert_ne!(segment_starts(&cache, track), segment_starts(&other, track), "{name}");
    }
}
