//! A host that plays a clip through a bundle in real time with a preloaded guard, and exits with 1 if
//! the plugin made a call on the audio thread that is not real-time safe.
#![allow(unsafe_code)]

use serde_json::json;
use std::ffi::c_int;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tagvane_host::{HostEvent, Setup};
use tagvane_tests::{FIRST_SLOT, WRITE, open_with_routing, routing, set_by_name, state_with_field};

/// It returns a `long`, which has 64 bits on Linux.
type Guard = unsafe extern "C" fn(c_int) -> i64;

/// There is no guard on other systems.
#[cfg(not(target_os = "linux"))]
fn guard() -> Guard {
    panic!("a guard is preloaded on Linux only")
}

/// Finds the preloaded guard.
#[cfg(target_os = "linux")]
fn guard() -> Guard {
    let this = libloading::os::unix::Library::this();
    // SAFETY: the symbol has this type in both guards, and a preloaded library is never unloaded.
    unsafe { *this.get::<Guard>(b"tagvane_guard\0").expect("LD_PRELOAD names a guard") }
}

/// The number of forbidden calls so far.
static VIOLATIONS: AtomicI64 = AtomicI64::new(0);

/// Whether the host renders offline now, where the plugin may block.
static IS_OFFLINE: AtomicBool = AtomicBool::new(false);

/// Switches the guard on or off for this thread.
fn guard_process(is_inside: bool) {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    let guard = GUARD.get_or_init(guard);
    if is_inside && IS_OFFLINE.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: both guards accept any argument on any thread.
    VIOLATIONS.fetch_add(unsafe { guard(is_inside.into()) }, Ordering::Relaxed);
}

fn main() -> ExitCode {
    // The first call looks up the symbol, which allocates.
    guard_process(false);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match [arguments[0].as_str(), arguments[1].as_str()] {
        ["--violate", violation] => violate(violation),
        [format, clip] => play(format, Path::new(clip)),
    }
    if VIOLATIONS.load(Ordering::Relaxed) == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Makes a call that the guard must detect.
fn violate(violation: &str) {
    static LOCK: Mutex<()> = Mutex::new(());
    let holder = std::thread::spawn(|| {
        let lock = LOCK.lock();
        std::thread::sleep(Duration::from_millis(300));
        drop(lock);
    });
    // Wait until the other thread holds the lock.
    std::thread::sleep(Duration::from_millis(100));
    guard_process(true);
    match violation {
        "allocate" => drop(std::hint::black_box(Box::new(7_u64))),
        "sleep" => std::thread::sleep(Duration::from_micros(1)),
        "lock" => drop(LOCK.lock()),
        _ => {}
    }
    guard_process(false);
    drop(holder.join());
}

/// The number of blocks of each setup.
const BLOCKS: usize = 1_200;
/// The block before which another model is requested.
const MODEL_CHANGE: usize = 300;
/// The blocks that are rendered offline.
const OFFLINE_BLOCKS: std::ops::Range<usize> = 500..520;

/// Plays the clip in real time at several sample rates and block sizes, while the worker makes
/// predictions. Includes restarts, another model, a bounce, silence and an overflow of the audio
/// queue, which the last setup fills faster than any worker empties it. Write is armed, and MIDI
/// and OSC are on.
fn play(format: &str, clip: &Path) {
    let recording = tagvane_audio::read(clip).expect("the clip decodes");
    let mut routing = routing();
    // The discard port, where nothing listens.
    routing["osc"] = serde_json::json!({ "on": true, "address": "127.0.0.1:9", "instance": "guarded" });
    let mut session = open_with_routing(format, &routing);
    session.set_playing(true);
    session.set_process_hook(guard_process);
    let state = session.save().expect("the plugin saves a state");
    let models = ["Million Song 50", "MagnaTagATune 50", "Million Song 50"];
    let models = models.map(|model| state_with_field(&state, "model", &json!({ "shipped": model })));
    let mut moves = 0;
    let setups = [(44_100.0, 512, 2_000), (48_000.0, 64, 100), (96_000.0, 4_096, 0)];
    for ((sample_rate, block, pause), model) in setups.into_iter().zip(models) {
        session
            .start(Setup { sample_rate, max_block_frames: block, channels: 2, offline: false })
            .expect("the plugin starts");
        session.set(WRITE, 1.0);
        set_by_name(session.as_mut(), "MIDI out", 1.0);
        for name in ["MIDI tags", "MIDI notes", "MIDI 14 bits", "Slot 1 Mode", "Send live"] {
            set_by_name(session.as_mut(), name, 1.0);
        }
        for (index, start) in (0..recording.frames() - block).step_by(block).take(BLOCKS).enumerate() {
            if index == MODEL_CHANGE.min(recording.frames() / block / 2) {
                assert!(session.load(&model), "the plugin loads a state while it plays");
                session.set(WRITE, 1.0);
            }
            IS_OFFLINE.store(OFFLINE_BLOCKS.contains(&index), Ordering::Relaxed);
            session.set_offline(OFFLINE_BLOCKS.contains(&index));
            let is_silent = start > recording.frames() / 2;
            let part =
                |channel: &Vec<f32>| if is_silent { vec![0.0; block] } else { channel[start..start + block].to_vec() };
            let input: Vec<Vec<f32>> = recording.channels.iter().map(part).collect();
            session.process(&input, &mut [vec![0.0; block], vec![0.0; block]]).expect("the plugin processes");
            let events = session.take_events();
            let is_slot_change =
                |event: &&HostEvent| matches!(event, HostEvent::Value(change) if change.id == FIRST_SLOT);
            moves += events.iter().filter(is_slot_change).count();
            session.idle();
            std::thread::sleep(Duration::from_micros(pause));
        }
    }
    assert!(moves > 10, "slot 1 moved only {moves} times");
}
