//! Warnings in the status line.

use super::*;
use egui_kittest::kittest::Queryable as _;
use tagvane_engine::{ModelSource, RenderMode};

fn is_shown(harness: &Harness<'_, TestSession>, text: &str) -> bool {
    harness.query_by_label(text).is_some()
}

#[test]
fn an_assumed_sample_rate_is_shown() {
    let mut harness = open(TestSession::new(), (1_000.0, 700.0), 1.0);
    assert!(!is_shown(&harness, "22050 Hz assumed"), "the shipped model has a sample rate");
    let mut model = support::loudness(59_049);
    model.metadata_props.retain(|property| property.key != "sample_rate");
    let bytes = Vec::leak(support::bytes(&model));
    harness.state().instance.engine.load(ModelSource::Bytes { name: "of unknown rate".into(), bytes });
    harness.state().instance.engine.wait_until_loaded();
    harness.run_steps(4);
    assert!(is_shown(&harness, "22050 Hz assumed"));
    harness.get_by_label("Model").click();
    harness.run_steps(4);
    assert!(is_shown(&harness, "22050 Hz, assumed: the file has none"));
}

#[test]
fn channels_that_cancel_are_shown() {
    let mut harness = open(TestSession::new(), (1_000.0, 700.0), 1.0);
    let left: Vec<f32> = (0..48_000).map(|frame| 0.5 * (frame as f32 * 0.07).sin()).collect();
    let right: Vec<f32> = left.iter().map(|sample| -sample).collect();
    let instance = harness.state().instance.clone();
    let mut producer = instance.engine.connect(RATE, RenderMode::Offline).unwrap();
    let mut is_warned = Vec::new();
    // Equal channels, then channels that cancel for longer than a window, then equal channels again.
    for (seconds, other) in [(1, &left), (4, &right), (1, &left)] {
        for _ in 0..seconds {
            producer.push(&[&left, other]);
            instance.engine.process_offline();
        }
        // The analyzer reads the last choice of a channel with the next hop.
        producer.push(&[&left[..4_800], &other[..4_800]]);
        instance.engine.process_offline();
        instance.repaint.request();
        harness.run_steps(4);
        is_warned.push(is_shown(&harness, "out of phase: channel 1 only"));
    }
    assert_eq!(is_warned, [false, true, false]);
}
