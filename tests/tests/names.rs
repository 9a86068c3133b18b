//! The names a host is told follow the loaded model, and what a project remembers of the
//! outputs.

use burn::backend::Flex;
use std::path::Path;
use tagvane_engine::Metadata;
use tagvane_host::{Parameter, Session};
use tagvane_tests::{FIRST_SLOT, FORMATS, bounce, changed_state, open, send, wiring};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::Network;

/// The id of the first tag's parameter.
const FIRST_TAG: u32 = 0x5441_4700;

/// A model that has learnt nothing, with these tags.
fn model(folder: &Path, tags: &[String]) -> std::path::PathBuf {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, 6_561, vec![4, 4, 6, 6, 8, 8]));
    let network: Network<Flex> = Network::new(&architecture.plan(tags.len()).unwrap(), &Default::default());
    let metadata = Metadata { tags: tags.to_vec(), sample_rate: Some(22_050), ..Default::default() };
    let path = folder.join(format!("{} tags.onnx", tags.len()));
    std::fs::write(&path, to_onnx(&network, &architecture, &metadata)).unwrap();
    path
}

fn tags(session: &mut dyn Session) -> Vec<Parameter> {
    let all = session.parameters();
    let tags: Vec<Parameter> = all.into_iter().filter(|one| (FIRST_TAG..FIRST_TAG + 64).contains(&one.id)).collect();
    assert_eq!(tags.len(), 64);
    tags
}

/// Loads a state that names a model, and starts the plugin, in a bounce, where it waits for
/// the model. Once more, as hosts do when a project is played again: a VST3 without its editor
/// is told of names then.
fn load_model(session: &mut dyn Session, model: &serde_json::Value) {
    let state = changed_state(&session.save().unwrap(), "model", model);
    assert!(session.load(&state));
    for _ in 0..2 {
        session.start(bounce(44_100.0, 512)).unwrap();
        send(session, 0.1, 512, 2).unwrap();
        session.idle();
        session.stop();
    }
}

#[test]
fn names_follow_the_model_with_more_tags_and_with_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let few: Vec<String> = ["größer", "låt", "静か"].map(String::from).to_vec();
    let many: Vec<String> = (0..70).map(|tag| format!("tag {tag}")).collect();
    let (few_path, many_path) = (model(folder.path(), &few), model(folder.path(), &many));
    for format in FORMATS {
        let clap = format == "clap";
        let mut session = open(format);
        let shipped = tags(session.as_mut());
        assert_eq!(shipped.iter().filter(|tag| !tag.hidden && !tag.name.starts_with("Unused")).count(), 50, "{format}");

        let before = session.disturbances();
        load_model(session.as_mut(), &few_path.to_str().into());
        let now = tags(session.as_mut());
        // Folded to ASCII in a VST3, whose wrapper garbles other letters.
        let expected = if clap { ["größer", "låt", "静か"] } else { ["grosser", "lat", "Jing ka"] };
        let names: Vec<&str> = now.iter().take(4).map(|tag| tag.name.as_str()).collect();
        assert!(names[..2] == expected[..2] && names[2].starts_with(expected[2]), "{format}: {names:?}");
        assert_eq!((names[3], now[3].hidden), ("Unused tag 4", clap), "{format}");
        assert!(session.disturbances().rescans > before.rescans, "{format}: the host was not told");

        load_model(session.as_mut(), &many_path.to_str().into());
        let now = tags(session.as_mut());
        for (place, tag) in now.iter().enumerate() {
            assert_eq!((tag.name.clone(), tag.read_only), (format!("tag {place}"), true), "{format}");
            assert!(!tag.hidden || !clap, "{format}: {place} is hidden");
        }

        // Of a larger model the user chooses which are published.
        let chosen: Vec<&String> = many.iter().rev().take(64).collect();
        let state = session.save().unwrap();
        let mut wiring = wiring();
        wiring["published"] = serde_json::json!(chosen);
        wiring["sources"][0]["tags"] = serde_json::json!(["tag 69"]);
        assert!(session.load(&changed_state(&state, "outputs", &wiring)), "{format}");
        load_model(session.as_mut(), &many_path.to_str().into());
        let now = tags(session.as_mut());
        let names: Vec<&String> = now.iter().map(|tag| &tag.name).collect();
        assert_eq!(names.len(), chosen.len());
        assert!(chosen.iter().all(|tag| names.contains(tag)), "{format}: {names:?}");
        let slot = session.parameters().into_iter().find(|one| one.id == FIRST_SLOT).unwrap();
        assert_eq!(slot.name, "Slot 1: tag 69", "{format}");

        load_model(session.as_mut(), &serde_json::Value::Null);
        let again = tags(session.as_mut());
        let names = |tags: &[Parameter]| tags.iter().map(|tag| tag.name.clone()).collect::<Vec<_>>();
        // None of those that were chosen is this model's.
        assert_eq!(names(&again), names(&shipped), "{format}");
    }
}
