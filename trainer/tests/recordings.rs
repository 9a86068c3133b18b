//! A corpus from local copies of listed recordings, which the tests make.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use support::{random_teacher, tone};
use tagvane_trainer::corpus::copies::RecordingCopies;
use tagvane_trainer::corpus::fill::fill_cache;
use tagvane_trainer::corpus::packages::PackageList;
use tagvane_trainer::corpus::recordings::{ListedRecording, read};
use tagvane_trainer::corpus::singers::Singer;
use tagvane_trainer::corpus::{CREDITS, CorpusRecording, RECORDINGS, collect_recordings, included_paths};
use tagvane_trainer::data::{Cache, Labels};
use tagvane_trainer::files::{read_json, sha256_file};
use tagvane_trainer::prepare::PrepareOptions;
use tagvane_trainer::prepare::shard::Shard;

/// The list of the tests: kind, path in the repository `owner/KIND`, instruments, instrument of a note, pitch.
const ENTRIES: [(&str, &str, &str, &str, &str); 7] = [
    ("recording", "a song.wav", "guitar", "", ""),
    ("recording", "jingle.wav", "guitar", "", ""),
    ("voice", "singer.wav", "male voice", "", ""),
    ("note", "c4.wav", "flute", "flute", "60"),
    ("note", "g4.wav", "flute", "flute", "67"),
    ("note", "c3.wav", "cello", "cello", "48"),
    ("note", "lost.wav", "cello", "cello", "50"),
];

/// The seconds and the pitch of each copy, in the order of [`ENTRIES`].
const SOUNDS: [(f32, f32); 7] =
    [(8.0, 300.0), (1.0, 400.0), (7.0, 500.0), (1.5, 261.6), (1.5, 392.0), (1.5, 130.8), (1.5, 146.8)];

/// Writes local copies and their list, and removes the copy of `lost.wav`. That of `c3.wav` is a transcoding. A file
/// beside them is in no list.
fn copies_and_list(folder: &Path) -> (PathBuf, PathBuf) {
    let (copies, list) = (folder.join("copies"), folder.join("list.csv"));
    let mut text = String::from(
        "kind,repository,commit,path,sha256,transcodings,licence,evidence,artist,title,instruments,note,pitch\n",
    );
    for (index, (kind, path, instruments, note, pitch)) in ENTRIES.into_iter().enumerate() {
        let (seconds, hertz) = SOUNDS[index];
        let copy = copies.join(format!("deeper/{index} renamed.wav"));
        tone(&copy, hertz, seconds);
        let own = sha256_file(&copy).unwrap();
        let (sha256, transcoding) =
            if path == "c3.wav" { (format!("{index:064}"), own) } else { (own, format!("{index:064}")) };
        let commit = "0123456789".repeat(4);
        let _ = writeln!(
            text,
            "{kind},owner/{kind},{commit},{path},{sha256},{transcoding},CC-BY-4.0,README,Ann & Ben,The {path},{instruments},{note},{pitch}"
        );
        if path == "lost.wav" {
            std::fs::remove_file(&copy).unwrap();
        }
    }
    tone(&copies.join("other.wav"), 900.0, 1.0);
    std::fs::write(copies.join("notes.txt"), "no audio").unwrap();
    std::fs::write(&list, text).unwrap();
    (copies, list)
}

fn found(list: &[ListedRecording], folder: &Path) -> RecordingCopies {
    RecordingCopies::find(list, folder).unwrap()
}

#[test]
fn copies_are_found_by_either_checksum_and_a_wrong_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (copies, list) = copies_and_list(folder.path());
    let list = read(&list).unwrap();
    let all = found(&list, &copies);
    let names: Vec<&str> = all.found.iter().map(|copy| copy.recording.place.path.as_str()).collect();
    assert_eq!(names, ["a song.wav", "jingle.wav", "singer.wav", "c4.wav", "g4.wav", "c3.wav"]);
    for (index, copy) in all.found.iter().enumerate() {
        assert!(copy.path.ends_with(format!("deeper/{index} renamed.wav")), "{}", copy.path.display());
    }
    assert_eq!(all.missing.iter().map(|recording| recording.place.path.as_str()).collect::<Vec<_>>(), ["lost.wav"]);
    assert_eq!(all.unknown, [copies.join("other.wav")]);
    // A changed copy is no copy.
    let changed = copies.join("deeper/3 renamed.wav");
    tone(&changed, 262.0, 1.5);
    let changed_copies = found(&list, &copies);
    assert_eq!(changed_copies.missing[0].place.path, "c4.wav");
    assert!(changed_copies.unknown.contains(&changed));
    let empty = tempfile::tempdir().unwrap();
    let error = RecordingCopies::find(&list, empty.path()).unwrap_err().to_string();
    assert!(error.contains("none of the listed recordings"), "{error}");
}

const PACKAGES: &str = "
min_seconds = 20.0
recordings = \"list.csv\"
package = []
[recipe]
max_segments = 3
augmented_copies = 1
voices = false
pieces = 0
piece_seconds = 6.0
phrases = 4
voice_backings = 2
known_share = 0.5
seed = 1
held_out = []
";

#[test]
fn copies_fill_a_cache_with_recordings_phrases_and_voices_and_are_credited() {
    let folder = tempfile::tempdir().unwrap();
    let (copies, _) = copies_and_list(folder.path());
    let toml = folder.path().join("corpus.toml");
    std::fs::write(&toml, PACKAGES).unwrap();
    let corpus = folder.path().join("corpus");
    let teachers = [random_teacher(&folder.path().join("teacher"), &["flute", "cello", "rock"])];
    let fill = |overrides: &[&str], cache: &str| {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        let list = PackageList::read(&toml, &overrides).unwrap();
        let copies = found(&list.listed, &copies);
        let recordings = collect_recordings(&list, &corpus, Some(&copies), 1).unwrap();
        let cache = folder.path().join(cache);
        let options =
            PrepareOptions { cache: cache.clone(), shard: Shard::WHOLE, min_seconds: 20.0, max_seconds: None, jobs: 2 };
        let summary = fill_cache(&list, &corpus, &recordings, Some(&copies), &[], &teachers, &options).unwrap();
        let cache = Cache::open(&cache, |_| true).unwrap();
        let tracks: Vec<_> = (0..cache.len()).map(|index| cache.track(index).clone()).collect();
        assert_eq!(summary.tracks, tracks.len(), "{:?}", summary.skipped);
        tracks
    };
    let tracks = fill(&[], "cache");
    let names: Vec<&str> = tracks.iter().map(|track| track.source.as_str()).collect();
    let expected = [
        "owner/recording/a song.wav",
        "owner/recording/a song.wav~1",
        "owner/voice/singer.wav",
        "owner/voice/singer.wav+1",
        "owner/voice/singer.wav+2",
        "owner/voice/singer.wav~1",
        "phrases/cello/1/0",
        "phrases/cello/1/2",
        "phrases/flute/1/1",
        "phrases/flute/1/3",
    ];
    assert_eq!(names, expected);
    assert_eq!(tracks[2].group, "owner/voice");
    // A repeated call adds nothing.
    assert_eq!(fill(&[], "cache"), tracks);

    // What is known moves the tag of the instrument half of the way, in phrases only.
    let without = fill(&["recipe.known_share=0"], "without");
    for (with, without) in tracks.iter().zip(&without) {
        let (Labels::Segments(with), Labels::Segments(teachers), name) = (&with.labels, &without.labels, &with.source)
        else {
            panic!("no segments");
        };
        let mut moved = [0; 3];
        for (segment, predicted) in with.iter().zip(teachers) {
            for (tag, (label, predicted)) in segment.probabilities.iter().zip(&predicted.probabilities).enumerate() {
                assert!(label == predicted || (label - (1.0 + predicted) / 2.0).abs() < 1e-6, "{name}");
                moved[tag] += usize::from(label != predicted);
            }
        }
        let expected = [name.contains("flute"), name.contains("cello"), false];
        for (tag, is_lead) in expected.into_iter().enumerate() {
            assert!(!is_lead || moved[tag] > 0, "{name}: {moved:?}");
            assert!(name.starts_with("phrases/") && tag < 2 || moved[tag] == 0, "{name}: {moved:?}");
        }
    }

    // What is held out is used as it is only.
    let held_out = fill(&["recipe.held_out=[\"owner/voice\", \"owner/note\"]"], "held-out");
    let names: Vec<&str> = held_out.iter().map(|track| track.source.as_str()).collect();
    assert_eq!(names, ["owner/recording/a song.wav", "owner/recording/a song.wav~1", "owner/voice/singer.wav"]);

    // The list of recordings and the credits carry the attribution.
    let recordings: Vec<CorpusRecording> = read_json(&corpus.join(RECORDINGS)).unwrap();
    assert_eq!(included_paths(&corpus.join(RECORDINGS)).unwrap().len(), 2);
    let jingle = recordings.iter().find(|recording| recording.path.ends_with("jingle.wav")).unwrap();
    assert_eq!((jingle.group(), jingle.excluded.as_deref()), ("owner/recording", Some("shorter than 3 s")));
    let attribution = recordings[0].attribution.as_ref().unwrap();
    assert_eq!((attribution.artist.as_str(), attribution.licence.as_str()), ("Ann & Ben", "CC-BY-4.0"));
    assert!(attribution.source.contains("github.com/owner/recording at 0123456789"), "{}", attribution.source);
    let credits = std::fs::read_to_string(corpus.join(CREDITS)).unwrap();
    for line in [
        "* Ann & Ben: The a song.wav (CC-BY-4.0, <https://github.com/owner/recording/tree/0123456789",
        "* Ann & Ben: The singer.wav (",
        "* Ann & Ben: 3 single notes (",
    ] {
        assert!(credits.contains(line), "{credits}");
    }
    assert!(!credits.contains("jingle"), "{credits}");
}

/// Regression against a corpus that changes with the list: the copies are used only if they are given.
#[test]
fn without_copies_the_list_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    copies_and_list(folder.path());
    let toml = folder.path().join("corpus.toml");
    std::fs::write(&toml, PACKAGES).unwrap();
    let list = PackageList::read(&toml, &[]).unwrap();
    assert_eq!(list.listed.len(), ENTRIES.len());
    let corpus = folder.path().join("corpus");
    assert_eq!(collect_recordings(&list, &corpus, None, 1).unwrap(), []);
    assert!(!corpus.join(CREDITS).exists());
    std::fs::remove_file(folder.path().join("list.csv")).unwrap();
    let error = PackageList::read(&toml, &[]).unwrap_err().to_string();
    assert!(error.contains("list.csv"), "{error}");
}

/// The list names who sings, and that moves the tags of the voice by the share, in nothing else.
#[test]
fn singers_are_laid_over_recordings_with_labels_that_know_who_sings() {
    let folder = tempfile::tempdir().unwrap();
    let (copies, _) = copies_and_list(folder.path());
    let toml = folder.path().join("corpus.toml");
    std::fs::write(&toml, PACKAGES.replace("phrases = 4\nvoice_backings = 2", "singer_backings = 2")).unwrap();
    let singers = folder.path().join("singers");
    std::fs::create_dir(&singers).unwrap();
    tone(&singers.join("a.wav"), 440.0, 6.0);
    tone(&singers.join("b.wav"), 150.0, 6.0);
    let write =
        |rows: &str| std::fs::write(singers.join("singers.csv"), format!("file,seconds,singer,form\n{rows}")).unwrap();
    write("a.wav,6,female,solo\nb.wav,6,male,choir\n");
    let teachers = [random_teacher(&folder.path().join("teacher"), &["female voice", "male voice", "choir", "rock"])];
    let corpus = folder.path().join("corpus");
    let fill = |known_share: &str| {
        let list = PackageList::read(&toml, &[format!("recipe.known_share={known_share}")]).unwrap();
        let copies = found(&list.listed, &copies);
        let recordings = collect_recordings(&list, &corpus, Some(&copies), 1).unwrap();
        let cache = folder.path().join(format!("cache {known_share}"));
        let options =
            PrepareOptions { cache: cache.clone(), shard: Shard::WHOLE, min_seconds: 20.0, max_seconds: None, jobs: 2 };
        let singers = Singer::read_folder(&singers).unwrap();
        fill_cache(&list, &corpus, &recordings, Some(&copies), &singers, &teachers, &options).unwrap();
        let cache = Cache::open(&cache, |_| true).unwrap();
        let tracks = (0..cache.len()).map(|index| cache.track(index).clone());
        tracks.filter(|track| track.group == "singers").collect::<Vec<_>>()
    };
    let (with, without) = (fill("0.5"), fill("0"));
    let names: Vec<&str> = with.iter().map(|track| track.source.as_str()).collect();
    assert_eq!(names, ["singers/a.wav+1", "singers/a.wav+2", "singers/b.wav+1", "singers/b.wav+2"]);
    for (with, without) in with.iter().zip(&without) {
        let (Labels::Segments(segments), Labels::Segments(predicted)) = (&with.labels, &without.labels) else {
            panic!("no segments");
        };
        let sings =
            if with.source.contains("a.wav") { [true, false, false, false] } else { [false, true, true, false] };
        for (segment, predicted) in segments.iter().zip(predicted) {
            for (tag, sings) in sings.into_iter().enumerate() {
                let (label, before) = (segment.probabilities[tag], predicted.probabilities[tag]);
                let expected = if sings { (1.0 + before) / 2.0 } else { before };
                assert!((label - expected).abs() < 1e-6, "{}, tag {tag}: {label} and {expected}", with.source);
            }
        }
    }
    for (rows, words) in [
        ("", "no rows"),
        ("../a.wav,6,female,solo\n", "no file in the same folder"),
        ("gone.wav,6,female,solo\n", "no file in the same folder"),
        ("a.wav,6,nobody,solo\n", "neither female"),
        ("a.wav,6,male,scream\n", "neither solo"),
    ] {
        write(rows);
        let error = Singer::read_folder(&singers).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("singers.csv"), "{error}");
    }
    let error = Singer::read_folder(folder.path()).unwrap_err().to_string();
    assert!(error.contains("trainer/singers/sing.py"), "{error}");
}
