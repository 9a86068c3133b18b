//! What a person does with the window.

use super::support::network::{Random, Shape};
use super::*;
use crate::params::{Choice, SHIPPED};
use egui::{Key, Modifiers, Pos2, Role, Vec2};
use egui_kittest::kittest::Queryable as _;
use std::path::Path;
use tagvane_engine::Status;

const SIZE: (f32, f32) = (1_000.0, 700.0);

fn desk() -> Harness<'static, Desk> {
    open(Desk::new(), SIZE, 1.0)
}

/// Loads a file on the page of the model.
fn load(harness: &mut Harness<'_, Desk>, file: &Path) {
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(3);
    fill_in(harness, file);
    harness.get_by_label("Load").click();
    harness.run_steps(2);
    harness.state().parts.engine.wait_until_loaded();
    harness.run_steps(2);
}

/// Puts a path into the last field of the window.
fn fill_in(harness: &mut Harness<'_, Desk>, path: &Path) {
    harness.get_all_by_role(Role::TextInput).last().unwrap().focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_all_by_role(Role::TextInput).last().unwrap().type_text(path.to_str().unwrap());
    harness.run_steps(3);
}

/// The middle of what has this label.
fn middle(harness: &Harness<'_, Desk>, label: &str) -> Pos2 {
    harness.get_by_label(label).rect().center()
}

/// Takes something at one place and lets it go at another.
fn drag(harness: &mut Harness<'_, Desk>, from: Pos2, to: Pos2) {
    harness.drag_at(from);
    harness.run_steps(2);
    for step in 1..=4 {
        harness.hover_at(from + (to - from) * (step as f32 / 4.0));
        harness.run_steps(2);
    }
    harness.drop_at(to);
    harness.run_steps(4);
}

fn is_there(harness: &Harness<'_, Desk>, label: &str) -> bool {
    harness.query_by_label(label).is_some()
}

/// From an opened window to a recorded lane, in three actions: the list is read, a tag is dragged
/// onto a slot, Write is armed.
#[test]
fn a_newcomer_records_a_lane_in_three_actions() {
    let mut harness = desk();
    harness.state_mut().play(3.0, &[("rock", 0.8), ("guitar", 0.4)]);
    harness.run_steps(60);
    let mut actions = 0;
    harness.get_by_label("rock").focus();
    harness.key_press(Key::P);
    harness.run_steps(30);
    actions += 1;
    assert_eq!(harness.state().parts.controls.view.lock().pinned, ["rock"]);
    let (from, to) = (middle(&harness, "rock"), middle(&harness, "Slot 1"));
    drag(&mut harness, from, to);
    actions += 1;
    assert_eq!(harness.state().parts.outputs.wiring().sources[0].tags, ["rock"]);
    harness.get_by_label("Write").click();
    harness.run_steps(2);
    actions += 1;
    harness.state_mut().play(1.0, &[("rock", 0.8)]);
    let told = &harness.state().told;
    assert!(told.contains(&Event::Begin { slot: 0 }), "nothing is recorded");
    assert!(told.iter().any(|event| matches!(event, Event::Slot { slot: 0, value } if *value > 0.5)));
    assert!(actions <= 5);
}

#[test]
fn tags_are_searched_pinned_hidden_grouped_and_folded() {
    let mut harness = desk();
    assert!(is_there(&harness, "rock") && is_there(&harness, "no vocals") && !is_there(&harness, "no voice"));
    harness.get_by_label("Fold").click();
    harness.run_steps(4);
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).type_text("no v");
    // They come from further down.
    harness.run_steps(60);
    assert!(is_there(&harness, "no voice") && is_there(&harness, "no vocal") && !is_there(&harness, "rock"));
    let view = || harness.state().parts.controls.view.lock().clone();
    assert!(!view().folded);
    harness.get_by_label("no voice").focus();
    harness.run_steps(2);
    harness.key_press(Key::H);
    harness.run_steps(2);
    assert_eq!(harness.state().parts.controls.view.lock().hidden, ["no voice"]);
    harness.get_by_label("1 hidden").click();
    harness.run_steps(2);
    assert!(harness.state().parts.controls.view.lock().hidden.is_empty());
    harness.get_by_label("Groups").click();
    harness.run_steps(2);
    assert!(harness.state().parts.controls.view.lock().grouped);
    harness.get_by_label("no voice").click_secondary();
    harness.run_steps(4);
    harness.get_by_label("To slot 3").click();
    harness.run_steps(4);
    assert_eq!(harness.state().parts.outputs.wiring().sources[2].tags, ["no voice"]);
    // Looking at things is no change of the project.
    let edited = &harness.state().parts.edited;
    assert!(edited.swap(false, std::sync::atomic::Ordering::AcqRel), "mapping is");
}

#[test]
fn a_row_is_mapped_by_a_key_and_pages_are_turned_by_keys() {
    let mut harness = desk();
    harness.get_by_label("slow").focus();
    harness.run_steps(2);
    harness.key_press(Key::Num4);
    harness.run_steps(2);
    assert_eq!(harness.state().parts.outputs.wiring().sources[3].tags, ["slow"]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num3);
    harness.run_steps(2);
    assert!(is_there(&harness, "Threshold line"));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(2);
    assert!(is_there(&harness, "What listens"));
    harness.get_by_label("Taggram").click();
    harness.run_steps(2);
    assert!(is_there(&harness, "Play something: what is heard is drawn here."));
}

#[test]
fn a_taggram_freezes_while_judging_goes_on() {
    let mut harness = desk();
    harness.state_mut().play(5.0, &[("rock", 0.9)]);
    harness.run_steps(4);
    harness.get_by_label("Freeze").click();
    harness.run_steps(2);
    let before = harness.render().unwrap();
    harness.state_mut().play(5.0, &[("slow", 0.9)]);
    harness.run_steps(2);
    assert!(is_there(&harness, "Frozen"));
    assert_eq!(harness.state().parts.outputs.timeline().rows().len(), 100);
    let area = harness.get_by_label("Tags over time").rect();
    drop(before);
    assert!(area.width() > 300.0);
    harness.hover_at(area.right_center() - Vec2::new(20.0, 0.0));
    harness.run_steps(60);
    assert!(harness.query_by_label_contains("bar ").is_some(), "hovering reads a value and its place in the song");
}

#[test]
fn a_threshold_is_dragged_with_one_gesture() {
    let mut harness = desk();
    harness.get_by_label("Slots").click();
    harness.run_steps(4);
    let area = harness.get_by_label("Threshold line").rect();
    drag(&mut harness, area.left_bottom() + Vec2::new(50.0, -4.0), area.center());
    let threshold = harness.state().parts.controls.slots[0].threshold.value();
    assert!((0.4..0.6).contains(&threshold), "{threshold}");
    let done = harness.state().host.done();
    assert_eq!((done.first(), done.last()), (Some(&Done::Began), Some(&Done::Ended)));
    assert_eq!(done.iter().filter(|done| **done == Done::Began).count(), 1);
    assert!(done.len() > 3);
}

#[test]
fn what_is_no_model_gets_a_sentence_and_the_old_one_listens_on() {
    let folder = std::env::temp_dir().join(format!("tagvane-dropped-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let poem = folder.join("poem.onnx");
    std::fs::write(&poem, "roses are red").unwrap();
    let huge = folder.join("huge.onnx");
    std::fs::File::create(&huge).unwrap().set_len(3 << 30).unwrap();
    let mut harness = desk();
    let project = serde_json::to_string(&choice(&harness)).unwrap();
    for (path, words) in [
        (&poem, "no ONNX model"),
        (&folder, "not a file"),
        (&huge, "too large"),
        (&folder.join("gone.onnx"), "cannot be read"),
    ] {
        load(&mut harness, path);
        let notice = harness.state().parts.engine.board().about().notice.unwrap();
        assert!(notice.contains(words) && notice.ends_with("listens on"), "{notice}");
        assert!(harness.query_all_by_label(&notice).count() >= 1, "it is shown: {notice}");
        assert!(matches!(harness.state().parts.engine.board().status(), Status::Ready { .. }));
        assert_eq!(serde_json::to_string(&choice(&harness)).unwrap(), project, "the project names what listens");
    }
    // One that can be used becomes the project's.
    let mine = folder.join("mine.onnx");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/models/");
    let any = std::fs::read_dir(shipped).unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let any = any.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "onnx")).unwrap();
    std::fs::copy(any, &mine).unwrap();
    load(&mut harness, &mine);
    let Choice::File { file, sha256 } = choice(&harness) else { panic!("{:?}", choice(&harness)) };
    assert_eq!((file, sha256.map(|hash| hash.len())), (mine, Some(64)));
    harness.get_by_label(SHIPPED[0].name).click();
    harness.run_steps(2);
    harness.state().parts.engine.wait_until_loaded();
    assert_eq!(choice(&harness), Choice::Shipped { shipped: SHIPPED[0].name.into() });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A change of model once left rock's peak under 00s, which has rock's place in the other one.
#[test]
fn another_model_s_peaks_are_forgotten() {
    let mut harness = desk();
    harness.state_mut().play(2.0, &[("rock", 0.9)]);
    harness.run_steps(2);
    assert!(harness.state().window.rows.iter().any(|row| row.name == "rock" && row.peak > 0.5));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(3);
    harness.get_by_label(SHIPPED[1].name).click();
    harness.run_steps(2);
    harness.state().parts.engine.wait_until_loaded();
    // The host passes no audio between the change and the next frames.
    harness.run_steps(2);
    let rows = &harness.state().window.rows;
    assert!(rows.iter().any(|row| row.name == "00s"), "the other model's tags are shown");
    assert!(rows.iter().all(|row| row.shown == 0.0 && row.peak == 0.0), "{rows:?}");
}

#[test]
fn a_file_that_was_copied_is_pasted_anywhere_and_listens() {
    let folder = std::env::temp_dir().join(format!("tagvane pasted {}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mine = folder.join("mine.ONNX");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/models/million-song.onnx"), &mine).unwrap();
    let address = format!("file://{}", mine.display().to_string().replace(' ', "%20"));
    for text in [mine.display().to_string(), address] {
        let mut harness = desk();
        // What else is pasted or typed is none.
        for other in ["mine.ONNX", "/some/poem.txt", "a\n/b.onnx", "l"] {
            harness.event(egui::Event::Text(other.into()));
            harness.run_steps(2);
        }
        assert_eq!(choice(&harness), Choice::Usual);
        harness.event(egui::Event::Text(text));
        harness.run_steps(2);
        harness.state().parts.engine.wait_until_loaded();
        let Choice::File { file, .. } = choice(&harness) else { panic!("{:?}", choice(&harness)) };
        assert_eq!(file, mine);
        harness.run_steps(2);
        assert!(harness.query_by_label("A file of your own").is_some(), "the page of the model is shown");
    }
    // While something is being typed, a path is text like any other.
    let mut harness = desk();
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.event(egui::Event::Text(mine.display().to_string()));
    harness.run_steps(2);
    assert_eq!(choice(&harness), Choice::Usual);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn five_hundred_tags_without_names_are_all_shown_and_said_to_be_more_than_the_host_sees() {
    let folder = std::env::temp_dir().join(format!("tagvane-many-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let many = folder.join("many.onnx");
    let shape = Shape { m: 3, layers: 4, first: 3, widths: vec![3; 6], normalised: true, tags: 500 };
    std::fs::write(&many, shape.network(&mut Random(500))).unwrap();
    let mut harness = desk();
    load(&mut harness, &many);
    assert_eq!(harness.state().parts.engine.board().status().tags().len(), 500);
    let said = "does not name 500 of its tags; they are numbered. The host sees the first 64";
    assert!(harness.query_by_label_contains(said).is_some());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).type_text("tag 49");
    harness.run_steps(30);
    assert!(is_there(&harness, "tag 499") && !is_there(&harness, "tag 500"), "each can be found");
    // Slots hear those that the host has no parameter for.
    harness.get_by_label("tag 499").focus();
    harness.key_press(Key::Num3);
    harness.run_steps(2);
    assert_eq!(harness.state().parts.outputs.wiring().sources[2].tags, ["tag 499"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn choice(harness: &Harness<'_, Desk>) -> Choice {
    use nice_plug::params::persist::PersistentField as _;
    harness.state().parts.controls.model.map(Choice::clone)
}

#[test]
fn a_session_is_exported_as_each_kind_of_file() {
    let folder = std::env::temp_dir().join(format!("tagvane-export-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut harness = desk();
    harness.state_mut().play(5.0, &[("rock", 0.9)]);
    harness.run_steps(4);
    harness.get_by_label("Export…").click();
    harness.run_steps(4);
    for (kind, file, begins) in [
        ("CSV table", "session.csv", &b"clock,"[..]),
        ("JSON", "session.json", b"{\"tags\""),
        ("Audacity labels", "session.txt", b"0.0"),
        ("REAPER regions", "regions.csv", b"#,Name"),
        ("Taggram as PNG", "session.png", b"\x89PNG"),
    ] {
        harness.get_by_label(kind).click();
        harness.run_steps(3);
        let path = folder.join(file);
        fill_in(&mut harness, &path);
        harness.get_by_label("Save").click();
        harness.run_steps(3);
        let written = std::fs::read(&path).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(written.starts_with(begins), "{kind}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn nothing_is_drawn_while_nothing_happens() {
    let mut harness = desk();
    harness.run_steps(600);
    let delay = |harness: &Harness<'_, Desk>| {
        harness.output().viewport_output.values().map(|viewport| viewport.repaint_delay).min().unwrap()
    };
    assert!(delay(&harness) > std::time::Duration::from_secs(3_600), "{:?}", delay(&harness));
    harness.state_mut().play(1.0, &[("rock", 0.9)]);
    harness.run_steps(2);
    assert!(delay(&harness) < std::time::Duration::from_millis(20));
}
