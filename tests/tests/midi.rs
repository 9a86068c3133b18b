//! MIDI of both finished bundles in Tagvane's own host: notes of gates, pairs with 14 bits, and MIDI that comes back.

use serde_json::json;
use std::time::Duration;
use tagvane_host::testing::edit_state;
use tagvane_host::{HostEvent, Session};
use tagvane_tests::{
    FIRST_SLOT, FORMATS, bounce_setup, changing_music, collect_events, open, open_with_routing, routing, send_noise,
    set_by_name,
};

const RATE: f64 = 44_100.0;

/// A session in which the first two slots are gates and send notes live.
fn open_gates(format: &str) -> Box<dyn Session> {
    let mut session = open_with_routing(format, &routing());
    session.set_playing(true);
    session.start(bounce_setup(RATE, 512)).unwrap();
    for name in ["MIDI out", "MIDI notes", "Send live", "Slot 1 Mode", "Slot 2 Mode"] {
        set_by_name(session.as_mut(), name, 1.0);
    }
    for name in ["Slot 1 Threshold", "Slot 2 Threshold"] {
        set_by_name(session.as_mut(), name, 0.4);
    }
    session
}

/// The notes among events: frame, key, and whether it begins.
fn notes(events: &[(u64, HostEvent)]) -> Vec<(u64, u8, bool)> {
    let note = |(frame, event): &(u64, HostEvent)| match event {
        HostEvent::Note { is_on, channel: 0, key, velocity, .. } => {
            assert!(!is_on || (velocity - 100.0 / 127.0).abs() < 1e-6, "{event:?}");
            Some((*frame, *key, *is_on))
        }
        HostEvent::Note { .. } => panic!("{event:?}"),
        _ => None,
    };
    events.iter().filter_map(note).collect()
}

/// The keys that sound after these notes, each of which began before it ended.
fn sounding(notes: &[(u64, u8, bool)]) -> Vec<u8> {
    let mut keys: Vec<u8> = Vec::new();
    for (frame, key, begins) in notes {
        assert_eq!(keys.contains(key), !begins, "key {key} at frame {frame}");
        keys.retain(|other| other != key);
        keys.extend(begins.then_some(key));
    }
    keys
}

/// Plays until a note sounds; returns the notes so far.
fn play_until_a_note_sounds(session: &mut dyn Session, format: &str) -> Vec<(u64, u8, bool)> {
    let mut all = Vec::new();
    for part in changing_music(30).remove(0).chunks(4_410) {
        let music = vec![part.to_vec(); 2];
        all.extend(notes(&collect_events(session, &music, 512, Duration::ZERO)));
        if !sounding(&all).is_empty() {
            return all;
        }
    }
    panic!("{format}: no note began");
}

#[test]
fn gates_send_notes_which_end_when_the_transport_stops() {
    let music = changing_music(20);
    let played = FORMATS.map(|format| {
        let mut session = open_gates(format);
        let mut all = notes(&collect_events(session.as_mut(), &music, 512, Duration::ZERO));
        assert!(all.len() > 6, "{format}: {all:?}");
        assert!(all.iter().all(|(_, key, _)| [36, 37].contains(key)), "{format}: {all:?}");
        if sounding(&all).is_empty() {
            all.extend(play_until_a_note_sounds(session.as_mut(), format));
        }
        session.set_playing(false);
        let silence = vec![vec![0.0; 4_410]; 2];
        let stopped = notes(&collect_events(session.as_mut(), &silence, 512, Duration::ZERO));
        let ended = sounding(&all);
        assert!(!ended.is_empty(), "{format}");
        assert!(stopped.iter().all(|(frame, _, begins)| *frame == 0 && !begins), "{format}: {stopped:?}");
        assert_eq!(stopped.len(), ended.len(), "{format}: {stopped:?}");
        all
    });
    assert_eq!(played[0], played[1], "the CLAP and the VST3 send different notes");
}

#[test]
fn a_note_that_sounds_ends_by_bypass_another_model_and_removal() {
    for format in FORMATS {
        let silence = vec![vec![0.0; 4_410]; 2];
        let mut session = open_gates(format);
        let before = play_until_a_note_sounds(session.as_mut(), format);
        set_by_name(session.as_mut(), "Bypass", 1.0);
        let mut all = notes(&collect_events(session.as_mut(), &silence, 512, Duration::ZERO));
        all.splice(0..0, before);
        assert_eq!(sounding(&all), [0; 0], "{format}, bypass");

        let mut session = open_gates(format);
        let mut all = play_until_a_note_sounds(session.as_mut(), format);
        let other = edit_state(&session.save().unwrap(), |state| {
            state["fields"]["model"] = json!({ "shipped": "Million Song 50" }).to_string().into();
        });
        assert!(session.load(&other), "{format}");
        // The model is loaded in the background.
        for _ in 0..200 {
            all.extend(notes(&collect_events(session.as_mut(), &silence, 512, Duration::ZERO)));
            std::thread::sleep(Duration::from_millis(10));
            if sounding(&all).is_empty() {
                break;
            }
        }
        assert_eq!(sounding(&all), [0; 0], "{format}, another model");

        // A CLAP ends them in the flush before its removal. A VST3 cannot; a host ends its notes itself. When it starts
        // again, both end them with the first block.
        let mut session = open_gates(format);
        let mut all = play_until_a_note_sounds(session.as_mut(), format);
        let count = sounding(&all).len();
        session.stop();
        if format == "clap" {
            session.flush().unwrap();
            let flushed: Vec<_> = session.take_events().into_iter().map(|event| (0, event)).collect();
            assert_eq!(notes(&flushed).len(), count);
        }
        session.start(bounce_setup(RATE, 512)).unwrap();
        all.extend(notes(&collect_events(session.as_mut(), &silence, 512, Duration::ZERO)));
        assert_eq!(sounding(&all), [0; 0], "{format}, a restart");
    }
}

#[test]
fn pairs_have_14_bits_in_both_formats() {
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        session.start(bounce_setup(RATE, 512)).unwrap();
        set_by_name(session.as_mut(), "MIDI out", 1.0);
        set_by_name(session.as_mut(), "MIDI 14 bits", 1.0);
        send_noise(session.as_mut(), 0.0, 512, 2).unwrap();
        session.take_events();
        session.set_at(FIRST_SLOT + 1, 0.3, 100);
        send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
        // 0.3 of 16383 is 4915, which is 38 * 128 + 51.
        let pair = [[0xb0, 21, 38], [0xb0, 53, 51]].map(|data| HostEvent::Midi { frame: 100, data });
        assert_eq!(session.take_events(), pair, "{format}");
    }
}

/// A host may route what Tagvane sends back to it, as notes, controllers and moves of the slots.
#[test]
fn midi_that_comes_back_is_neither_passed_on_nor_doubled() {
    let music = changing_music(15);
    for format in FORMATS {
        let play = |is_routed_back: bool| {
            let mut session = open_gates(format);
            let mut all = Vec::new();
            for start in (0..music[0].len()).step_by(512) {
                let end = music[0].len().min(start + 512);
                let part: Vec<Vec<f32>> = music.iter().map(|channel| channel[start..end].to_vec()).collect();
                let events = collect_events(session.as_mut(), &part, 512, Duration::ZERO);
                for (frame, event) in events.iter().filter(|_| is_routed_back) {
                    let frame = *frame as u32;
                    match *event {
                        HostEvent::Midi { data, .. } => session.send_midi(HostEvent::Midi { frame, data }),
                        HostEvent::Note { is_on, channel, key, velocity, .. } => {
                            session.send_midi(HostEvent::Note { frame, is_on, channel, key, velocity });
                        }
                        _ => {}
                    }
                }
                all.extend(events.into_iter().map(|(frame, event)| (frame + start as u64, event)));
            }
            all
        };
        let expected = play(false);
        let midi = |event: &&(u64, HostEvent)| matches!(event.1, HostEvent::Midi { .. } | HostEvent::Note { .. });
        assert!(expected.iter().filter(midi).count() > 100, "{format}");
        assert!(play(true) == expected, "{format}: MIDI that came back changed the events");
    }
}

/// A host that has learned a slot's controller moves the slot by it.
#[test]
fn a_slot_that_follows_its_own_controller_comes_to_rest() {
    for format in FORMATS {
        for is_14_bit in [0.0, 1.0] {
            let mut session = open_with_routing(format, &routing());
            session.start(bounce_setup(RATE, 512)).unwrap();
            set_by_name(session.as_mut(), "MIDI out", 1.0);
            set_by_name(session.as_mut(), "MIDI 14 bits", is_14_bit);
            send_noise(session.as_mut(), 0.0, 512, 2).unwrap();
            session.take_events();
            session.set(FIRST_SLOT, 0.3);
            let mut sent = Vec::new();
            for _ in 0..50 {
                send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
                for event in session.take_events() {
                    if let HostEvent::Midi { data: [0xb0, 20, value], .. } = event {
                        session.set(FIRST_SLOT, f64::from(value) / 127.0);
                    }
                    sent.push(event);
                }
            }
            // The second time the value has lost its lower half.
            let expected = if is_14_bit == 0.0 { 1 } else { 4 };
            assert_eq!(sent.len(), expected, "{format}: {sent:?}");
        }
    }
}

/// States from before there were notes and pairs.
#[test]
fn an_old_state_sends_the_controllers_that_it_sent() {
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        let old = edit_state(&session.save().unwrap(), |state| {
            state["params"]["midi"] = json!({ "bool": true });
            state["params"]["mode_1"] = json!({ "string": "gate" });
            let params = state["params"].as_object_mut().unwrap();
            for name in ["midi_14_bit", "midi_notes", "midi_key", "midi_velocity"] {
                assert!(params.remove(name).is_some(), "the state has no {name}");
            }
        });
        let mut fresh = open(format);
        assert!(fresh.load(&old), "{format}");
        fresh.start(bounce_setup(RATE, 512)).unwrap();
        send_noise(fresh.as_mut(), 0.0, 512, 2).unwrap();
        fresh.take_events();
        fresh.set_at(FIRST_SLOT, 1.0, 7);
        send_noise(fresh.as_mut(), 0.0, 512, 1).unwrap();
        assert_eq!(fresh.take_events(), [HostEvent::Midi { frame: 7, data: [0xb0, 20, 127] }], "{format}");
    }
}

#[test]
fn the_settings_of_notes_and_pairs_are_saved() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(bounce_setup(RATE, 512)).unwrap();
        set_by_name(session.as_mut(), "MIDI notes", 1.0);
        set_by_name(session.as_mut(), "MIDI 14 bits", 1.0);
        let (key, velocity) = if format == "clap" { (60.0, 127.0) } else { (60.0 / 119.0, 1.0) };
        set_by_name(session.as_mut(), "MIDI first note", key);
        set_by_name(session.as_mut(), "MIDI velocity", velocity);
        send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
        let state: serde_json::Value = serde_json::from_slice(&session.save().unwrap()[8..]).unwrap();
        let params = &state["params"];
        let saved = ["midi_notes", "midi_14_bit", "midi_key", "midi_velocity"].map(|name| params[name].clone());
        let expected = [json!({ "bool": true }), json!({ "bool": true }), json!({ "i32": 60 }), json!({ "i32": 127 })];
        assert_eq!(saved, expected, "{format}");
    }
}
