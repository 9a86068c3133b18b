//! Both formats, in orders of calls that a host may make, drawn at random: started and stopped at
//! any rate, blocks of any length with anything in them, floods of parameters, projects saved and
//! loaded in mid-play, bounces, windows, component handlers that are set late, never or taken away,
//! and an end at any moment. The audio has to come out as it
//! went in, and no call may take for ever. (`tests/host/tests/lifecycle` calls the CLAP's audio and
//! main thread at once, and does what a host must not.)
//!
//! A seed that fails is run alone by TAGVANE_SEED=seed; TAGVANE_MINUTES says for how long new ones
//! are drawn, which `cargo xtask test --soak` does for an hour.
#![cfg(target_os = "linux")]

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tagvane_host::player::same_bits;
use tagvane_host::window::Window;
use tagvane_host::{Session, Setup};
use tagvane_tests::{FORMATS, changed_state, open, open_without_handler, process, screen, wiring};

/// Walks in each format, unless minutes are asked for.
const WALKS: u64 = 40;

/// Calls in a walk.
const CALLS: usize = 60;

/// The longest that a call may take.
const HANGS: Duration = Duration::from_secs(60);

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// When the call under way began, in milliseconds since the start; 0 between calls.
static CALLED: AtomicU64 = AtomicU64::new(0);

/// Windows that were opened.
static WINDOWS: AtomicU64 = AtomicU64::new(0);

/// Ends the process where a call does not return.
fn watch_for_hangs(start: Instant) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let called = CALLED.load(Relaxed);
            if called > 0 && start.elapsed().saturating_sub(Duration::from_millis(called)) > HANGS {
                eprintln!("a call has not returned for {HANGS:?}");
                std::process::abort();
            }
        }
    });
}

#[test]
fn any_order_of_calls_is_taken_in_both_formats() {
    if !screen::goes_on("any_order_of_calls_is_taken_in_both_formats", &[], &process::GIVES_BACK) {
        return;
    }
    let one = from_environment("TAGVANE_SEED");
    let lasts = from_environment("TAGVANE_MINUTES").map(|minutes| Duration::from_secs(60 * minutes));
    let start = Instant::now();
    watch_for_hangs(start);
    let (mut walks, mut memory) = (0, Vec::new());
    for seed in one.unwrap_or(0).. {
        for format in FORMATS {
            eprintln!("seed {seed}, {format}");
            walk(format, seed, start);
            walks += 1;
        }
        if seed % 50 == 49 {
            memory.push((WINDOWS.load(Relaxed), process::resident()));
        }
        if one.is_some() || lasts.map_or(seed + 1 >= WALKS, |lasts| start.elapsed() > lasts) {
            break;
        }
    }
    println!(
        "{walks} walks of {CALLS} calls in {:?}; windows opened and resident MB, every 50 seeds: {memory:.0?}",
        start.elapsed()
    );
    // From the second figure on all is loaded that stays. Each window leaves 0.09 MB, with Mesa's
    // softpipe 0.25 MB: baseview 0.4.2 takes a keymap from libxkbcommon and never gives it back.
    if let [_, (_, from), .., (opened, to)] = memory[..] {
        assert!(to < from + 60.0 + 0.15 * opened as f64, "memory grows: {memory:.0?}");
    }
}

/// One instance from its creation to its end.
fn walk(format: &str, seed: u64, start: Instant) {
    let mut random = StdRng::seed_from_u64(seed);
    let with_handler = random.random_bool(0.6);
    let mut session = if with_handler { open(format) } else { open_without_handler(format) };
    let session = session.as_mut();
    let ids: Vec<u32> = session.parameters().iter().map(|parameter| parameter.id).collect();
    let fresh = session.save().unwrap();
    let (mut running, mut window): (Option<Setup>, Option<Window>) = (None, None);
    for _ in 0..CALLS {
        CALLED.store(start.elapsed().as_millis().max(1) as u64, Relaxed);
        call(session, &ids, &fresh, &mut running, &mut window, &mut random);
        CALLED.store(0, Relaxed);
    }
    // Half of them end in the middle of it all: the window, if there is one, goes first.
    if random.random() {
        session.stop();
    }
    session.close_window();
}

fn call(
    session: &mut dyn Session,
    ids: &[u32],
    fresh: &[u8],
    running: &mut Option<Setup>,
    window: &mut Option<Window>,
    random: &mut StdRng,
) {
    match random.random_range(0..26) {
        0 | 1 => {
            let rates = [8_000.0, 11_025.0, 22_050.0, 44_100.0, 44_100.5, 47_999.99, 96_000.0, 192_000.0, 768_000.0];
            let setup = Setup {
                sample_rate: *rates.choose(random).unwrap(),
                longest_block: *[1, 16, 441, 512, 4_096, 16_384].choose(random).unwrap(),
                channels: 2,
                offline: random.random_bool(0.2),
            };
            session.start(setup).unwrap();
            *running = Some(setup);
        }
        2 => {
            session.stop();
            *running = None;
        }
        3 => session.play(random.random()),
        4 => session.set_offline(random.random_bool(0.3)),
        5 => {
            let saved = session.save().unwrap();
            assert!(session.load(&saved));
        }
        6 => {
            let model = if random.random() { "Million Song 50" } else { "MagnaTagATune 50" };
            assert!(session.load(&changed_state(fresh, "model", &json!({ "shipped": model }))));
        }
        7 => assert!(session.load(&changed_state(fresh, "outputs", &wiring()))),
        8 => {
            let mut damaged = session.save().unwrap();
            let place = random.random_range(0..damaged.len());
            damaged[place] = random.random();
            damaged.truncate(random.random_range(0..=damaged.len()));
            session.load(&damaged);
        }
        9 => {
            // A flood.
            for _ in 0..random.random_range(1..300) {
                let value = *[0.0, 0.5, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY].choose(random).unwrap();
                session.set(*ids.choose(random).unwrap(), value);
            }
        }
        10 => {
            for id in ids {
                let value = session.value(*id).expect("a value");
                assert!(value.is_finite(), "{id:x} is {value}");
            }
        }
        11 => drop(session.text(*ids.choose(random).unwrap(), random.random_range(-2.0..2.0))),
        12 if window.is_none() => {
            let opened = Window::open("any order").unwrap();
            let scale = *[1.0, 1.25, 2.0].choose(random).unwrap();
            opened.resize(session.open_window(opened.id(), scale).unwrap());
            *window = Some(opened);
            WINDOWS.fetch_add(1, Relaxed);
        }
        12 | 13 => {
            session.close_window();
            *window = None;
        }
        // Only a CLAP's can be hidden.
        14 if window.is_some() && random.random_bool(0.3) => drop(session.hide_window(random.random())),
        14 if window.is_some() => {
            let size = (random.random_range(1..4_000), random.random_range(1..3_000));
            session.resize_window(size).unwrap();
        }
        15 => session.idle(),
        // A VST3's host may set its handler late, and take it away.
        17 => session.set_handler(random.random()),
        16 if running.is_some() => drop(session.flush().unwrap()),
        _ => {
            if let Some(setup) = running {
                for _ in 0..random.random_range(1..12) {
                    block(session, setup, random);
                }
            }
        }
    }
}

/// A block of any length with anything in it, which comes out as it went in.
fn block(session: &mut dyn Session, setup: &Setup, random: &mut StdRng) {
    let frames =
        if random.random_bool(0.7) { setup.longest_block } else { random.random_range(1..=setup.longest_block) };
    let odd = random.random_bool(0.05);
    let mut sample = || match random.random_range(0..if odd { 12 } else { 100_000 }) {
        0 => f32::NAN,
        1 => f32::INFINITY,
        2 => -f32::MAX,
        3 => f32::MIN_POSITIVE / 2.0,
        _ => random.random_range(-1.0..1.0),
    };
    let input: Vec<Vec<f32>> = (0..setup.channels).map(|_| (0..frames).map(|_| sample()).collect()).collect();
    let mut output = vec![vec![7.0; frames]; setup.channels];
    session.process(&input, &mut output).unwrap();
    assert!(same_bits(&input, &output), "the audio is another");
}
