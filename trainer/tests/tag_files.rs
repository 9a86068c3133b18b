//! `tag --write` adds tags to audio files of every kind, and changes nothing else in them.
//!
//! `tests/foreign` has the files. `TAGVANE_FOREIGN_AUDIO` names another folder of such files.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use tagvane_audio::{metadata_values, read};
use tagvane_trainer::tagging::{TagWriter, TaggedRecording};

/// The files of `tests/foreign` that are decoded but cannot get tags, and a word of the reason.
const REFUSED: &[(&str, &str)] = &[
    ("chained", "Ogg streams"),
    (".mkv", "kind of file"),
    (".mka", "kind of file"),
    (".webm", "kind of file"),
    (".wma", "kind of file"),
    (".ac3", "kind of file"),
    (".au", "kind of file"),
    (".tta", "kind of file"),
    (".caf", "kind of file"),
    ("flac.ogg", "kind of file"),
    ("fragmented.m4a", "change its audio"),
    ("rf64.wav", "kind of file"),
    ("trailing_list.wav", "kind of file"),
    // The sizes in their headers are wrong.
    ("/ape.mp3", "damaged"),
    ("/size_placeholder.wav", "damaged"),
    ("/size_too_large.wav", "damaged"),
    ("/size_unknown.wav", "damaged"),
    ("/size_zero.wav", "damaged"),
    ("/truncated_tones.wav", "damaged"),
];

/// How often a file has these bytes. Symphonia does not read what follows the samples of a WAV file.
fn count(path: &Path, part: &[u8]) -> usize {
    fs::read(path).unwrap().windows(part.len()).filter(|window| *window == part).count()
}

fn foreign_audio() -> PathBuf {
    match std::env::var_os("TAGVANE_FOREIGN_AUDIO") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/foreign/audio"),
    }
}

/// Copies a file of `tests/foreign` into `folder`.
fn copy(name: &str, folder: &Path) -> PathBuf {
    let path = folder.join(name);
    fs::copy(foreign_audio().join(name), &path).unwrap();
    path
}

/// A recording with the tags guitar, rock and slow.
fn tagged(file: &Path, mean: [f32; 3]) -> TaggedRecording {
    let tags = ["guitar", "rock", "slow"].map(str::to_owned).to_vec();
    TaggedRecording { file: file.to_owned(), seconds: 1.0, tags, mean: mean.to_vec(), timeline: Vec::new() }
}

/// A writer for a model whose file has `content`.
fn writer(folder: &Path, content: &str, genres: &[&str]) -> TagWriter {
    let model = folder.join("tagger.onnx");
    fs::write(&model, content).unwrap();
    let genres: Vec<String> = genres.iter().map(|genre| (*genre).to_owned()).collect();
    TagWriter::new(&model, 0.5, 1.5, &genres).unwrap()
}

fn values(path: &Path) -> Vec<String> {
    metadata_values(path).iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

/// The values of `before` that are not in `after`.
fn lost(before: &[String], after: &[String]) -> Vec<String> {
    let mut rest = after.to_vec();
    let is_lost = |value: &&String| match rest.iter().position(|other| other == *value) {
        Some(index) => {
            rest.swap_remove(index);
            false
        }
        None => true,
    };
    before.iter().filter(is_lost).cloned().collect()
}

#[test]
fn every_file_keeps_its_audio_covers_and_tags_or_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path(), "a model", &[]);
    let (mut written, mut refused, mut failures) = (0, 0, Vec::new());
    let names = fs::read_dir(foreign_audio()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in names.filter(|name| !name.ends_with(".json")).collect::<BTreeSet<_>>() {
        let path = copy(&name, folder.path());
        let Ok(audio) = read(&path) else {
            fs::remove_file(&path).unwrap();
            continue;
        };
        let (bytes, before) = (fs::read(&path).unwrap(), values(&path));
        let recording = tagged(&path, [0.831, 0.712, 0.2]);
        assert!(!writer.is_written(&path), "{name}");
        let planned = writer.plan(&recording);
        assert_eq!(fs::read(&path).unwrap(), bytes, "{name} was changed by the plan");
        match writer.write(&recording) {
            Ok(change) => {
                let after = values(&path);
                if change.tags != "guitar 0.83; rock 0.71" || planned.as_ref().ok() != Some(&change) {
                    failures.push(format!("{name}: {change}, planned: {planned:?}"));
                } else if read(&path).unwrap() != audio {
                    failures.push(format!("{name}: its audio changed"));
                } else if !lost(&before, &after).is_empty() {
                    failures.push(format!("{name}: it lost {:?}", lost(&before, &after)));
                } else if count(&path, b"guitar 0.83; rock 0.71") == 0
                    && !after.iter().any(|value| value == "guitar 0.83; rock 0.71")
                {
                    failures.push(format!("{name}: the tags are not in {after:?}"));
                } else if !writer.is_written(&path) {
                    failures.push(format!("{name}: it would be written again"));
                }
                // Again, with less and with more text.
                for mean in [[0.1, 0.1, 0.6], [0.0; 3], [0.9, 0.8, 0.7]] {
                    if let Err(error) = writer.write(&tagged(&path, mean)) {
                        failures.push(format!("{name}, again: {error}"));
                    } else if read(&path).unwrap() != audio || !lost(&before, &values(&path)).is_empty() {
                        failures.push(format!("{name}, again: it changed"));
                    }
                }
                written += 1;
            }
            Err(error) => {
                let reason =
                    REFUSED.iter().find(|(part, _)| format!("/{name}").contains(part)).map(|(_, reason)| *reason);
                if !reason.is_some_and(|reason| error.to_string().contains(reason))
                    || planned.is_ok() != (reason == Some("change its audio"))
                {
                    failures.push(format!("{error}, planned: {planned:?}"));
                }
                assert_eq!(fs::read(&path).unwrap(), bytes, "{name} was changed in spite of: {error}");
                refused += 1;
            }
        }
        fs::remove_file(&path).unwrap();
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    println!("{written} written, {refused} refused");
    assert!(written >= 30 && refused >= 3, "{written} written, {refused} refused");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "copies are left");
}

/// The tags of other programs are in all forms of ID3v2, in Vorbis comments, MP4 atoms and RIFF chunks.
#[test]
fn frames_of_other_programs_stay_byte_by_byte() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path(), "a model", &["rock"]);
    let own: [&[u8]; 6] = [
        b"what only one program knows",
        b"WM/MediaClassPrimaryID\0\x01\x02\x03\x04",
        b"\xc4\0\0\0\x07",
        b"0123-4567",
        b"-3.21 dB",
        b"la la la",
    ];
    let contains = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    for name in ["tagged_v23.mp3", "tagged_v23_sorted.mp3", "tagged_v24.mp3"] {
        let path = copy(name, folder.path());
        let cover = values(&path).len();
        let version = fs::read(&path).unwrap()[3];
        writer.write(&tagged(&path, [0.9, 0.8, 0.1])).unwrap();
        let bytes = fs::read(&path).unwrap();
        for part in own {
            assert!(contains(&bytes, part), "{name} lost {:?}", String::from_utf8_lossy(part));
        }
        assert!(values(&path).len() > cover, "{name}");
        // TSOP is in use in version 2.3, but lofty writes it in 2.4 only.
        let expected = if name.contains("sorted") { 4 } else { version };
        assert_eq!(bytes[3], expected, "{name}");
    }
    let path = copy("tagged.flac", folder.path());
    writer.write(&tagged(&path, [0.9, 0.8, 0.1])).unwrap();
    assert!(contains(&fs::read(&path).unwrap(), b"\x89PNG"), "the cover of the FLAC file is lost");
}

#[test]
fn genres_are_appended_and_only_those_are_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    for name in
        ["tagged.flac", "tagged.ogg", "tagged.opus", "tagged.m4a", "tagged.aiff", "tagged_v24.mp3", "tagged_v23.mp3"]
    {
        let path = copy(name, folder.path());
        let has =
            |genre: &str| values(&path).iter().any(|value| value.split(['\n', '\0', '/']).any(|part| part == genre));
        let theirs: &[&str] = if name == "tagged_v24.mp3" { &["Rock", "Tones"] } else { &["Rock"] };
        let keeps_theirs = || theirs.iter().all(|genre| has(genre));
        let first = writer(folder.path(), "first", &["guitar", "rock"]);
        // "Rock" is there already, by whatever letters.
        let change = first.write(&tagged(&path, [0.9, 0.8, 0.1])).unwrap();
        assert_eq!((&change.added_genres[..], change.removed_genres.len()), (&["guitar".to_owned()][..], 0), "{name}");
        assert!(keeps_theirs() && has("guitar"), "{name}: {:?}", values(&path));
        // Another model finds something else.
        let second = writer(folder.path(), "second", &["slow", "guitar"]);
        assert!(!second.is_written(&path));
        let change = second.write(&tagged(&path, [0.1, 0.8, 0.9])).unwrap();
        assert_eq!(
            (change.added_genres, change.removed_genres),
            (vec!["slow".to_owned()], vec!["guitar".to_owned()]),
            "{name}"
        );
        assert!(keeps_theirs() && has("slow") && !has("guitar"), "{name}: {:?}", values(&path));
        // Without --genres they stay as they are.
        writer(folder.path(), "second", &[]).write(&tagged(&path, [0.1; 3])).unwrap();
        assert!(keeps_theirs() && has("slow"), "{name}: {:?}", values(&path));
    }
}

/// Programs that find ID3v2 in a file do not look at its other tags.
#[test]
fn new_tags_begin_with_what_older_ones_say() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path(), "a model", &[]);
    for (name, word) in [("id3v1.mp3", "nobody"), ("tagged.wav", "Nöbody")] {
        let path = copy(name, folder.path());
        let before = count(&path, word.as_bytes());
        writer.write(&tagged(&path, [0.9, 0.8, 0.1])).unwrap();
        assert_eq!((before, count(&path, word.as_bytes())), (1, 2), "{name}");
    }
    // No ID3v2 comes before the APE tag, which would hide it.
    let path = copy("tagged_ape.mp3", folder.path());
    writer.write(&tagged(&path, [0.9, 0.8, 0.1])).unwrap();
    assert_ne!(&fs::read(&path).unwrap()[..3], b"ID3");
}

#[test]
fn files_that_must_not_be_written_are_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path(), "a model", &[]);
    let refused = |path: &Path, word: &str| {
        let before = fs::read(path).unwrap();
        for result in [writer.plan(&tagged(path, [0.9; 3])), writer.write(&tagged(path, [0.9; 3]))] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(word) && message.contains(&path.display().to_string()), "{message}");
        }
        assert_eq!(fs::read(path).unwrap(), before);
    };
    let path = copy("tagged.flac", folder.path());
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    refused(&path, "read-only");
    #[cfg(unix)]
    {
        copy("tagged.ogg", folder.path());
        let link = folder.path().join("link.ogg");
        std::os::unix::fs::symlink("tagged.ogg", &link).unwrap();
        refused(&link, "symbolic link");
    }
    // A frame whose size is wrong is left out by a tolerant reader.
    let path = copy("tagged_v24.mp3", folder.path());
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|window| window == b"XABC").unwrap();
    bytes[at..at + 4].copy_from_slice(b"X\xff\0C");
    fs::write(&path, bytes).unwrap();
    refused(&path, "damaged");
}

/// Makes a model and a folder of music with `count` copies of some files.
fn music(folder: &Path, count: usize) -> Vec<PathBuf> {
    support::write_model(&folder.join("model.onnx"));
    fs::create_dir(folder.join("music")).unwrap();
    let names = ["tagged.flac", "tagged_v23.mp3", "tagged.m4a", "tagged.ogg"];
    let copies = (0..count).flat_map(|number| names.map(|name| (name, format!("music/{number} {name}"))));
    copies
        .map(|(name, copy)| {
            let path = folder.join(copy);
            fs::copy(foreign_audio().join(name), &path).unwrap();
            path
        })
        .collect()
}

fn run(folder: &Path, arguments: &str) -> (Option<i32>, String, String) {
    let output = process::command(folder, &format!("tag model.onnx {arguments}")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_dry_run_writes_nothing_and_a_second_run_has_nothing_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let files = music(folder.path(), 1);
    let contents = || -> Vec<Vec<u8>> { files.iter().map(|path| fs::read(path).unwrap()).collect() };
    let before = contents();
    for mode in ["--write", "--write=dry-run"] {
        let (code, out, errors) = run(folder.path(), &format!("music {mode} --threshold 0"));
        assert_eq!(code, Some(0), "{errors}");
        assert!(
            out.contains("nothing is written yet: 4 files would get these tags") && out.contains("guitar 0."),
            "{out}"
        );
        assert_eq!(contents(), before);
    }
    let apply = "music --write=apply --threshold 0";
    let (code, out, errors) = run(folder.path(), apply);
    assert_eq!((code, out.contains("4 files have got these tags")), (Some(0), true), "{out}{errors}");
    let written = contents();
    assert!(written.iter().zip(&before).all(|(a, b)| a != b));
    let (code, out, _) = run(folder.path(), apply);
    assert_eq!((code, out.trim()), (Some(0), "0 files have got these tags, 4 have these tags already"));
    assert_eq!(contents(), written);
    // The predictions are still to be had, and the files stay.
    let (code, out, _) = run(folder.path(), &format!("{apply} --json all.json"));
    assert_eq!((code, out.contains("4 recordings tagged"), contents() == written), (Some(0), true, true), "{out}");
    // Another threshold, or the same again on demand.
    for arguments in ["music --write=apply --threshold 0.9999", "music --write=apply --threshold 0.9999 --redo"] {
        let (code, out, _) = run(folder.path(), arguments);
        assert_eq!((code, out.contains("4 files have got these tags")), (Some(0), true), "{out}");
    }
}

#[test]
fn one_bad_file_leaves_the_others_and_shows_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let files = music(folder.path(), 1);
    fs::copy(foreign_audio().join("chained.ogg"), folder.path().join("music/chained.ogg")).unwrap();
    let (code, out, errors) = run(folder.path(), "music --write=apply --threshold 0");
    assert_eq!(code, Some(2), "{out}");
    assert!(errors.contains("chained.ogg: it has several Ogg streams") && errors.contains("1 of 5"), "{errors}");
    assert!(out.contains("4 files have got these tags"), "{out}");
    assert!(files.iter().all(|file| values(file).iter().any(|value| value.starts_with("model; sha256 "))));
    for (arguments, word) in [
        ("music --genres guitar", "--write"),
        ("music --write --genres polka", "no tag \"polka\""),
        ("music --write=maybe", "dry-run"),
    ] {
        let (code, _, errors) = run(folder.path(), arguments);
        assert!(code == Some(2) && errors.contains(word), "{arguments}: {errors}");
    }
}

#[test]
fn killed_writing_damages_no_file_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = music(folder.path(), 12);
    let audio: Vec<_> = files.iter().map(|path| read(path).unwrap()).collect();
    let line = "tag model.onnx music --write=apply --threshold 0 --jobs 2";
    for kill in 0..12_u64 {
        let mut command = process::command(folder.path(), line);
        let mut child =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20 + 23 * kill));
        child.kill().unwrap();
        child.wait().unwrap();
        for (path, audio) in files.iter().zip(&audio) {
            assert!(read(path).unwrap() == *audio, "{} is damaged", path.display());
        }
    }
    let (code, out, errors) = run(folder.path(), &line["tag model.onnx ".len()..]);
    assert_eq!(code, Some(0), "{out}{errors}");
    for (path, audio) in files.iter().zip(&audio) {
        assert!(read(path).unwrap() == *audio && values(path).iter().any(|value| value.starts_with("model; sha256 ")));
    }
    assert_eq!(fs::read_dir(folder.path().join("music")).unwrap().count(), files.len(), "copies are left");
}

mod support {
    //! A small model.

    use burn::backend::Flex;
    use std::path::Path;
    use tagvane_engine::Metadata;
    use tagvane_trainer::architecture::{Architecture, SampleLevel};
    use tagvane_trainer::export::to_onnx;
    use tagvane_trainer::network::Network;

    /// Writes a small untrained network with the tags guitar, rock and slow.
    pub(crate) fn write_model(path: &Path) {
        let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, 6_561, vec![4, 4, 6, 6, 8, 8]));
        let network = Network::<Flex>::new(&architecture.plan(3).unwrap(), &Default::default());
        let tags = ["guitar", "rock", "slow"].map(str::to_owned).to_vec();
        let metadata = Metadata { tags, sample_rate: Some(22_050), ..Default::default() };
        std::fs::write(path, to_onnx(&network, &architecture, &metadata)).unwrap();
    }
}
