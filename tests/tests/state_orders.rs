//! The orders in which hosts load and save states, with both finished bundles.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tagvane_host::{Session, Setup};
use tagvane_tests::{
    FORMATS, WRITE, assert_nothing_recorded, bounce_setup, clip, is_slot, open, routing, send_noise, state_with_field,
};

const LIVE: Setup = Setup { sample_rate: 48_000.0, max_block_frames: 512, channels: 2, offline: false };

/// The JSON of a saved state.
fn json_of(state: &[u8]) -> Value {
    serde_json::from_slice(&state[8..]).unwrap()
}

/// Asserts that two states say the same.
fn assert_same_state(found: &[u8], expected: &[u8], what: &str) {
    let (found, expected) = (json_of(found), json_of(expected));
    for part in ["params", "fields"] {
        let (found, expected) = (found[part].as_object().unwrap(), expected[part].as_object().unwrap());
        for (name, value) in expected {
            assert_eq!(found.get(name), Some(value), "{what}: {name}");
        }
        assert_eq!(found.len(), expected.len(), "{what}: {part}");
    }
}

/// The ids and the values of all parameters, as the host's side of the plugin has them.
fn controller_values(session: &mut dyn Session) -> Vec<(u32, f64)> {
    let ids: Vec<u32> = session.parameters().iter().map(|parameter| parameter.id).collect();
    ids.into_iter().map(|id| (id, session.value(id).expect("the parameter has a value"))).collect()
}

/// A state in which every parameter that is saved was moved, with sources of slots and another model, and the values
/// that a host has read when it saved it.
fn worked_over_project(format: &str, seed: u64) -> (Vec<u8>, Vec<(u32, f64)>) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut session = open(format);
    let fresh = session.save().unwrap();
    let state = state_with_field(&fresh, "model", &json!({ "shipped": "Million Song 50" }));
    let mut outputs = routing();
    outputs["sources"][4] = json!({ "tags": ["indie", "chillout"], "how": "mean" });
    assert!(session.load(&state_with_field(&state, "outputs", &outputs)), "{format}");
    session.start(bounce_setup(48_000.0, 512)).unwrap();
    for parameter in session.parameters() {
        if !parameter.is_read_only && !["Write", "Bypass", "MIDI out", "Announce tags"].contains(&&*parameter.name) {
            session.set(parameter.id, random.random_range(parameter.range.0..=parameter.range.1));
        }
    }
    send_noise(session.as_mut(), 0.0, 512, 2).unwrap();
    session.stop();
    // The host reads the values that it set, from a loaded instance.
    let saved = session.save().unwrap();
    let mut session = open(format);
    assert!(session.load(&saved), "{format}");
    let values = controller_values(session.as_mut());
    let moved = values.iter().filter(|(id, value)| is_slot(*id) && *value > 0.0).count();
    assert_eq!(moved, 8, "{format}: the slots' values are not in the state");
    (saved, values)
}

/// Sends values as changes of the parameters, and to the controller.
fn send_values(session: &mut dyn Session, values: &[(u32, f64)]) {
    for (id, value) in values {
        session.set_controller(*id, *value);
        session.set(*id, *value);
    }
}

/// Waits until the model is loaded, which starts and stops the plugin.
fn wait_for_model(session: &mut dyn Session) {
    session.start(bounce_setup(48_000.0, 512)).unwrap();
    session.stop();
    session.idle();
}

fn has_tag(session: &mut dyn Session, name: &str) -> bool {
    session.parameters().iter().any(|parameter| parameter.name == name)
}

/// Live loads the component's state, then the controller's, then sends the values of the controller as changes of the
/// parameters: those that it reads back, or those that it has stored itself.
#[test]
fn the_values_that_follow_a_state_in_live_leave_everything_as_saved() {
    for format in FORMATS {
        for seed in 0..4 {
            println!("{format}, seed {seed}");
            let (saved, stored) = worked_over_project(format, seed);
            for (is_playing, is_stored) in [(false, false), (false, true), (true, false), (true, true)] {
                let mut session = open(format);
                if is_playing {
                    session.set_playing(true);
                    session.start(LIVE).unwrap();
                    send_noise(session.as_mut(), 0.3, 512, 20).unwrap();
                }
                assert!(session.load(&saved), "{format}");
                let values = if is_stored { stored.clone() } else { controller_values(session.as_mut()) };
                let parameters = session.parameters();
                for ((id, value), (_, stored)) in values.iter().zip(&stored) {
                    let parameter = parameters.iter().find(|parameter| parameter.id == *id).unwrap();
                    assert!(value == stored || parameter.is_read_only, "{format}: {} is {value}", parameter.name);
                }
                send_values(session.as_mut(), &values);
                if !is_playing {
                    session.start(LIVE).unwrap();
                }
                send_noise(session.as_mut(), 0.3, 512, 3).unwrap();
                assert_same_state(&session.save().unwrap(), &saved, &format!("{format}, playing: {is_playing}"));
                assert_nothing_recorded(session.as_mut(), format);
                wait_for_model(session.as_mut());
                assert!(has_tag(session.as_mut(), "happy"), "{format}: the model is another one");
                assert_same_state(&session.save().unwrap(), &saved, &format!("{format}: after the model was loaded"));
                assert_nothing_recorded(session.as_mut(), format);
            }
        }
    }
}

/// A VST3 counts steps as fractions, which must not become the step below.
#[test]
fn each_step_of_a_parameter_survives_a_state_and_the_values_that_follow_it() {
    for format in FORMATS {
        let mut session = open(format);
        session.start(LIVE).unwrap();
        let mut steps = 0;
        for parameter in session.parameters() {
            if parameter.is_read_only || parameter.id == WRITE {
                continue;
            }
            for step in 0..=240 {
                let (minimum, maximum) = parameter.range;
                session.set(parameter.id, minimum + (maximum - minimum) * f64::from(step) / 240.0);
                send_noise(session.as_mut(), 0.0, 32, 1).unwrap();
                let saved = session.save().unwrap();
                assert!(session.load(&saved));
                let value = session.value(parameter.id).unwrap();
                send_values(session.as_mut(), &[(parameter.id, value)]);
                send_noise(session.as_mut(), 0.0, 32, 1).unwrap();
                let name = &parameter.name;
                assert_same_state(&session.save().unwrap(), &saved, &format!("{format}, {name}, step {step}"));
                steps += 1;
            }
        }
        assert!(steps > 10_000, "{format}: {steps}");
    }
}

#[test]
fn a_state_that_is_saved_while_its_model_loads_is_the_loaded_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.onnx");
    std::fs::copy(tagvane_tests::shipped_model(), &path).unwrap();
    for format in FORMATS {
        let mut session = open(format);
        let fresh = session.save().unwrap();
        // The hash is in the state once the file was loaded.
        let mut of_file = state_with_field(&fresh, "model", &json!(path));
        assert!(session.load(&of_file));
        wait_for_model(session.as_mut());
        of_file = session.save().unwrap();
        assert!(of_file.len() > fresh.len() + 64, "{format}: the hash is missing");
        let of_other = state_with_field(&fresh, "model", &json!({ "shipped": "Million Song 50" }));
        session.start(LIVE).unwrap();
        for round in 0..20 {
            for state in [&of_file, &of_other, &fresh] {
                assert!(session.load(state), "{format}");
                // At once, and after a random part of the load.
                assert_same_state(&session.save().unwrap(), state, &format!("{format}, round {round}"));
                send_noise(session.as_mut(), 0.3, 512, round).unwrap();
                assert_same_state(&session.save().unwrap(), state, &format!("{format}, round {round}"));
            }
        }
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// The model that runs in the end is that of the last state, however fast they follow each other.
#[test]
fn the_last_of_many_states_wins() {
    for format in FORMATS {
        let mut session = open(format);
        let fresh = session.save().unwrap();
        let other = state_with_field(&fresh, "model", &json!({ "shipped": "Million Song 50" }));
        for count in 1..12 {
            let states: Vec<&Vec<u8>> = [&fresh, &other].into_iter().cycle().take(count).collect();
            for state in &states {
                assert!(session.load(state), "{format}");
            }
            wait_for_model(session.as_mut());
            // A VST3 learns new names when it is activated.
            wait_for_model(session.as_mut());
            let is_other = *states.last().unwrap() == &other;
            assert_eq!(has_tag(session.as_mut(), "happy"), is_other, "{format} after {count} states");
        }
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// The second load changes nothing: the tags go on, no name is announced, and nothing is loaded again.
#[test]
fn a_state_that_is_loaded_twice_changes_nothing_the_second_time() {
    let music = clip("rock");
    for format in FORMATS {
        let bounce = |loads: usize| {
            let mut session = open(format);
            let (saved, _) = worked_over_project(format, 1);
            assert!(session.load(&saved));
            wait_for_model(session.as_mut());
            session.idle();
            let rescans = session.request_counts().rescans;
            session.start(bounce_setup(44_100.0, 512)).unwrap();
            let mut events = Vec::new();
            for start in (0..6 * 44_100).step_by(512) {
                let input: Vec<Vec<f32>> =
                    music.channels.iter().map(|channel| channel[start..start + 512].to_vec()).collect();
                session.process(&input, &mut [vec![0.0; 512], vec![0.0; 512]]).unwrap();
                session.idle();
                events.extend(session.take_events());
                if (start / 512) % 100 == 50 {
                    (0..loads).for_each(|_| assert!(session.load(&saved)));
                }
            }
            let announced = session.request_counts().rescans - rescans;
            assert_same_state(&session.save().unwrap(), &saved, format);
            assert_nothing_recorded(session.as_mut(), format);
            (events, announced)
        };
        let (expected, _) = bounce(0);
        assert!(expected.len() > 100, "{format}: {} events", expected.len());
        let ((once, announced_once), (twice, announced_twice)) = (bounce(1), bounce(2));
        assert!(once == expected && twice == expected, "{format}: a loaded state changed the tags");
        // The host reads the values again, once for each load, and no names.
        assert_eq!((announced_once, announced_twice), (5, 10), "{format}");
    }
}

#[test]
fn a_state_of_a_playing_instance_sets_up_another_and_leaves_the_first_alone() {
    for format in FORMATS {
        let (saved, _) = worked_over_project(format, 2);
        let mut first = open(format);
        assert!(first.load(&saved));
        first.start(LIVE).unwrap();
        let copied = std::iter::repeat_with(|| {
            send_noise(first.as_mut(), 0.4, 512, 30).unwrap();
            let state = first.save().unwrap();
            assert_same_state(&state, &saved, &format!("{format}: playing changes the state"));
            let mut second = open(format);
            assert!(second.load(&state));
            second.start(LIVE).unwrap();
            for _ in 0..10 {
                send_noise(first.as_mut(), 0.4, 512, 3).unwrap();
                send_noise(second.as_mut(), 0.4, 512, 3).unwrap();
            }
            assert_same_state(&second.save().unwrap(), &saved, format);
            assert_nothing_recorded(second.as_mut(), format);
            second
        });
        let others: Vec<_> = copied.take(6).collect();
        drop(others);
        // The first one makes predictions as before.
        let started = Instant::now();
        while !send_noise(first.as_mut(), 0.4, 512, 10).unwrap().iter().any(|change| change.value > 0.0) {
            std::thread::sleep(Duration::from_millis(20));
            assert!(started.elapsed() < Duration::from_secs(60), "{format}: no predictions after 60 s");
        }
        assert_nothing_recorded(first.as_mut(), format);
    }
}

/// pluginval sets values in the controller and saves the state without a block; Steinberg's validator sets them in an
/// instance that is not active.
#[test]
fn the_values_of_the_controller_are_in_a_state_without_a_block() {
    for seed in 0..8 {
        println!("seed {seed}");
        let mut random = StdRng::seed_from_u64(seed);
        let mut session = open("vst3");
        let fresh = session.save().unwrap();
        if seed % 2 == 1 {
            session.start(LIVE).unwrap();
            send_noise(session.as_mut(), 0.3, 512, random.random_range(0..4)).unwrap();
        }
        let parameters: Vec<_> = session
            .parameters()
            .into_iter()
            .filter(|parameter| !parameter.is_read_only && parameter.id != WRITE)
            .collect();
        let mut values = Vec::new();
        for parameter in &parameters {
            let value = random.random_range(0.0..=1.0);
            session.set_controller(parameter.id, value);
            values.push((parameter.id, value));
        }
        let saved = session.save().unwrap();
        assert_same_state(&session.save().unwrap(), &saved, "saved twice");
        // The same values in a block.
        let mut other = open("vst3");
        other.start(LIVE).unwrap();
        values.iter().for_each(|(id, value)| other.set(*id, *value));
        send_noise(other.as_mut(), 0.0, 32, 1).unwrap();
        let expected = other.save().unwrap();
        assert!(json_of(&expected) != json_of(&fresh));
        assert_same_state(&saved, &expected, "set in the controller");
        // A loaded state replaces them, whether they were saved or not.
        session.set_controller(parameters[0].id, 1.0);
        assert!(session.load(&fresh));
        assert_same_state(&session.save().unwrap(), &fresh, "loaded");
        assert_nothing_recorded(session.as_mut(), "vst3");
    }
}

/// A host repeats in the controller, late, what the plug-in has put out: that does not turn a slot back.
#[test]
fn a_value_that_a_host_repeats_in_the_controller_does_not_outlast_a_block() {
    let mut session = open("vst3");
    session.start(LIVE).unwrap();
    let slot = session.parameters().into_iter().find(|parameter| is_slot(parameter.id)).unwrap().id;
    session.set(slot, 0.75);
    send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
    let expected = session.save().unwrap();
    session.set_controller(slot, 0.25);
    send_noise(session.as_mut(), 0.0, 512, 1).unwrap();
    assert_same_state(&session.save().unwrap(), &expected, "after a block");
}
