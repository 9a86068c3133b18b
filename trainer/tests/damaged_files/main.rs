//! Files by others, damaged at random: whatever the trainer reads, it makes what it can of or tells
//! in one sentence; it does not break down, hang, or take memory for what is not there.
//!
//! `TAGVANE_CASES` says how many of each kind, and `TAGVANE_SEED` where chance starts.

mod kinds;
#[expect(dead_code, reason = "each test uses a part of it")]
#[path = "../support/mod.rs"]
mod support;

use cap::Cap;
use kinds::{Kind, array, kinds};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::alloc::System;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};
use tagvane_trainer::prepare::million_song;

/// Counts what is allocated.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

/// Damaged files of each kind.
const CASES: usize = 300;

/// What one of them may take.
const TIME: Duration = Duration::from_secs(10);
const BYTES: usize = 512 << 20;

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// Numbers at which something may give way.
const EDGES: [&str; 9] =
    ["0", "-1", "1e400", "NaN", "", "4294967296", "18446744073709551615", "0.5", "99999999999999999999"];

fn damaged(whole: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = whole.to_vec();
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
                // A number in a text becomes another.
                let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                if let Some(start) = (at..bytes.len()).find(|&start| digits(start) > 0) {
                    let length = digits(start);
                    let edge = EDGES.choose(random).copied().unwrap_or_default();
                    bytes.splice(start..start + length, edge.bytes());
                }
            }
            5 => {
                // A part comes twice.
                let end = (at + random.random_range(1..200)).min(bytes.len());
                let part = bytes[at.min(end)..end].to_vec();
                bytes.splice(at.min(end)..at.min(end), part);
            }
            _ => {
                // A part is lost.
                let end = (at + random.random_range(1..200)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
        }
    }
    bytes
}

#[test]
fn whatever_is_read_may_be_damaged() {
    let (seed, cases) = (number("TAGVANE_SEED", 7_001) as u64, number("TAGVANE_CASES", CASES));
    println!("seed {seed}, {cases} of each kind");
    let desk = tempfile::tempdir().unwrap();
    for Kind { name, file, read } in kinds(desk.path(), Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let whole = fs::read(&file).unwrap();
        read().unwrap_or_else(|error| panic!("{name}, whole: {error}"));
        let (mut refused, mut slowest) = (0, Duration::ZERO);
        for case in 0..cases as u64 {
            let damaged = damaged(&whole, &mut StdRng::seed_from_u64(seed + case));
            fs::write(&file, &damaged).unwrap();
            // A breach of the limit ends the process: the last name is the culprit.
            eprintln!("{name}, seed {}", seed + case);
            let (before, started) = (MEMORY.allocated(), Instant::now());
            MEMORY.set_limit(before + BYTES).unwrap();
            let answer = catch_unwind(AssertUnwindSafe(&read));
            MEMORY.set_limit(usize::MAX).unwrap();
            let taken = started.elapsed();
            slowest = slowest.max(taken);
            assert!(taken < TIME, "{name}, seed {}: {taken:?}", seed + case);
            let Ok(answer) = answer else { panic!("{name}, seed {}: it broke down", seed + case) };
            if let Err(error) = answer {
                let said = error.to_string();
                assert!(said.len() < 2_000 && !said.is_empty(), "{name}, seed {}: {said}", seed + case);
                refused += 1;
            }
        }
        fs::write(&file, &whole).unwrap();
        println!("{name}: {refused} of {cases} refused, the slowest took {slowest:.1?}");
    }
}

#[test]
fn a_checkpoint_that_is_not_what_was_written_is_refused() {
    let desk = tempfile::tempdir().unwrap();
    let names = ["state.json", "network.mpk", "optimiser.mpk"];
    let kinds = kinds(desk.path(), Path::new(env!("CARGO_MANIFEST_DIR")));
    for Kind { name, file, read } in kinds.into_iter().filter(|kind| names.contains(&kind.name)) {
        let whole = fs::read(&file).unwrap();
        for place in (0..whole.len()).step_by(7) {
            let mut changed = whole.clone();
            changed[place] ^= 1 << (place % 8);
            fs::write(&file, &changed).unwrap();
            let said = read().unwrap_err().to_string();
            assert!(said.contains(name) && said.contains("delete its folder"), "{said}");
        }
        fs::write(&file, &whole).unwrap();
        read().unwrap();
    }
}

/// What the fuzzer kept: the first byte says which kind.
#[test]
fn what_fuzzing_kept_is_read_or_refused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let desk = tempfile::tempdir().unwrap();
    let kinds = kinds(desk.path(), root);
    let mut count = 0;
    for entry in fs::read_dir(root.join("../tests/fuzz/corpus/trainer")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let (number, content) = bytes.split_first().unwrap();
        let Some(Kind { name, file, read }) = kinds.get(usize::from(*number)) else { continue };
        let whole = fs::read(file).unwrap();
        fs::write(file, content).unwrap();
        let answer = catch_unwind(AssertUnwindSafe(read));
        fs::write(file, whole).unwrap();
        let answer = answer.unwrap_or_else(|_| panic!("{name}, {}: it broke down", path.display()));
        assert!(answer.is_ok() || answer.is_err_and(|error| !error.to_string().is_empty()));
        count += 1;
    }
    assert!(count > 100, "{count} files are kept");
}

/// Found by the damage above, some fifteen thousand cases on: room was made for what the file said.
#[test]
fn an_array_that_says_its_header_is_gigabytes_long_is_refused() {
    let desk = tempfile::tempdir().unwrap();
    for part in ["train", "valid", "test"] {
        let mut file = array(1, 50);
        (file[6], file[11]) = (2, 0x7f);
        fs::write(desk.path().join(format!("{part}_y.npy")), file).unwrap();
        fs::write(desk.path().join(format!("{part}_x_filename.txt")), "1/2/one.npy\n").unwrap();
    }
    let said = million_song::sources(desk.path(), Path::new("audio"), 50).unwrap_err().to_string();
    assert!(said.contains("train_y.npy") && said.contains("header"), "{said}");
}
