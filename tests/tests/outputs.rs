//! Slots, Write, MIDI and OSC of the finished bundles, in our own hosts.

use std::net::UdpSocket;
use std::time::Duration;
use tagvane_host::{Parameter, Session, Setup, Told};
use tagvane_tests::{FIRST_SLOT, FORMATS, WRITE, bounce, clip, open, send, set, wired, wiring};

const RATE: f64 = 44_100.0;

/// Music that changes: the three clips in turn, five seconds each, so many seconds in all.
fn changing_music(seconds: usize) -> Vec<Vec<f32>> {
    let clips = ["rock", "orchestral", "electronic"].map(clip);
    (0..2)
        .map(|channel| {
            let parts = (0..seconds.div_ceil(5)).flat_map(|part| {
                let clip = &clips[part % 3];
                clip.channels[channel].iter().cycle().skip(part * 50_000).take(5 * 44_100).copied()
            });
            parts.take(seconds * 44_100).collect()
        })
        .collect()
}

/// Sends music through in blocks of `block`, with a pause after each; gives what was told,
/// with the frame of the whole it belongs to instead of the block's.
fn stream(session: &mut dyn Session, music: &[Vec<f32>], block: usize, pause: Duration) -> Vec<(u64, Told)> {
    let (mut told, frames) = (Vec::new(), music[0].len());
    for start in (0..frames).step_by(block) {
        let end = frames.min(start + block);
        let input: Vec<Vec<f32>> = music.iter().map(|channel| channel[start..end].to_vec()).collect();
        session.process(&input, &mut vec![vec![0.0; end - start]; 2]).unwrap();
        session.idle();
        for mut one in session.told() {
            let frame = match &mut one {
                Told::Value(value) => std::mem::take(&mut value.frame),
                Told::Midi { frame, .. } => std::mem::take(frame),
                _ => 0,
            };
            told.push((start as u64 + u64::from(frame), one));
        }
        std::thread::sleep(pause);
    }
    told
}

/// Sends music through and gives what was told in the order of its frames: a VST3 tells a
/// block parameter by parameter.
fn in_order(session: &mut dyn Session, music: &[Vec<f32>], block: usize, pause: Duration) -> Vec<(u64, Told)> {
    let mut told = stream(session, music, block, pause);
    told.sort_by_key(|(frame, one)| (*frame, if let Told::Value(value) = one { value.id } else { 0 }));
    told
}

fn is_slot(id: u32) -> bool {
    (FIRST_SLOT..FIRST_SLOT + 8).contains(&id)
}

#[test]
fn slots_and_controls_have_stable_ids_and_few_enough_are_automatable() {
    for format in FORMATS {
        let mut session = wired(format, &wiring());
        let all = session.parameters();
        let find = |id| all.iter().find(|parameter| parameter.id == id).expect("it is there");
        for slot in 0..8 {
            let Parameter { name, read_only, automatable, hidden, group, .. } = find(FIRST_SLOT + slot);
            assert_eq!((*read_only, *automatable, *hidden, group.as_str()), (false, true, false, "Slots"), "{format}");
            let expected = match slot {
                0 => "Slot 1: max of rock, techno".to_owned(),
                1 => "Slot 2: max of guitar, synth, strings".to_owned(),
                _ => format!("Slot {}", slot + 1),
            };
            // A VST3 learns of a name that changes from the editor's timer; a CLAP asks.
            if format == "clap" {
                assert_eq!(*name, expected);
            } else {
                assert!(name.starts_with(&format!("Slot {}", slot + 1)), "{name}");
            }
        }
        let write = find(WRITE);
        assert_eq!((write.read_only, write.automatable, write.name.as_str()), (false, false, "Write"), "{format}");
        assert_eq!(session.text(WRITE, 1.0).as_deref(), Some("armed"), "{format}");
        assert_eq!(session.text(FIRST_SLOT, 0.25).as_deref(), Some("25 %"), "{format}");
        let automatable: Vec<&str> =
            all.iter().filter(|parameter| parameter.automatable).map(|parameter| parameter.name.as_str()).collect();
        assert!(automatable.len() <= 64, "{format}: {automatable:?}");
        assert!(all.iter().filter(|parameter| parameter.read_only && !parameter.hidden).all(|tag| tag.group == "Tags"));
        for (name, group) in [("Announce tags", "Tags"), ("MIDI out", "MIDI"), ("Slot 3 Threshold", "Slot 3")] {
            let control = all.iter().find(|parameter| parameter.name == name).expect(name);
            assert_eq!(control.group, group, "{format}");
        }
    }
}

#[test]
fn disarmed_a_minute_of_changing_music_asks_nothing_of_the_host() {
    let music = changing_music(60);
    for format in FORMATS {
        let mut session = wired(format, &wiring());
        session.play(true);
        session.start(bounce(RATE, 512)).unwrap();
        // The model comes, and with it its names.
        send(session.as_mut(), 0.0, 512, 1).unwrap();
        session.idle();
        let before = session.disturbances();
        let told = stream(session.as_mut(), &music, 512, Duration::ZERO);
        assert!(told.len() > 5_000, "{format}: {} values moved", told.len());
        for (_, one) in &told {
            assert!(matches!(one, Told::Value(value) if !is_slot(value.id) && value.id != WRITE), "{format}: {one:?}");
        }
        assert_eq!(session.disturbances(), before, "{format}");
        assert_eq!((before.dirty, before.restarts, before.edits), (0, 0, 0), "{format}");
    }
}

#[test]
fn armed_a_minute_is_hundreds_of_points_in_one_gesture() {
    let music = changing_music(60);
    let mut session = wired("clap", &wiring());
    session.play(true);
    session.set(WRITE, 1.0);
    session.start(bounce(RATE, 512)).unwrap();
    let mut told = stream(session.as_mut(), &music, 512, Duration::ZERO);
    session.set(WRITE, 0.0);
    told.extend(stream(session.as_mut(), &[vec![0.0; 4_410], vec![0.0; 4_410]], 512, Duration::ZERO));
    for slot in [FIRST_SLOT, FIRST_SLOT + 1] {
        let of_slot: Vec<&Told> = told
            .iter()
            .map(|(_, one)| one)
            .filter(|one| match one {
                Told::Value(value) => value.id == slot,
                Told::Begin { id } | Told::End { id } => *id == slot,
                _ => false,
            })
            .collect();
        println!("{} events", of_slot.len());
        assert!((102..=602).contains(&of_slot.len()), "{} events", of_slot.len());
        assert_eq!(of_slot[0], &Told::Begin { id: slot });
        assert_eq!(of_slot[of_slot.len() - 1], &Told::End { id: slot });
        let gestures = of_slot.iter().filter(|one| matches!(one, Told::Begin { .. } | Told::End { .. })).count();
        assert_eq!(gestures, 2);
    }
    // Slots that hear nothing are left alone.
    assert!(told.iter().all(|(_, one)| !matches!(one, Told::Begin { id } if *id > FIRST_SLOT + 1)));
}

/// On Linux clap-wrapper hands gestures on while the editor is open only: without it the
/// slots move as outputs do, and no gesture waits for an editor.
#[test]
#[cfg(target_os = "linux")]
fn armed_in_a_vst3_without_its_editor_slots_move_and_no_gesture_is_begun() {
    let mut session = wired("vst3", &wiring());
    session.play(true);
    session.set(WRITE, 1.0);
    session.start(bounce(RATE, 512)).unwrap();
    let told = stream(session.as_mut(), &changing_music(20), 512, Duration::ZERO);
    let moves = told.iter().filter(|(_, one)| matches!(one, Told::Value(value) if is_slot(value.id))).count();
    assert!((20..=402).contains(&moves), "{moves} moves");
    assert!(told.iter().all(|(_, one)| matches!(one, Told::Value(_))));
    assert_eq!(session.disturbances().edits, 0);
}

#[test]
fn a_host_that_stops_while_armed_hears_the_end_of_the_gestures() {
    let mut session = wired("clap", &wiring());
    session.play(true);
    session.set(WRITE, 1.0);
    session.start(bounce(RATE, 512)).unwrap();
    stream(session.as_mut(), &changing_music(5), 512, Duration::ZERO);
    session.stop();
    session.flush().unwrap();
    let ends: Vec<Told> = session.told().into_iter().filter(|one| matches!(one, Told::End { .. })).collect();
    assert_eq!(ends, [Told::End { id: FIRST_SLOT }, Told::End { id: FIRST_SLOT + 1 }]);
}

#[test]
fn a_lane_plays_back_through_the_slot_and_midi_follows() {
    for format in FORMATS {
        let mut session = wired(format, &wiring());
        session.start(bounce(RATE, 512)).unwrap();
        set(session.as_mut(), "MIDI out", 1.0);
        set(session.as_mut(), "MIDI channel", if format == "clap" { 4.0 } else { 4.0 / 15.0 });
        send(session.as_mut(), 0.0, 512, 2).unwrap();
        session.told();
        session.set_at(FIRST_SLOT + 1, 0.5, 100);
        send(session.as_mut(), 0.0, 512, 1).unwrap();
        assert_eq!(session.value(FIRST_SLOT + 1), Some(if format == "clap" { 0.5 } else { 0.0 }), "{format}");
        let midi: Vec<Told> = session.told();
        // clap-wrapper lets no MIDI out of a VST3.
        let expected = [Told::Midi { frame: 100, data: [0xb4, 21, 64] }];
        assert_eq!(midi, if format == "clap" { &expected[..] } else { &[] }, "{format}");
        // The project remembers where a slot stood, and never that Write was armed.
        session.set(WRITE, 1.0);
        send(session.as_mut(), 0.0, 512, 1).unwrap();
        let saved = session.save().unwrap();
        let mut fresh = open(format);
        assert!(fresh.load(&saved), "{format}");
        assert_eq!((fresh.value(FIRST_SLOT + 1), fresh.value(WRITE)), (Some(0.5), Some(0.0)), "{format}");
    }
}

/// A bounce, playback, and a bounce that the host calls one late are the same, event for
/// event and frame for frame.
#[test]
fn a_bounce_is_what_playback_was_at_any_block_size() {
    let music = changing_music(10);
    let session = |format, offline| {
        let mut session = wired(format, &wiring());
        session.play(true);
        session.start(Setup { offline, ..bounce(RATE, 4_096) }).unwrap();
        session.set(WRITE, 1.0);
        set(session.as_mut(), "MIDI out", 1.0);
        set(session.as_mut(), "MIDI tags", 1.0);
        session
    };
    for format in FORMATS {
        let bounced = |block| in_order(session(format, true).as_mut(), &music, block, Duration::ZERO);
        let reference = bounced(512);
        assert!(reference.len() > 1_000, "{format}: {} events", reference.len());
        for block in [512, 64, 441, 4_096] {
            let bounced = bounced(block);
            assert!(bounced == reference, "{format}, blocks of {block}: {}", difference(&bounced, &reference));
        }
        let mut late = session(format, false);
        late.set_offline(true);
        assert!(in_order(late.as_mut(), &music, 512, Duration::ZERO) == reference, "{format}, late");
        assert_eq!(late.disturbances().restarts, 0, "{format}");
        // A little slower than music plays: a busy machine must not decide this test.
        let mut live = session(format, false);
        // The model must be there, as it is in a project that was opened a while ago.
        std::thread::sleep(Duration::from_millis(500));
        let live = in_order(live.as_mut(), &music, 512, Duration::from_millis(20));
        assert!(live == reference, "{format}, live: {}", difference(&live, &reference));
    }
}

fn difference(a: &[(u64, Told)], b: &[(u64, Told)]) -> String {
    let first = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or(a.len().min(b.len()));
    format!("{} and {} events; from {first} on {:?} and {:?}", a.len(), b.len(), a.get(first), b.get(first))
}

#[test]
fn a_bounce_says_the_same_over_osc_each_time() {
    let music = changing_music(8);
    for format in FORMATS {
        let bounced = || {
            let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
            receiver.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
            let mut wiring = wiring();
            let address = receiver.local_addr().unwrap().to_string();
            wiring["osc"] = serde_json::json!({ "on": true, "address": address, "instance": "lead" });
            let mut session = wired(format, &wiring);
            session.play(true);
            session.start(bounce(RATE, 512)).unwrap();
            let listening = std::thread::spawn(move || {
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
            stream(session.as_mut(), &music, 512, Duration::ZERO);
            drop(session);
            listening.join().unwrap()
        };
        let first = bounced();
        let text: Vec<String> = first.iter().map(|one| String::from_utf8_lossy(one).into_owned()).collect();
        assert!(first.len() > 50, "{format}: {} datagrams", first.len());
        for line in ["/tagvane/lead/tag/female_vocal", "/tagvane/lead/slot/1", "/tagvane/lead/age"] {
            assert!(text.iter().any(|text| text.contains(line)), "{format}: no {line}");
        }
        assert!(bounced() == first, "{format}");
    }
}
