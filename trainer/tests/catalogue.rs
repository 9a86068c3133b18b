//! `tag --parquet` and `tag --worker`: rows and answers of recordings in folders, lists and on servers that fail.
#![cfg(feature = "flex")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
mod server;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array as _, RecordBatch};
use burn::backend::Flex;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use server::Server;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use support::{tone, with_mounts};
use tagvane_engine::{Metadata, Model};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::files::sha256_file;
use tagvane_trainer::network::Network;
use tagvane_trainer::tagging::Tagger;

/// Tags that collide with each other and with columns.
const TAGS: [&str; 4] = ["guitar", "slow, or not", "guitar", "path"];
const COLUMNS: [&str; 4] = ["guitar", "slow, or not", "guitar (2)", "path (2)"];

/// A folder with `model.onnx`, a small untrained network, its card, and recordings in `music`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_model(&path("model.onnx"), &TAGS);
    std::fs::write(path("model.md"), "# What this model is for").unwrap();
    for (index, name) in ["a/1.wav", "a/2.mp3", "b/3.wav", "b/4.flac", "5.m4a"].iter().enumerate() {
        tone(&path("music").join(name), 200.0 + 90.0 * index as f32, 0.5 + 0.4 * index as f32);
    }
    std::fs::write(path("music/broken.ogg"), b"this is no audio").unwrap();
    folder
}

/// Writes a small untrained network with these tags.
fn write_model(path: &Path, tags: &[&str]) {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, 6_561, vec![4, 4, 6, 6, 8, 8]));
    let network = Network::<Flex>::new(&architecture.plan(tags.len()).unwrap(), &Default::default());
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    let metadata = Metadata { tags, sample_rate: Some(22_050), ..Default::default() };
    std::fs::write(path, to_onnx(&network, &architecture, &metadata)).unwrap();
}

fn model(folder: &Path) -> Tagger {
    Tagger::new(Model::open_for_recordings(&folder.join("model.onnx"), None).unwrap(), None).unwrap()
}

fn tag(folder: &Path, arguments: &str) -> Output {
    process::command(folder, &format!("tag model.onnx {arguments}")).output().unwrap()
}

/// Runs `tag` with these arguments. Returns what it prints at its end, and its exit status.
fn summary(folder: &Path, arguments: &str) -> (String, Option<i32>) {
    let Output { status, stdout, stderr } = tag(folder, arguments);
    assert!(!String::from_utf8_lossy(&stderr).contains("panicked"), "{}", String::from_utf8_lossy(&stderr));
    (String::from_utf8(stdout).unwrap(), status.code())
}

/// The partitions of a catalogue of one model.
fn partitions(catalogue: &Path) -> Vec<PathBuf> {
    let folders: Vec<PathBuf> = std::fs::read_dir(catalogue).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(folders.len(), 1, "{folders:?}");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folders[0]).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        // A killed run leaves what it had not finished, until the partition is written again.
        !name.starts_with('_') && !name.ends_with(".partial")
    });
    assert!(files.iter().all(|path| path.extension().unwrap() == "parquet"), "{files:?}");
    files.sort();
    files
}

fn batches(catalogue: &Path) -> Vec<RecordBatch> {
    let read = |path: &PathBuf| ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build();
    partitions(catalogue).iter().flat_map(|path| read(path).unwrap().map(Result::unwrap)).collect()
}

/// The rows of a catalogue by their paths, each as its columns' values in text. No path has two.
fn rows(catalogue: &Path) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut rows = BTreeMap::new();
    for batch in batches(catalogue) {
        let schema = batch.schema();
        for row in 0..batch.num_rows() {
            let text = |(field, column): (&arrow_schema::FieldRef, &arrow_array::ArrayRef)| {
                column.is_valid(row).then(|| (field.name().clone(), format!("{:?}", column.slice(row, 1))))
            };
            let values = schema.fields().iter().zip(batch.columns()).filter_map(text).collect();
            let path = batch.column(0).as_string::<i32>().value(row).to_owned();
            assert_eq!(rows.insert(path.clone(), values), None, "{path} is there twice");
        }
    }
    rows
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a arrow_array::ArrayRef {
    batch.column_by_name(name).unwrap_or_else(|| panic!("{name} is not in {:?}", batch.schema()))
}

#[test]
fn a_row_has_the_tags_of_a_recording_or_why_it_has_none() {
    let folder = folder();
    let (path, tagger) = (|name: &str| folder.path().join(name), model(folder.path()));
    let (printed, status) = summary(folder.path(), "music missing.wav --parquet out");
    assert_eq!(status, Some(2), "{printed}");
    assert!(printed.starts_with("5 recordings tagged") && printed.contains("2 failed"), "{printed}");
    let files = partitions(&path("out"));
    assert_eq!(files.len(), 1);
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&files[0]).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| metadata.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    assert_eq!(value("tagvane.model_card").as_deref(), Some("# What this model is for"));
    assert_eq!(value("tagvane.model_sha256"), Some(sha256_file(&path("model.onnx")).unwrap()));

    let batch = &batches(&path("out"))[0];
    let names: Vec<&str> = column(batch, "path").as_string::<i32>().iter().flatten().collect();
    let expected = ["a/1.wav", "a/2.mp3", "b/3.wav", "b/4.flac", "broken.ogg"].map(|name| format!("music/{name}"));
    let all: Vec<&str> =
        ["missing.wav", "music/5.m4a"].into_iter().chain(expected.iter().map(String::as_str)).collect();
    assert_eq!(names, all);
    for (row, name) in names.iter().enumerate() {
        let error = column(batch, "error").as_string::<i32>();
        let sha256 = column(batch, "sha256").as_string::<i32>();
        if name.contains("missing") || name.contains("broken") {
            assert!(error.value(row).contains(name), "{}", error.value(row));
            assert_eq!(sha256.is_null(row), name.contains("missing"));
            assert!(column(batch, "guitar").is_null(row) && column(batch, "seconds").is_null(row));
            continue;
        }
        let tagged = tagger.tag(&path(name), |_, _| {}).unwrap();
        assert!(error.is_null(row));
        assert_eq!(sha256.value(row), sha256_file(&path(name)).unwrap());
        assert_eq!(column(batch, "seconds").as_primitive::<Float64Type>().value(row), tagged.seconds);
        let maxima = tagged.maxima();
        for (index, tag) in COLUMNS.iter().enumerate() {
            let value = |name: &str| column(batch, name).as_primitive::<Float32Type>().value(row);
            assert_eq!(value(tag), tagged.mean[index], "{name}: {tag}");
            let of_tag = if TAGS[index] == *tag || *tag == "path (2)" { TAGS[index] } else { tag };
            assert_eq!(value(&format!("{of_tag} max")), maxima[index], "{name}: {tag}");
        }
    }
}

#[test]
fn rows_of_windows_have_their_times() {
    let folder = folder();
    let tagger = model(folder.path());
    assert_eq!(summary(folder.path(), "music --parquet out --rows window").1, Some(2));
    let batches = batches(&folder.path().join("out"));
    let mut windows = Vec::new();
    for batch in &batches {
        let number = |name: &str, row: usize| column(batch, name).as_primitive::<Float64Type>().value(row);
        for row in 0..batch.num_rows() {
            if column(batch, "error").is_null(row) {
                let path = column(batch, "path").as_string::<i32>().value(row).to_owned();
                let guitar = column(batch, "guitar").as_primitive::<Float32Type>().value(row);
                windows.push((path, number("start", row), number("end", row), guitar));
            }
        }
    }
    let mut expected = Vec::new();
    for name in ["music/5.m4a", "music/a/1.wav", "music/a/2.mp3", "music/b/3.wav", "music/b/4.flac"] {
        let tagged = tagger.tag(&folder.path().join(name), |_, _| {}).unwrap();
        let row = |window: &tagvane_trainer::tagging::WindowPrediction| {
            (name.to_owned(), window.start, window.end, window.probabilities[0])
        };
        expected.extend(tagged.timeline.iter().map(row));
    }
    assert_eq!(windows, expected);
}

#[test]
fn a_second_run_does_what_is_missing_failed_or_changed() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let run = || summary(folder.path(), "music --parquet out").0;
    assert!(run().contains("5 recordings tagged"));
    let first = rows(&path("out"));
    let says = |printed: &str, tagged: usize, unchanged: usize, failed: usize| {
        let wanted =
            [format!("{tagged} recordings tagged"), format!("{unchanged} unchanged"), format!("{failed} failed")];
        assert!(wanted.iter().all(|text| printed.contains(text)), "{printed}");
    };
    says(&run(), 0, 5, 1);
    // The same bytes with another time are the same recording.
    let bytes = std::fs::read(path("music/a/1.wav")).unwrap();
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
    File::options().write(true).open(path("music/a/1.wav")).unwrap().set_modified(later).unwrap();
    says(&run(), 0, 5, 1);
    assert_eq!(rows(&path("out")), first);
    // Others are not, and neither are new ones.
    tone(&path("music/a/1.wav"), 700.0, 1.5);
    tone(&path("music/new.wav"), 300.0, 0.4);
    std::fs::write(path("music/broken.ogg"), bytes).unwrap();
    says(&run(), 3, 4, 0);
    let second = rows(&path("out"));
    assert_eq!(second.len(), first.len() + 1);
    let changed = |name: &str| first.get(name) != second.get(name);
    let names: Vec<&String> = second.keys().filter(|name| changed(name)).collect();
    assert_eq!(names, ["music/a/1.wav", "music/broken.ogg", "music/new.wav"]);
    // A recording that is gone keeps its row, and the run says so.
    std::fs::remove_file(path("music/new.wav")).unwrap();
    let (printed, status) = summary(folder.path(), "music music/new.wav --parquet out");
    says(&printed, 0, 6, 1);
    assert_eq!((status, rows(&path("out"))), (Some(2), second));
    // Another model, with other tags, has a folder of its own.
    write_model(&path("model.onnx"), &["rock"]);
    says(&summary(folder.path(), "music --parquet out").0, 6, 0, 0);
    assert_eq!(std::fs::read_dir(path("out")).unwrap().count(), 2);
}

#[test]
fn shards_and_two_runs_at_once_give_the_rows_of_one_run() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    assert_eq!(summary(folder.path(), "music --parquet whole").1, Some(2));
    let whole = rows(&path("whole"));
    for number in 1..=3 {
        summary(folder.path(), &format!("music --parquet shards --shard {number}/3"));
    }
    assert_eq!(rows(&path("shards")), whole);
    // More shards than partitions share these.
    for number in 1..=5 {
        summary(folder.path(), &format!("music --parquet whole --shard {number}/5"));
    }
    assert_eq!(rows(&path("whole")), whole);
    let run = || {
        process::command(folder.path(), "tag model.onnx music --parquet both --quiet")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..4).map(|_| run()).collect();
    for mut run in runs {
        run.wait().unwrap();
    }
    assert_eq!(rows(&path("both")), whole);
}

#[test]
fn a_killed_run_leaves_whole_partitions_and_is_resumed() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    std::fs::remove_file(path("music/broken.ogg")).unwrap();
    for index in 0..60 {
        tone(&path(&format!("music/more/{index}.wav")), 300.0 + index as f32, 0.3);
    }
    assert_eq!(summary(folder.path(), "music --parquet whole --shard 1/1").1, Some(0));
    let whole = rows(&path("whole"));
    for wait in [50, 150, 300, 500] {
        let mut run = process::command(folder.path(), "tag model.onnx music --parquet out --quiet --shard 1/1")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let _ = run.kill();
        run.wait().unwrap();
    }
    let (printed, status) = summary(folder.path(), "music --parquet out");
    assert_eq!(status, Some(0), "{printed}");
    assert_eq!(rows(&path("out")), whole);
}

#[test]
fn a_catalogue_that_cannot_be_continued_says_why_and_stays() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    summary(folder.path(), "music --parquet out");
    let fails = |arguments: &str| {
        let output = tag(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments}");
        String::from_utf8(output.stderr).unwrap()
    };
    let errors = fails("music --parquet out --rows window");
    assert!(errors.contains("begun with --rows track"), "{errors}");
    let errors = fails("music --parquet out --hop 0.2");
    assert!(errors.contains("--hop 0.099"), "{errors}");
    let errors = fails("music --parquet out --partitions 7");
    assert!(errors.contains("has 1"), "{errors}");
    let errors = fails("music --parquet out2 --embedding");
    assert!(errors.contains("no embedding"), "{errors}");
    assert!(!path("out2").exists());
    let errors = fails("music --parquet model.onnx");
    assert!(errors.contains("model.onnx"), "{errors}");
    let partition = partitions(&path("out")).remove(0);
    let whole = std::fs::read(&partition).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"PAR1", b""] {
        std::fs::write(&partition, damaged).unwrap();
        let errors = fails("music --parquet out");
        assert!(errors.contains("cannot be read") && errors.contains("remove it"), "{errors}");
        assert_eq!(std::fs::read(&partition).unwrap(), damaged);
    }
    std::fs::remove_file(&partition).unwrap();
    assert_eq!(summary(folder.path(), "music --parquet out").1, Some(2));
    assert_eq!(rows(&path("out")).len(), 6);
}

#[test]
fn lists_patterns_and_standard_input_are_tagged() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    summary(folder.path(), "music/a music/5.m4a --parquet expected");
    let expected = rows(&path("expected"));
    std::fs::write(path("list.txt"), "music/a/1.wav\nmusic/a/2.mp3\n\nmusic/5.m4a").unwrap();
    std::fs::write(path("list.csv"), "id,song\n1,music/a/1.wav\n2,music/a/2.mp3\n3,music/5.m4a\n4,\n").unwrap();
    let mut arguments = vec!["--list list.txt", "--list list.csv --column song", "music/a/*.* music/5.* music/a/1.wav"];
    // A catalogue is a list, too.
    let partition = partitions(&path("expected")).remove(0);
    std::fs::copy(partition, path("list.parquet")).unwrap();
    arguments.push("--list list.parquet");
    for (index, arguments) in arguments.iter().enumerate() {
        let (printed, status) = summary(folder.path(), &format!("{arguments} --parquet out-{index}"));
        assert_eq!(status, Some(0), "{arguments}: {printed}");
        assert_eq!(rows(&path(&format!("out-{index}"))), expected, "{arguments}");
    }
    let mut run = process::command(folder.path(), "tag model.onnx --list - --parquet piped")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    run.stdin.take().unwrap().write_all(&std::fs::read(path("list.txt")).unwrap()).unwrap();
    assert!(run.wait().unwrap().success());
    assert_eq!(rows(&path("piped")), expected);
}

#[test]
fn a_worker_answers_each_line_before_it_gets_the_next() {
    let folder = folder();
    let tagger = model(folder.path());
    let mut worker = process::command(folder.path(), "tag model.onnx --worker")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = worker.stdin.take().unwrap();
    let mut answers = BufReader::new(worker.stdout.take().unwrap());
    for name in ["music/a/1.wav", "missing.wav", "music/broken.ogg", "music", "music/b/3.wav", "", "music/a/1.wav"] {
        writeln!(lines, "{name}").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["path"], name);
        let path = folder.path().join(name);
        match tagger.tag(&path, |_, _| {}) {
            Ok(tagged) => {
                assert_eq!(answer["seconds"], tagged.seconds);
                assert_eq!(answer["sha256"], sha256_file(&path).unwrap());
                for ((tag, mean), maximum) in tagged.tags.iter().zip(&tagged.mean).zip(tagged.maxima()) {
                    assert_eq!(answer["mean"][tag].as_f64().unwrap() as f32, *mean);
                    assert_eq!(answer["max"][tag].as_f64().unwrap() as f32, maximum);
                }
            }
            Err(_) if name.is_empty() => assert!(answer["error"].as_str().unwrap().contains("empty"), "{answer}"),
            Err(_) => assert!(answer["error"].as_str().unwrap().contains(name), "{answer}"),
        }
    }
    drop(lines);
    assert_eq!(worker.wait().unwrap().code(), Some(2));
}

#[cfg(unix)]
#[test]
fn a_worker_keeps_the_order_of_many_lines_on_several_threads() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = folder();
    let odd = std::ffi::OsStr::from_bytes(b"music/caf\xe9.wav");
    std::fs::copy(folder.path().join("music/a/1.wav"), folder.path().join(odd)).unwrap();
    let names = ["music/5.m4a", "missing.wav", "music/a/1.wav", "music/b/4.flac", "music/broken.ogg"];
    let mut input: Vec<u8> =
        (0..40).flat_map(|index| format!("{}\n", names[index % names.len()]).into_bytes()).collect();
    input.extend_from_slice(odd.as_bytes());
    let list = folder.path().join("lines");
    std::fs::write(&list, input).unwrap();
    let output = process::command(folder.path(), "tag model.onnx --worker --jobs 3 --rows window")
        .stdin(File::open(list).unwrap())
        .output()
        .unwrap();
    let answers: Vec<Value> = output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(answers.len(), 41);
    for (index, answer) in answers[..40].iter().enumerate() {
        assert_eq!(answer["path"], names[index % names.len()]);
        assert_eq!(answer.get("timeline").is_some(), answer.get("error").is_none());
    }
    assert_eq!(answers[40]["path"], "music/caf\\xE9.wav");
    assert_eq!(answers[40]["mean"], answers[2]["mean"]);
}

#[test]
fn a_server_that_breaks_off_stalls_or_knows_no_ranges_gives_the_same_rows() {
    let folder = folder();
    let server = Server::start(folder.path().join("music"));
    let names = ["a/1.wav", "a/2.mp3", "b/3.wav", "b/4.flac", "5.m4a"];
    let worker = |kind: &str, names: &[&str]| -> Vec<Value> {
        let lines: String = names.iter().map(|name| format!("{}/{kind}/{name}\n", server.address())).collect();
        let mut worker = process::command(folder.path(), "tag model.onnx --worker --timeout 1 --jobs 4")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        worker.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = worker.wait_with_output().unwrap();
        output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    };
    let tagger = model(folder.path());
    for kind in ["good", "plain", "breaks", "stalls", "busy"] {
        for (name, answer) in names.iter().zip(worker(kind, &names)) {
            let path = folder.path().join("music").join(name);
            // The index of an MPEG-4 file may stand at its end, which such a server sends last.
            if kind == "plain" && answer.get("error").is_some() {
                assert!(name.ends_with("m4a"), "{answer}");
                continue;
            }
            assert_eq!(answer["sha256"], sha256_file(&path).unwrap(), "{kind}: {answer}");
            let tagged = tagger.tag(&path, |_, _| {}).unwrap();
            assert_eq!(answer["mean"]["guitar"].as_f64().unwrap() as f32, tagged.mean[0], "{kind}: {name}");
        }
    }
    for (kind, word) in [("refuses", "credentials"), ("fails", "500"), ("missing", "no such object"), ("silent", "")] {
        for answer in worker(kind, &names[..1]) {
            let error = answer["error"].as_str().unwrap();
            assert!(error.contains(word) && error.contains(&format!("/{kind}/")) && !error.contains('\n'), "{error}");
        }
    }
}

#[test]
fn a_recording_that_breaks_off_is_a_failure_and_not_a_shorter_recording() {
    let folder = folder();
    let server = Server::start(folder.path().join("music"));
    let address = format!("{}/half/b/3.wav", server.address());
    let (printed, status) = summary(folder.path(), &format!("{address} --parquet out --timeout 1"));
    assert_eq!(status, Some(2), "{printed}");
    let rows = rows(&folder.path().join("out"));
    assert!(rows[&address].contains_key("error") && !rows[&address].contains_key("guitar"), "{rows:?}");
}

#[test]
fn a_full_disk_ends_a_run_and_the_next_one_goes_on() {
    let Some(prefix) = with_mounts() else {
        println!("skipped: this system does not allow mounting a tmpfs");
        return;
    };
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    summary(folder.path(), "music --parquet whole");
    std::fs::create_dir(path("small")).unwrap();
    let run = format!("{} tag model.onnx music --parquet small/out --ignore-failed", env!("CARGO_BIN_EXE_trainer"));
    let script = format!(
        "mount -o size=8k -t tmpfs tmpfs small
        {run} 2>error && exit 11
        test -z \"$(find small -name '*.parquet' -o -name '*.partial')\" || exit 12
        mount -o remount,size=64m small
        {run} || exit 13
        cp -r small/out kept"
    );
    let mut shell = std::process::Command::new(prefix[0]);
    let status = shell.args(&prefix[1..]).args(["sh", "-c", &script]).current_dir(folder.path()).status().unwrap();
    assert!(status.success(), "{status}");
    let error = std::fs::read_to_string(path("error")).unwrap();
    assert!(error.contains("No space left") && error.contains("small/out") && error.contains("make room"), "{error}");
    assert_eq!(rows(&path("kept")), rows(&path("whole")));
}
