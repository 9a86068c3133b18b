//! The notes of slots in gate mode.

mod support;

use support::{Bench, HOP, probabilities, status};
use tagvane_engine::{EngineObserver as _, Status};
use tagvane_outputs::{Event, MidiSettings, NoteSettings, OutputConfig, SlotShape};

const GATE: SlotShape = SlotShape {
    threshold: 0.5,
    hysteresis: 0.1,
    is_gate: true,
    attack: 0.0,
    release: 0.0,
    is_inverted: false,
    low: 0.0,
    high: 1.0,
};

/// Three slots with a source, the first two of them in gate mode, whose live values are sent.
fn gates() -> Bench {
    let mut bench = Bench::new(50);
    bench.params.midi = Some(MidiSettings { notes: Some(NoteSettings::default()), ..MidiSettings::default() });
    bench.params.sends_live_values = true;
    bench.params.slots[0] = GATE;
    bench.params.slots[1] = GATE;
    bench
}

/// The beginnings and ends of notes: the frame, the key, and whether it begins.
fn notes(bench: &Bench) -> Vec<(u64, u8, bool)> {
    let note = |(frame, event): &(u64, Event)| match event {
        Event::NoteOn { channel: 0, key, velocity: 100 } => Some((*frame, *key, true)),
        Event::NoteOff { channel: 0, key } => Some((*frame, *key, false)),
        Event::NoteOn { .. } | Event::NoteOff { .. } => panic!("{event:?}"),
        _ => None,
    };
    bench.events.iter().filter_map(note).collect()
}

/// The keys that sound, if each began once before it ended.
fn sounding(notes: &[(u64, u8, bool)]) -> Vec<u8> {
    let mut keys = Vec::new();
    for (frame, key, begins) in notes {
        let position = keys.iter().position(|other| other == key);
        assert_eq!(position.is_none(), *begins, "key {key} at frame {frame} in {notes:?}");
        match position {
            Some(position) => drop(keys.remove(position)),
            None => keys.push(*key),
        }
    }
    keys
}

#[test]
fn a_gate_sends_a_note_beside_its_controller_and_a_continuous_slot_sends_none() {
    let mut bench = gates();
    bench.predict(0.1, &[0.8, 0.3, 0.9]);
    bench.predict(0.6, &[0.2, 0.7, 0.9]);
    bench.process_seconds(1.0);
    // A prediction takes effect 0.1 s after its window.
    assert_eq!(notes(&bench), [(9_600, 36, true), (33_600, 36, false), (33_600, 37, true)]);
    let is_controller = |event: &&(u64, Event)| matches!(event.1, Event::ControlChange { controller: 20, .. });
    let values: Vec<Event> = bench.events.iter().filter(is_controller).map(|(_, event)| *event).collect();
    assert_eq!(values, [0, 127, 0].map(|value| Event::ControlChange { channel: 0, controller: 20, value }));
    assert!(bench.processor.has_sounding_notes());
    assert!(bench.outputs.is_active(), "the host may put the plug-in to sleep while a note sounds");
}

#[test]
fn automation_begins_and_ends_a_note_at_its_frame() {
    let mut bench = gates();
    bench.params.sends_live_values = false;
    bench.process_seconds(0.5);
    bench.processor.begin_block(true);
    for (frame, value) in [(7, 1.0), (201, 0.9), (333, 0.0)] {
        bench.processor.set_slot_value(frame, 1, value);
    }
    let block = bench.block(480);
    bench.processor.process(&block, &bench.params);
    let before = bench.frames;
    bench.drain(480);
    assert_eq!(notes(&bench), [(before + 7, 37, true), (before + 333, 37, false)]);
}

/// A name, an action and whether the gates may open again.
type Action = (&'static str, fn(&mut Bench), bool);

#[test]
fn every_way_to_stop_ends_the_notes() {
    let actions: [Action; 10] = [
        ("bypass", |bench| bench.is_bypassed = true, false),
        ("the transport stops", |bench| bench.is_playing = false, false),
        ("the routing is cleared", |bench| bench.outputs.set_config(OutputConfig::default()), false),
        ("the model fails", |bench| bench.outputs.on_status(&Status::Failed("gone".into())), false),
        ("another model", |bench| bench.outputs.on_status(&status(40)), false),
        ("MIDI is switched off", |bench| bench.params.midi = None, false),
        ("notes are switched off", |bench| bench.params.midi = Some(MidiSettings::default()), false),
        ("the slots are no gates", |bench| bench.params.slots.fill(SlotShape::default()), false),
        ("a discontinuity", |bench| (bench.segment, bench.segment_frames) = (2, 0), false),
        (
            "another channel",
            |bench| bench.params.midi.as_mut().unwrap().notes = Some(NoteSettings { first_key: 50, velocity: 100 }),
            true,
        ),
    ];
    for (name, stop, opens_again) in actions {
        for sends_live_values in [true, false] {
            let mut bench = gates();
            bench.params.sends_live_values = sends_live_values;
            bench.predict(0.1, &[0.9; 50]);
            bench.processor.begin_block(true);
            for slot in [0, 1] {
                bench.processor.set_slot_value(0, slot, 1.0);
            }
            bench.process_seconds(0.5);
            assert_eq!(sounding(&notes(&bench)), [36, 37], "{name}");
            let frame = bench.frames;
            stop(&mut bench);
            bench.process_seconds(0.5);
            let notes = notes(&bench);
            let ends: Vec<u8> = notes.iter().filter(|note| !note.2 && note.0 == frame).map(|note| note.1).collect();
            assert_eq!(ends, [36, 37], "{name}: the notes do not end with the next block: {notes:?}");
            // The automation of a slot goes on across a discontinuity.
            let is_restarted = opens_again || !sends_live_values && name == "a discontinuity";
            assert_eq!(sounding(&notes).len(), if is_restarted { 2 } else { 0 }, "{name}: {notes:?}");
        }
    }
}

/// While the transport is stopped, a gate that opens plays: the music may be live.
#[test]
fn after_a_stop_a_note_begins_when_its_gate_opens_again() {
    let mut bench = gates();
    bench.predict(0.1, &[0.9, 0.1]);
    bench.process_seconds(0.5);
    bench.is_playing = false;
    bench.process_seconds(0.5);
    assert_eq!(sounding(&notes(&bench)), [0; 0]);
    bench.predict(1.0, &[0.9, 0.9]);
    bench.process_seconds(0.5);
    assert_eq!(sounding(&notes(&bench)), [37], "the other gate has not closed");
    bench.predict(1.5, &[0.1, 0.9]);
    bench.predict(1.6, &[0.9, 0.9]);
    bench.process_seconds(0.5);
    assert_eq!(sounding(&notes(&bench)), [37, 36]);
}

#[test]
fn after_a_bypass_and_at_a_start_an_automated_gate_plays_again() {
    let mut bench = gates();
    bench.params.sends_live_values = false;
    bench.processor.begin_block(true);
    bench.processor.set_slot_value(0, 0, 1.0);
    bench.process_seconds(0.1);
    for stop in [|bench: &mut Bench| bench.is_bypassed = true, |bench: &mut Bench| bench.is_playing = false] {
        assert_eq!(sounding(&notes(&bench)), [36]);
        stop(&mut bench);
        bench.process_seconds(0.1);
        assert_eq!(sounding(&notes(&bench)), [0; 0]);
        (bench.is_bypassed, bench.is_playing) = (false, true);
        bench.process_seconds(0.1);
    }
    assert_eq!(sounding(&notes(&bench)), [36]);
}

/// The ends that a flush sends are copies: a host that reads only parameters from a flush gets them with the next block.
#[test]
fn a_stopped_processor_ends_its_notes_in_a_flush_and_in_the_next_block() {
    for name in ["deactivate", "stop processing"] {
        let mut bench = gates();
        bench.predict(0.1, &[0.9; 50]);
        bench.process_seconds(0.5);
        assert_eq!(sounding(&notes(&bench)), [36, 37], "{name}");
        if name == "deactivate" {
            bench.processor.deactivate();
        }
        assert!(bench.processor.has_sounding_notes(), "{name}");
        bench.events.clear();
        for _ in 0..3 {
            bench.processor.begin_block(false);
            // Moving a slot begins no note outside of a block.
            bench.processor.set_slot_value(0, 0, 1.0);
            bench.processor.end_notes();
            bench.processor.flush(&bench.params);
            bench.drain(0);
        }
        let frames = bench.frames;
        let off = |key| (frames, key, false);
        assert_eq!(notes(&bench), [off(36), off(37)], "{name}");
        bench.events.clear();
        bench.processor.activate(support::RATE);
        (bench.segment, bench.segment_frames) = (9, 0);
        bench.process(480);
        assert_eq!(notes(&bench), [off(36), off(37)], "{name}");
    }
}

/// A host that takes no events loses no end of a note.
#[test]
fn notes_alternate_and_end_after_a_host_has_taken_no_events_for_minutes() {
    let mut bench = gates();
    bench.params.midi.as_mut().unwrap().sends_tags = true;
    bench.outputs.set_armed(true);
    for hop in 1..2_000 {
        bench.predict(hop as f64 * HOP, &probabilities(hop, 50));
        bench.processor.begin_block(true);
        let block = bench.block(4_762);
        bench.processor.process(&block, &bench.params);
        // It takes a few now and then.
        let mut room = if hop % 100 == 0 { 700 } else { 0 };
        let Bench { processor, events, .. } = &mut bench;
        processor.drain_events(|timed| {
            let is_taken = room > 0;
            if is_taken {
                room -= 1;
                events.push((0, timed.event));
            }
            is_taken
        });
    }
    bench.is_playing = false;
    bench.process_seconds(0.5);
    let notes = notes(&bench);
    assert!(notes.len() > 20, "{} beginnings and ends", notes.len());
    assert_eq!(sounding(&notes), [0; 0]);
}
