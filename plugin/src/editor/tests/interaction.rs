//! Actions of a user in the window.

use super::support::network::{NetworkSpec, SeededRng};
use super::*;
use crate::params::{ModelChoice, SHIPPED_MODELS};
use egui::{Key, Modifiers, Pos2, Role, Vec2};
use egui_kittest::kittest::Queryable as _;
use std::path::Path;
use tagvane_engine::Status;

const SIZE: (f32, f32) = (1_000.0, 700.0);

fn new_window() -> Harness<'static, TestSession> {
    open(TestSession::new(), SIZE, 1.0)
}

/// Loads a file on the page of the model.
fn load(harness: &mut Harness<'_, TestSession>, file: &Path) {
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(3);
    // After the search.
    fill_in(harness, 1, file);
    harness.get_by_label("Load").click();
    harness.run_steps(2);
    harness.state().instance.engine.wait_until_loaded();
    harness.run_steps(2);
}

/// Types a path into a text field of the window.
fn fill_in(harness: &mut Harness<'_, TestSession>, index: usize, path: &Path) {
    harness.get_all_by_role(Role::TextInput).nth(index).unwrap().focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_all_by_role(Role::TextInput).nth(index).unwrap().type_text(path.to_str().unwrap());
    harness.run_steps(3);
}

/// The centre of the widget with this label.
fn center(harness: &Harness<'_, TestSession>, label: &str) -> Pos2 {
    harness.get_by_label(label).rect().center()
}

/// Drags from one position to another.
fn drag(harness: &mut Harness<'_, TestSession>, from: Pos2, to: Pos2) {
    harness.drag_at(from);
    harness.run_steps(2);
    for step in 1..=4 {
        harness.hover_at(from + (to - from) * (step as f32 / 4.0));
        harness.run_steps(2);
    }
    harness.drop_at(to);
    harness.run_steps(4);
}

fn is_there(harness: &Harness<'_, TestSession>, label: &str) -> bool {
    harness.query_by_label(label).is_some()
}

#[test]
fn three_actions_record_a_tag_as_automation() {
    let mut harness = new_window();
    harness.state_mut().play(3.0, &[("rock", 0.8), ("guitar", 0.4)]);
    harness.run_steps(60);
    harness.get_by_label("rock").focus();
    harness.key_press(Key::P);
    harness.run_steps(30);
    assert_eq!(harness.state().instance.params.view.lock().pinned, ["rock"]);
    let (from, to) = (center(&harness, "rock"), center(&harness, "Slot 1"));
    drag(&mut harness, from, to);
    assert_eq!(harness.state().instance.outputs.config().routing.sources[0].tags, ["rock"]);
    harness.get_by_label("Write").click();
    harness.run_steps(2);
    harness.state_mut().play(1.0, &[("rock", 0.8)]);
    let events = &harness.state().events;
    assert!(events.contains(&Event::BeginGesture { slot: 0 }), "nothing is recorded");
    assert!(events.iter().any(|event| matches!(event, Event::Slot { slot: 0, value } if *value > 0.5)));
}

#[test]
fn tags_are_searched_pinned_hidden_grouped_and_folded() {
    let mut harness = new_window();
    assert!(is_there(&harness, "rock") && is_there(&harness, "no vocals") && !is_there(&harness, "no voice"));
    harness.get_by_label("Fold").click();
    harness.run_steps(4);
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).type_text("no v");
    // The rows slide up from further down.
    harness.run_steps(60);
    assert!(is_there(&harness, "no voice") && is_there(&harness, "no vocal") && !is_there(&harness, "rock"));
    let view = || harness.state().instance.params.view.lock().clone();
    assert!(!view().folded);
    harness.get_by_label("no voice").focus();
    harness.run_steps(2);
    harness.key_press(Key::H);
    harness.run_steps(2);
    assert_eq!(harness.state().instance.params.view.lock().hidden, ["no voice"]);
    harness.get_by_label("1 hidden").click();
    harness.run_steps(2);
    assert!(harness.state().instance.params.view.lock().hidden.is_empty());
    harness.get_by_label("Groups").click();
    harness.run_steps(2);
    assert!(harness.state().instance.params.view.lock().grouped);
    harness.get_by_label("no voice").click_secondary();
    harness.run_steps(4);
    harness.get_by_label("To slot 3").click();
    harness.run_steps(4);
    assert_eq!(harness.state().instance.outputs.config().routing.sources[2].tags, ["no voice"]);
    let is_dirty = &harness.state().instance.is_dirty;
    assert!(is_dirty.swap(false, std::sync::atomic::Ordering::AcqRel), "mapping changes the project");
}

#[test]
fn keys_map_a_row_and_switch_pages() {
    let mut harness = new_window();
    harness.get_by_label("slow").focus();
    harness.run_steps(2);
    harness.key_press(Key::Num4);
    harness.run_steps(2);
    assert_eq!(harness.state().instance.outputs.config().routing.sources[3].tags, ["slow"]);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num3);
    harness.run_steps(2);
    assert!(is_there(&harness, "Threshold line"));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(2);
    assert!(is_there(&harness, "Current model"));
    harness.get_by_label("Taggram").click();
    harness.run_steps(2);
    assert!(is_there(&harness, "Play something: its tags appear here over time."));
}

#[test]
fn predictions_continue_while_the_taggram_is_frozen() {
    let mut harness = new_window();
    harness.state_mut().play(5.0, &[("rock", 0.9)]);
    harness.run_steps(4);
    harness.get_by_label("Freeze").click();
    harness.run_steps(2);
    harness.render().unwrap();
    harness.state_mut().play(5.0, &[("slow", 0.9)]);
    harness.run_steps(2);
    assert!(is_there(&harness, "Frozen"));
    assert_eq!(harness.state().instance.outputs.timeline().entries().len(), 100);
    let area = harness.get_by_label("Tags over time").rect();
    assert!(area.width() > 300.0);
    harness.hover_at(area.right_center() - Vec2::new(20.0, 0.0));
    harness.run_steps(60);
    assert!(harness.query_by_label_contains("bar ").is_some(), "hovering shows the position in the song");
}

#[test]
fn dragging_a_threshold_is_one_gesture() {
    let mut harness = new_window();
    harness.get_by_label("Slots").click();
    harness.run_steps(4);
    let area = harness.get_by_label("Threshold line").rect();
    drag(&mut harness, area.left_bottom() + Vec2::new(50.0, -4.0), area.center());
    let threshold = harness.state().instance.params.slots[0].threshold.value();
    assert!((0.4..0.6).contains(&threshold), "{threshold}");
    let calls = harness.state().host.calls();
    assert_eq!((calls.first(), calls.last()), (Some(&HostCall::BeginSet), Some(&HostCall::EndSet)));
    assert_eq!(calls.iter().filter(|call| **call == HostCall::BeginSet).count(), 1);
    assert!(calls.len() > 3);
}

#[test]
fn the_current_model_stays_when_a_file_cannot_be_loaded() {
    let folder = std::env::temp_dir().join(format!("tagvane-dropped-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let poem = folder.join("poem.onnx");
    std::fs::write(&poem, "roses are red").unwrap();
    let huge = folder.join("huge.onnx");
    std::fs::File::create(&huge).unwrap().set_len(3 << 30).unwrap();
    let mut harness = new_window();
    let project = serde_json::to_string(&choice(&harness)).unwrap();
    for (path, words) in [
        (&poem, "not an ONNX model"),
        (&folder, "not a file"),
        (&huge, "too large"),
        (&folder.join("gone.onnx"), "cannot be read"),
    ] {
        load(&mut harness, path);
        let notice = harness.state().instance.engine.board().model_info().notice.unwrap();
        assert!(notice.contains(words) && notice.ends_with("stays in use"), "{notice}");
        assert!(harness.query_all_by_label(&notice).count() >= 1, "the window does not show {notice:?}");
        assert!(matches!(harness.state().instance.engine.board().status(), Status::Ready { .. }));
        assert_eq!(serde_json::to_string(&choice(&harness)).unwrap(), project, "the project names the current model");
    }
    // A file that can be loaded becomes the model of the project.
    let mine = folder.join("mine.onnx");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/models/million-song.onnx"), &mine).unwrap();
    load(&mut harness, &mine);
    let ModelChoice::File { file, sha256 } = choice(&harness) else { panic!("{:?}", choice(&harness)) };
    assert_eq!((file, sha256.map(|hash| hash.len())), (mine, Some(64)));
    harness.get_by_label(SHIPPED_MODELS[0].name).click();
    harness.run_steps(2);
    harness.state().instance.engine.wait_until_loaded();
    assert_eq!(choice(&harness), ModelChoice::Shipped { shipped: SHIPPED_MODELS[0].name.into() });
    std::fs::remove_dir_all(&folder).unwrap();
}

/// A change of the model once left the peak of rock on 00s, which has the same index in the other model.
#[test]
fn a_new_model_starts_without_peaks() {
    let mut harness = new_window();
    harness.state_mut().play(2.0, &[("rock", 0.9)]);
    harness.run_steps(2);
    assert!(harness.state().editor.rows.iter().any(|row| row.name == "rock" && row.peak > 0.5));
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(3);
    harness.get_by_role_and_label(egui::Role::RadioButton, SHIPPED_MODELS[3].name).click();
    harness.run_steps(2);
    harness.state().instance.engine.wait_until_loaded();
    // No audio is processed between the change and the next frames.
    harness.run_steps(2);
    let rows = &harness.state().editor.rows;
    let has = |name: &str| rows.iter().any(|row| row.name == name);
    assert!(has("00s") && !has("techno"), "the other model's tags are shown");
    assert!(rows.iter().all(|row| row.value == 0.0 && row.peak == 0.0), "{rows:?}");
}

#[test]
fn pasting_a_copied_model_file_loads_it() {
    let folder = std::env::temp_dir().join(format!("tagvane pasted {}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mine = folder.join("mine.ONNX");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/models/million-song.onnx"), &mine).unwrap();
    let url = format!("file://{}", mine.display().to_string().replace(' ', "%20"));
    for text in [mine.display().to_string(), url] {
        let mut harness = new_window();
        // Other texts are ignored.
        for other in ["mine.ONNX", "/some/poem.txt", "a\n/b.onnx", "l"] {
            harness.event(egui::Event::Text(other.into()));
            harness.run_steps(2);
        }
        assert_eq!(choice(&harness), ModelChoice::Default);
        harness.event(egui::Event::Text(text));
        harness.run_steps(2);
        harness.state().instance.engine.wait_until_loaded();
        let ModelChoice::File { file, .. } = choice(&harness) else { panic!("{:?}", choice(&harness)) };
        assert_eq!(file, mine);
        harness.run_steps(2);
        assert!(
            harness.query_by_label("A file of your own").is_some(),
            "the window does not show the page of the model"
        );
    }
    // A path that is pasted into a text field is only text.
    let mut harness = new_window();
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.event(egui::Event::Text(mine.display().to_string()));
    harness.run_steps(2);
    assert_eq!(choice(&harness), ModelChoice::Default);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_model_with_500_unnamed_tags_shows_them_all_with_a_remark() {
    let folder = std::env::temp_dir().join(format!("tagvane-many-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let many = folder.join("many.onnx");
    let spec = NetworkSpec { m: 3, layers: 4, first: 3, widths: vec![3; 6], has_batch_norm: true, tags: 500 };
    std::fs::write(&many, spec.to_onnx(&mut SeededRng(500))).unwrap();
    let mut harness = new_window();
    load(&mut harness, &many);
    assert_eq!(harness.state().instance.engine.board().status().tags().len(), 500);
    let remark = "does not name 500 of its tags; they are numbered. The host sees 64";
    assert!(harness.query_by_label_contains(remark).is_some());
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num2);
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).type_text("tag 49");
    harness.run_steps(30);
    assert!(is_there(&harness, "tag 499") && !is_there(&harness, "tag 500"), "the search misses a tag");
    // Tags without a host parameter can drive slots.
    harness.get_by_label("tag 499").focus();
    harness.key_press(Key::Num3);
    harness.run_steps(2);
    assert_eq!(harness.state().instance.outputs.config().routing.sources[2].tags, ["tag 499"]);
    std::fs::remove_dir_all(&folder).unwrap();
}

fn choice(harness: &Harness<'_, TestSession>) -> ModelChoice {
    use nice_plug::params::persist::PersistentField as _;
    harness.state().instance.params.model.map(ModelChoice::clone)
}

#[test]
fn a_session_is_exported_in_every_format() {
    let folder = std::env::temp_dir().join(format!("tagvane-export-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut harness = new_window();
    harness.state_mut().play(5.0, &[("rock", 0.9)]);
    harness.run_steps(4);
    harness.get_by_label("Export…").click();
    harness.run_steps(4);
    for (kind, file, start) in [
        ("CSV table", "session.csv", &b"clock,"[..]),
        ("JSON", "session.json", b"{\"tags\""),
        ("Audacity labels", "session.txt", b"0.0"),
        ("REAPER regions", "regions.csv", b"#,Name"),
        ("Taggram as PNG", "session.png", b"\x89PNG"),
    ] {
        harness.get_by_label(kind).click();
        harness.run_steps(3);
        let path = folder.join(file);
        fill_in(&mut harness, 1, &path);
        harness.get_by_label("Save").click();
        harness.run_steps(3);
        let written = std::fs::read(&path).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(written.starts_with(start), "{kind}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// The file was once truncated before the picture failed.
#[test]
fn a_picture_without_visible_tags_leaves_an_existing_file() {
    let folder = std::env::temp_dir().join(format!("tagvane-no-picture-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("session.png");
    std::fs::write(&path, "an older picture").unwrap();
    let mut harness = new_window();
    harness.state_mut().play(5.0, &[("rock", 0.9)]);
    harness.get_by_role(Role::TextInput).focus();
    harness.run_steps(2);
    harness.get_by_role(Role::TextInput).type_text("zzz");
    harness.run_steps(4);
    assert!(is_there(&harness, "No tag matches the search."));
    harness.get_by_label("Export…").click();
    harness.run_steps(4);
    harness.get_by_label("Taggram as PNG").click();
    harness.run_steps(3);
    fill_in(&mut harness, 1, &path);
    harness.get_by_label("Save").click();
    harness.run_steps(3);
    assert!(harness.query_by_label_contains("no tag is visible").is_some(), "the window does not say why");
    assert_eq!(std::fs::read(&path).unwrap(), b"an older picture");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_idle_window_requests_no_frames() {
    let mut harness = new_window();
    harness.run_steps(600);
    let delay = |harness: &Harness<'_, TestSession>| {
        harness.output().viewport_output.values().map(|viewport| viewport.repaint_delay).min().unwrap()
    };
    assert!(delay(&harness) > std::time::Duration::from_secs(3_600), "{:?}", delay(&harness));
    harness.state_mut().play(1.0, &[("rock", 0.9)]);
    harness.run_steps(2);
    assert!(delay(&harness) < std::time::Duration::from_millis(20));
}

#[test]
fn notes_and_pairs_are_switched_on_in_the_window() {
    let mut harness = new_window();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num4);
    harness.run_steps(3);
    for label in [
        "Send the slots as controllers",
        "14 bits, with the controllers 32 above",
        "Slots in gate mode send notes too",
        "The tags too, on the next channel",
    ] {
        harness.get_by_label(label).click();
        harness.run_steps(3);
    }
    let midi = harness.state().instance.params.output_params().midi.expect("MIDI is on");
    let notes = Some(tagvane_outputs::NoteSettings::default());
    let expected = tagvane_outputs::MidiSettings { is_14_bit: true, sends_tags: true, notes, ..Default::default() };
    assert_eq!(midi, expected);
}
