//! Marks of new sections on the taggram.

use super::*;
use crate::editor::tag_bars::map_to_slot;
use egui::{Key, Modifiers, Pos2, Rect};
use egui_kittest::kittest::Queryable as _;

/// Twelve seconds of one section and twelve of another one; the novelty comes three seconds late.
fn two_sections() -> TestSession {
    let mut session = TestSession::new();
    session.instance.params.view.lock().taggram_seconds = 24.0;
    map_to_slot(&session.instance, 0, vec!["new section".into()]);
    session.play(12.0, &[("guitar", 0.7), ("soft", 0.5)]);
    session.play(3.0, &[("drums", 0.8), ("rock", 0.7)]);
    assert!(session.instance.outputs.live_value(0) < 0.1);
    session.play(0.4, &[("drums", 0.8), ("rock", 0.7), ("new section", 0.9)]);
    session.play(9.0, &[("drums", 0.8), ("rock", 0.7)]);
    session
}

#[test]
fn a_new_section_is_marked_where_it_begins_and_drives_a_slot_when_it_is_known() {
    let mut session = TestSession::new();
    map_to_slot(&session.instance, 0, vec!["new section".into()]);
    session.play(1.0, &[("new section", 0.9)]);
    assert!(session.instance.outputs.live_value(0) > 0.8, "{}", session.instance.outputs.live_value(0));

    let mut harness = open(two_sections(), (1_000.0, 700.0), 1.0);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    harness.run_steps(4);
    let map: Rect = harness.get_by_label("Tags over time").rect();
    let (left, width) = (map.left() + 104.0, map.width() - 108.0);
    let mut hover = |clock: f32| {
        harness.hover_at(Pos2::new(left + width * (1.0 - (24.4 - clock) / 24.0), map.top() + 40.0));
        harness.run_steps(60);
        harness.query_by_label_contains("a new section begins").is_some()
    };
    assert!(hover(12.1));
    assert!(!hover(6.0) && !hover(15.2), "not where the novelty came");
    harness.hover_at(Pos2::new(500.0, 5.0));
    harness.run_steps(4);
    pictures::compare(&mut harness, "sections");
}
