//! The library of models and the form for what a file does not say.

use super::support::{bytes, loudness};
use super::*;
use egui::{Key, Modifiers, Role};
use egui_kittest::kittest::Queryable as _;
use std::path::Path;
use std::time::{Duration, Instant};
use tagvane_engine::{ModelSource, Status};

const SIZE: (f32, f32) = (1_000.0, 900.0);

/// A folder of this name with a model that does not say its tags and its rate.
fn folder_with_model(name: &str, window: usize) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tagvane-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let mut model = loudness(window);
    model.metadata_props.clear();
    std::fs::write(folder.join("mine.onnx"), bytes(&model)).unwrap();
    folder
}

/// Opens the page of the model and loads a file.
fn load(harness: &mut Harness<'_, TestSession>, file: &Path) {
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Num5);
    harness.run_steps(3);
    type_into(harness, Role::TextInput, 1, file.to_str().unwrap());
    harness.get_by_label("Load").click();
    settle(harness);
}

/// Replaces the text of a field.
fn type_into(harness: &mut Harness<'_, TestSession>, role: Role, index: usize, text: &str) {
    harness.get_all_by_role(role).nth(index).unwrap().focus();
    harness.run_steps(2);
    harness.key_press_modifiers(Modifiers::COMMAND, Key::A);
    harness.run_steps(2);
    harness.get_all_by_role(role).nth(index).unwrap().type_text(text);
    harness.run_steps(3);
}

/// Waits until the model is loaded, and for the list, which a thread makes at most once a second.
fn settle(harness: &mut Harness<'_, TestSession>) {
    harness.run_steps(2);
    harness.state().instance.engine.wait_until_loaded();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1_500) {
        harness.run_steps(2);
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_shown(harness: &Harness<'_, TestSession>, text: &str) -> bool {
    harness.query_all_by_label_contains(text).next().is_some()
}

#[test]
fn an_opened_model_is_listed_in_the_library_and_chosen_there() {
    let folder = folder_with_model("opened", 3_011);
    let mut harness = open(TestSession::new(), SIZE, 1.0);
    let library = harness.state().instance.params.model.library().unwrap().folder().to_owned();
    load(&mut harness, &folder.join("mine.onnx"));
    assert!(library.join("mine.onnx").is_file());
    assert!(is_shown(&harness, "2 tags, 0.1 s at 22.05 kHz (assumed), 10.1 predictions/s"), "the list says what it is");
    harness.get_by_label(crate::params::SHIPPED_MODELS[0].name).click();
    settle(&mut harness);
    std::fs::remove_dir_all(&folder).unwrap();
    harness.get_by_label("mine").click();
    settle(&mut harness);
    let info = harness.state().instance.engine.board().model_info();
    assert_eq!(info.source, Some(ModelSource::File(library.join("mine.onnx"))));
}

#[test]
fn what_a_file_does_not_say_is_asked_and_remembered() {
    let folder = folder_with_model("asked", 3_012);
    let library = folder.join("models");
    let mut harness = open(TestSession::with_library(library.clone()), SIZE, 1.0);
    load(&mut harness, &folder.join("mine.onnx"));
    assert!(is_shown(&harness, "A sample rate of 22050 Hz is assumed. Tags without a name are numbered."));
    type_into(&mut harness, Role::TextInput, 2, "16 kHz");
    harness.get_by_label("Use").click();
    harness.run_steps(2);
    assert!(is_shown(&harness, "The sample rate \"16 kHz\" is not a number of hertz"));
    type_into(&mut harness, Role::TextInput, 2, "16000");
    type_into(&mut harness, Role::MultilineTextInput, 0, "quiet");
    harness.get_by_label("Use").click();
    harness.run_steps(2);
    assert!(is_shown(&harness, "The model has 2 tags, but 1 are given"));
    type_into(&mut harness, Role::MultilineTextInput, 0, "mean\npeak");
    harness.get_by_label("Use").click();
    settle(&mut harness);
    let facts = |harness: &Harness<'_, TestSession>| match harness.state().instance.engine.board().status() {
        Status::Ready { tags, sample_rate, is_sample_rate_assumed, .. } => (tags, sample_rate, is_sample_rate_assumed),
        status => panic!("{status:?}"),
    };
    let expected = (vec!["mean".to_owned(), "peak".to_owned()], 16_000, false);
    assert_eq!(facts(&harness), expected);
    assert!(!is_shown(&harness, "assumed"));

    // Another instance, and the file under another name.
    std::fs::rename(folder.join("mine.onnx"), folder.join("other.onnx")).unwrap();
    let mut other = open(TestSession::with_library(library), SIZE, 1.0);
    load(&mut other, &folder.join("other.onnx"));
    assert_eq!(facts(&other), expected);
    std::fs::remove_dir_all(&folder).unwrap();
}
