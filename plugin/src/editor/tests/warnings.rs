//! What the line at the bottom warns of.

use super::*;
use egui_kittest::kittest::Queryable as _;
use tagvane_engine::{ModelSource, Pace};

fn shows(harness: &Harness<'_, Desk>, text: &str) -> bool {
    harness.query_by_label(text).is_some()
}

#[test]
fn a_sample_rate_that_is_assumed_is_said() {
    let mut harness = open(Desk::new(), (1_000.0, 700.0), 1.0);
    assert!(!shows(&harness, "22050 Hz assumed"), "the shipped model tells its own");
    let mut model = support::loudness(59_049);
    model.metadata_props.retain(|property| property.key != "sample_rate");
    let bytes = Vec::leak(support::bytes(&model));
    harness.state().parts.engine.load(ModelSource::Bytes { name: "of unknown rate".into(), bytes });
    harness.state().parts.engine.wait_until_loaded();
    harness.run_steps(4);
    assert!(shows(&harness, "22050 Hz assumed"));
    harness.get_by_label("Model").click();
    harness.run_steps(4);
    assert!(shows(&harness, "22050 Hz, assumed: the file does not tell it"));
}

#[test]
fn channels_that_cancel_are_said() {
    let mut harness = open(Desk::new(), (1_000.0, 700.0), 1.0);
    let left: Vec<f32> = (0..48_000).map(|frame| 0.5 * (frame as f32 * 0.07).sin()).collect();
    let right: Vec<f32> = left.iter().map(|sample| -sample).collect();
    let parts = harness.state().parts.clone();
    let mut tap = parts.engine.connect(RATE, Pace::EveryHop).unwrap();
    let mut warned = Vec::new();
    // Once for the mean, until the window holds nothing else than sides that cancel, and back.
    for (seconds, other) in [(1, &left), (4, &right), (1, &left)] {
        for _ in 0..seconds {
            tap.hear(&[&left, other]);
            parts.engine.catch_up();
        }
        // A hop more, with which the listener learns of the last decision.
        tap.hear(&[&left[..4_800], &other[..4_800]]);
        parts.engine.catch_up();
        parts.repaint.request();
        harness.run_steps(4);
        warned.push(shows(&harness, "out of phase: channel 1 alone"));
    }
    assert_eq!(warned, [false, true, false]);
}
