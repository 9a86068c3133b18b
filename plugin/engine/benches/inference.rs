//! Time and memory of the engine: each call measures one thing and prints a line of JSON. `cargo xtask
//! bench` makes the calls and prints a table.

#[path = "../tests/support/mod.rs"]
mod support;

use cpu_time::{ProcessTime, ThreadTime};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use support::network::{NetworkSpec, SeededRng};
use tagvane_engine::{Engine, InferenceMode, Model, ModelSource, RenderMode, StreamState};

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
        _ => panic!("unknown arguments: {arguments:?}"),
    };
    println!("{figures}");
}

/// The paper's 3^9 network (Table 1) with random weights.
fn write_wide(file: &Path) -> Value {
    let widths = vec![128, 128, 128, 256, 256, 256, 256, 256, 256, 512, 512];
    let spec = NetworkSpec { m: 3, layers: 9, first: 3, widths, has_batch_norm: false, tags: 50 };
    std::fs::write(file, spec.to_onnx(&mut SeededRng(1))).expect("the folder can be written");
    json!({})
}

fn noise(samples: usize) -> Vec<f32> {
    let mut rng = SeededRng(2);
    (0..samples).map(|_| rng.between(-0.5, 0.5)).collect()
}

fn source(file: &Path) -> ModelSource {
    ModelSource::File(file.to_owned())
}

/// The median of `times` measurements, in milliseconds.
fn median(times: usize, mut measure: impl FnMut() -> Duration) -> f64 {
    let mut durations: Vec<Duration> = (0..times).map(|_| measure()).collect();
    durations.sort();
    durations[durations.len() / 2].as_secs_f64() * 1e3
}

/// Milliseconds of this thread for one sliding step and its prediction.
fn step(file: &Path, hop: usize, times: usize) -> Value {
    let model = Model::with(&std::fs::read(file).unwrap(), InferenceMode::Sliding, Some(hop)).unwrap();
    let (window, samples) = (model.window(), noise(2 * model.window()));
    let mut state = StreamState::new(model);
    let mut position = 0;
    let milliseconds = median(times, || {
        position = (position + hop) % window;
        let latest = &samples[position..position + window];
        let start = ThreadTime::now();
        state.step(latest).unwrap();
        state.predict(latest).unwrap();
        start.elapsed()
    });
    json!({"milliseconds": milliseconds})
}

/// Milliseconds of this thread for one full window.
fn full(file: &Path, times: usize) -> Value {
    let model = Model::with(&std::fs::read(file).unwrap(), InferenceMode::FullWindows, None).unwrap();
    let window = noise(model.window());
    let milliseconds = median(times, || {
        let start = ThreadTime::now();
        model.predict(&window).unwrap();
        start.elapsed()
    });
    json!({"milliseconds": milliseconds})
}

/// Milliseconds to load a file and make a stream's state.
fn load(file: &Path, times: usize) -> Value {
    let milliseconds = median(times, || {
        let start = Instant::now();
        let state = StreamState::new(Model::open(file, InferenceMode::Sliding).unwrap());
        let elapsed = start.elapsed();
        drop(state);
        elapsed
    });
    json!({"milliseconds": milliseconds})
}

/// Milliseconds of the audio thread for a block of 512 stereo frames at 48 kHz, and how many times as long
/// a block of denormal numbers takes as one of noise.
fn block(times: usize) -> Value {
    let bytes = Vec::leak(support::bytes(&support::loudness(48)));
    let engine = || Engine::start(ModelSource::Bytes { name: "loudness".into(), bytes }, InferenceMode::Sliding);
    let engines = [engine(), engine()];
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut producers = [0, 1].map(|index: usize| engines[index].connect(48_000.0, RenderMode::Offline).unwrap());
    let noise = noise(512);
    let denormals: Vec<f32> = noise.iter().map(|sample| sample * f32::MIN_POSITIVE).collect();
    let mut durations = [Vec::with_capacity(times), Vec::with_capacity(times)];
    for _ in 0..times {
        // In turn, so that the clock rate of the processor affects both equally.
        for (index, samples) in [&noise, &denormals].into_iter().enumerate() {
            let start = ThreadTime::now();
            producers[index].push(&[samples, samples]);
            durations[index].push(start.elapsed());
            engines[index].process_offline();
        }
    }
    durations.iter_mut().for_each(|durations| durations.sort());
    let quantile =
        |index: usize, share: f64| durations[index][(share * (times - 1) as f64) as usize].as_secs_f64() * 1e3;
    json!({
        "milliseconds": quantile(0, 0.5),
        "milliseconds_999": quantile(0, 0.999),
        "denormals": quantile(1, 0.5) / quantile(0, 0.5),
        "duration": 512.0 / 48.0,
    })
}

/// Bytes of memory for each further instance with the same model.
fn memory(file: &Path, instances: usize) -> Value {
    let start = || {
        let engine = Engine::start(source(file), InferenceMode::Sliding);
        engine.wait_until_loaded();
        let mut producer = engine.connect(22_050.0, RenderMode::Offline).unwrap();
        for block in noise(3 * 59_049).chunks(8_192) {
            producer.push(&[block]);
            engine.process_offline();
        }
        (engine, producer)
    };
    // The second instance may still reuse memory that was freed while the first one was loaded.
    let _first: Vec<_> = (0..2).map(|_| start()).collect();
    let before = resident_memory();
    let _further: Vec<_> = (0..instances).map(|_| start()).collect();
    json!({"bytes": resident_memory().saturating_sub(before) / instances})
}

/// The resident memory of this process, in bytes; 0 if it is unknown.
fn resident_memory() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0) * 4_096
}

/// The processor time of instances in real time, with blocks of 512 frames at 48 kHz.
fn live(file: &Path, instances: usize, seconds: usize) -> Value {
    let engines: Vec<Engine> = (0..instances).map(|_| Engine::start(source(file), InferenceMode::Sliding)).collect();
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut producers: Vec<_> =
        engines.iter().map(|engine| engine.connect(48_000.0, RenderMode::Realtime).unwrap()).collect();
    let samples = noise(512 * 101);
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let mut pushing = Duration::ZERO;
    for (index, block) in samples.chunks(512).cycle().take(seconds * 48_000 / 512).enumerate() {
        let due = Duration::from_secs_f64(index as f64 * 512.0 / 48_000.0);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let before = ThreadTime::now();
        producers.iter_mut().for_each(|producer| producer.push(&[block, block]));
        pushing += before.elapsed();
    }
    std::thread::sleep(Duration::from_millis(50));
    let share = (cpu.elapsed() - pushing).as_secs_f64() / start.elapsed().as_secs_f64() / instances as f64;
    let updates: u64 = engines.iter().map(|engine| engine.board().inferences()).sum();
    let skips: u64 = engines.iter().map(|engine| engine.board().skips()).sum();
    let gaps: u64 = engines.iter().map(|engine| engine.board().gaps()).sum();
    json!({"share_of_a_core": share, "updates": updates, "late": skips, "gaps": gaps, "seconds": seconds})
}

/// The processor time of instances whose host does not call them, and of instances in silence.
fn idle(file: &Path, instances: usize, seconds: usize) -> Value {
    let engines: Vec<Engine> = (0..instances).map(|_| Engine::start(source(file), InferenceMode::Sliding)).collect();
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut producers: Vec<_> =
        engines.iter().map(|engine| engine.connect(48_000.0, RenderMode::Realtime).unwrap()).collect();
    let measure = || {
        let (start, cpu) = (Instant::now(), ProcessTime::now());
        std::thread::sleep(Duration::from_secs(seconds as u64));
        cpu.elapsed().as_secs_f64() / start.elapsed().as_secs_f64() / instances as f64
    };
    std::thread::sleep(Duration::from_secs(3));
    let not_called = measure();
    let silence = [0.0; 512];
    let (mut start, mut cpu, mut pushing) = (Instant::now(), ProcessTime::now(), Duration::ZERO);
    for block in 0..(seconds + 4) * 48_000 / 512 {
        if block == 4 * 48_000 / 512 {
            // The window is silent as a whole.
            (start, cpu, pushing) = (Instant::now(), ProcessTime::now(), Duration::ZERO);
        }
        std::thread::sleep(Duration::from_secs_f64(512.0 / 48_000.0));
        let before = ThreadTime::now();
        producers.iter_mut().for_each(|producer| producer.push(&[silence, silence]));
        pushing += before.elapsed();
    }
    let in_silence = (cpu.elapsed() - pushing).as_secs_f64() / start.elapsed().as_secs_f64() / instances as f64;
    json!({"not_called": not_called, "in_silence": in_silence})
}
