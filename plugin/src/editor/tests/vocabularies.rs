//! A model with several vocabularies.

use super::support::network::{NetworkSpec, SeededRng};
use super::*;
use crate::params::{SHIPPED_MODELS, VocabularyChoice};
use egui_kittest::kittest::Queryable as _;
use prost::Message as _;
use std::path::Path;
use tagvane_engine::{Metadata, VOCABULARY_SEPARATOR, Vocabulary};
use tract_onnx::pb::{ModelProto, StringStringEntryProto};

/// Writes an untrained model with the tags of the shipped models and two small vocabularies.
fn write_model(path: &Path) {
    let shipped = SHIPPED_MODELS.each_ref().map(|model| (model.name, model.metadata().tags));
    let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let [_, _, first, second] = shipped;
    let lists = [
        first,
        second,
        ("Jamendo 50", owned(&["acoustic guitar", "piano", "trance", "energetic", "relaxing"])),
        ("AudioSet Music", owned(&["singing", "rapping", "violin", "hip-hop", "scary"])),
    ];
    let names = lists.iter().map(|(name, tags)| Vocabulary { name: (*name).into(), tag_count: tags.len() });
    let with_name = |(name, tags): &(&str, Vec<String>)| {
        tags.iter().map(|tag| format!("{name}{VOCABULARY_SEPARATOR}{tag}")).collect::<Vec<_>>()
    };
    let metadata = Metadata {
        vocabularies: names.collect(),
        tags: lists.iter().flat_map(with_name).collect(),
        sample_rate: Some(22_050),
        ..Metadata::default()
    };
    let tags = metadata.tags.len() as i64;
    let spec = NetworkSpec { m: 3, layers: 4, first: 3, widths: vec![3; 6], has_batch_norm: true, tags: tags as usize };
    let mut model = ModelProto::decode(&*spec.to_onnx(&mut SeededRng(1))).unwrap();
    let property = |(key, value): (&str, String)| StringStringEntryProto { key: key.into(), value };
    model.metadata_props = metadata.to_properties().into_iter().map(property).collect();
    std::fs::write(path, model.encode_to_vec()).unwrap();
}

/// A window with the model, and a folder to remove.
fn window(name: &str, size: (f32, f32)) -> (Harness<'static, TestSession>, PathBuf) {
    let folder = std::env::temp_dir().join(format!("tagvane-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("four.onnx");
    write_model(&path);
    let session = TestSession::new();
    session.instance.load_with_metadata(path, Metadata::default());
    session.instance.engine.wait_until_loaded();
    (open(session, size, 1.0), folder)
}

fn is_there(harness: &Harness<'_, TestSession>, label: &str) -> bool {
    harness.query_by_label(label).is_some()
}

#[test]
fn a_click_shows_another_vocabulary_and_the_pinned_tags_stay() {
    let (mut harness, folder) = window("vocabularies", (1_100.0, 2_600.0));
    harness.run_steps(3);
    assert_eq!(harness.state().instance.engine.board().status().tags().len(), 110);
    assert!(is_there(&harness, "harpsichord") && !is_there(&harness, "relaxing"));
    harness.get_by_label("harpsichord").focus();
    harness.key_press(egui::Key::P);
    harness.get_by_label("Jamendo 50").click();
    harness.run_steps(3);
    for tag in ["harpsichord", "relaxing", "piano (Jamendo 50)"] {
        assert!(is_there(&harness, tag), "{tag}");
    }
    assert!(!is_there(&harness, "sitar") && !is_there(&harness, "singing (AudioSet Music)"));
    // A tag of any vocabulary drives a slot.
    harness.get_by_label("piano (Jamendo 50)").focus();
    harness.key_press(egui::Key::Num2);
    harness.run_steps(2);
    assert_eq!(harness.state().instance.outputs.config().routing.sources[1].tags, ["piano (Jamendo 50)"]);
    harness.get_by_label("Pinned").click();
    harness.run_steps(3);
    assert!(is_there(&harness, "harpsichord") && !is_there(&harness, "relaxing"));
    harness.get_by_label("All").click();
    harness.run_steps(3);
    for tag in ["harpsichord", "relaxing", "piano (Jamendo 50)", "violin (AudioSet Music)", "Mellow"] {
        assert!(is_there(&harness, tag), "{tag}");
    }
    // It is saved with the project.
    assert_eq!(harness.state().instance.params.view.lock().vocabulary, VocabularyChoice::All);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_window_with_four_vocabularies_looks_as_in_the_picture() {
    let (mut harness, folder) = window("vocabularies-picture", (1_000.0, 640.0));
    let view = ["singing (AudioSet Music)", "guitar"].map(str::to_owned).to_vec();
    harness.state().instance.params.view.lock().pinned = view;
    let predictions = [
        ("energetic", 0.82),
        ("trance", 0.44),
        ("acoustic guitar", 0.31),
        ("piano (Jamendo 50)", 0.12),
        ("guitar", 0.55),
        ("singing (AudioSet Music)", 0.71),
    ];
    harness.get_by_label("Jamendo 50").click();
    harness.state_mut().play(4.0, &predictions);
    harness.run_steps(60);
    harness.mask(egui::Rect::from_min_max(egui::Pos2::new(0.0, 604.0), egui::Pos2::new(1_000.0, 640.0)));
    pictures::compare(&mut harness, "vocabularies");
    std::fs::remove_dir_all(&folder).unwrap();
}
