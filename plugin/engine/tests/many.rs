//! Many instances in one process.

mod support;

use std::sync::Mutex;
use std::time::{Duration, Instant};
use support::network::{Random, Shape};
use tagvane_engine::{Engine, Inference, ModelSource, Pace, Status};

/// The threads are the process's: one test at a time may count them.
static ALONE: Mutex<()> = Mutex::new(());

fn source(seed: u64) -> ModelSource {
    let shape = Shape { m: 3, layers: 7, first: 3, widths: vec![6; 9], normalised: true, tags: 4 };
    ModelSource::Bytes { name: "network".into(), bytes: Vec::leak(shape.network(&mut Random(seed))) }
}

/// Threads of this process that are ours.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap();
    let names = names.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("tagvane")).count()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_live_instance_is_served() {
    let _alone = ALONE.lock();
    let source = source(1);
    let engines: Vec<Engine> = (0..40).map(|_| Engine::start(source.clone(), Inference::Sliding)).collect();
    engines.iter().for_each(Engine::wait_until_loaded);
    let mut taps: Vec<_> = engines.iter().map(|engine| engine.connect(22_050.0, Pace::Live).unwrap()).collect();
    let mut random = Random(2);
    // Hop by hop, as a host delivers: each is waited for, so nobody may skip one.
    let window = 6_561;
    for hop in 0..9_u64 {
        for tap in &mut taps {
            let block: Vec<f32> = (0..2_187).map(|_| random.between(-1.0, 1.0)).collect();
            tap.hear(&[&block]);
        }
        let expected = (hop + 1).saturating_sub(window / 2_187 - 1);
        for (index, engine) in engines.iter().enumerate() {
            wait_until(&format!("hop {hop} of instance {index}"), || engine.board().inferences() == expected);
        }
    }
    assert!(engines.iter().all(|engine| engine.board().skips() == 0));
}

#[test]
#[cfg(target_os = "linux")]
fn threads_are_few_and_end_with_the_last_instance() {
    let _alone = ALONE.lock();
    assert_eq!(threads(), 0);
    let mut random = Random(3);
    let sources: Vec<ModelSource> = (0..4).map(source).collect();
    let mut engines = Vec::new();
    // Instances come and go, in any order, while models load and audio plays.
    for _ in 0..300 {
        match random.below(4) {
            0 | 1 => {
                let engine = Engine::start(sources[random.below(4)].clone(), Inference::Sliding);
                let tap = (random.below(2) == 0).then(|| engine.connect(48_000.0, Pace::Live).unwrap());
                engines.push((engine, tap));
            }
            2 if !engines.is_empty() => drop(engines.swap_remove(random.below(engines.len()))),
            _ => {
                for (engine, tap) in &mut engines {
                    if let Some(tap) = tap {
                        tap.hear(&[&[0.3; 4_096][..]]);
                    }
                    if random.below(20) == 0 {
                        engine.load(sources[random.below(4)].clone());
                    }
                }
            }
        }
        assert!(threads() <= 9, "{} threads", threads());
    }
    drop(engines);
    assert_eq!(threads(), 0);
    // And they come back.
    let engine = Engine::start(sources[0].clone(), Inference::Sliding);
    engine.wait_until_loaded();
    assert!(matches!(engine.board().status(), Status::Ready { .. }));
}
