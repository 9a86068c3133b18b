//! Latency, phase and tail of both finished bundles: none.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tagvane_host::Setup;
use tagvane_host::player::is_bit_exact;
use tagvane_tests::{FORMATS, assert_nothing_recorded, clip, open, set_by_name, state_with_field, tag_values};

/// A VST3 host that asked for the latency before it activated the plugin was once told at each activation that the
/// latency had changed, and had to restart it.
#[test]
fn latency_and_tail_are_zero_in_every_phase_and_are_never_reported_as_changed() {
    let music = clip("rock");
    for format in FORMATS {
        let mut session = open(format);
        for (rate, offline) in [(44_100.0, true), (48_000.0, false), (192_000.0, true)] {
            assert_eq!((session.latency(), session.tail()), (0, 0), "{format}");
            session.start(Setup { sample_rate: rate, max_block_frames: 512, channels: 2, offline }).unwrap();
            assert_eq!((session.latency(), session.tail()), (0, 0), "{format}");
            for start in (0..8 * 44_100).step_by(512) {
                // The second half is silence, in which the tags fall to zero.
                let is_silent = start > 4 * 44_100;
                let block = |channel: &Vec<f32>| {
                    if is_silent { vec![0.0; 512] } else { channel[start..start + 512].to_vec() }
                };
                let input: Vec<Vec<f32>> = music.channels.iter().map(block).collect();
                let mut output = vec![vec![7.0; 512]; 2];
                session.process(&input, &mut output).unwrap();
                session.idle();
                assert!(is_bit_exact(&input, &output), "{format}: the audio is changed or late");
                assert_eq!((session.latency(), session.tail()), (0, 0), "{format} at frame {start}");
            }
            assert!(!offline || tag_values(session.as_mut()).iter().all(|value| (0.0..=1.0).contains(value)));
            session.set_offline(!offline);
            assert_eq!((session.latency(), session.tail()), (0, 0), "{format}");
            session.stop();
        }
        assert_nothing_recorded(session.as_mut(), format);
    }
}

/// Each sample leaves in the frame in which it came, whatever happens to the plugin meanwhile.
#[test]
fn an_impulse_stays_in_its_frame_through_bypass_models_and_restarts() {
    let seed = 29_112;
    println!("seed {seed}");
    for format in FORMATS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut session = open(format);
        let fresh = session.save().unwrap();
        for round in 0..400 {
            let frames = random.random_range(1..=700);
            if round % 40 == 0 {
                session
                    .start(Setup { sample_rate: 48_000.0, max_block_frames: 700, channels: 2, offline: false })
                    .unwrap();
            }
            match random.random_range(0..8) {
                0 => set_by_name(session.as_mut(), "Bypass", f64::from(random.random_range(0..2))),
                1 => {
                    let model = if random.random() { "Million Song 50" } else { "MagnaTagATune 50" };
                    assert!(session.load(&state_with_field(&fresh, "model", &json!({ "shipped": model }))));
                }
                2 => session.restart_processing(),
                3 => session.set_offline(random.random()),
                _ => {}
            }
            let impulse = random.random_range(0..frames);
            let mut input = vec![vec![0.0; frames]; 2];
            (input[0][impulse], input[1][frames - 1 - impulse]) = (1.0, -0.5);
            let mut output = vec![vec![7.0; frames]; 2];
            session.process(&input, &mut output).unwrap();
            assert!(is_bit_exact(&input, &output), "{format}, round {round}: the impulse moved");
        }
    }
}
