//! What listening costs: one figure a call, as a line of JSON. `cargo xtask bench` calls
//! it and puts the figures side by side.

#[path = "../tests/support/mod.rs"]
mod support;

use cpu_time::{ProcessTime, ThreadTime};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use support::network::{Random, Shape};
use tagvane_engine::{Engine, Hearing, Inference, Model, ModelSource, Pace};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let figures = match *arguments.as_slice() {
        ["write-wide", file] => write_wide(Path::new(file)),
        ["step", file, hop, times] => step(Path::new(file), number(hop), number(times)),
        ["full", file, times] => full(Path::new(file), number(times)),
        ["load", file, times] => load(Path::new(file), number(times)),
        ["block", times] => block(number(times)),
        ["memory", file, instances] => memory(Path::new(file), number(instances)),
        ["live", file, instances, seconds] => live(Path::new(file), number(instances), number(seconds)),
        ["idle", file, instances, seconds] => idle(Path::new(file), number(instances), number(seconds)),
        _ => panic!("not one of this program's calls: {arguments:?}"),
    };
    println!("{figures}");
}

/// The paper's 3^9 network (Table 1) with random weights.
fn write_wide(file: &Path) -> Value {
    let widths = vec![128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512];
    let shape = Shape { m: 3, layers: 9, first: 3, widths, normalised: false, tags: 50 };
    std::fs::write(file, shape.network(&mut Random(1))).expect("the folder can be written");
    json!({})
}

fn noise(samples: usize) -> Vec<f32> {
    let mut random = Random(2);
    (0..samples).map(|_| random.between(-0.5, 0.5)).collect()
}

fn source(file: &Path) -> ModelSource {
    ModelSource::File(file.to_owned())
}

/// The middle of what `measure` gives, in milliseconds.
fn median(times: usize, mut measure: impl FnMut() -> Duration) -> f64 {
    let mut all: Vec<Duration> = (0..times).map(|_| measure()).collect();
    all.sort();
    all[all.len() / 2].as_secs_f64() * 1e3
}

/// Milliseconds of this thread for one step and its answer.
fn step(file: &Path, hop: usize, times: usize) -> Value {
    let model = Model::with(&std::fs::read(file).unwrap(), Inference::Sliding, Some(hop)).unwrap();
    let (window, sound) = (model.window(), noise(2 * model.window()));
    let mut hearing = Hearing::new(model);
    let mut place = 0;
    let milliseconds = median(times, || {
        place = (place + hop) % window;
        let heard = &sound[place..place + window];
        let start = ThreadTime::now();
        hearing.step(heard).unwrap();
        hearing.probabilities(heard).unwrap();
        start.elapsed()
    });
    json!({"milliseconds": milliseconds})
}

/// Milliseconds of this thread for one full window.
fn full(file: &Path, times: usize) -> Value {
    let model = Model::with(&std::fs::read(file).unwrap(), Inference::FullWindows, None).unwrap();
    let sound = noise(model.window());
    let milliseconds = median(times, || {
        let start = ThreadTime::now();
        model.probabilities(&sound).unwrap();
        start.elapsed()
    });
    json!({"milliseconds": milliseconds})
}

/// Milliseconds from the file to where a first step can be made.
fn load(file: &Path, times: usize) -> Value {
    let milliseconds = median(times, || {
        let start = Instant::now();
        let hearing = Hearing::new(Model::open(file, Inference::Sliding).unwrap());
        let took = start.elapsed();
        drop(hearing);
        took
    });
    json!({"milliseconds": milliseconds})
}

/// Milliseconds of the audio thread for a block of 512 stereo frames at 48 kHz: of noise, and in
/// turn with it of denormal numbers.
fn block(times: usize) -> Value {
    let bytes = Vec::leak(support::bytes(&support::loudness(48)));
    let engine = || Engine::start(ModelSource::Bytes { name: "loudness".into(), bytes }, Inference::Sliding);
    let engines = [engine(), engine()];
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut taps = [0, 1].map(|index: usize| engines[index].connect(48_000.0, Pace::EveryHop).unwrap());
    let noise = noise(512);
    let denormals: Vec<f32> = noise.iter().map(|sample| sample * f32::MIN_POSITIVE).collect();
    let mut all = [Vec::with_capacity(times), Vec::with_capacity(times)];
    for _ in 0..times {
        for (index, sound) in [&noise, &denormals].into_iter().enumerate() {
            let start = ThreadTime::now();
            taps[index].hear(&[sound, sound]);
            all[index].push(start.elapsed());
            engines[index].catch_up();
        }
    }
    all.iter_mut().for_each(|all| all.sort());
    let at = |index: usize, share: f64| all[index][(share * (times - 1) as f64) as usize].as_secs_f64() * 1e3;
    json!({
        "milliseconds": at(0, 0.5),
        "milliseconds_999": at(0, 0.999),
        "denormals": at(1, 0.5) / at(0, 0.5),
        "duration": 512.0 / 48.0,
    })
}

/// Bytes that each further instance takes once it listens.
fn memory(file: &Path, instances: usize) -> Value {
    let start = || {
        let engine = Engine::start(source(file), Inference::Sliding);
        engine.wait_until_loaded();
        let mut tap = engine.connect(22_050.0, Pace::EveryHop).unwrap();
        for part in noise(3 * 59_049).chunks(8_192) {
            tap.hear(&[part]);
            engine.catch_up();
        }
        (engine, tap)
    };
    // The second may still find room that was left of the first.
    let _first: Vec<_> = (0..2).map(|_| start()).collect();
    let before = resident();
    let _further: Vec<_> = (0..instances).map(|_| start()).collect();
    json!({"bytes": resident().saturating_sub(before) / instances})
}

/// Bytes of memory that this process has.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4_096
}

/// Instances that play for real: blocks of 512 frames at 48 kHz, when they are due.
fn live(file: &Path, instances: usize, seconds: usize) -> Value {
    let engines: Vec<Engine> = (0..instances).map(|_| Engine::start(source(file), Inference::Sliding)).collect();
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut taps: Vec<_> = engines.iter().map(|engine| engine.connect(48_000.0, Pace::Live).unwrap()).collect();
    let sound = noise(512 * 101);
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let mut heard = ThreadTime::now().elapsed();
    for (block, part) in sound.chunks(512).cycle().take(seconds * 48_000 / 512).enumerate() {
        let due = Duration::from_secs_f64(block as f64 * 512.0 / 48_000.0);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let before = ThreadTime::now();
        taps.iter_mut().for_each(|tap| tap.hear(&[part, part]));
        heard += before.elapsed();
    }
    std::thread::sleep(Duration::from_millis(50));
    let share = (cpu.elapsed() - heard).as_secs_f64() / start.elapsed().as_secs_f64() / instances as f64;
    let updates: u64 = engines.iter().map(|engine| engine.board().inferences()).sum();
    let skips: u64 = engines.iter().map(|engine| engine.board().skips()).sum();
    let gaps: u64 = engines.iter().map(|engine| engine.board().gaps()).sum();
    json!({"share_of_a_core": share, "updates": updates, "late": skips, "gaps": gaps, "seconds": seconds})
}

/// Instances whose host does not call them, and ones that hear silence.
fn idle(file: &Path, instances: usize, seconds: usize) -> Value {
    let engines: Vec<Engine> = (0..instances).map(|_| Engine::start(source(file), Inference::Sliding)).collect();
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut taps: Vec<_> = engines.iter().map(|engine| engine.connect(48_000.0, Pace::Live).unwrap()).collect();
    let rest = || {
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        std::thread::sleep(Duration::from_secs(seconds as u64));
        cpu.elapsed().as_secs_f64() / start.elapsed().as_secs_f64() / instances as f64
    };
    std::thread::sleep(Duration::from_secs(3));
    let not_called = rest();
    let silence = [0.0; 512];
    let (mut start, mut cpu, mut heard) = (Instant::now(), ProcessTime::now(), Duration::ZERO);
    for block in 0..(seconds + 4) * 48_000 / 512 {
        if block == 4 * 48_000 / 512 {
            (start, cpu, heard) = (Instant::now(), ProcessTime::now(), Duration::ZERO);
        }
        std::thread::sleep(Duration::from_secs_f64(512.0 / 48_000.0));
        let before = ThreadTime::now();
        taps.iter_mut().for_each(|tap| tap.hear(&[silence, silence]));
        heard += before.elapsed();
    }
    let in_silence = (cpu.elapsed() - heard).as_secs_f64() / start.elapsed().as_secs_f64() / instances as f64;
    json!({"not_called": not_called, "in_silence": in_silence})
}
