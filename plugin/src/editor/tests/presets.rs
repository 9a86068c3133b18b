//! The menu of presets.

use super::*;
use crate::editor::presets_menu::PresetsMenu;
use crate::params::ModelChoice;
use crate::presets::{Preset, PresetFolder, shipped};
use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;
use nice_plug::params::persist::PersistentField as _;
use std::fs;

/// The window of a new session with its menu of presets open, whose folder is temporary.
fn open_menu(name: &str) -> (Harness<'static, TestSession>, PathBuf) {
    let folder = std::env::temp_dir().join(format!("tagvane-presets-{name}-{}", std::process::id()));
    let mut session = TestSession::new();
    session.editor.presets = PresetsMenu::new(Some(PresetFolder::new(folder.clone())));
    let mut harness = open(session, (1_000.0, 700.0), 1.0);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num3);
    harness.run_steps(3);
    harness.get_by_label("Presets…").click();
    harness.run_steps(4);
    (harness, folder)
}

/// The current settings as a preset.
fn current(session: &TestSession) -> Preset {
    let instance = &session.instance;
    Preset::of_current("current", "", &instance.params, &instance.outputs.config(), None)
}

/// Scrolls to a preset in the list and clicks it.
fn choose(harness: &mut Harness<'_, TestSession>, name: &str) {
    harness.get_by_label(name).scroll_to_me();
    harness.run_steps(30);
    harness.get_by_label(name).click();
    harness.run_steps(4);
}

fn type_into(harness: &mut Harness<'_, TestSession>, index: usize, text: &str) {
    harness.get_all_by_role(Role::TextInput).nth(index).unwrap().focus();
    harness.run_steps(2);
    harness.get_all_by_role(Role::TextInput).nth(index).unwrap().type_text(text);
    harness.run_steps(3);
}

#[test]
fn a_shipped_preset_is_loaded_as_edits_of_the_user_and_the_model_stays() {
    let (mut harness, _) = open_menu("shipped");
    let before = current(harness.state());
    harness.get_by_label("Duck under vocals").click();
    harness.run_steps(4);
    assert!(harness.query_by_label("\"Duck under vocals\" is loaded").is_some());
    let expected = shipped()[0].preset().unwrap();
    let session = harness.state();
    let after = current(session);
    assert_eq!(after.slots, expected.slots);
    assert_eq!((after.midi, after.osc, after.tags), (before.midi, before.osc, before.tags), "the preset has none");
    assert_eq!(session.instance.params.model.map(ModelChoice::clone), ModelChoice::Default);
    let calls = session.host.calls();
    let begun = calls.iter().filter(|call| **call == HostCall::BeginSet).count();
    // Threshold, hysteresis, mode, invert, attack, release and low differ from a new instance.
    assert_eq!((begun, calls.len()), (7, 21), "{calls:?}");
    assert!(session.instance.is_dirty.load(Ordering::Acquire), "the routing is a part of the project");
}

#[test]
fn a_saved_preset_is_a_file_that_gives_the_same_settings_again() {
    let (mut harness, folder) = open_menu("saved");
    choose(&mut harness, "Notes: a pad for each style");
    let saved = current(harness.state());
    // The search comes first.
    type_into(&mut harness, 1, "My pads");
    type_into(&mut harness, 2, "For the drum rack");
    harness.get_by_label("Save preset").click();
    harness.run_steps(4);
    let file = folder.join("My pads.tagvane");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("description = \"For the drum rack\"") && !text.contains("[model]"), "{text}");
    choose(&mut harness, "Duck under vocals");
    assert_ne!(current(harness.state()), saved);
    choose(&mut harness, "My pads");
    assert_eq!(current(harness.state()), saved);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_damaged_file_is_a_sentence_in_the_list() {
    let (harness, folder) = open_menu("damaged");
    drop(harness);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mine.tagvane"), "name = \"mine\"\nslots = 3").unwrap();
    let (harness, _) = open_menu("damaged");
    let sentence = harness.query_by_label_contains("line 2: unknown field `slots`");
    assert!(sentence.is_some(), "the window does not say what is wrong");
    fs::remove_dir_all(folder).unwrap();
}
