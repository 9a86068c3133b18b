//! Tags of the user's own, from the first drag to a tag that drives a slot.

use super::*;
use crate::editor::tag_bars::map_to_slot;
use egui::{Key, Modifiers, Pos2, Rect, Role};
use egui_kittest::kittest::Queryable as _;
use std::time::{Duration, Instant};
use tagvane_engine::Status;
use tagvane_engine::teaching::{Confidence, LessonKind};

const SIZE: (f32, f32) = (1_000.0, 700.0);

/// The first component of the embedding of two kinds of music, in steps.
const CHORUS: i8 = 90;
const VERSE: i8 = -70;

/// A window after six seconds of a chorus, six of a verse, and a little of a chorus.
fn window() -> Harness<'static, TestSession> {
    let mut session = TestSession::new();
    session.instance.params.view.lock().taggram_seconds = 20.0;
    for (seconds, kind) in [(6.0, CHORUS), (6.0, VERSE), (1.0, CHORUS)] {
        session.play_with_embedding(seconds, &[("rock", 0.6)], kind);
    }
    let mut harness = open(session, SIZE, 1.0);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    harness.run_steps(4);
    harness
}

/// Waits until all tags are learned.
fn wait_until_learned(harness: &mut Harness<'_, TestSession>) {
    let started = Instant::now();
    loop {
        let mine = &harness.state().instance.mine;
        let tags = mine.get();
        let is_known = |name: &str| mine.confidence(name).is_some();
        if tags.taught().len() == tags.lessons().len() && tags.lessons().iter().all(|lesson| is_known(&lesson.name)) {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nothing was learned in twenty seconds");
        std::thread::sleep(Duration::from_millis(5));
    }
    harness.run_steps(4);
}

/// Drags over the map from one time to another, in seconds before its right edge.
fn drag_over(harness: &mut Harness<'_, TestSession>, from: f32, to: f32) {
    let map: Rect = harness.get_by_label("Tags over time").rect();
    // The names are in front of the map.
    let (left, width) = (map.left() + 104.0, map.width() - 108.0);
    let at = |ago: f32| Pos2::new(left + width * (1.0 - ago / 20.0), map.center().y.min(300.0));
    harness.drag_at(at(from));
    harness.run_steps(2);
    for step in 1..=4 {
        harness.hover_at(at(from + (to - from) * step as f32 / 4.0));
        harness.run_steps(2);
    }
    harness.drop_at(at(to));
    harness.run_steps(4);
}

/// Types into the field with the name of the tag.
fn name_tag(harness: &mut Harness<'_, TestSession>, name: &str) {
    let field = || Role::TextInput;
    let last = harness.get_all_by_role(field()).last().unwrap();
    last.focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_all_by_role(field()).last().unwrap().type_text(name);
    harness.run_steps(3);
}

/// The value of a tag in the timeline's entry number `index`.
fn past_value(harness: &Harness<'_, TestSession>, tag: &str, index: usize) -> f32 {
    let timeline = harness.state().instance.outputs.timeline();
    let number = timeline.tags().iter().position(|name| name == tag).unwrap();
    timeline.entries().nth(index).unwrap().probability(number)
}

#[test]
fn a_span_that_is_dragged_on_the_taggram_becomes_a_tag_that_drives_a_slot() {
    let mut harness = window();
    harness.get_by_label("Mark").click();
    harness.run_steps(2);
    // The chorus was 13 to 7 s ago.
    drag_over(&mut harness, 12.0, 8.0);
    name_tag(&mut harness, "the chorus");
    harness.get_by_label("is").click();
    harness.run_steps(2);
    wait_until_learned(&mut harness);
    {
        let instance = &harness.state().instance;
        let Status::Ready { tags, vocabularies, taught, .. } = instance.engine.board().status() else { panic!() };
        assert_eq!((tags.last().unwrap().as_str(), taught.len()), ("the chorus", 1));
        assert_eq!(vocabularies.last().unwrap().name, "Mine");
        assert!(instance.is_dirty.load(Ordering::Acquire), "the project has to be saved");
        let spans = instance.mine.get().lessons()[0].spans.clone();
        assert!(spans.len() == 1 && (3.5..4.5).contains(&spans[0].seconds), "{spans:?}");
        assert_eq!(instance.mine.confidence("the chorus"), Some(Confidence::MarkExamples));
    }
    // What was played before has the tag, too.
    assert!(past_value(&harness, "the chorus", 20) > 0.8 && past_value(&harness, "the chorus", 90) < 0.2);

    drag_over(&mut harness, 5.0, 2.0);
    harness.get_by_label("is not").click();
    harness.run_steps(2);
    wait_until_learned(&mut harness);
    assert_eq!(harness.state().instance.mine.get().lessons()[0].spans.len(), 2);

    // The tags of the model go on, and the new one drives a slot.
    let session = harness.state_mut();
    map_to_slot(&session.instance, 0, vec!["the chorus".into()]);
    session.play_with_embedding(2.0, &[("rock", 0.6)], CHORUS);
    assert!(session.instance.outputs.live_value(0) > 0.8, "{}", session.instance.outputs.live_value(0));
    session.play_with_embedding(3.0, &[("rock", 0.6)], VERSE);
    assert!(session.instance.outputs.live_value(0) < 0.2, "{}", session.instance.outputs.live_value(0));
}

#[test]
fn nothing_is_marked_without_a_name_in_silence_or_by_a_click() {
    let mut harness = window();
    harness.get_by_label("Mark").click();
    harness.run_steps(2);
    drag_over(&mut harness, 8.0, 7.95);
    assert!(harness.query_by_label("is").is_none(), "a click marks nothing");
    harness.state_mut().play_with_embedding(6.0, &[], 0);
    let mine = &harness.state().instance.mine;
    let newest = harness.state().instance.outputs.timeline().entries().next_back().unwrap().clock;
    assert!(mine.mark("x", true, newest - 4.0, newest).unwrap_err().contains("only silence"));
    assert!(mine.mark("\n", true, 1.0, 4.0).unwrap_err().contains("needs a name"));
    assert!(mine.get().lessons().is_empty());
}

#[test]
fn tags_are_renamed_computed_by_similarity_exported_imported_and_removed() {
    let mut harness = window();
    let mine = std::sync::Arc::clone(&harness.state().instance.mine);
    mine.mark("hook", true, 1.0, 4.0).unwrap();
    mine.mark("hook", true, 4.5, 5.5).unwrap();
    wait_until_learned(&mut harness);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num6);
    harness.run_steps(4);
    harness.get_by_label("like this").click();
    harness.run_steps(3);
    wait_until_learned(&mut harness);
    assert_eq!(mine.get().lessons()[0].kind, LessonKind::Similar);
    assert!(past_value(&harness, "hook", 20) > 0.9 && past_value(&harness, "hook", 90) < 0.1);

    let file = std::env::temp_dir().join(format!("tagvane-mine-{}.json", std::process::id()));
    name_tag(&mut harness, file.to_str().unwrap());
    harness.get_by_label("Export").click();
    harness.run_steps(3);
    harness.get_by_label("Import").click();
    harness.run_steps(3);
    wait_until_learned(&mut harness);
    let names: Vec<String> = mine.get().lessons().iter().map(|lesson| lesson.name.clone()).collect();
    assert_eq!(names, ["hook", "hook 2"]);
    std::fs::write(&file, "nonsense").unwrap();
    harness.get_by_label("Import").click();
    harness.run_steps(3);
    std::fs::remove_file(&file).unwrap();
    assert!(harness.query_by_label_contains("no taught tags").is_some());

    harness.get_by_label("Remove").click();
    harness.run_steps(3);
    assert_eq!(mine.get().lessons().len(), 1);
    mine.edit(|mine| mine.rename(0, "riff"));
    wait_until_learned(&mut harness);
    assert_eq!(harness.state().instance.engine.board().status().tags().last().unwrap(), "riff");
}

#[test]
fn a_marked_span_and_the_page_look_as_in_their_pictures() {
    let mut harness = window();
    let mask = |harness: &mut Harness<'_, TestSession>| {
        // The figures in the footer depend on the machine.
        harness.mask(Rect::from_min_max(Pos2::new(0.0, 656.0), Pos2::new(SIZE.0, SIZE.1)));
    };
    let mine = std::sync::Arc::clone(&harness.state().instance.mine);
    for (is_example, from, to) in [(true, 1.0, 3.0), (true, 3.5, 5.5), (false, 7.0, 9.0), (false, 9.5, 11.5)] {
        mine.mark("the chorus", is_example, from, to).unwrap();
    }
    mine.mark("her voice", true, 1.0, 2.0).unwrap();
    wait_until_learned(&mut harness);
    harness.state().instance.params.view.lock().vocabulary = crate::params::VocabularyChoice::Named("Mine".into());
    harness.get_by_label("Mark").click();
    harness.run_steps(2);
    drag_over(&mut harness, 5.0, 2.0);
    harness.run_steps(90);
    mask(&mut harness);
    pictures::compare(&mut harness, "marking");
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num6);
    harness.run_steps(4);
    mask(&mut harness);
    pictures::compare(&mut harness, "mine");
}

#[test]
fn a_button_that_is_held_marks_from_its_press_to_its_release() {
    use crate::mine::ButtonSource;
    let mut session = TestSession::new();
    let buttons = Arc::clone(&session.instance.mark_buttons);
    session.play_with_embedding(1.0, &[], VERSE);
    buttons.press(ButtonSource::Host, true, false);
    session.play_with_embedding(2.0, &[], CHORUS);
    buttons.press(ButtonSource::Host, false, true);
    session.play_with_embedding(1.8, &[], VERSE);
    buttons.press(ButtonSource::Host, false, false);
    session.play_with_embedding(0.5, &[], VERSE);
    let spans = session.instance.mine.get().lessons()[0].spans.clone();
    let marked: Vec<(bool, f64)> = spans.iter().map(|span| (span.is_example, span.seconds.round())).collect();
    assert_eq!(marked, [(true, 2.0), (false, 2.0)]);
    assert_eq!(session.instance.mine.get().lessons()[0].name, "mine");
}
