//! The commands on a miniature data set: from audio to a model, metrics and a report, and the error messages.

#[expect(dead_code, reason = "each test uses a part of it")]
mod process;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use process::{command, fail, succeed};
use std::process::Command;
use support::{magnatagatune, tone};
use tagvane_engine::{InferenceMode, Model};

#[test]
fn magnatagatune_is_prepared_trained_evaluated_exported_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let folders = ["0", "1", "2", "3", "4", "5", "c", "c", "d", "d", "e", "f"];
    let names: Vec<String> = folders.iter().enumerate().map(|(index, name)| format!("{name}/{index}.mp3")).collect();
    let clips: Vec<(&str, &[&str], f32)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| (name.as_str(), if index % 2 == 0 { &["guitar"][..] } else { &["harp"] }, 29.3))
        .collect();
    magnatagatune(folder, &clips);
    for shard in 1..=2 {
        let message = succeed(
            folder,
            &format!("prepare magnatagatune --annotations annotations.csv --audio mp3 --cache cache --shard {shard}/2"),
        );
        assert!(message.contains("6 recordings in this part, 0 skipped"), "{message}");
    }
    let config = succeed(folder, "models 3^4-59049");
    std::fs::write(folder.join("run.toml"), config).unwrap();
    let slim = "--set architecture.widths=[4,4,4,8,8] --set training.schedule.epochs=1 --set training.seed=2";
    let message = succeed(folder, &format!("train run.toml --cache cache --run runs/a {slim}"));
    assert!(message.contains("60 windows of 6 recordings to train on"), "{message}");
    let message = succeed(folder, "evaluate --run runs/a --cache cache --csv tags.csv --json metrics.json");
    assert!(message.contains("guitar") && message.contains("clips; mean over"), "{message}");
    assert!(std::fs::read_to_string(folder.join("tags.csv")).unwrap().starts_with("tag,positives,roc_auc"));
    succeed(folder, "export --run runs/a --out model.onnx");
    let model = Model::open(&folder.join("model.onnx"), InferenceMode::Sliding).unwrap();
    assert_eq!((model.window(), model.tags().len(), model.tags()[0].as_str()), (59_049, 50, "guitar"));
    // The weak tags of the evaluation are stored in the exported file.
    let metrics: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("metrics.json")).unwrap()).unwrap();
    let weak = |tag: &&serde_json::Value| tag["weak"] == true;
    let weak: Vec<&str> =
        metrics["tags"].as_array().unwrap().iter().filter(weak).map(|tag| tag["tag"].as_str().unwrap()).collect();
    assert!(weak.contains(&"opera"), "no clip has it: {weak:?}");
    succeed(folder, "export --run runs/a --out weak.onnx --weak-tags-from metrics.json");
    assert_eq!(Model::open(&folder.join("weak.onnx"), InferenceMode::Sliding).unwrap().metadata().weak_tags, weak);
    // The exported file has the same metrics as the run.
    succeed(folder, "evaluate --onnx model.onnx --cache cache --json exported.json");
    let auc = |file: &str| -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&std::fs::read(folder.join(file)).unwrap()).unwrap()["roc_auc"]
            .clone()
    };
    assert_eq!(auc("metrics.json"), auc("exported.json"));
    let tables = succeed(folder, "report runs");
    assert!(tables.contains("### Table 2") && tables.contains("| 3^4-59049 | 4 to 8 | 0.8655 |"), "{tables}");
    assert!(succeed(folder, "models").contains("3^9-59049"));
    // A cache with other tags, but also with a test set of whole windows.
    std::fs::write(folder.join("other.csv"), "path,group,tag\nd/8.mp3,test,loud\n").unwrap();
    succeed(folder, "prepare folder --csv other.csv --audio mp3 --cache other-tags");

    for (arguments, word) in [
        ("train nowhere.toml --cache cache --run runs/b", "nowhere.toml"),
        ("train run.toml --cache nowhere --run runs/b", "nowhere"),
        ("train run.toml --cache cache --run runs/b --set architecture.window=59050", "59050"),
        ("train run.toml --cache cache --run runs/b --set groups.validation=[\"z\"]", "validation set"),
        ("train run.toml --cache cache --run runs/a --set training.batch_size=24", "another configuration"),
        ("train run.toml --cache cache --run runs/b --set training.precision=bf16", "needs LibTorch"),
        ("evaluate --onnx run.toml --cache cache", "run.toml"),
        ("evaluate --run runs/z --cache cache", "no epoch"),
        ("evaluate --run runs/a --cache cache --group z", "the cache has"),
        // Regression: the metrics of these were computed for the wrong tags.
        ("evaluate --run runs/a --cache other-tags", "other-tags: the run was trained on other tags"),
        // Regression: any number was a threshold.
        ("evaluate --run runs/a --cache cache --threshold NaN", "from 0 to 1"),
        ("evaluate --run runs/a --cache cache --threshold 7", "from 0 to 1"),
        ("evaluate --run runs/a --onnx model.onnx --cache cache", "--onnx"),
        ("evaluate --cache cache", "--pseudo-labels"),
        ("evaluate --onnx model.onnx", "--cache"),
        // Regression: these panicked.
        ("bench --steps 0", "--steps"),
        ("bench --batch 1", "--batch"),
        ("prepare pseudo-labelled --teacher model.onnx --audio mp3 --cache other --window 0", "--window"),
        ("prepare pseudo-labelled --teacher model.onnx --audio mp3 --cache other --max-segments 0", "--max-segments"),
        ("prepare pseudo-labelled --teacher model.onnx --audio mp3 --cache other", "audio at 16000 Hz"),
        ("prepare pseudo-labelled --teacher model.onnx --recordings r.json", "is now called --corpus-list"),
        ("train run.toml --cache cache --run runs/b --until 3", "is now called --stop-after-epoch"),
        ("export --run runs --out x.onnx", "no epoch"),
        ("export --run runs/a --out x.onnx --weak-tags-from tags.csv", "evaluate --json"),
        ("evaluate --run runs/a --cache cache --positive-from=0.3", "is now called --threshold"),
        ("prepare taught --audio mp3 --cache other", "prepare pseudo-labelled"),
        ("train run.toml --cache cache --run runs/b --set evaluation.least_positives=2", "now called min_positives"),
        ("report cache", "trained and evaluated"),
        ("models 3^99", "3^99"),
        ("prepare folder --audio nowhere --cache other", "nowhere"),
        (
            "prepare folder --audio mp3 --cache other --validation-fraction 0.7 --test-fraction 0.7",
            "something to train on",
        ),
        ("prepare folder --audio mp3 --cache other --validation 0.7", "is now called --validation-fraction"),
        ("prepare folder --audio mp3 --cache other --shard 3/2", "--shard 3/2: give K/N"),
        ("tag model.onnx nothing.wav", "nothing.wav"),
    ] {
        let message = fail(folder, arguments);
        assert!(message.contains(word), "{arguments}: {message}");
    }
    // A damaged checkpoint is an error, and nothing is exported.
    std::fs::write(folder.join("runs/a/epoch-001/network.mpk"), b"cut").unwrap();
    assert!(fail(folder, "export --run runs/a --out x.onnx").contains("damaged"));
    assert!(!folder.join("x.onnx").exists());
}

#[test]
fn predictions_and_labels_in_csv_files_are_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    tone(&folder.join("unused.wav"), 100.0, 0.1);
    std::fs::write(folder.join("p.csv"), "clip,soft,loud\na,0.9,0.1\nb,0.2,0.8\nc,0.4,0.3\nx,0,0\n").unwrap();
    std::fs::write(folder.join("l.csv"), "clip,loud,soft\nc,0,1\nb,1,0\na,0,1\ny,1,1\n").unwrap();
    let message = succeed(folder, "evaluate --predictions p.csv --labels l.csv");
    assert!(message.contains("2 clips are in one file only and left out: x, y"), "{message}");
    assert!(message.contains("3 clips; mean over 2 of 2 tags") && message.contains("ROC-AUC 1.0000"), "{message}");
    for (labels, word) in [
        ("clip,loud\na,1\n", "\"soft\" is in one of the two"),
        ("clip,loud,soft\na,1,0\na,1,0\n", "a occurs twice"),
        ("clip,loud,soft\na,one,0\n", "\"one\" is not a number"),
        ("clip,loud,soft\na,NaN,0\n", "\"NaN\" is not a number"),
        ("clip,loud,soft\na,1\n", "l.csv"),
        ("clip\na\n", "must name"),
    ] {
        std::fs::write(folder.join("l.csv"), labels).unwrap();
        let message = fail(folder, "evaluate --predictions p.csv --labels l.csv");
        assert!(message.contains(word), "{labels}: {message}");
    }
}

/// A limit on the file size simulates a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_is_an_error_and_prepare_resumes_without_partial_tracks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    (0..4).for_each(|index| tone(&folder.join(format!("audio/low/{index}.wav")), 90.0 + 10.0 * index as f32, 5.0));
    let prepare = "prepare folder --audio audio --cache cache --validation-fraction 0 --test-fraction 0";
    // 512 kilobytes hold two of the four recordings.
    let limited = format!("ulimit -f 512; trap '' XFSZ; exec {} {prepare}", env!("CARGO_BIN_EXE_trainer"));
    let output = Command::new("bash").current_dir(folder).args(["-c", &limited]).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("audio.pcm") && !message.contains("panicked"), "{message}");
    assert!(fail(folder, "evaluate --onnx none.onnx --cache cache").contains("none.onnx"));
    let cache = tagvane_trainer::data::Cache::open(&folder.join("cache"), |_| true);
    assert!(cache.err().unwrap().to_string().contains("not complete"));
    assert!(succeed(folder, prepare).contains("4 recordings in this part, 0 skipped"));
    let cache = tagvane_trainer::data::Cache::open(&folder.join("cache"), |_| true).unwrap();
    let mut samples = vec![0.0; 22_050];
    for track in 0..4 {
        assert!((cache.track(track).samples as i64 - 110_250).abs() < 10);
        cache.read(track, 44_100, &mut samples).unwrap();
        // The zero crossings per second identify the tone of the track.
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count() as i64;
        assert!((crossings - (90 + 10 * track as i64)).abs() <= 1, "{track}: {crossings}");
    }
}

/// Regression: `trainer models | head` ended with a panic.
#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_every_command_without_a_message() {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Stdio;
    let folder = tempfile::tempdir().unwrap();
    for arguments in ["models", "models 3^9-59049", "help", "train --help", "--version"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(folder.path(), arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments}");
        // SIGPIPE ends a command that prints; another one exits normally.
        assert!(matches!(output.status.signal(), Some(13) | None), "{arguments}: {}", output.status);
    }
}

#[test]
fn teachers_are_listed_with_their_places_and_converted_from_local_copies_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let places = succeed(folder, "teachers");
    for words in [
        "MTT_musicnn, MTT_vgg, MSD_musicnn, MSD_vgg: PyPI, musicnn 0.1.0 (ISC), SHA-256 of the wheel f38a4890",
        "MSD_crnn_torch: github.com/minzwon/sota-music-tagging-models, models/msd/crnn/best_model.pth (MIT), SHA-256 ebb9",
        "yamnet: github.com/tensorflow/models, research/audioset/yamnet/yamnet_class_map.csv (Apache-2.0), SHA-256 cdf2",
    ] {
        assert!(places.contains(words), "{words} is missing from {places}");
    }
    std::fs::create_dir(folder.join("copies")).unwrap();
    let message = fail(folder, "teachers --from copies --out teachers");
    assert!(message.contains("copies: none of the teachers' files is in this folder"), "{message}");
    let message = fail(folder, "teachers --from copies");
    assert!(message.contains("--out"), "{message}");
}
