//! `tagvane-play` as a person types it, through the finished bundles.

use std::path::PathBuf;
use std::process::{Command, Output};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn play(arguments: &[&str], model: Option<&str>) -> Output {
    host(arguments, model).output().expect("the host starts")
}

fn host(arguments: &[&str], model: Option<&str>) -> Command {
    let bundles = std::env::var_os("TAGVANE_BUNDLES").map_or_else(|| root().join("bundles"), PathBuf::from);
    assert!(bundles.join("Tagvane.clap").exists(), "run `cargo xtask test`, or `cargo xtask bundle` first");
    let mut host = Command::new(env!("CARGO_BIN_EXE_tagvane-play"));
    host.arg("--bundles").arg(bundles).arg("--clip").arg(root().join("tests/clips/rock.ogg")).args(arguments);
    host.env_remove("TAGVANE_MODEL");
    if let Some(model) = model {
        host.env("TAGVANE_MODEL", model);
    }
    host
}

/// The lines of a `--json` file, the summary taken out of the last one.
fn json(path: &std::path::Path) -> (Vec<serde_json::Value>, serde_json::Value) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap()["summary"].take();
    (lines, summary)
}

#[test]
fn what_the_host_saw_is_written_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let mut top = Vec::new();
    for format in ["clap", "vst3"] {
        let path = folder.path().join("seen.jsonl");
        let output = play(&["--fast", "--format", format, "--json", path.to_str().unwrap()], None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (moments, summary) = json(&path);
        assert!(moments.len() > 20, "{format}: {} moments", moments.len());
        let times: Vec<f64> = moments.iter().map(|moment| moment["time"].as_f64().unwrap()).collect();
        assert!(times.is_sorted() && times[0] > 2.6 && times[times.len() - 1] < 20.1, "{format}: {times:?}");
        assert_eq!(moments[0]["tags"].as_object().unwrap().len(), 50, "{format}");
        assert_eq!(summary["format"], format);
        assert_eq!(summary["sample_rate"], 44_100);
        assert_eq!(summary["audio_bit_exact"], true);
        assert_eq!(summary["inference"], "sliding");
        assert!((summary["seconds"].as_f64().unwrap() - 20.0).abs() < 0.1);
        assert!(summary["announcements"].as_u64().unwrap() > 100);
        top.push(summary["top"][0][0].clone());
    }
    assert_eq!(top[0], top[1]);
}

/// The same clip has the same tags at the same times, whichever way the model is run.
#[test]
fn sliding_says_what_full_windows_say() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["clap", "vst3"] {
        let seen = ["0", "1"].map(|full_windows| {
            let path = folder.path().join("seen.jsonl");
            let arguments = ["--fast", "--format", format, "--json", path.to_str().unwrap()];
            let output = host(&arguments, None).env("TAGVANE_FULL_WINDOWS", full_windows).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            json(&path)
        });
        let [(sliding, summary), (full, full_summary)] = &seen;
        assert_eq!((&summary["inference"], &full_summary["inference"]), (&"sliding".into(), &"full windows".into()));
        let mut worst = 0.0_f64;
        assert_eq!(sliding.len(), full.len(), "{format}");
        for (sliding, full) in sliding.iter().zip(full) {
            assert_eq!(sliding["time"], full["time"], "{format}");
            for (tag, value) in sliding["tags"].as_object().unwrap() {
                worst = worst.max((value.as_f64().unwrap() - full["tags"][tag].as_f64().unwrap()).abs());
            }
        }
        // A tag at the edge of the dead band may be announced a moment later.
        assert!(worst <= 1e-2, "{format}: {worst} apart");
    }
}

#[test]
fn playing_in_real_time_takes_its_time() {
    let started = std::time::Instant::now();
    let output = play(&["--seconds", "4"], None);
    assert!(output.status.success());
    assert!(started.elapsed().as_secs_f64() >= 3.9);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("On the whole:") && said.contains("came out as it went in"), "{said}");
}

/// Once, a mono file reached a stereo plugin as one channel, and nothing was heard.
#[test]
fn a_mono_file_is_heard() {
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
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("On the whole: rock") && said.contains("came out as it went in"), "{format}: {said}");
    }
}

#[test]
fn files_that_cannot_be_played_get_one_line_that_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let no_audio = file("letter.txt", b"Dear listener, there is no music in here.\n");
    let empty = file("empty.wav", b"");
    let header = file(
        "header.wav",
        b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88\x58\x01\0\x02\0\x10\0data\0\0\0\0",
    );
    let folder_itself = folder.path().to_str().unwrap();
    for path in ["no/such/song.ogg", &no_audio, &empty, &header, folder_itself] {
        let output = play(&["--fast", path], None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{path}: {said}");
        assert!(said.contains(path) && said.trim_end().lines().count() == 1, "{path}: {said}");
    }
    assert_eq!(play(&["--seconds", "-3"], None).status.code(), Some(2));
}

#[test]
fn a_model_that_cannot_be_used_leaves_the_audio_alone_and_is_named_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read(root().join("plugin/models/magnatagatune.onnx")).unwrap();
    let truncated = folder.path().join("truncated.onnx");
    std::fs::write(&truncated, &shipped[..shipped.len() / 2]).unwrap();
    let foreign = folder.path().join("foreign.onnx");
    std::fs::write(&foreign, b"this is somebody's poem, not a model").unwrap();
    let missing = folder.path().join("missing.onnx");
    let seen = folder.path().join("seen.jsonl");
    for model in [&truncated, &foreign, &missing] {
        let model = model.to_str().unwrap();
        for format in ["clap", "vst3"] {
            let output = play(&["--fast", "--format", format, "--json", seen.to_str().unwrap()], Some(model));
            let log = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{model}: {log}");
            let lines: Vec<&str> = log.lines().filter(|line| line.contains(model)).collect();
            assert_eq!(lines.len(), 1, "{model}: {log}");
            let (moments, summary) = json(&seen);
            assert_eq!((moments.len(), &summary["audio_bit_exact"]), (0, &true.into()), "{model}");
            assert_eq!(summary["announcements"], 0, "{model}");
        }
    }
}

/// Once, a model that does not tell its sample rate was run at 22050 Hz without a word.
#[test]
fn the_first_line_tells_how_the_model_runs_and_what_is_assumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(root().join("plugin/models/magnatagatune.onnx")).unwrap();
    let (known, unknown) = (b"sample_rate", b"sample_rite");
    let place = bytes.windows(known.len()).position(|part| part == known).unwrap();
    bytes[place..place + known.len()].copy_from_slice(unknown);
    let path = folder.path().join("unknown rate.onnx");
    std::fs::write(&path, bytes).unwrap();
    for format in ["clap", "vst3"] {
        for (model, told) in [(None, "sliding"), (path.to_str(), "sliding at an assumed 22050 Hz")] {
            let output = play(&["--fast", "--seconds", "1", "--format", format], model);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let first = said.lines().next().unwrap_or_default();
            assert_eq!(first, format!("rock.ogg, 1.0 s at 44100 Hz; inference: {told}"), "{format}: {said}");
        }
    }
}

#[test]
fn another_model_can_be_named_and_its_tags_show() {
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("mine.onnx");
    std::fs::copy(root().join("plugin/models/magnatagatune.onnx"), &path).unwrap();
    let seen = copy.path().join("seen.jsonl");
    let output = play(&["--fast", "--json", seen.to_str().unwrap()], path.to_str());
    assert!(output.status.success());
    let (moments, _) = json(&seen);
    assert!(moments[0]["tags"].get("guitar").is_some());
}

/// As `cargo xtask play --fast | head` does.
#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_the_host_quietly() {
    use std::os::unix::process::ExitStatusExt as _;
    for arguments in [&["--fast", "--seconds", "1"][..], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = host(arguments, None).stdout(writer).stderr(std::process::Stdio::piped()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(13), "{arguments:?}: {} {said}", output.status);
        assert!(!said.contains("panicked") && !said.contains("Broken pipe"), "{arguments:?}: {said}");
    }
}
