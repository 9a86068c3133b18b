//! Slots, Write, MIDI and OSC of both finished bundles in Tagvane's own host.

use std::net::UdpSocket;
use std::time::Duration;
use tagvane_host::{HostEvent, Parameter, Session, Setup};
use tagvane_tests::{
    FIRST_SLOT, FORMATS, WRITE, bounce_setup, changing_music, collect_events, is_slot, open, open_with_routing,
    routing, send_noise, set_by_name,
};

const RATE: f64 = 44_100.0;

/// Like [`collect_events`], sorted by frame and parameter: a VST3 sends the changes of a block by
/// parameter.
fn collect_sorted_events(
    session: &mut dyn Session,
    music: &[Vec<f32>],
    block: usize,
    pause: Duration,
) -> Vec<(u64, HostEvent)> {
    let mut events = collect_events(session, music, block, pause);
    events.sort_by_key(|(frame, event)| (*frame, if let HostEvent::Value(change) = event { change.id } else { 0 }));
    events
}

#[test]
fn slots_and_controls_have_stable_ids_and_at_most_64_parameters_are_automatable() {
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        let all = session.parameters();
        let find = |id| all.iter().find(|parameter| parameter.id == id).expect("the parameter exists");
        for slot in 0..8 {
            let slot_parameter = find(FIRST_SLOT + slot);
            let Parameter { name, is_read_only, is_automatable, is_hidden, group, .. } = slot_parameter;
            assert_eq!((*is_read_only, *is_automatable, *is_hidden), (false, true, false), "{format}");
            assert_eq!(group, "Slots", "{format}");
            let expected = match slot {
                0 => "Slot 1: max of rock, techno".to_owned(),
                1 => "Slot 2: max of guitar, synth, strings".to_owned(),
                _ => format!("Slot {}", slot + 1),
            };
            // A CLAP host requests the names; a VST3 sends a changed name by its editor's timer.
            if format == "clap" {
                assert_eq!(*name, expected);
            } else {
                assert!(name.starts_with(&format!("Slot {}", slot + 1)), "{name}");
            }
        }
        let write = find(WRITE);
        assert_eq!(
            (write.is_read_only, write.is_automatable, write.name.as_str()),
            (false, false, "Write"),
            "{format}"
        );
        assert_eq!(session.text(WRITE, 1.0).as_deref(), Some("armed"), "{format}");
        assert_eq!(session.text(FIRST_SLOT, 0.25).as_deref(), Some("25 %"), "{format}");
        let automatable: Vec<&str> =
            all.iter().filter(|parameter| parameter.is_automatable).map(|parameter| parameter.name.as_str()).collect();
        assert!(automatable.len() <= 64, "{format}: {automatable:?}");
        assert!(
            all.iter()
                .filter(|parameter| parameter.is_read_only && !parameter.is_hidden)
                .all(|tag| tag.group == "Tags")
        );
        for (name, group) in [("Announce tags", "Tags"), ("MIDI out", "MIDI"), ("Slot 3 Threshold", "Slot 3")] {
            let control = all.iter().find(|parameter| parameter.name == name).expect(name);
            assert_eq!(control.group, group, "{format}");
        }
    }
}

#[test]
fn with_write_off_a_minute_of_music_makes_no_edits_and_no_requests() {
    let music = changing_music(60);
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        session.set_playing(true);
        session.start(bounce_setup(RATE, 512)).unwrap();
        // The first block waits for the model, whose names cause a rescan.
        send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
        session.idle();
        let before = session.request_counts();
        let events = collect_events(session.as_mut(), &music, 512, Duration::ZERO);
        assert!(events.len() > 5_000, "{format}: only {} values were sent", events.len());
        for (_, event) in &events {
            let is_tag = matches!(event, HostEvent::Value(change) if !is_slot(change.id) && change.id != WRITE);
            assert!(is_tag, "{format}: {event:?}");
        }
        assert_eq!(session.request_counts(), before, "{format}");
        assert_eq!((before.dirty, before.restarts, before.edits), (0, 0, 0), "{format}");
    }
}

#[test]
fn with_write_armed_a_minute_is_one_gesture_with_hundreds_of_points() {
    let music = changing_music(60);
    let mut session = open_with_routing("clap", &routing());
    session.set_playing(true);
    session.set(WRITE, 1.0);
    session.start(bounce_setup(RATE, 512)).unwrap();
    let mut events = collect_events(session.as_mut(), &music, 512, Duration::ZERO);
    session.set(WRITE, 0.0);
    events.extend(collect_events(session.as_mut(), &[vec![0.0; 4_410], vec![0.0; 4_410]], 512, Duration::ZERO));
    for slot in [FIRST_SLOT, FIRST_SLOT + 1] {
        let slot_events: Vec<&HostEvent> = events
            .iter()
            .map(|(_, event)| event)
            .filter(|event| match event {
                HostEvent::Value(value) => value.id == slot,
                HostEvent::GestureBegin { id } | HostEvent::GestureEnd { id } => *id == slot,
                _ => false,
            })
            .collect();
        println!("{} events", slot_events.len());
        assert!((102..=602).contains(&slot_events.len()), "{} events", slot_events.len());
        assert_eq!(slot_events[0], &HostEvent::GestureBegin { id: slot });
        assert_eq!(slot_events[slot_events.len() - 1], &HostEvent::GestureEnd { id: slot });
        let is_gesture =
            |event: &&&HostEvent| matches!(event, HostEvent::GestureBegin { .. } | HostEvent::GestureEnd { .. });
        assert_eq!(slot_events.iter().filter(is_gesture).count(), 2);
    }
    // Slots without a source have no gestures.
    assert!(events.iter().all(|(_, event)| !matches!(event, HostEvent::GestureBegin { id } if *id > FIRST_SLOT + 1)));
}

/// On Linux clap-wrapper forwards gestures only while the editor is open. Without it the plugin sends
/// the slots' values like outputs, so that no gesture waits for an editor.
#[test]
#[cfg(target_os = "linux")]
fn a_vst3_without_its_editor_sends_slot_values_and_no_gestures() {
    let mut session = open_with_routing("vst3", &routing());
    session.set_playing(true);
    session.set(WRITE, 1.0);
    session.start(bounce_setup(RATE, 512)).unwrap();
    let events = collect_events(session.as_mut(), &changing_music(20), 512, Duration::ZERO);
    let is_slot_change =
        |(_, event): &&(u64, HostEvent)| matches!(event, HostEvent::Value(change) if is_slot(change.id));
    let moves = events.iter().filter(is_slot_change).count();
    assert!((20..=402).contains(&moves), "{moves} moves");
    assert!(events.iter().all(|(_, event)| matches!(event, HostEvent::Value(_))));
    assert_eq!(session.request_counts().edits, 0);
}

#[test]
fn stopping_with_write_armed_ends_the_gestures_at_the_next_flush() {
    let mut session = open_with_routing("clap", &routing());
    session.set_playing(true);
    session.set(WRITE, 1.0);
    session.start(bounce_setup(RATE, 512)).unwrap();
    collect_events(session.as_mut(), &changing_music(5), 512, Duration::ZERO);
    session.stop();
    session.flush().unwrap();
    let mut events = session.take_events();
    events.retain(|event| matches!(event, HostEvent::GestureEnd { .. }));
    assert_eq!(events, [HostEvent::GestureEnd { id: FIRST_SLOT }, HostEvent::GestureEnd { id: FIRST_SLOT + 1 }]);
}

#[test]
fn an_automated_slot_keeps_the_hosts_value_and_sends_it_as_midi() {
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        session.start(bounce_setup(RATE, 512)).unwrap();
        set_by_name(session.as_mut(), "MIDI out", 1.0);
        set_by_name(session.as_mut(), "MIDI channel", if format == "clap" { 4.0 } else { 4.0 / 15.0 });
        send_noise(session.as_mut(), 0.0, 512, 2).unwrap();
        session.take_events();
        session.set_at(FIRST_SLOT + 1, 0.5, 100);
        send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
        assert_eq!(session.value(FIRST_SLOT + 1), Some(if format == "clap" { 0.5 } else { 0.0 }), "{format}");
        let midi: Vec<HostEvent> = session.take_events();
        assert_eq!(midi, [HostEvent::Midi { frame: 100, data: [0xb4, 21, 64] }], "{format}");
        // The state has the slots' values, but never an armed Write.
        session.set(WRITE, 1.0);
        send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
        let saved = session.save().unwrap();
        let mut fresh = open(format);
        assert!(fresh.load(&saved), "{format}");
        assert_eq!((fresh.value(FIRST_SLOT + 1), fresh.value(WRITE)), (Some(0.5), Some(0.0)), "{format}");
    }
}

/// A bounce, playback, and a bounce of a host that announces it late send the same events at the same
/// frames.
#[test]
fn a_bounce_sends_the_events_of_playback_at_any_block_size() {
    let music = changing_music(10);
    let session = |format, offline| {
        let mut session = open_with_routing(format, &routing());
        session.set_playing(true);
        session.start(Setup { offline, ..bounce_setup(RATE, 4_096) }).unwrap();
        session.set(WRITE, 1.0);
        set_by_name(session.as_mut(), "MIDI out", 1.0);
        set_by_name(session.as_mut(), "MIDI tags", 1.0);
        set_by_name(session.as_mut(), "MIDI notes", 1.0);
        set_by_name(session.as_mut(), "Slot 2 Mode", 1.0);
        session
    };
    for format in FORMATS {
        let bounced = |block| collect_sorted_events(session(format, true).as_mut(), &music, block, Duration::ZERO);
        let reference = bounced(512);
        assert!(reference.len() > 1_000, "{format}: {} events", reference.len());
        for block in [512, 64, 441, 4_096] {
            let bounced = bounced(block);
            assert!(bounced == reference, "{format}, blocks of {block}: {}", difference(&bounced, &reference));
        }
        let mut late = session(format, false);
        late.set_offline(true);
        assert!(collect_sorted_events(late.as_mut(), &music, 512, Duration::ZERO) == reference, "{format}, late");
        assert_eq!(late.request_counts().restarts, 0, "{format}");
        // Slower than real time, so that a busy machine does not make the test fail.
        let mut live = session(format, false);
        // Wait for the model, which has been loaded for a while in a real project.
        std::thread::sleep(Duration::from_millis(500));
        let live = collect_sorted_events(live.as_mut(), &music, 512, Duration::from_millis(20));
        assert!(live == reference, "{format}, live: {}", difference(&live, &reference));
    }
}

/// Describes the first difference of two sequences of events.
fn difference(a: &[(u64, HostEvent)], b: &[(u64, HostEvent)]) -> String {
    let first = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    format!(
        "{} and {} events, which differ from index {first} on: {:?} and {:?}",
        a.len(),
        b.len(),
        a.get(first),
        b.get(first)
    )
}

#[test]
fn bounces_send_the_same_osc_messages() {
    let music = changing_music(8);
    for format in FORMATS {
        let bounced = || {
            let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
            receiver.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let mut routing = routing();
            let address = receiver.local_addr().unwrap().to_string();
            routing["osc"] = serde_json::json!({ "on": true, "address": address, "instance": "lead" });
            let mut session = open_with_routing(format, &routing);
            session.set_playing(true);
            session.start(bounce_setup(RATE, 512)).unwrap();
            let receiving = std::thread::spawn(move || {
                let (mut datagrams, mut buffer) = (Vec::new(), [0; 2_000]);
                let mut quiet = 0;
                while quiet < 4 {
                    match receiver.recv(&mut buffer) {
                        Ok(length) => datagrams.push(buffer[..length].to_vec()),
                        Err(_) => quiet += 1,
                    }
                }
                datagrams
            });
            collect_events(session.as_mut(), &music, 512, Duration::ZERO);
            drop(session);
            receiving.join().unwrap()
        };
        let first = bounced();
        let texts: Vec<String> = first.iter().map(|datagram| String::from_utf8_lossy(datagram).into_owned()).collect();
        assert!(first.len() > 50, "{format}: {} datagrams", first.len());
        for address in ["/tagvane/lead/tag/female_vocal", "/tagvane/lead/slot/1", "/tagvane/lead/age"] {
            assert!(texts.iter().any(|text| text.contains(address)), "{format}: no message to {address}");
        }
        assert!(bounced() == first, "{format}");
    }
}
