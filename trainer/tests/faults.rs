//! The trainer on a machine that fails: killed at any moment, a hundred times; out of disk.
#![cfg(unix)]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::tone;

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
batch = 8
seed = 5
checkpoint_every = 20
optimiser = { kind = \"adam\" }
schedule = { kind = \"one-cycle\", learning_rate = 0.01, epochs = 4 }
augmentation = { shift = 50, gain = [0.5, 1.5] }
";

/// Music, a list of it and a configuration.
fn desk(folder: &Path) {
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

/// The steps from music to a model, each as the trainer is called for it, everything in `to`.
fn steps(desk: &Path, to: &Path) -> [Vec<String>; 3] {
    let path = |name: &str| to.join(name).display().to_string();
    let given = |name: &str| desk.join(name).display().to_string();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    [
        words(&[
            "prepare",
            "folder",
            "--csv",
            &given("list.csv"),
            "--audio",
            &given("audio"),
            "--cache",
            &path("cache"),
        ]),
        words(&["train", &given("run.toml"), "--cache", &path("cache"), "--run", &path("run")]),
        words(&["export", "--run", &path("run"), "--out", &path("model.onnx")]),
    ]
}

fn trainer(arguments: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// What came of all: the cache, what was learnt, the model.
fn outcome(folder: &Path) -> [Vec<u8>; 3] {
    let read = |path: PathBuf| fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let part = folder.join("cache/part-00001-of-00001");
    let (audio, list) = (read(part.join("audio.pcm")), read(part.join("tracks.jsonl")));
    // Several are decoded at a time, so that their places in the file are chance.
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
    // Without the columns that tell how fast.
    let learnt: String = log.lines().map(|line| line.split(',').take(6).collect::<Vec<_>>().join(",") + "\n").collect();
    [tracks.concat(), learnt.into_bytes(), read(folder.join("model.onnx"))]
}

/// Files that are half written, which the one who reads a folder must not take for whole.
fn is_partial(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "partial")
}

#[test]
fn a_hundred_kills_change_nothing() {
    let seed = 100;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    desk(folder);
    let whole = folder.join("whole");
    let lasts = steps(folder, &whole).map(|step| {
        let started = Instant::now();
        assert!(trainer(&step).status().unwrap().success());
        started.elapsed()
    });
    let whole = outcome(&whole);

    let (mut kills, mut rounds) = (0, 0);
    while kills < 100 {
        rounds += 1;
        assert!(rounds < 60, "only {kills} kills in {rounds} rounds");
        let killed = folder.join(format!("killed{rounds}"));
        for (step, lasts) in steps(folder, &killed).iter().zip(lasts) {
            // The later attempts are given more time, so that each step ends some day.
            for attempt in 1.. {
                let mut child = trainer(step).spawn().unwrap();
                let time = lasts.mul_f64(random.random_range(0.0..0.25 + 0.1 * f64::from(attempt)));
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
                assert!(!model.exists() || fs::read(&model).unwrap() == whole[2], "half a model has its name");
            }
        }
        let names = ["the cache", "what was learnt", "the model"];
        for (name, (ours, theirs)) in names.iter().zip(outcome(&killed).iter().zip(&whole)) {
            assert!(ours == theirs, "round {rounds}: {name} is another");
        }
        let left =
            fs::read_dir(killed.join("run")).unwrap().filter(|entry| is_partial(&entry.as_ref().unwrap().path()));
        assert_eq!(left.count(), 0, "round {rounds}: something half-written stays");
        fs::remove_dir_all(&killed).unwrap();
    }
    println!("{kills} kills in {rounds} rounds");
}

/// The words to start a shell with that may mount a disk of its own; `None` where the system lets
/// nobody.
fn with_mounts() -> Option<Vec<&'static str>> {
    let ways = [vec!["unshare", "--user", "--map-root-user", "--mount"], vec!["unshare", "--mount"]];
    ways.into_iter().find(|way| {
        let tried = Command::new(way[0]).args(&way[1..]).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output();
        tried.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let Some(way) = with_mounts() else {
        println!("not tested: this system lets nobody mount a small disk");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    desk(folder);
    let (whole, small) = (folder.join("whole"), folder.join("small"));
    for step in steps(folder, &whole) {
        assert!(trainer(&step).status().unwrap().success());
    }
    fs::create_dir(&small).unwrap();
    // Each step with too little room, then with enough; the results go where they stay.
    let quoted = |step: &[String]| {
        let words: Vec<String> = step.iter().map(|word| format!("'{word}'")).collect();
        format!("{} {}", env!("CARGO_BIN_EXE_trainer"), words.join(" "))
    };
    let [prepare, train, export] = steps(folder, &small).map(|step| quoted(&step));
    let (small, kept) = (small.display(), folder.join("kept"));
    let used = "$(du -sk . | cut -f1)";
    let script = format!(
        "set -u; mount -t tmpfs -o size=400k tmpfs {small}; cd {small}
        {prepare} >/dev/null 2>/dev/shm/said1-$$ && exit 11
        mount -o remount,size=64m {small}; mv /dev/shm/said1-$$ said1; {prepare} >/dev/null || exit 12
        mount -o remount,size={used}k {small}
        {train} >/dev/null 2>/dev/shm/said2-$$ && exit 13
        mount -o remount,size=64m {small}; mv /dev/shm/said2-$$ said2; {train} >/dev/null || exit 14
        mount -o remount,size={used}k {small}
        {export} >/dev/null 2>/dev/shm/said3-$$ && exit 15
        test -e model.onnx && exit 16
        mount -o remount,size=64m {small}; mv /dev/shm/said3-$$ said3; {export} >/dev/null || exit 17
        cp -r {small} {}",
        kept.display()
    );
    let status = Command::new(way[0]).args(&way[1..]).args(["sh", "-c", &script]).status().unwrap();
    assert!(status.success(), "{status}");
    assert!(outcome(&kept) == outcome(&whole), "something was lost");
    for said in ["said1", "said2", "said3"] {
        let text = fs::read_to_string(kept.join(said)).unwrap();
        println!("{said}: {text}");
        let last = text.trim().lines().last().unwrap_or_default().to_owned();
        assert!(
            last.contains("No space left") && last.contains("small") && last.contains("make room"),
            "{said}: {text}"
        );
    }
}
