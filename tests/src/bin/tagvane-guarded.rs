//! A host that plays a clip through a bundle in real time, with a guard preloaded, and
//! exits with 1 if the plugin did anything on the audio thread that it must not.
#![allow(unsafe_code)]

use serde_json::json;
use std::ffi::c_int;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tagvane_host::{Setup, Told};
use tagvane_tests::{FIRST_SLOT, WRITE, changed_state, set, wired, wiring};

type Guard = unsafe extern "C" fn(c_int) -> std::ffi::c_long;

/// The preloaded guard.
fn guard() -> Guard {
    let this = libloading::os::unix::Library::this();
    // SAFETY: this is the symbol's type in both guards, and the library that has it is
    // preloaded, so it stays.
    unsafe { *this.get::<Guard>(b"tagvane_guard\0").expect("a guard is preloaded") }
}

/// What the plugin did that it must not, so far.
static SEEN: AtomicI64 = AtomicI64::new(0);

/// Whether this is a bounce now, in which the plugin may take its time.
static BOUNCES: AtomicBool = AtomicBool::new(false);

/// Switches the guard on or off for this thread.
fn watch(on: bool) {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let guard = GUARD.get_or_init(guard);
    if on && BOUNCES.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: the guard only counts.
    SEEN.fetch_add(unsafe { guard(on.into()) }, Ordering::Relaxed);
}

fn main() -> ExitCode {
    // The first use looks the guard up, which allocates.
    watch(false);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match [arguments[0].as_str(), arguments[1].as_str()] {
        ["--offend", offence] => offend(offence),
        [format, clip] => play(format, Path::new(clip)),
    }
    if SEEN.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Does what the guard has to catch.
fn offend(offence: &str) {
    static LOCK: Mutex<()> = Mutex::new(());
    let holder = std::thread::spawn(|| {
        let held = LOCK.lock();
        std::thread::sleep(Duration::from_millis(300));
        drop(held);
    });
    // Until the other thread holds the lock.
    std::thread::sleep(Duration::from_millis(100));
    watch(true);
    match offence {
        "allocate" => drop(std::hint::black_box(Box::new(7_u64))),
        "sleep" => std::thread::sleep(Duration::from_micros(1)),
        "lock" => drop(LOCK.lock()),
        _ => {}
    }
    watch(false);
    drop(holder.join());
}

/// Blocks of each setup, the one before which another model is asked for, and those that
/// are bounced in the midst of it.
const BLOCKS: usize = 1_200;
const OTHER_MODEL: usize = 300;
const BOUNCED: std::ops::Range<usize> = 500..520;

/// Plays the clip at several rates and block sizes, live, with the worker listening
/// at the same time, and through restarts, another model, a bounce, a silence and a ring
/// overflow (the last setup sends faster than any worker listens); with slots recorded,
/// all of MIDI and OSC on.
fn play(format: &str, clip: &Path) {
    let recording = tagvane_audio::read(clip).expect("the clip decodes");
    let mut wiring = wiring();
    // The discard port: nobody listens there.
    wiring["osc"] = serde_json::json!({ "on": true, "address": "127.0.0.1:9", "instance": "guarded" });
    let mut session = wired(format, &wiring);
    session.play(true);
    session.watch(watch);
    let state = session.save().expect("a state");
    let models = ["Million Song 50", "MagnaTagATune 50", "Million Song 50"];
    let models = models.map(|model| changed_state(&state, "model", &json!({ "shipped": model })));
    let mut moves = 0;
    let setups = [(44_100.0, 512, 2_000), (48_000.0, 64, 100), (96_000.0, 4_096, 0)];
    for ((sample_rate, block, pause), model) in setups.into_iter().zip(models) {
        session.start(Setup { sample_rate, longest_block: block, channels: 2, offline: false }).expect("it starts");
        session.set(WRITE, 1.0);
        set(session.as_mut(), "MIDI out", 1.0);
        set(session.as_mut(), "MIDI tags", 1.0);
        for (number, start) in (0..recording.frames() - block).step_by(block).take(BLOCKS).enumerate() {
            if number == OTHER_MODEL.min(recording.frames() / block / 2) {
                assert!(session.load(&model), "it loads a state while it plays");
                session.set(WRITE, 1.0);
            }
            BOUNCES.store(BOUNCED.contains(&number), Ordering::Relaxed);
            session.set_offline(BOUNCED.contains(&number));
            let silent = start > recording.frames() / 2;
            let part =
                |channel: &Vec<f32>| if silent { vec![0.0; block] } else { channel[start..start + block].to_vec() };
            let input: Vec<Vec<f32>> = recording.channels.iter().map(part).collect();
            session.process(&input, &mut [vec![0.0; block], vec![0.0; block]]).expect("it processes");
            let told = session.told();
            moves += told.iter().filter(|one| matches!(one, Told::Value(value) if value.id == FIRST_SLOT)).count();
            session.idle();
            std::thread::sleep(Duration::from_micros(pause));
        }
    }
    assert!(moves > 10, "the slots hardly moved: {moves}");
}
