//! `tagvane-play` on the command line, with the finished bundles.

use std::path::PathBuf;
use std::process::{Command, Output};
use tagvane_host::testing::{bundle, bundle_folder};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn play(arguments: &[&str], model: Option<&str>) -> Output {
    host(arguments, model).output().expect("the host starts")
}

fn host(arguments: &[&str], model: Option<&str>) -> Command {
    // Panics with the remedy if there are no bundles.
    bundle("clap");
    let mut host = Command::new(env!("CARGO_BIN_EXE_tagvane-play"));
    host.arg("--bundles").arg(bundle_folder()).arg("--clip").arg(root().join("tests/clips/rock.ogg")).args(arguments);
    host.env_remove("TAGVANE_MODEL").env("TAGVANE_LOG", "stderr");
    if let Some(model) = model {
        host.env("TAGVANE_MODEL", model);
    }
    host
}

/// The snapshots of a `--json` file, and the summary from its last line.
fn read_json(path: &std::path::Path) -> (Vec<serde_json::Value>, serde_json::Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap()["summary"].take();
    (lines, summary)
}

#[test]
fn snapshots_and_a_summary_are_written_to_the_json_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut top_tags = Vec::new();
    for format in ["clap", "vst3"] {
        let path = folder.path().join("tags.jsonl");
        let output = play(&["--fast", "--format", format, "--json", path.to_str().unwrap()], None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (snapshots, summary) = read_json(&path);
        assert!(snapshots.len() > 20, "{format}: {} snapshots", snapshots.len());
        let times: Vec<f64> = snapshots.iter().map(|snapshot| snapshot["time"].as_f64().unwrap()).collect();
        assert!(times.is_sorted() && times[0] > 2.6 && times[times.len() - 1] < 20.1, "{format}: {times:?}");
        assert_eq!(snapshots[0]["tags"].as_object().unwrap().len(), 64, "{format}");
        assert_eq!(summary["format"], format);
        assert_eq!(summary["sample_rate"], 44_100);
        assert_eq!(summary["audio_bit_exact"], true);
        assert_eq!(summary["inference"], "sliding");
        assert!((summary["seconds"].as_f64().unwrap() - 20.0).abs() < 0.1);
        assert!(summary["announcements"].as_u64().unwrap() > 100);
        top_tags.push(summary["top"][0][0].clone());
    }
    assert_eq!(top_tags[0], top_tags[1]);
}

/// Both inference modes send the same tags at the same times.
#[test]
fn sliding_inference_gives_the_values_of_full_windows() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["clap", "vst3"] {
        let results = ["0", "1"].map(|full_windows| {
            let path = folder.path().join("tags.jsonl");
            let arguments = ["--fast", "--format", format, "--json", path.to_str().unwrap()];
            let output = host(&arguments, None).env("TAGVANE_FULL_WINDOWS", full_windows).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            read_json(&path)
        });
        let [(sliding, summary), (full, full_summary)] = &results;
        assert_eq!((&summary["inference"], &full_summary["inference"]), (&"sliding".into(), &"full windows".into()));
        let mut max_difference = 0.0_f64;
        assert_eq!(sliding.len(), full.len(), "{format}");
        for (sliding, full) in sliding.iter().zip(full) {
            assert_eq!(sliding["time"], full["time"], "{format}");
            for (tag, value) in sliding["tags"].as_object().unwrap() {
                max_difference =
                    max_difference.max((value.as_f64().unwrap() - full["tags"][tag].as_f64().unwrap()).abs());
            }
        }
        // A tag at the edge of the announcer's dead band may be sent later in one of them.
        assert!(max_difference <= 1e-2, "{format}: the values differ by {max_difference}");
    }
}

#[test]
fn playing_in_real_time_takes_the_duration_of_the_music() {
    let started = std::time::Instant::now();
    let output = play(&["--seconds", "4"], None);
    assert!(output.status.success());
    assert!(started.elapsed().as_secs_f64() >= 3.9);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.contains("Overall:") && stdout.contains("passed bit-exactly"), "{stdout}");
}

/// A stereo plugin once received a mono file as one channel, and made no predictions.
#[test]
fn a_mono_file_has_tags() {
    let folder = tempfile::tempdir().unwrap();
    let clip = tagvane_audio::read(&root().join("tests/clips/rock.ogg")).unwrap();
    let samples: Vec<u8> = clip.mono().iter().flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes()).collect();
    let mut wav = b"RIFF".to_vec();
    wav.extend((samples.len() as u32 + 36).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(clip.sample_rate.to_le_bytes());
    wav.extend((2 * clip.sample_rate).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend((samples.len() as u32).to_le_bytes());
    wav.extend(samples);
    let path = folder.path().join("mono.wav");
    std::fs::write(&path, wav).unwrap();
    for format in ["clap", "vst3"] {
        let output = play(&["--fast", "--format", format, path.to_str().unwrap()], None);
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(stdout.contains("Overall: rock") && stdout.contains("passed bit-exactly"), "{format}: {stdout}");
    }
}

#[test]
fn files_that_cannot_be_played_give_one_line_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let no_audio = file("letter.txt", b"This is a text file without audio.\n");
    let empty = file("empty.wav", b"");
    let header = file(
        "header.wav",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0",
    );
    let folder_itself = folder.path().to_str().unwrap();
    for path in ["no/such/song.ogg", &no_audio, &empty, &header, folder_itself] {
        let output = play(&["--fast", path], None);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{path}: {stderr}");
        assert!(stderr.contains(path) && stderr.trim_end().lines().count() == 1, "{path}: {stderr}");
    }
    assert_eq!(play(&["--seconds", "-3"], None).status.code(), Some(2));
}

#[test]
fn an_unusable_model_leaves_the_audio_unchanged_and_is_named_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read(root().join("plugin/models/magnatagatune.onnx")).unwrap();
    let truncated = folder.path().join("truncated.onnx");
    std::fs::write(&truncated, &shipped[..shipped.len() / 2]).unwrap();
    let foreign = folder.path().join("foreign.onnx");
    std::fs::write(&foreign, b"this is a text file, not a model").unwrap();
    let missing = folder.path().join("missing.onnx");
    let json_path = folder.path().join("tags.jsonl");
    for model in [&truncated, &foreign, &missing] {
        let model = model.to_str().unwrap();
        for format in ["clap", "vst3"] {
            let output = play(&["--fast", "--format", format, "--json", json_path.to_str().unwrap()], Some(model));
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{model}: {log}");
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(model)).collect();
            assert_eq!(lines.len(), 1, "{model}: {log}");
            let (snapshots, summary) = read_json(&json_path);
            assert_eq!((snapshots.len(), &summary["audio_bit_exact"]), (0, &true.into()), "{model}");
            assert_eq!(summary["announcements"], 0, "{model}");
        }
    }
}

/// The plug-in once printed a line for each loaded model, and clap-wrapper the number of its ports.
#[test]
#[cfg(target_os = "linux")]
fn without_tagvane_log_the_log_is_a_file_and_nothing_is_printed() {
    for format in ["clap", "vst3"] {
        let folder = tempfile::tempdir().unwrap();
        let mut host = host(&["--fast", "--seconds", "1", "--format", format], None);
        let output = host.env_remove("TAGVANE_LOG").env("XDG_STATE_HOME", folder.path()).output().unwrap();
        assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(0), ""), "{format}");
        let log = std::fs::read_to_string(folder.path().join("tagvane/tagvane.log")).unwrap();
        assert!(log.contains("INFO Music 214: 214 tags"), "{format}: {log}");
    }
}

/// A model without a sample rate in its metadata once ran at 22050 Hz without a notice.
#[test]
fn the_first_line_names_the_inference_mode_and_an_assumed_sample_rate() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(root().join("plugin/models/magnatagatune.onnx")).unwrap();
    let (known, unknown) = (b"sample_rate", b"sample_rite");
    let position = bytes.windows(known.len()).position(|part| part == known).unwrap();
    bytes[position..position + known.len()].copy_from_slice(unknown);
    let path = folder.path().join("unknown rate.onnx");
    std::fs::write(&path, bytes).unwrap();
    for format in ["clap", "vst3"] {
        for (model, inference) in [(None, "sliding"), (path.to_str(), "sliding at an assumed 22050 Hz")] {
            let output = play(&["--fast", "--seconds", "1", "--format", format], model);
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            let first = stdout.lines().next().unwrap_or_default();
            assert_eq!(first, format!("rock.ogg, 1.0 s at 44100 Hz; inference: {inference}"), "{format}: {stdout}");
        }
    }
}

#[test]
fn tagvane_model_selects_another_model_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.onnx");
    std::fs::copy(root().join("plugin/models/magnatagatune.onnx"), &path).unwrap();
    let json_path = folder.path().join("tags.jsonl");
    let output = play(&["--fast", "--json", json_path.to_str().unwrap()], path.to_str());
    assert!(output.status.success());
    let (snapshots, _) = read_json(&json_path);
    assert!(snapshots[0]["tags"].get("guitar").is_some());
}

/// `cargo xtask play --fast | head` closes the pipe early.
#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_the_host_quietly() {
    use std::os::unix::process::ExitStatusExt as _;
    for arguments in [&["--fast", "--seconds", "1"][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = host(arguments, None).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(13), "{arguments:?}: {} {stderr}", output.status);
        assert!(!stderr.contains("panicked") && !stderr.contains("Broken pipe"), "{arguments:?}: {stderr}");
    }
}
