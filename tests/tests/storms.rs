//! Many instances, created, played and closed in any order.
#![cfg(target_os = "linux")]

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::fs;
use std::time::{Duration, Instant};
use tagvane_host::{Session, Setup};
use tagvane_tests::process::{self, resident, threads};
use tagvane_tests::{FORMATS, again, changed_state, open, send};

/// Instances at once, at most.
const INSTANCES: usize = 64;

/// Steps of a storm: each creates, plays, has another model loaded, or closes.
const STEPS: usize = 600;

/// Whether a library of ours is loaded.
fn is_loaded() -> bool {
    fs::read_to_string("/proc/self/maps").unwrap().contains("Tagvane")
}

fn storm(format: &str, seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut sessions: Vec<Box<dyn Session>> = Vec::new();
    let state = open(format).save().unwrap();
    let (mut most, mut all) = (0, 0);
    for step in 0..STEPS {
        // It gathers in the first half, and is scattered in the second.
        let gathers = if step < STEPS / 2 { 0.5 } else { 0.1 };
        if sessions.is_empty() || sessions.len() < INSTANCES && random.random_bool(gathers) {
            sessions.push(open(format));
            all += 1;
        }
        let place = random.random_range(0..sessions.len());
        let session = sessions[place].as_mut();
        match random.random_range(0..5) {
            0 => {
                let setup = Setup { sample_rate: 48_000.0, longest_block: 512, channels: 2, offline: false };
                session.start(setup).unwrap();
            }
            1 => {
                let model = if random.random() { "Million Song 50" } else { "MagnaTagATune 50" };
                assert!(session.load(&changed_state(&state, "model", &json!({ "shipped": model }))));
            }
            2 => session.stop(),
            _ => drop(send(session, 0.3, 512, 3)),
        }
        let closes = if step < STEPS / 2 { 0.1 } else { 0.6 };
        if random.random_bool(closes) {
            let place = random.random_range(0..sessions.len());
            drop(sessions.swap_remove(place));
        }
        most = most.max(threads());
    }
    assert!(all > INSTANCES, "only {all} instances came");
    most
}

/// Has the system unload a library, any one: with it goes what could not go before, while a thread
/// still had something to give back to it.
fn unload_something() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let any = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libgcc_s"));
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("any.clap");
    fs::copy(any.expect("every Rust program has it"), &copy).unwrap();
    assert!(tagvane_host::open(&copy).is_err(), "that is no plugin");
}

#[test]
fn a_storm_of_instances_leaves_nothing_behind() {
    if !again::goes_on("a_storm_of_instances_leaves_nothing_behind", &process::GIVES_BACK) {
        return;
    }
    for format in FORMATS {
        let before = threads();
        let mut memory = Vec::new();
        for seed in 0..6 {
            println!("seed {seed}");
            // In a thread of its own, with which goes what the library keeps for its callers' threads.
            let most = std::thread::scope(|scope| scope.spawn(|| storm(format, seed)).join().unwrap());
            unload_something();
            let cores = std::thread::available_parallelism().unwrap().get();
            // Those that judge, the one that loads, and nice-plug's for tasks.
            assert!(most <= before + cores.min(8) + 4, "{format}: {most} threads, {before} before");
            let started = Instant::now();
            while (threads() > before || is_loaded()) && started.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(threads(), before, "{format}: threads stay");
            assert!(!is_loaded(), "{format}: the library stays loaded");
            memory.push(resident());
        }
        println!("{format}: resident MB after each storm: {memory:.0?}");
        assert!(memory[5] < memory[2] + 40.0, "{format}: memory grows: {memory:.0?}");
    }
}
