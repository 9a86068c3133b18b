//! What hosts do with their transport and their calls, with both finished bundles.
#![cfg(target_os = "linux")]

use std::time::Duration;
use tagvane_audio::Recording;
use tagvane_host::player::is_bit_exact;
use tagvane_host::{HostEvent, Session, Setup};
use tagvane_tests::process::{self, resident_megabytes};
use tagvane_tests::{
    FORMATS, WRITE, assert_nothing_recorded, bounce_setup, clip, is_slot, open, open_with_routing, routing, subprocess,
    tag_values,
};

const RATE: f64 = 44_100.0;
const BLOCK: usize = 512;

/// Plays `seconds` of a recording from `from` on, in blocks of 512 frames, which must pass bit-exactly; calls `between`
/// before each block with its frame from the start.
fn play(
    session: &mut dyn Session,
    music: &Recording,
    (from, seconds): (f64, f64),
    mut between: impl FnMut(&mut dyn Session, usize),
) {
    let first = (from * RATE) as usize;
    for frame in (0..(seconds * RATE) as usize).step_by(BLOCK) {
        between(session, frame);
        let start = first + frame;
        let input: Vec<Vec<f32>> =
            music.channels.iter().map(|channel| channel[start..start + BLOCK].to_vec()).collect();
        let mut output = vec![vec![7.0; BLOCK]; 2];
        session.process(&input, &mut output).unwrap();
        assert!(is_bit_exact(&input, &output), "the plugin changed the audio");
    }
}

/// The sum of the tags' values.
fn strength(session: &mut dyn Session) -> f64 {
    tag_values(session).iter().sum()
}

/// Whether two lists of values differ by no more than the announcer leaves out.
fn are_near(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.003)
}

/// In a host that does not call the plugin while its transport is stopped, no block says that it was stopped. The
/// window once joined the end of one playback with the beginning of the next, so that no two gave the same tags.
#[test]
fn each_playback_gives_the_same_tags_in_a_host_that_calls_only_while_it_plays() {
    let music = clip("rock");
    for format in FORMATS {
        let mut session = open(format);
        session.set_playing(true);
        session.start(bounce_setup(RATE, BLOCK)).unwrap();
        let mut playback = || {
            let mut values = Vec::new();
            session.seek(30.0);
            play(session.as_mut(), &music, (0.0, 5.0), |session, frame| {
                if frame % (20 * BLOCK) == 0 {
                    values.push(tag_values(session));
                }
            });
            // The transport is stopped for a while.
            session.skip(7 * 44_100);
            values
        };
        let (first, second) = (playback(), playback());
        assert!(first.last().unwrap().iter().sum::<f64>() > 0.5, "{format}: no tags");
        // The values fall from those before at first.
        for (index, (first, second)) in first.iter().zip(&second).enumerate().skip(3) {
            assert!(are_near(first, second), "{format}, reading {index}: {first:.2?} and {second:.2?}");
        }
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// Stopping and going on at the same place without a call in between is no discontinuity.
#[test]
fn a_stop_without_calls_goes_on_where_it_was() {
    let music = clip("rock");
    for format in FORMATS {
        let mut session = open(format);
        session.set_playing(true);
        session.seek(0.0);
        session.start(bounce_setup(RATE, BLOCK)).unwrap();
        play(session.as_mut(), &music, (0.0, 5.0), |_, _| ());
        let before = strength(session.as_mut());
        session.skip(44_100);
        play(session.as_mut(), &music, (5.0, 0.5), |_, _| ());
        let after = strength(session.as_mut());
        assert!(after > 0.5 * before && before > 0.5, "{format}: {before} before and {after} after");
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// While it is bypassed the plugin is not called, and the song goes on.
#[test]
fn a_bypass_by_not_calling_begins_a_new_window_and_records_nothing() {
    let music = clip("rock");
    for format in FORMATS {
        let mut session = open(format);
        session.set_playing(true);
        session.seek(0.0);
        session.start(bounce_setup(RATE, BLOCK)).unwrap();
        play(session.as_mut(), &music, (0.0, 5.0), |_, _| ());
        assert!(strength(session.as_mut()) > 0.5, "{format}: no tags");
        session.skip(5 * 44_100);
        session.idle();
        assert_eq!(session.flush().unwrap(), [], "{format}");
        session.seek(10.0);
        play(session.as_mut(), &music, (10.0, 2.0), |_, _| ());
        assert_eq!(strength(session.as_mut()), 0.0, "{format}: tags of audio from before the bypass");
        play(session.as_mut(), &music, (12.0, 2.0), |_, _| ());
        assert!(strength(session.as_mut()) > 0.5, "{format}: no tags after the bypass");
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// The events of the music do not depend on the song position: a window that started again at each bar would never be
/// full.
#[test]
fn a_host_that_jumps_back_each_bar_gets_the_events_of_the_music() {
    let music = clip("electronic");
    for format in FORMATS {
        let events = |bar: Option<usize>| {
            let mut session = open_with_routing(format, &routing());
            session.set_playing(true);
            session.set(WRITE, 1.0);
            session.seek(8.0);
            session.start(bounce_setup(RATE, BLOCK)).unwrap();
            play(session.as_mut(), &music, (0.0, 12.0), |session, frame| {
                if bar.is_some_and(|bar| frame % (bar * BLOCK) == 0) {
                    session.seek(8.0);
                }
            });
            let events = session.take_events();
            let counts = session.request_counts();
            assert_eq!((counts.dirty, counts.restarts), (0, 0), "{format}");
            events
        };
        let expected = events(None);
        let moves =
            expected.iter().filter(|event| matches!(event, HostEvent::Value(change) if is_slot(change.id))).count();
        assert!(expected.len() > 500 && moves > 10, "{format}: {} events, {moves} moves", expected.len());
        // 2 s at 120 quarter notes a minute, and a sixteenth of that.
        for bar in [172, 11] {
            assert!(events(Some(bar)) == expected, "{format}, jumps back every {bar} blocks");
        }
    }
}

#[test]
fn an_hour_of_a_two_bar_loop_keeps_its_tags_in_bounded_memory() {
    let name = "an_hour_of_a_two_bar_loop_keeps_its_tags_in_bounded_memory";
    if !subprocess::enter_subprocess(name, &process::RETURN_FREED_MEMORY) {
        return;
    }
    let music = clip("rock");
    // Two bars at 120 quarter notes a minute are 43 blocks of 4096 frames and a shorter one.
    let (loop_frames, block) = (4 * 44_100, 4_096);
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        session.set_playing(true);
        session.start(bounce_setup(RATE, block)).unwrap();
        let mut memory = Vec::new();
        for number in 0..900 {
            session.seek(0.0);
            for start in (0..loop_frames).step_by(block) {
                let end = (start + block).min(loop_frames);
                let input: Vec<Vec<f32>> = music.channels.iter().map(|channel| channel[start..end].to_vec()).collect();
                session.process(&input, &mut [vec![0.0; end - start], vec![0.0; end - start]]).unwrap();
                session.idle();
            }
            assert!(number == 0 || strength(session.as_mut()) > 0.5, "{format}, loop {number}: no tags");
            assert_nothing_recorded(session.as_mut(), format);
            if number % 150 == 149 {
                memory.push(resident_megabytes());
            }
        }
        println!("{format}: resident MB every ten minutes: {memory:.1?}");
        // The predictions of the last hour are kept: in these fifty minutes 13 MB of 214 tags.
        assert!(memory[5] < memory[0] + 20.0, "{format}: the memory grows: {memory:.1?}");
    }
}

/// The song goes on with another sample rate or block size: the host deactivates the plugin in between.
#[test]
fn a_change_of_rate_or_block_size_in_mid_song_closes_gestures_and_goes_on() {
    let music = clip("rock");
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        session.set_playing(true);
        session.set(WRITE, 1.0);
        session.seek(0.0);
        let mut events = Vec::new();
        let setups = [(44_100.0, 512), (48_000.0, 64), (96_000.0, 4_096), (44_100.0, 512), (44_100.0, 1_000)];
        for (part, (sample_rate, block)) in setups.into_iter().enumerate() {
            session.start(Setup { sample_rate, max_block_frames: block, channels: 2, offline: true }).unwrap();
            // What is left of the part before: no values of slots, which nobody moves now.
            let mut is_tagged = false;
            for frame in (0..(4.0 * sample_rate) as usize).step_by(block) {
                let input: Vec<Vec<f32>> =
                    music.channels.iter().map(|channel| channel[frame..frame + block].to_vec()).collect();
                let mut output = vec![vec![7.0; block]; 2];
                session.process(&input, &mut output).unwrap();
                session.idle();
                assert!(is_bit_exact(&input, &output), "{format}, part {part}");
                is_tagged |= frame > 3 * sample_rate as usize && strength(session.as_mut()) > 0.5;
            }
            assert!(is_tagged, "{format}, part {part}: no tags");
            events.extend(session.take_events());
        }
        session.stop();
        if format == "clap" {
            session.flush().unwrap();
        }
        events.extend(session.take_events());
        let mut open_gestures: Vec<u32> = Vec::new();
        for event in &events {
            match event {
                HostEvent::GestureBegin { id } => {
                    assert!(!open_gestures.contains(id), "{format}: a gesture in a gesture");
                    open_gestures.push(*id);
                }
                HostEvent::GestureEnd { id } => {
                    assert!(open_gestures.contains(id), "{format}: a gesture ends that has not begun");
                    open_gestures.retain(|open| open != id);
                }
                HostEvent::Value(change) if is_slot(change.id) && format == "clap" => {
                    assert!(open_gestures.contains(&change.id), "{format}: a value without a gesture");
                }
                _ => {}
            }
        }
        assert!(open_gestures.is_empty(), "{format}: the gestures of {open_gestures:x?} are open");
        let begun = events.iter().filter(|event| matches!(event, HostEvent::GestureBegin { .. })).count();
        // One for each slot with a source, in each part.
        assert_eq!(begun, if format == "clap" { 10 } else { 0 }, "{format}");
        let counts = session.request_counts();
        assert_eq!((counts.dirty, counts.restarts), (0, 0), "{format}");
    }
}

/// A renderer without a transport is taken to play. clap-wrapper gave a VST3 a stopped one there.
#[test]
fn rendering_offline_without_a_transport_gives_the_events_of_playing() {
    let music = clip("electronic");
    for format in FORMATS {
        let events = |has_transport: bool| {
            let mut session = open_with_routing(format, &routing());
            session.set_playing(true);
            session.set_transport_given(has_transport);
            session.set(WRITE, 1.0);
            session.start(bounce_setup(RATE, BLOCK)).unwrap();
            play(session.as_mut(), &music, (0.0, 8.0), |_, _| ());
            session.take_events()
        };
        let (with, without) = (events(true), events(false));
        let moves = with.iter().filter(|event| matches!(event, HostEvent::Value(change) if is_slot(change.id))).count();
        assert!(moves > 10, "{format}: {moves} moves");
        assert!(without == with, "{format}: {} events, and {} with a transport", without.len(), with.len());
    }
}

/// In real time a host that stops calling leaves everything as it is, for seconds.
#[test]
fn an_instance_that_is_not_called_does_nothing() {
    for format in FORMATS {
        let mut session = open_with_routing(format, &routing());
        let saved = session.save().unwrap();
        session.start(Setup { sample_rate: RATE, max_block_frames: BLOCK, channels: 2, offline: false }).unwrap();
        play(session.as_mut(), &clip("rock"), (0.0, 4.0), |_, frame| {
            if frame % (8 * BLOCK) == 0 {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        assert_nothing_recorded(session.as_mut(), format);
        let (values, rescans) = (tag_values(session.as_mut()), session.request_counts().rescans);
        for _ in 0..30 {
            std::thread::sleep(Duration::from_millis(50));
            session.idle();
        }
        assert_eq!(session.take_events(), [], "{format}");
        assert_eq!(tag_values(session.as_mut()), values, "{format}");
        assert_eq!(session.request_counts().rescans, rescans, "{format}");
        assert_eq!(session.save().unwrap(), saved, "{format}");
        assert_nothing_recorded(session.as_mut(), format);
    }
}
