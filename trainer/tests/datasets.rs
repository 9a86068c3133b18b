//! Data sets become caches with the right clips and labels, also with damaged files, interruptions and shards.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::path::Path;
use support::{magnatagatune as tree, tone};
use tagvane_trainer::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
use tagvane_trainer::data::{Cache, Labels, Source};
use tagvane_trainer::prepare::folder::{HoldOut, ListedSources, from_csv, from_folders};
use tagvane_trainer::prepare::shard::Shard;
use tagvane_trainer::prepare::{PrepareOptions, PrepareSummary, magnatagatune, million_song, prepare_labelled_sources};

const NO_HOLD_OUT: HoldOut = HoldOut { validation: 0.0, test: 0.0 };

fn options(cache: &Path, shard: Shard, min_seconds: f64) -> PrepareOptions {
    PrepareOptions { cache: cache.to_owned(), shard, min_seconds, max_seconds: Some(29.1), jobs: 2 }
}

fn prepare(cache: &Path, tags: &[&str], sources: &[Source], min_seconds: f64) -> PrepareSummary {
    let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
    prepare_labelled_sources(&options(cache, Shard::WHOLE, min_seconds), tags, sources).unwrap()
}

fn tags_of(cache: &Cache, index: usize) -> Vec<&str> {
    let Labels::Clip(labels) = &cache.track(index).labels else { panic!("no clip labels") };
    cache.info.tags.iter().zip(labels).filter(|(_, label)| **label == 1.0).map(|(tag, _)| tag.as_str()).collect()
}

#[test]
fn magnatagatune_is_split_and_filtered_as_in_the_paper() {
    let folder = tempfile::tempdir().unwrap();
    let clips: [(&str, &[&str], f32); 8] = [
        ("0/first.mp3", &["guitar", "metal", "zither"], 29.2),
        ("b/second.mp3", &["female vocal"], 30.0),
        ("c/third.mp3", &["no vocals", "beat"], 29.2),
        ("f/fourth.mp3", &["harp"], 29.2),
        ("d/too short.mp3", &["harp"], 20.0),
        ("e/untagged.mp3", &["zither"], 29.2),
        ("7/missing.mp3", &["rock"], 0.0),
        ("6/broken.mp3", &["rock"], 0.0),
    ];
    let (annotations, audio) = tree(folder.path(), &clips);
    std::fs::create_dir_all(audio.join("6")).unwrap();
    std::fs::write(audio.join("6/broken.mp3"), b"").unwrap();
    let sources = magnatagatune::sources(&annotations, &audio, false).unwrap();
    assert_eq!(sources.len(), 7, "the clip without any of the fifty tags is left out");
    assert_eq!(magnatagatune::sources(&annotations, &audio, true).unwrap().len(), 8);

    let path = folder.path().join("cache");
    let summary = prepare(&path, &MAGNATAGATUNE, &sources, magnatagatune::SECONDS);
    assert_eq!(summary.tracks, 4);
    for name in ["d/too short.mp3", "7/missing.mp3", "6/broken.mp3"] {
        assert!(summary.skipped.iter().any(|line| line.contains(name)), "{name}: {:?}", summary.skipped);
    }
    let group = |name: &str| Cache::open(&path, |group| group == name).unwrap();
    let training = group("training");
    assert_eq!(training.len(), 2);
    assert_eq!((tags_of(&training, 0), tags_of(&training, 1)), (vec!["guitar", "metal"], vec!["female vocal"]));
    assert_eq!((group("validation").len(), group("test").len()), (1, 1));
    // 29.1 seconds give the ten consecutive windows of the paper.
    assert!((0..2).all(|index| training.track(index).samples == 641_655));
    let examples = training.examples(59_049);
    assert_eq!(examples.len(), 20);
    assert_eq!((examples[9].start, examples[9].track, examples[10].track), (9 * 59_049, 0, 1));
    // The amplitude of the tone is 10000 of 32767.
    let mut window = vec![0.0; 59_049];
    training.read(0, 59_049, &mut window).unwrap();
    let peak = window.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!((0.3..0.31).contains(&peak), "{peak}");
    assert_eq!(training.too_short(700_000).len(), 2);
    assert!(training.examples(700_000).is_empty());
}

#[test]
fn invalid_annotations_are_rejected_with_the_file_name() {
    let folder = tempfile::tempdir().unwrap();
    let (annotations, audio) = tree(folder.path(), &[("0/a.mp3", &["rock"], 0.0)]);
    let good = std::fs::read_to_string(&annotations).unwrap();
    for (bad, word) in [
        (good.replace("\tharp\t", "\tharpoon\t"), "no column \"harp\""),
        (good.replace("0/a.mp3", "z/a.mp3"), "z/a.mp3"),
        (good.replace("\t1\t", "\tyes\t"), "line 2: the label \"yes\" is neither 0 nor 1"),
        (good.lines().next().unwrap().to_owned(), "no recordings"),
        (good.replace('\t', ","), "no column"),
        (String::new(), "no column"),
    ] {
        std::fs::write(&annotations, bad).unwrap();
        let message = magnatagatune::sources(&annotations, &audio, false).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains("annotations.csv"), "{message}");
    }
    let message = magnatagatune::sources(Path::new("nowhere.csv"), &audio, false).unwrap_err().to_string();
    assert!(message.contains("nowhere.csv"), "{message}");
}

/// Writes a numpy file of format version 1.
fn npy(path: &Path, kind: &str, shape: (usize, usize), data: &[u8]) {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}, {}), }}", shape.0, shape.1);
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn million_song_follows_the_usual_split() {
    let folder = tempfile::tempdir().unwrap();
    let (split, audio) = (folder.path().join("split"), folder.path().join("audio"));
    std::fs::create_dir_all(&split).unwrap();
    let mut labels = vec![0.0_f32; 100];
    (labels[4], labels[99]) = (1.0, 1.0);
    let floats: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    npy(&split.join("train_y.npy"), "<f4", (2, 50), &floats);
    npy(&split.join("valid_y.npy"), "|b1", (1, 50), &[1; 50]);
    npy(&split.join("test_y.npy"), "<i8", (1, 50), &[0; 400]);
    std::fs::write(split.join("train_x_filename.txt"), "3/6/111.npy\n3/7/222.npy\n").unwrap();
    std::fs::write(split.join("valid_x_filename.txt"), "1/1/333.npy\n").unwrap();
    std::fs::write(split.join("test_x_filename.txt"), "2/2/444.npy\n").unwrap();
    for (index, name) in ["3/6/111", "3/7/222", "1/1/333"].iter().enumerate() {
        tone(&audio.join(format!("{name}.clip.mp3")), 200.0 + 40.0 * index as f32, 29.5);
    }
    let sources = million_song::sources(&split, &audio, 50).unwrap();
    let path = folder.path().join("cache");
    let summary = prepare(&path, &MILLION_SONG, &sources, million_song::SECONDS);
    assert_eq!((summary.tracks, summary.skipped.len()), (3, 1));
    let training = Cache::open(&path, |group| group == "training").unwrap();
    assert_eq!((tags_of(&training, 0), tags_of(&training, 1)), (vec!["electronic"], vec!["happy"]));
    let validation = Cache::open(&path, |group| group == "validation").unwrap();
    assert_eq!(tags_of(&validation, 0).len(), 50);

    for (file, kind, shape, word) in [
        ("train_y.npy", "<f4", (2, 49), "50 tags were expected"),
        ("train_y.npy", "<c8", (2, 50), "unsupported type"),
        ("valid_y.npy", "|u1", (1, 50), "within 0 and 1"),
    ] {
        npy(&split.join(file), kind, shape, &[7; 800]);
        let message = million_song::sources(&split, &audio, 50).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains(file), "{message}");
        npy(&split.join("train_y.npy"), "<f4", (2, 50), &floats);
    }
    npy(&split.join("valid_y.npy"), "|b1", (1, 50), &[1; 50]);
    std::fs::write(split.join("test_x_filename.txt"), "../../etc/passwd.npy\n").unwrap();
    let message = million_song::sources(&split, &audio, 50).unwrap_err().to_string();
    assert!(message.contains("not a path below"), "{message}");
}

#[test]
fn own_recordings_are_tagged_by_a_csv_file_or_by_folders() {
    let folder = tempfile::tempdir().unwrap();
    let audio = folder.path().join("audio");
    for name in ["drums/loops/one.wav", "drums/two.wav", "pads/three.wav"] {
        tone(&audio.join(name), 300.0 + name.len() as f32, 4.0);
    }
    let (tags, sources) = from_folders(&audio, NO_HOLD_OUT).unwrap();
    assert_eq!(tags, ["drums", "loops", "pads"]);
    assert_eq!(sources[0].labels.as_deref(), Some(&[1.0, 1.0, 0.0][..]));

    let list = folder.path().join("list.csv");
    std::fs::write(&list, "path,group,tag\ndrums/two.wav,test,loud;dry\npads/three.wav,training,soft,dry\n").unwrap();
    let ListedSources { tags, sources, .. } = from_csv(&list, &audio, None, NO_HOLD_OUT).unwrap();
    assert_eq!(tags, ["dry", "loud", "soft"]);
    assert_eq!((sources[0].group.as_str(), sources[1].labels.as_deref()), ("test", Some(&[1.0, 0.0, 1.0][..])));
    let cache = folder.path().join("cache");
    let names: Vec<&str> = tags.iter().map(String::as_str).collect();
    assert_eq!(prepare(&cache, &names, &sources, 3.0).tracks, 2);
    // A cache accepts one vocabulary only.
    let other = prepare_labelled_sources(&options(&cache, Shard::WHOLE, 3.0), vec!["other".into()], &[]);
    let other = other.unwrap_err().to_string();
    assert!(other.contains("other tags"), "{other}");

    // Where the column of the groups is empty, the group is drawn.
    ["a.wav", "b.wav", "c.wav"].iter().for_each(|name| std::fs::write(audio.join(name), b"").unwrap());
    std::fs::write(&list, "path,group,tag\na.wav,,soft\nb.wav, validation ,soft\n").unwrap();
    let sources = from_csv(&list, &audio, None, HoldOut { validation: 0.0, test: 1.0 }).unwrap().sources;
    assert_eq!([&sources[0].group, &sources[1].group], ["test", "validation"]);

    for (text, word) in [
        ("", "no recording here has a tag"),
        ("a.wav,\n", "no recording here"),
        (",soft\n", "line 1: there is no path"),
        ("path,group,tag\n\"a\nb.wav\",test,soft\nc.wav,held,soft\n", "line 4: the group \"held\""),
    ] {
        std::fs::write(&list, text).unwrap();
        let message = from_csv(&list, &audio, None, NO_HOLD_OUT).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    // Albums are not divided, and about the requested fractions are held out.
    let hold_out = HoldOut { validation: 0.3, test: 0.3 };
    let lines: String = (0..900).map(|index| format!("album {}/{index}.wav,soft\n", index / 3)).collect();
    std::fs::write(&list, lines).unwrap();
    std::fs::create_dir(audio.join("album 7")).unwrap();
    std::fs::write(audio.join("album 7/22.wav"), b"").unwrap();
    let sources = from_csv(&list, &audio, None, hold_out).unwrap().sources;
    assert!(sources.chunks(3).all(|album| album.iter().all(|song| song.group == album[0].group)));
    for group in ["training", "validation", "test"] {
        let count = sources.iter().filter(|source| source.group == group).count();
        assert!((180..480).contains(&count), "{group}: {count}");
    }
}

/// Regression: the path was made from the name, in which these letters are replaced, so the file was not found.
#[cfg(target_os = "linux")]
#[test]
fn recordings_whose_names_are_not_utf_8_are_found() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drums").join(std::ffi::OsStr::from_bytes(b"\xff.wav"));
    tone(&path, 300.0, 4.0);
    let (_, sources) = from_folders(folder.path(), NO_HOLD_OUT).unwrap();
    assert_eq!(sources[0].path.as_deref(), Some(path.as_path()));
}

/// Four recordings of three seconds.
fn four_sources(folder: &Path) -> Vec<Source> {
    let audio = folder.join("audio");
    (0..4).for_each(|index| tone(&audio.join(format!("{index}.wav")), 100.0 * (index + 1) as f32, 3.0));
    let source = |index: usize| Source {
        name: format!("{index}.wav"),
        path: Some(audio.join(format!("{index}.wav"))),
        group: "training".into(),
        labels: Some(vec![index as f32 / 4.0]),
    };
    (0..4).map(source).collect()
}

/// The source, labels and samples of every track.
fn contents(cache: &Path) -> Vec<(String, Labels, Vec<f32>)> {
    let cache = Cache::open(cache, |_| true).unwrap();
    let track = |index: usize| {
        let track = cache.track(index);
        let mut samples = vec![0.0; track.samples];
        cache.read(index, 0, &mut samples).unwrap();
        (track.source.clone(), track.labels.clone(), samples)
    };
    (0..cache.len()).map(track).collect()
}

#[test]
fn shards_together_are_one_cache() {
    let folder = tempfile::tempdir().unwrap();
    let sources = four_sources(folder.path());
    let (whole, parts) = (folder.path().join("whole"), folder.path().join("parts"));
    prepare(&whole, &["tag"], &sources, 1.0);
    let prepare_shard = |number, count| {
        let options = options(&parts, Shard { number, count }, 1.0);
        prepare_labelled_sources(&options, vec!["tag".into()], &sources)
    };
    assert_eq!(prepare_shard(3, 3).unwrap().tracks, 1);
    assert_eq!(prepare_shard(1, 3).unwrap().tracks, 2);
    let message = Cache::open(&parts, |_| true).err().unwrap().to_string();
    assert!(message.contains("part 2 of 3 is not complete"), "{message}");
    prepare_shard(2, 3).unwrap();
    assert!(contents(&parts) == contents(&whole));
    // Parts of different numbers of shards are not a cache.
    prepare_shard(1, 2).unwrap();
    let message = Cache::open(&parts, |_| true).err().unwrap().to_string();
    assert!(message.contains("different numbers of shards"), "{message}");
}

#[test]
fn an_interrupted_track_is_truncated_and_prepared_again() {
    let folder = tempfile::tempdir().unwrap();
    let sources = four_sources(folder.path());
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    prepare(&whole, &["tag"], &sources, 1.0);
    prepare(&cut, &["tag"], &sources, 1.0);
    let part = cut.join("part-00001-of-00001");
    let (list, audio) = (part.join("tracks.jsonl"), part.join("audio.pcm"));
    let length_of_all = std::fs::read(&list).unwrap().len();
    for length in [0, 10, length_of_all / 2, length_of_all - 1] {
        // As after a kill while a line is written, when its audio is complete.
        let lines = std::fs::read(&list).unwrap();
        std::fs::write(&list, &lines[..length]).unwrap();
        let _ = std::fs::remove_file(part.join("complete"));
        assert!(Cache::open(&cut, |_| true).is_err());
        prepare(&cut, &["tag"], &sources, 1.0);
        assert!(contents(&cut) == contents(&whole), "cut after {length} bytes");
    }
    // Missing audio is an error.
    std::fs::write(&audio, b"").unwrap();
    assert!(Cache::open(&cut, |_| true).is_err());
    let again = prepare_labelled_sources(&options(&cut, Shard::WHOLE, 1.0), vec!["tag".into()], &sources);
    let again = again.unwrap_err().to_string();
    assert!(again.contains("missing at its end"), "{again}");
}

#[test]
fn a_damaged_cache_is_rejected_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let sources = four_sources(folder.path());
    let cache = folder.path().join("cache");
    prepare(&cache, &["tag"], &sources, 1.0);
    let list = cache.join("part-00001-of-00001/tracks.jsonl");
    let good = std::fs::read_to_string(&list).unwrap();
    for (bad, word) in [
        (good.replacen("\"samples\":", "\"samples\":9", 1), "does not fit"),
        (good.replacen("\"offset\":0", "\"offset\":18446744073709551615", 1), "does not fit"),
        (good.replacen("\"clip\":[", "\"clip\":[0.5,", 1), "does not fit"),
        (good.replacen('{', "nonsense", 1), "line 1"),
    ] {
        assert_ne!(bad, good);
        std::fs::write(&list, bad).unwrap();
        let message = Cache::open(&cache, |_| true).err().unwrap().to_string();
        assert!(message.contains(word) && message.contains("tracks.jsonl"), "{message}");
    }
    std::fs::write(cache.join("cache.json"), "{\"format\":1,\"tags\":[],\"sample_rate\":22050}").unwrap();
    assert!(Cache::open(&cache, |_| true).err().unwrap().to_string().contains("another format"));
}
