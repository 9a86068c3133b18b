//! The processor without a host: predictions in, events out.

mod support;

use support::{Bench, HOP, RATE, probabilities, status, three_slots};
use tagvane_engine::{EngineObserver as _, MAX_TAGS, Status};
use tagvane_outputs::{
    Event, GestureMode, MAX_PUBLISHED_TAGS, MidiSettings, NoteSettings, OutputConfig, OutputParams, OutputProcessor,
    PREDICTION_DELAY, SLOTS, SlotShape,
};

/// The events of twelve seconds in blocks of `frames`, with each prediction `late` seconds after its
/// window.
fn play(frames: u32, late: f64) -> Vec<(u64, Event)> {
    let mut bench = Bench::new(50);
    bench.params.midi =
        Some(MidiSettings { sends_tags: true, notes: Some(NoteSettings::default()), ..MidiSettings::default() });
    bench.params.slots[1] = SlotShape { is_gate: true, threshold: 0.5, ..SlotShape::default() };
    bench.outputs.set_armed(true);
    let (mut hop, total) = (1, (12.0 * RATE) as u64);
    while bench.frames < total {
        let frames = frames.min((total - bench.frames) as u32);
        let end = (bench.frames + u64::from(frames)) as f64 / RATE;
        while hop as f64 * HOP + late <= end {
            bench.predict(hop as f64 * HOP, &probabilities(hop, 50));
            hop += 1;
        }
        bench.process(frames);
    }
    bench.events
}

#[test]
fn events_depend_neither_on_the_block_size_nor_on_late_predictions() {
    let reference = play(512, 0.0);
    assert!(reference.len() > 5_000, "{} events", reference.len());
    let notes = reference.iter().filter(|(_, event)| matches!(event, Event::NoteOn { .. })).count();
    assert!(notes > 3, "{notes} notes");
    for (frames, late) in [(512, 0.03), (64, 0.09), (1, 0.05), (441, 0.0), (4_096, 0.01), (16_384, 0.0)] {
        assert!(play(frames, late) == reference, "blocks of {frames}, {late} s late");
    }
}

#[test]
fn a_prediction_takes_effect_a_delay_after_its_window() {
    let mut bench = Bench::new(3);
    bench.predict(1.0, &[0.8, 0.0, 0.0]);
    bench.params = OutputParams { attack: 0.0, release: 0.0, ..bench.params };
    bench.process_seconds(2.0);
    let is_announced = |event: &Event| matches!(event, Event::Tag { index: 0, value } if *value == 0.8);
    let frame = bench.events.iter().find(|(_, event)| is_announced(event)).unwrap().0;
    assert_eq!(frame, ((1.0 + PREDICTION_DELAY) * RATE) as u64);
    assert_eq!(bench.outputs.published_value(0), 0.8);
    // A new segment resets the tags and drops the predictions of the one before.
    bench.predict(1.2, &[0.9, 0.0, 0.0]);
    (bench.segment, bench.segment_frames) = (2, 0);
    bench.process_seconds(2.0);
    assert_eq!(bench.outputs.published_value(0), 0.0);
    assert!(!bench.outputs.is_active());
}

#[test]
fn events_that_the_host_refuses_come_again_in_order() {
    let mut bench = Bench::new(50);
    bench.outputs.set_armed(true);
    bench.predict(0.1, &probabilities(1, 50));
    bench.processor.begin_block(true);
    let block = bench.block(24_000);
    bench.processor.process(&block, &bench.params);
    let mut taken = Vec::new();
    loop {
        let before = taken.len();
        bench.processor.drain_events(|timed| {
            let has_room = taken.len() < before + 7;
            if has_room {
                taken.push(timed.event);
            }
            has_room
        });
        if taken.len() == before {
            break;
        }
    }
    let mut reference = Bench::new(50);
    reference.outputs.set_armed(true);
    reference.predict(0.1, &probabilities(1, 50));
    reference.process(24_000);
    let expected: Vec<Event> = reference.events.iter().map(|(_, event)| *event).collect();
    assert!(taken == expected, "{} and {} events", taken.len(), expected.len());
}

/// The processor must not allocate for a host that takes no events. Once the host takes them again,
/// every gesture ends.
#[test]
fn the_queue_is_bounded_while_the_host_takes_no_events() {
    let mut bench = Bench::new(50);
    bench.params.midi =
        Some(MidiSettings { first_controller: 0, is_14_bit: true, sends_tags: true, ..MidiSettings::default() });
    bench.outputs.set_armed(true);
    for hop in 1..600 {
        bench.predict(hop as f64 * HOP, &probabilities(hop, 50));
        bench.processor.begin_block(true);
        // The host also automates a slot without a source: control changes for that were queued without bound.
        for frame in 0..100 {
            bench.processor.set_slot_value(frame, 5, (frame % 2) as f32);
        }
        let block = bench.block(4_762);
        bench.processor.process(&block, &bench.params);
    }
    bench.drain(4_762);
    assert!((3_000..=4_096).contains(&bench.events.len()), "{} events waited", bench.events.len());
    bench.outputs.set_armed(false);
    bench.process_seconds(0.1);
    assert_eq!(bench.gestures(), (3, 3));
}

/// Tags beyond the limit, which a file may name before its model is refused, were written past the end of the
/// tags' values.
#[test]
fn tags_beyond_the_limit_are_ignored() {
    let mut bench = Bench::new(50);
    let tags = (0..2 * MAX_TAGS).map(|tag| format!("tag {tag}")).collect();
    bench.outputs.on_status(&Status::Loading { tags });
    bench.predict(HOP, &[0.5; 2 * MAX_TAGS]);
    bench.process_seconds(1.0);
    assert!(bench.outputs.tag_value(MAX_TAGS - 1) > 0.4);
    assert_eq!(bench.outputs.tag_value(MAX_TAGS), 0.0);
}

/// A name and an action.
type Action<T> = (&'static str, fn(&mut T));

#[test]
fn every_way_to_stop_ends_the_gestures() {
    let actions: [Action<Bench>; 6] = [
        ("the editor disarms", |bench| bench.outputs.set_armed(false)),
        ("the host disarms", |bench| bench.processor.set_armed(false)),
        ("bypass", |bench| bench.is_bypassed = true),
        ("the transport stops", |bench| bench.is_playing = false),
        ("the routing is cleared", |bench| bench.outputs.set_config(OutputConfig::default())),
        ("the model fails", |bench| bench.outputs.on_status(&Status::Failed("gone".into()))),
    ];
    for (name, stop) in actions {
        let mut bench = Bench::new(50);
        bench.outputs.set_armed(true);
        bench.predict_hops(1..20);
        bench.process_seconds(1.0);
        assert_eq!(bench.gestures(), (3, 0), "{name}");
        stop(&mut bench);
        bench.process_seconds(0.1);
        assert_eq!(bench.gestures(), (3, 3), "{name}");
        assert!(!bench.processor.has_open_gestures(), "{name}");
    }
    let actions: [Action<OutputProcessor>; 2] =
        [("deactivate", OutputProcessor::deactivate), ("end_gestures", OutputProcessor::end_gestures)];
    for (name, stop) in actions {
        let mut bench = Bench::new(50);
        bench.outputs.set_armed(true);
        bench.predict_hops(1..20);
        bench.process_seconds(1.0);
        stop(&mut bench.processor);
        assert!(bench.processor.has_open_gestures(), "{name}");
        bench.processor.begin_block(false);
        bench.processor.flush(&bench.params);
        bench.drain(0);
        assert_eq!(bench.gestures(), (3, 3), "{name}");
        assert!(!bench.processor.has_open_gestures(), "{name}");
    }
}

#[test]
fn midi_follows_automation_at_the_same_frame() {
    let mut bench = Bench::new(50);
    bench.params.midi = Some(MidiSettings { channel: 2, ..MidiSettings::default() });
    bench.process_seconds(0.5);
    bench.events.clear();
    bench.processor.begin_block(true);
    for (frame, value) in [(3, 0.5), (200, 0.75), (479, 1.0)] {
        bench.processor.set_slot_value(frame, 1, value);
    }
    let block = bench.block(480);
    bench.processor.process(&block, &bench.params);
    let before = bench.frames;
    bench.drain(480);
    let change = |frame: u64, value| (before + frame, Event::ControlChange { channel: 2, controller: 21, value });
    assert_eq!(bench.events, [change(3, 64), change(200, 95), change(479, 127)]);
    assert_eq!(bench.outputs.slot_value(1), 1.0);
    // So does a slot without a source.
    bench.events.clear();
    bench.processor.begin_block(true);
    bench.processor.set_slot_value(0, 7, 0.5);
    let block = bench.block(480);
    bench.processor.process(&block, &bench.params);
    bench.drain(480);
    let expected = Event::ControlChange { channel: 2, controller: 27, value: 64 };
    assert!(matches!(bench.events[..], [(_, event)] if event == expected), "{:?}", bench.events);
}

#[test]
fn values_move_without_events_while_write_and_announcements_are_off() {
    let mut bench = Bench::new(50);
    bench.params.announce_rate = None;
    bench.predict_hops(1..100);
    bench.process_seconds(9.0);
    assert_eq!(bench.events, []);
    assert!((0..50).all(|tag| bench.outputs.published_value(tag) > 0.0));
    assert!(bench.outputs.live_value(0) > 0.0);
    assert_eq!((0..SLOTS).map(|slot| bench.outputs.slot_value(slot)).sum::<f32>(), 0.0);
}

#[test]
fn the_host_cannot_move_a_slot_while_its_automation_is_written() {
    let mut bench = Bench::new(50);
    bench.outputs.set_gesture_mode(GestureMode::PerValue);
    bench.params.slots[0] = SlotShape { attack: 0.0, release: 0.0, ..SlotShape::default() };
    bench.predict(0.1, &[0.6]);
    bench.outputs.set_armed(true);
    bench.process_seconds(0.5);
    assert_eq!(bench.outputs.slot_value(0), 0.6);
    bench.processor.begin_block(true);
    bench.processor.set_slot_value(0, 0, 0.1);
    bench.process(480);
    assert_eq!(bench.outputs.slot_value(0), 0.6);
    bench.outputs.set_armed(false);
    bench.process(480);
    bench.processor.begin_block(true);
    bench.processor.set_slot_value(0, 0, 0.1);
    bench.process(480);
    assert_eq!(bench.outputs.slot_value(0), 0.1);
}

#[test]
fn the_host_learns_that_the_editor_arms_but_not_that_it_did_itself() {
    let mut bench = Bench::new(3);
    bench.outputs.set_armed(true);
    bench.process(480);
    assert_eq!(bench.events.first(), Some(&(0, Event::Write { armed: true })));
    bench.processor.set_armed(false);
    let before = bench.events.len();
    bench.process_seconds(0.1);
    assert!(!bench.events[before..].iter().any(|(_, event)| matches!(event, Event::Write { .. })));
}

#[test]
fn the_chosen_tags_of_a_large_model_are_announced_by_their_published_indices() {
    let mut bench = Bench::new(200);
    let mut routing = three_slots();
    routing.published = vec!["tag 150".into(), "tag 7".into()];
    bench.outputs.set_config(OutputConfig { routing, ..OutputConfig::default() });
    assert_eq!(bench.outputs.published_name(0).as_deref(), Some("tag 150"));
    assert_eq!((bench.outputs.published_name(2), bench.outputs.published_count()), (None, 2));
    let mut tags = vec![0.0; 200];
    (tags[150], tags[7], tags[8]) = (0.5, 0.25, 0.9);
    bench.predict(0.1, &tags);
    bench.params = OutputParams { attack: 0.0, ..bench.params };
    bench.process_seconds(0.5);
    let events: Vec<Event> = bench.events.iter().map(|(_, event)| *event).collect();
    assert_eq!(events, [Event::Tag { index: 0, value: 0.5 }, Event::Tag { index: 1, value: 0.25 }]);
    assert_eq!(bench.outputs.tag_value(8), 0.9);
    assert_eq!(bench.outputs.published_value(MAX_PUBLISHED_TAGS), 0.0);
}

#[test]
fn the_tags_of_another_model_are_zero_at_once() {
    let mut bench = Bench::new(50);
    bench.predict(0.1, &[0.9; 50]);
    bench.process_seconds(0.5);
    assert!(bench.outputs.tag_value(7) > 0.5 && bench.outputs.published_value(7) > 0.5);
    bench.outputs.on_status(&status(40));
    let values = (bench.outputs.tag_value(7), bench.outputs.published_value(7));
    assert_eq!(values, (0.0, 0.0), "before the next block");
    bench.process(480);
    let values = (bench.outputs.tag_value(7), bench.outputs.published_value(7));
    assert_eq!(values, (0.0, 0.0), "after the next block");
    bench.predict(0.6, &[0.4; 40]);
    bench.process_seconds(0.5);
    assert!(bench.outputs.tag_value(7) > 0.3, "{}", bench.outputs.tag_value(7));
}

#[test]
fn invalid_values_and_slots_are_ignored() {
    let mut bench = Bench::new(3);
    bench.predict(0.1, &[f32::NAN, f32::INFINITY, -3.0]);
    bench.processor.begin_block(true);
    for value in [f32::NAN, f32::INFINITY, 7.0] {
        bench.processor.set_slot_value(0, 2, value);
    }
    bench.processor.set_slot_value(0, 99, 0.5);
    bench.process_seconds(0.5);
    assert_eq!([0, 1, 2].map(|tag| bench.outputs.tag_value(tag)), [0.0; 3]);
    assert_eq!(bench.outputs.slot_value(2), 1.0);
}

#[test]
fn an_invalid_sample_rate_does_not_block() {
    for rate in [0.0, -1.0, 1e-300, 1e300, f64::NAN, f64::INFINITY] {
        let mut bench = Bench::new(50);
        bench.processor.activate(rate);
        bench.process(512);
        bench.process(48_000);
    }
}
