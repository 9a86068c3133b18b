//! What hosts do in the wild, with both finished bundles in Tagvane's own host.

use tagvane_host::{HostEvent, Session};
use tagvane_tests::{
    FIRST_SLOT, FORMATS, WRITE, assert_nothing_recorded, bounce_setup, clip, open, open_with_routing, routing,
    set_by_name,
};

const RATE: f64 = 44_100.0;

/// Bounces a clip in blocks of 512 frames with Write armed, and calls `between` after each block. Returns the events,
/// with the number of their block.
fn bounce(format: &str, between: fn(&mut dyn Session)) -> Vec<(usize, HostEvent)> {
    let clip = clip("rock");
    let frames = clip.channels[0].len().min(10 * 44_100);
    let mut session = open_with_routing(format, &routing());
    session.set_playing(true);
    session.set(WRITE, 1.0);
    session.start(bounce_setup(RATE, 512)).unwrap();
    let mut events = Vec::new();
    for (index, start) in (0..frames).step_by(512).enumerate() {
        let input: Vec<Vec<f32>> =
            clip.channels.iter().map(|channel| channel[start..frames.min(start + 512)].to_vec()).collect();
        let mut output = vec![vec![0.0; input[0].len()]; 2];
        session.process(&input, &mut output).unwrap();
        events.extend(session.take_events().into_iter().map(|event| (index, event)));
        between(session.as_mut());
    }
    events
}

/// Each start once began the window anew, so that no tag was ever shown, and each stop ended the gestures. Element
/// starts and stops around every block.
#[test]
fn processing_that_restarts_around_every_block_gives_the_same_events() {
    for format in FORMATS {
        let expected = bounce(format, |_| ());
        assert!(expected.len() > 500, "{format}: only {} events", expected.len());
        let restarted = bounce(format, |session| session.restart_processing());
        assert_eq!(restarted, expected, "{format}");
        // The host runs the main thread's callbacks in between, too.
        let idled = bounce(format, |session| {
            session.restart_processing();
            session.idle();
        });
        assert_eq!(idled, expected, "{format}");
    }
}

/// Some hosts exchange parameters a thousand times a second, also while they process.
#[test]
fn flushes_at_1_khz_leave_the_events_as_they_are() {
    for format in FORMATS {
        let expected = bounce(format, |_| ());
        // Twelve times in a block of 512 frames, with values that change nothing.
        let flushed = bounce(format, |session| {
            for number in 0..12 {
                if number % 4 == 0 {
                    set_by_name(session, "Slot 7 Threshold", 0.0);
                    session.set(FIRST_SLOT + 6, 0.0);
                }
                assert_eq!(session.flush().unwrap(), [], "a flush sent something");
            }
        });
        assert_eq!(flushed, expected, "{format}");
    }
}

/// Three minutes of flushes, inactive and active; a VST3 host cannot flush an inactive plugin.
#[test]
fn flushes_at_1_khz_without_audio_send_nothing() {
    for format in FORMATS {
        let mut session = open(format);
        for is_active in [false, true] {
            if is_active {
                session.start(bounce_setup(RATE, 512)).unwrap();
            } else if format == "vst3" {
                continue;
            }
            for number in 0..180_000 {
                let value = f64::from(number % 101) / 100.0;
                session.set(FIRST_SLOT, value);
                assert_eq!(session.flush().unwrap(), [], "{format}");
                if number % 1_000 == 0 {
                    session.idle();
                    let expected = if format == "clap" { value } else { 0.0 };
                    assert!((session.value(FIRST_SLOT).unwrap() - expected).abs() < 1e-6, "{format}");
                }
            }
            session.stop();
        }
        assert_nothing_recorded(session.as_mut(), format);
    }
}
