//! Fault injection: kills at random moments, and full disks.
#![cfg(unix)]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{tone, with_mounts};

const CONFIG: &str = "
[architecture]
kind = \"sample-level\"
m = 3
n = 4
window = 729
widths = [4, 4, 8, 8, 8]
[groups]
validation = [\"validation\"]
test = [\"test\"]
[training]
batch_size = 8
seed = 5
checkpoint_every = 20
optimiser = { kind = \"adam\" }
schedule = { kind = \"one-cycle\", learning_rate = 0.01, epochs = 4 }
augmentation = { shift = 50, gain = [0.5, 1.5] }
";

/// Writes recordings, their list and a configuration.
fn write_inputs(folder: &Path) {
    let kind = |index: usize| if index.is_multiple_of(2) { "low" } else { "high" };
    for index in 0..40 {
        let hertz = 80.0 + 17.0 * index as f32 + if index % 2 == 0 { 0.0 } else { 2_000.0 };
        tone(&folder.join(format!("audio/{}/{index}.wav", kind(index))), hertz, 3.0);
    }
    let group = |index| ["training", "training", "training", "validation"][index % 4];
    let line = |index| format!("{}/{index}.wav,{},{}\n", kind(index), group(index), kind(index));
    let list: String = (0..40).map(line).collect();
    fs::write(folder.join("list.csv"), format!("path,group,tag\n{list}")).unwrap();
    fs::write(folder.join("run.toml"), CONFIG).unwrap();
}

/// The arguments of the trainer for each step from recordings to a model. Results are written to
/// `out`.
fn steps(inputs: &Path, out: &Path) -> [Vec<String>; 3] {
    let path = |name: &str| out.join(name).display().to_string();
    let input = |name: &str| inputs.join(name).display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    [
        words(&[
            "prepare",
            "folder",
            "--csv",
            &input("list.csv"),
            "--audio",
            &input("audio"),
            "--cache",
            &path("cache"),
        ]),
        words(&["train", &input("run.toml"), "--cache", &path("cache"), "--run", &path("run")]),
        words(&["export", "--run", &path("run"), "--out", &path("model.onnx")]),
    ]
}

fn trainer(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The results of all steps that have to be reproducible: the cache, the metrics, the model.
fn results(folder: &Path) -> [Vec<u8>; 3] {
    let read = |path: PathBuf| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let part = folder.join("cache/part-00001-of-00001");
    let (audio, list) = (read(part.join("audio.pcm")), read(part.join("tracks.jsonl")));
    // Recordings are decoded in parallel, so their order in the file is random.
    let mut tracks: Vec<Vec<u8>> = list
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut track: Value = serde_json::from_slice(line).unwrap();
            let kept = track["kept"].as_object_mut().expect("no recording is skipped");
            let number = |value: Value| value.as_u64().unwrap() as usize;
            let (offset, samples) = (number(kept.remove("offset").unwrap()), number(kept["samples"].clone()));
            [track.to_string().as_bytes(), &audio[2 * offset..2 * (offset + samples)]].concat()
        })
        .collect();
    tracks.sort();
    let log = String::from_utf8(read(folder.join("run/log.csv"))).unwrap();
    // Without the timing columns.
    let metrics: String =
        log.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",") + "\n").collect();
    [tracks.concat(), metrics.into_bytes(), read(folder.join("model.onnx"))]
}

/// Whether a path is the temporary name of a file or folder that is being written.
fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "partial")
}

#[test]
fn a_hundred_kills_give_the_same_results() {
    let seed = 100;
    println!("seed {seed}");
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_inputs(folder);
    let whole = folder.join("whole");
    let durations = steps(folder, &whole).map(|step| {
        let started = Instant::now();
        assert!(trainer(&step).status().unwrap().success());
        started.elapsed()
    });
    let whole = results(&whole);

    let (mut kills, mut rounds) = (0, 0);
    while kills < 100 {
        rounds += 1;
        assert!(rounds < 60, "only {kills} kills in {rounds} rounds");
        let killed = folder.join(format!("killed{rounds}"));
        for (step, duration) in steps(folder, &killed).iter().zip(durations) {
            // Later attempts get more time, so that each step finishes eventually.
            for attempt in 1.. {
                let mut child = trainer(step).spawn().unwrap();
                let time = duration.mul_f64(random.random_range(0.0..0.25 + 0.1 * f64::from(attempt)));
                let started = Instant::now();
                let status = loop {
                    if let Some(status) = child.try_wait().unwrap() {
                        break Some(status);
                    }
                    if started.elapsed() > time {
                        break None;
                    }
                    std::thread::sleep(Duration::from_micros(500));
                };
                if let Some(status) = status {
                    assert!(status.success(), "{step:?}, attempt {attempt} after {kills} kills");
                    break;
                }
                child.kill().unwrap();
                child.wait().unwrap();
                kills += 1;
                let model = killed.join("model.onnx");
                assert!(!model.exists() || fs::read(&model).unwrap() == whole[2], "a partial model has the final name");
            }
        }
        let names = ["cache", "metrics", "model"];
        for (name, (resumed, uninterrupted)) in names.iter().zip(results(&killed).iter().zip(&whole)) {
            assert!(resumed == uninterrupted, "round {rounds}: the {name} differs");
        }
        let left =
            fs::read_dir(killed.join("run")).unwrap().filter(|entry| is_partial(&entry.as_ref().unwrap().path()));
        assert_eq!(left.count(), 0, "round {rounds}: a partial file is left");
        fs::remove_dir_all(&killed).unwrap();
    }
    println!("{kills} kills in {rounds} rounds");
}

#[test]
fn a_full_disk_is_reported_and_loses_nothing() {
    let Some(prefix) = with_mounts() else {
        println!("skipped: this system does not allow mounting a tmpfs");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_inputs(folder);
    let (whole, small) = (folder.join("whole"), folder.join("small"));
    for step in steps(folder, &whole) {
        assert!(trainer(&step).status().unwrap().success());
    }
    fs::create_dir(&small).unwrap();
    // Runs each step on a full disk, then with enough room, and copies the results off the tmpfs.
    let quoted = |step: &[String]| {
        let words: Vec<String> = step.iter().map(|word| format!("'{word}'")).collect();
        format!("{} {}", env!("CARGO_BIN_EXE_trainer"), words.join(" "))
    };
    let [prepare, train, export] = steps(folder, &small).map(|step| quoted(&step));
    let (small, kept) = (small.display(), folder.join("kept"));
    let used = "$(du -sk . | cut -f1)";
    let script = format!(
        "set -u; mount -t tmpfs -o size=400k tmpfs {small}; cd {small}
        {prepare} >/dev/null 2>/dev/shm/error1-$$ && exit 11
        mount -o remount,size=64m {small}; mv /dev/shm/error1-$$ error1; {prepare} >/dev/null || exit 12
        mount -o remount,size={used}k {small}
        {train} >/dev/null 2>/dev/shm/error2-$$ && exit 13
        mount -o remount,size=64m {small}; mv /dev/shm/error2-$$ error2; {train} >/dev/null || exit 14
        mount -o remount,size={used}k {small}
        {export} >/dev/null 2>/dev/shm/error3-$$ && exit 15
        test -e model.onnx && exit 16
        mount -o remount,size=64m {small}; mv /dev/shm/error3-$$ error3; {export} >/dev/null || exit 17
        cp -r {small} {}",
        kept.display()
    );
    let status = Command::new(prefix[0]).args(&prefix[1..]).args(["sh", "-c", &script]).status().unwrap();
    assert!(status.success(), "{status}");
    assert!(results(&kept) == results(&whole), "the results differ");
    for name in ["error1", "error2", "error3"] {
        let text = fs::read_to_string(kept.join(name)).unwrap();
        println!("{name}: {text}");
        let last = text.trim().lines().last().unwrap_or_default().to_owned();
        assert!(
            last.contains("No space left") && last.contains("small") && last.contains("make room"),
            "{name}: {text}"
        );
    }
}
