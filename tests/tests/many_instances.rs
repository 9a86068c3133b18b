//! Many instances, created, played and closed in random order.
#![cfg(target_os = "linux")]

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::time::{Duration, Instant};
use tagvane_host::{Session, Setup};
use tagvane_tests::process::{self, resident_megabytes, thread_count};
use tagvane_tests::{FORMATS, open, send_noise, state_with_field, subprocess};

/// The maximum number of instances at the same time.
const MAX_INSTANCES: usize = 64;

/// Steps of a storm. Each may create an instance, play, load another model or close an instance.
const STEPS: usize = 600;

/// Runs a storm, and returns the maximum number of threads.
fn storm(format: &str, seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sessions: Vec<Box<dyn Session>> = Vec::new();
    let state = open(format).save().unwrap();
    let (mut max_threads, mut created) = (0, 0);
    for step in 0..STEPS {
        // The number of instances rises in the first half, and falls in the second.
        let create_probability = if step < STEPS / 2 { 0.5 } else { 0.1 };
        if sessions.is_empty() || sessions.len() < MAX_INSTANCES && random.random_bool(create_probability) {
            sessions.push(open(format));
            created += 1;
        }
        let index = random.random_range(0..sessions.len());
        let session = sessions[index].as_mut();
        match random.random_range(0..5) {
            0 => {
                let setup = Setup { sample_rate: 48_000.0, max_block_frames: 512, channels: 2, offline: false };
                session.start(setup).unwrap();
            }
            1 => {
                let model = if random.random() { "Million Song 50" } else { "MagnaTagATune 50" };
                assert!(session.load(&state_with_field(&state, "model", &json!({ "shipped": model }))));
            }
            2 => session.stop(),
            _ => drop(send_noise(session, 0.3, 512, 3)),
        }
        let close_probability = if step < STEPS / 2 { 0.1 } else { 0.6 };
        if random.random_bool(close_probability) {
            let index = random.random_range(0..sessions.len());
            drop(sessions.swap_remove(index));
        }
        max_threads = max_threads.max(thread_count());
    }
    assert!(created > MAX_INSTANCES, "only {created} instances were created");
    max_threads
}

#[test]
fn a_storm_of_instances_leaves_nothing_behind() {
    if !subprocess::enter_subprocess("a_storm_of_instances_leaves_nothing_behind", &process::RETURN_FREED_MEMORY) {
        return;
    }
    for format in FORMATS {
        let before = thread_count();
        let mut memory = Vec::new();
        for seed in 0..6 {
            println!("seed {seed}");
            // In a new thread, whose end frees the library's thread-local data.
            let max_threads = std::thread::scope(|scope| scope.spawn(|| storm(format, seed)).join().unwrap());
            let cores = std::thread::available_parallelism().unwrap().get();
            // The inference workers, the loader, and nice-plug's threads for tasks.
            assert!(max_threads <= before + cores.min(8) + 4, "{format}: {max_threads} threads, but {before} before");
            let started = Instant::now();
            while thread_count() > before && started.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(thread_count(), before, "{format}: threads are left");
            memory.push(resident_megabytes());
        }
        println!("{format}: resident MB after each storm: {memory:.0?}");
        assert!(memory[5] < memory[2] + 40.0, "{format}: the memory grows: {memory:.0?}");
    }
}
