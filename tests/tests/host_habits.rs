//! What hosts do in the wild, with both finished bundles in Tagvane's own host.

use tagvane_host::{HostEvent, Session};
use tagvane_tests::{FORMATS, WRITE, bounce_setup, clip, open_with_routing, routing};

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
