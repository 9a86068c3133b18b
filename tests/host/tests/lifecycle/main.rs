//! Calls the CLAP in random legal orders, on the main thread and the audio thread at the same
//! time. `contract_violations` has calls that CLAP forbids, `c_interface` has behaviour that
//! only the C interface shows. `cargo xtask test --sanitizer` runs all of them under
//! AddressSanitizer.
//!
//! TAGVANE_SEED=seed runs one seed alone; TAGVANE_CASES sets the number of seeds.
#![allow(unsafe_code)]

mod c_interface;
mod contract_violations;
mod events;
mod host;
mod presets;

use clap_sys::events::{
    CLAP_EVENT_MIDI, CLAP_EVENT_MIDI_SYSEX, CLAP_EVENT_MIDI2, CLAP_EVENT_NOTE_CHOKE, CLAP_EVENT_NOTE_END,
    CLAP_EVENT_NOTE_OFF, CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_MOD, clap_event_midi, clap_event_midi_sysex,
    clap_event_midi2, clap_event_note, clap_event_param_mod, clap_event_transport,
};
use clap_sys::ext::audio_ports_config::{CLAP_EXT_AUDIO_PORTS_CONFIG, clap_plugin_audio_ports_config};
use clap_sys::ext::remote_controls::{CLAP_EXT_REMOTE_CONTROLS, clap_plugin_remote_controls};
use clap_sys::ext::render::{CLAP_EXT_RENDER, clap_plugin_render};
use clap_sys::process::CLAP_PROCESS_ERROR;
use events::{InputEvents, ReceivedEvents, header, parameter, transport};
use host::{Block, Plugin};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng, SeedableRng as _};
use std::io::Write as _;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tagvane_host::testing::{FIRST_SLOT, WRITE, edit_state};

/// The number of random orders of calls.
const CASES: u64 = 60;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {value:?}")))
}

#[test]
fn any_legal_order_of_calls_works() {
    let cases = from_environment("TAGVANE_CASES").unwrap_or(CASES);
    let only = from_environment("TAGVANE_SEED");
    let (mut accepted, mut notes) = (0, 0);
    for seed in only.map_or(0..cases, |seed| seed..seed + 1) {
        // The test harness captures the output of `eprintln!`, which a crash would lose.
        let _ = writeln!(std::io::stderr(), "seed {seed}");
        let received = walk(seed);
        accepted += received.accepted;
        notes += received.begun_notes;
    }
    assert!(only.is_some() || accepted > 1_000, "the plugin sent only {accepted} events in all walks");
    assert!(only.is_some() || notes > 10, "the plugin sent only {notes} notes in all walks");
}

/// Runs one instance from creation to destruction, and returns what it sent.
fn walk(seed: u64) -> ReceivedEvents {
    let mut random = StdRng::seed_from_u64(seed);
    if random.random_bool(0.05) {
        drop(Plugin::create(c"Lifecycle"));
    }
    let is_bare = random.random_bool(0.25);
    let plugin = if is_bare { Plugin::in_host(c"Bare") } else { Plugin::new() };
    let mut received = ReceivedEvents::default();
    let ids: Vec<u32> =
        (0..plugin.count()).map(|index| plugin.info(index).expect("the parameter has an info").id).collect();
    if random.random_bool(0.8) {
        assert!(plugin.load(&state_with_routing(&plugin.save())));
    }
    let mut channels = 2;
    for _ in 0..random.random_range(1..5) {
        for _ in 0..random.random_range(0..6) {
            main_call(&plugin, &ids, &mut random);
            if random.random_bool(0.3) {
                plugin.flush(&random_events(&ids, 1, &mut random), &mut received);
            }
            channels = select_layout(&plugin, &mut random);
        }
        let rate = *[8_000.0, 22_050.0, 44_100.0, 44_100.5, 48_000.0, 96_000.0, 768_000.0].choose(&mut random).unwrap();
        let longest = *[1, 32, 441, 512, 4_096, 16_384].choose(&mut random).unwrap();
        assert!(plugin.activate(rate, longest));
        let mut audio_random = StdRng::seed_from_u64(random.random());
        std::thread::scope(|scope| {
            let audio =
                scope.spawn(|| audio_thread(&plugin, &ids, channels, longest, &mut received, &mut audio_random));
            while !audio.is_finished() {
                main_call(&plugin, &ids, &mut random);
                std::thread::sleep(Duration::from_micros(random.random_range(0..500)));
            }
            audio.join().expect("the audio thread does not panic");
        });
        main_call(&plugin, &ids, &mut random);
        plugin.deactivate();
    }
    plugin.idle();
    let has_requested_flush = is_bare || plugin.requests.flush.load(Relaxed);
    assert!(
        received.open_gestures.is_empty() || has_requested_flush,
        "a gesture is open without a request for a flush"
    );
    received.refuse_every = 0;
    plugin.flush(&InputEvents::default(), &mut received);
    assert!(received.open_gestures.is_empty(), "these gestures never end: {:?}", received.open_gestures);
    assert!(!plugin.requests.restart.load(Relaxed), "the plugin requested a restart");
    assert!(received.notes.is_empty(), "these notes never end: {:?}", received.notes);
    received
}

/// A state with tags routed to two slots in gate mode, with notes and OSC on.
fn state_with_routing(state: &[u8]) -> Vec<u8> {
    let source = |tags: &[&str]| serde_json::json!({ "tags": tags, "how": "maximum" });
    let mut sources = vec![source(&["rock", "techno"]), source(&["guitar", "loud", "fast"])];
    sources.resize(8, source(&[]));
    let osc = serde_json::json!({ "on": true, "address": "127.0.0.1:9", "instance": "walk" });
    let outputs = serde_json::json!({ "sources": sources, "osc": osc }).to_string();
    edit_state(state, |json| {
        json["fields"]["outputs"] = outputs.into();
        for name in ["midi", "midi_notes", "live"] {
            json["params"][name] = serde_json::json!({ "bool": true });
        }
        for name in ["mode_1", "mode_2"] {
            assert!(json["params"][name].is_object(), "there is no parameter {name}: {json}");
            json["params"][name] = serde_json::json!({ "string": "gate" });
        }
    })
}

/// Selects a random layout, and returns its number of channels.
fn select_layout(plugin: &Plugin, random: &mut StdRng) -> usize {
    let table = plugin.extension::<clap_plugin_audio_ports_config>(CLAP_EXT_AUDIO_PORTS_CONFIG);
    let layouts = [2, 1, 4, 6, 8];
    let index = random.random_range(0..layouts.len());
    // SAFETY: the plugin's own function, on the main thread, while it is inactive.
    assert!(unsafe { (*table).select.unwrap()(plugin.clap(), index as u32) });
    layouts[index]
}

/// Makes a random call that CLAP allows on the main thread at any time.
fn main_call(plugin: &Plugin, ids: &[u32], random: &mut StdRng) {
    let id = *ids.choose(random).unwrap();
    match random.random_range(0..9) {
        0 => {
            for index in 0..plugin.count() {
                let info = plugin.info(index).expect("the parameter has an info");
                assert_eq!(info.id, ids[index as usize]);
            }
        }
        1 => {
            for id in ids {
                let value = plugin.value(*id).expect("the parameter has a value");
                assert!(value.is_finite(), "{id:x} is {value}");
            }
        }
        2 => drop(plugin.text(id, random.random_range(-0.5..1.5), random.random_range(0..40))),
        3 => drop(plugin.parse(id, [c"50 %", c"armed", c"", c"1e999", c"\xff", c"off"].choose(random).unwrap())),
        4 => assert!(plugin.load(&plugin.save())),
        5 => {
            // The plugin may accept or reject the damaged state; what it saves afterwards must load.
            let mut state = plugin.save();
            for _ in 0..random.random_range(1..20) {
                let position = random.random_range(0..state.len());
                state[position] = random.random();
            }
            state.truncate(random.random_range(0..=state.len()));
            plugin.load(&state);
            assert!(plugin.load(&plugin.save()));
        }
        6 => {
            let table = plugin.extension::<clap_plugin_render>(CLAP_EXT_RENDER);
            // SAFETY: the plugin's own function, on the main thread.
            assert!(unsafe { (*table).set.unwrap()(plugin.clap(), i32::from(random.random_bool(0.3))) });
        }
        7 => {
            let table = plugin.extension::<clap_plugin_remote_controls>(CLAP_EXT_REMOTE_CONTROLS);
            // SAFETY: as above; the test owns the page.
            unsafe {
                for index in 0..(*table).count.unwrap()(plugin.clap()) {
                    let mut page = std::mem::zeroed();
                    assert!((*table).get.unwrap()(plugin.clap(), index, &mut page));
                }
            }
        }
        _ => plugin.idle(),
    }
}

/// The audio thread of an active plugin: starts, processes, flushes, resets and stops at random.
fn audio_thread(
    plugin: &Plugin,
    ids: &[u32],
    channels: usize,
    longest: u32,
    received: &mut ReceivedEvents,
    random: &mut StdRng,
) {
    let mut is_processing = false;
    for _ in 0..random.random_range(0..80) {
        if !is_processing {
            match random.random_range(0..4) {
                0 => plugin.flush(&random_events(ids, 1, random), received),
                1 => plugin.reset(),
                _ => is_processing = plugin.start(),
            }
            continue;
        }
        received.refuse_every = if random.random_bool(0.2) { random.random_range(1..20) } else { 0 };
        match random.random_range(0..30) {
            0 => {
                plugin.stop();
                is_processing = false;
            }
            1 => plugin.reset(),
            _ => {
                let frames = if random.random_bool(0.6) { longest } else { random.random_range(1..=longest) };
                let mut block = Block::new(channels, frames);
                block.is_in_place = random.random_bool(0.3);
                block.is_playing = [None, Some(false), Some(true), Some(true), Some(true)][random.random_range(0..5)];
                block.events = random_events(ids, frames, random);
                let before = block.input.clone();
                assert_ne!(plugin.process(&mut block, received), CLAP_PROCESS_ERROR);
                let after = if block.is_in_place { &block.input } else { &block.output };
                assert_eq!(*after, before, "the plugin changed the audio");
            }
        }
    }
    if is_processing {
        plugin.stop();
    }
}

/// Adds MIDI in a random form, which the plugin must neither pass on nor take.
fn push_midi(events: &mut InputEvents, time: u32, random: &mut StdRng) {
    let note = |type_| clap_event_note {
        header: header(time, type_),
        note_id: -1,
        port_index: 0,
        channel: 0,
        key: 36,
        velocity: 0.8,
    };
    let notes = [CLAP_EVENT_NOTE_ON, CLAP_EVENT_NOTE_OFF, CLAP_EVENT_NOTE_CHOKE, CLAP_EVENT_NOTE_END];
    match random.random_range(0..4) {
        0 => events.push(note(*notes.choose(random).unwrap()), size_of::<clap_event_note>()),
        1 => {
            let data = [[0x90, 36, 99], [0x80, 36, 0], [0xb0, 20, 64], [0xb0, 123, 0], [0xff, 0, 0]];
            let data = *data.choose(random).unwrap();
            let midi = clap_event_midi { header: header(time, CLAP_EVENT_MIDI), port_index: 0, data };
            events.push(midi, size_of::<clap_event_midi>());
        }
        2 => {
            let data = [0x4090_2400, u32::MAX, 0, 0];
            let midi = clap_event_midi2 { header: header(time, CLAP_EVENT_MIDI2), port_index: 0, data };
            events.push(midi, size_of::<clap_event_midi2>());
        }
        _ => {
            static BYTES: [u8; 4] = [0xf0, 0x7d, 1, 0xf7];
            let (buffer, size) = (BYTES.as_ptr(), BYTES.len() as u32);
            let message = header(time, CLAP_EVENT_MIDI_SYSEX);
            let message = clap_event_midi_sysex { header: message, port_index: 0, buffer, size };
            events.push(message, size_of::<clap_event_midi_sysex>());
        }
    }
}

/// Random events, in the order of their times.
fn random_events(ids: &[u32], frames: u32, random: &mut StdRng) -> InputEvents {
    let (mut events, mut time) = (InputEvents::default(), 0);
    for _ in 0..random.random_range(0..6) {
        time = random.random_range(time..frames.max(time + 1)).min(frames.saturating_sub(1));
        let id = *ids.choose(random).unwrap();
        match random.random_range(0..8) {
            0 | 1 => events.set(time, WRITE, f64::from(u8::from(random.random_bool(0.8)))),
            2 => events.set(time, FIRST_SLOT + random.random_range(0..8), random.random()),
            3 => push_midi(&mut events, time, random),
            4 => {
                let value = parameter(time, id, random.random_range(-0.3..0.3));
                let modulation = clap_event_param_mod {
                    header: header(time, CLAP_EVENT_PARAM_MOD),
                    param_id: value.param_id,
                    cookie: value.cookie,
                    note_id: -1,
                    port_index: -1,
                    channel: -1,
                    key: -1,
                    amount: value.value,
                };
                events.push(modulation, size_of::<clap_event_param_mod>());
            }
            5 => events.push(transport(time, random.random()), size_of::<clap_event_transport>()),
            _ => events.set(time, id, random.random()),
        }
    }
    events
}
