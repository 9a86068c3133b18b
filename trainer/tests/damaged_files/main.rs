//! Randomly damaged files of every kind: the trainer reads them or returns an error, without a panic, a hang or a large
//! allocation.
//!
//! `TAGVANE_CASES` is the number of damaged files per kind, `TAGVANE_SEED` the random seed.
#![cfg(feature = "ndarray")]

mod kinds;
#[expect(dead_code, reason = "each test uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

use cap::Cap;
use kinds::{Kind, kinds, numpy_array};
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use std::alloc::System;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};
use tagvane_trainer::prepare::million_song;

/// Counts and limits the allocated memory.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Default number of damaged files per kind.
const CASES: usize = 300;

/// Time limit per file.
const TIME_LIMIT: Duration = Duration::from_secs(10);
/// Memory limit per file in bytes.
const MEMORY_LIMIT: usize = 512 << 20;

/// The number in an environment variable, or `default`.
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Numbers that are likely to cause overflows or invalid sizes.
const EDGE_VALUES: [&str; 9] =
    ["0", "-1", "1e400", "NaN", "", "4294967296", "18446744073709551615", "0.5", "99999999999999999999"];

/// A copy of a valid file with one to three random changes.
fn damage(valid: &[u8], random: &mut ChaCha12Rng) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len().max(1));
        match random.random_range(0..7) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            3 if at + 4 <= bytes.len() => {
                let edges: [u32; 6] = [0, 1, u32::MAX, i32::MAX as u32, 1 << 31, 1 << 24];
                let edge = edges.choose(random).copied().unwrap_or(0);
                bytes[at..at + 4].copy_from_slice(&if random.random() {
                    edge.to_le_bytes()
                } else {
                    edge.to_be_bytes()
                });
            }
            4 => {
                // Replace a decimal number.
                let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if let Some(start) = (at..bytes.len()).find(|&start| digits(start) > 0) {
                    let length = digits(start);
                    let edge = EDGE_VALUES.choose(random).copied().unwrap_or_default();
                    bytes.splice(start..start + length, edge.bytes());
                }
            }
            5 => {
                // Repeat a range.
                let end = (at + random.random_range(1..200)).min(bytes.len());
                let part = bytes[at.min(end)..end].to_vec();
                bytes.splice(at.min(end)..at.min(end), part);
            }
            _ => {
                // Delete a range.
                let end = (at + random.random_range(1..200)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
    bytes
}

#[test]
fn damaged_files_are_read_or_rejected_within_limits() {
    let (seed, cases) = (number("TAGVANE_SEED", 7_001) as u64, number("TAGVANE_CASES", CASES));
    println!("seed {seed}, {cases} of each kind");
    let desk = tempfile::tempdir().unwrap();
    for Kind { name, file, read } in kinds(desk.path(), Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let valid = fs::read(&file).unwrap();
        read().unwrap_or_else(|error| panic!("{name}, undamaged: {error}"));
        let (mut rejected, mut slowest) = (0, Duration::ZERO);
        for case in 0..cases as u64 {
            let damaged = damage(&valid, &mut ChaCha12Rng::seed_from_u64(seed + case));
            fs::write(&file, &damaged).unwrap();
            // Exceeding the memory limit aborts the process; the last line then names the file.
            eprintln!("{name}, seed {}", seed + case);
            let (before, started) = (MEMORY.allocated(), Instant::now());
            MEMORY.set_limit(before + MEMORY_LIMIT).unwrap();
            let result = catch_unwind(AssertUnwindSafe(&read));
            MEMORY.set_limit(usize::MAX).unwrap();
            let elapsed = started.elapsed();
            slowest = slowest.max(elapsed);
            assert!(elapsed < TIME_LIMIT, "{name}, seed {}: {elapsed:?}", seed + case);
            let Ok(result) = result else { panic!("{name}, seed {}: it panicked", seed + case) };
            if let Err(error) = result {
                let message = error.to_string();
                assert!(message.len() < 2_000 && !message.is_empty(), "{name}, seed {}: {message}", seed + case);
                rejected += 1;
            }
        }
        fs::write(&file, &valid).unwrap();
        println!("{name}: {rejected} of {cases} rejected, the slowest took {slowest:.1?}");
    }
}

#[test]
fn a_checkpoint_with_a_flipped_bit_is_rejected() {
    let desk = tempfile::tempdir().unwrap();
    let names = ["state.json", "network.mpk", "optimiser.mpk"];
    let kinds = kinds(desk.path(), Path::new(env!("CARGO_MANIFEST_DIR")));
    for Kind { name, file, read } in kinds.into_iter().filter(|kind| names.contains(&kind.name)) {
        let valid = fs::read(&file).unwrap();
        for index in (0..valid.len()).step_by(7) {
            let mut changed = valid.clone();
            changed[index] ^= 1 << (index % 8);
            fs::write(&file, &changed).unwrap();
            let message = read().unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("delete the checkpoint's folder"), "{message}");
        }
        fs::write(&file, &valid).unwrap();
        read().unwrap();
    }
}

/// The corpus of the fuzzer; the first byte of a file is the index of its kind.
#[test]
fn the_fuzzing_corpus_is_read_or_rejected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let desk = tempfile::tempdir().unwrap();
    let kinds = kinds(desk.path(), root);
    let mut count = 0;
    for entry in fs::read_dir(root.join("../tests/fuzz/corpus/trainer")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let (number, content) = bytes.split_first().unwrap();
        let Some(Kind { name, file, read }) = kinds.get(usize::from(*number)) else { continue };
        let valid = fs::read(file).unwrap();
        fs::write(file, content).unwrap();
        let result = catch_unwind(AssertUnwindSafe(read));
        fs::write(file, valid).unwrap();
        let result = result.unwrap_or_else(|_| panic!("{name}, {}: it panicked", path.display()));
        assert!(result.is_ok() || result.is_err_and(|error| !error.to_string().is_empty()));
        count += 1;
    }
    assert!(count > 100, "the corpus has {count} files only");
}

/// Regression: a numpy header length in the gigabytes was allocated.
#[test]
fn a_numpy_array_with_a_header_of_gigabytes_is_rejected() {
    let desk = tempfile::tempdir().unwrap();
    for part in ["train", "valid", "test"] {
        let mut file = numpy_array(1, 50);
        (file[6], file[11]) = (2, 0x7f);
        fs::write(desk.path().join(format!("{part}_y.npy")), file).unwrap();
        fs::write(desk.path().join(format!("{part}_x_filename.txt")), "1/2/one.npy\n").unwrap();
    }
    let message = million_song::sources(desk.path(), Path::new("audio"), 50).unwrap_err().to_string();
    assert!(message.contains("train_y.npy") && message.contains("header"), "{message}");
}
