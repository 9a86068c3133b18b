//! Many instances in one process.

mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::network::{NetworkSpec, SeededRng};
use tagvane_engine::{Engine, InferenceMode, ModelSource, RenderMode, Status};

/// Tests run one at a time, because all engines of a process share their threads.
static ALONE: Mutex<()> = Mutex::new(());

fn source(seed: u64) -> ModelSource {
    let spec = NetworkSpec { m: 3, layers: 7, first: 3, widths: vec![6; 9], has_batch_norm: true, tags: 4 };
    ModelSource::Bytes { name: "network".into(), bytes: Vec::leak(spec.to_onnx(&mut SeededRng(seed))) }
}

/// The number of the engine's threads in this process.
#[cfg(target_os = "linux")]
fn engine_threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("tagvane")).count()
}

fn wait_until(what: &str, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_done() {
        assert!(Instant::now() < deadline, "there is no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_hop_of_every_instance_is_predicted_in_real_time() {
    let _alone = ALONE.lock();
    let source = source(1);
    let engines: Vec<Engine> = (0..40).map(|_| Engine::start(source.clone(), InferenceMode::Sliding)).collect();
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut producers: Vec<_> =
        engines.iter().map(|engine| engine.connect(22_050.0, RenderMode::Realtime).unwrap()).collect();
    let mut rng = SeededRng(2);
    // Every hop is awaited, so no instance may skip one.
    let window = 6_561;
    for hop in 0..9_u64 {
        for producer in &mut producers {
            let block: Vec<f32> = (0..2_187).map(|_| rng.between(-1.0, 1.0)).collect();
            producer.push(&[&block]);
        }
        let expected = (hop + 1).saturating_sub(window / 2_187 - 1);
        for (index, engine) in engines.iter().enumerate() {
            wait_until(&format!("prediction of hop {hop} by instance {index}"), || {
                engine.board().inferences() == expected
            });
        }
    }
    assert!(engines.iter().all(|engine| engine.board().skips() == 0));
}

#[test]
#[cfg(target_os = "linux")]
fn threads_are_few_and_stop_with_the_last_instance() {
    let _alone = ALONE.lock();
    assert_eq!(engine_threads(), 0);
    let mut rng = SeededRng(3);
    let sources: Vec<ModelSource> = (0..4).map(source).collect();
    let mut engines = Vec::new();
    // Instances start and are dropped in random order, while models are loaded and audio is pushed.
    for _ in 0..300 {
        match rng.below(4) {
            0 | 1 => {
                let engine = Engine::start(sources[rng.below(4)].clone(), InferenceMode::Sliding);
                let producer = (rng.below(2) == 0).then(|| engine.connect(48_000.0, RenderMode::Realtime).unwrap());
                engines.push((engine, producer));
            }
            2 if !engines.is_empty() => drop(engines.swap_remove(rng.below(engines.len()))),
            _ => {
                for (engine, producer) in &mut engines {
                    if let Some(producer) = producer {
                        producer.push(&[&[0.3; 4_096][..]]);
                    }
                    if rng.below(20) == 0 {
                        engine.load(sources[rng.below(4)].clone());
                    }
                }
            }
        }
        assert!(engine_threads() <= 9, "{} threads", engine_threads());
    }
    drop(engines);
    assert_eq!(engine_threads(), 0);
    // The next instance starts them again.
    let engine = Engine::start(sources[0].clone(), InferenceMode::Sliding);
    engine.wait_until_loaded();
    assert!(matches!(engine.board().status(), Status::Ready { .. }));
}
