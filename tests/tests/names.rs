//! The parameter names follow the loaded model and the project's outputs.

use burn::backend::Flex;
use std::path::Path;
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_host::{Parameter, Session};
use tagvane_tests::{
    FIRST_SLOT, FIRST_TAG, FORMATS, WRITE, bounce_setup, load_model, open, routing, send_noise, state_with_field,
};
use tagvane_trainer::architecture::{Architecture, SampleLevel};
use tagvane_trainer::data::vocabularies;
use tagvane_trainer::evaluation::{Calibration, PlattScaling, TagCalibration};
use tagvane_trainer::export::to_onnx;
use tagvane_trainer::network::Network;

/// The probability that [`write_model`] gives the tag at `index` of `count`, whatever the audio.
fn constant_probability(index: usize, count: usize) -> f32 {
    (index + 1) as f32 / (count + 1) as f32
}

/// Writes a model with these tags, each with a probability of its own.
fn write_model(folder: &Path, tags: &[String]) -> std::path::PathBuf {
    let architecture = Architecture::SampleLevel(SampleLevel::new(3, 5, 6_561, vec![4, 4, 6, 6, 8, 8]));
    let network: Network<Flex> = Network::new(&architecture.plan(tags.len()).unwrap(), &Default::default());
    let constant = |(index, tag): (usize, &String)| {
        let probability = f64::from(constant_probability(index, tags.len()));
        let scaling = PlattScaling { scale: 1e-9, offset: (probability / (1.0 - probability)).ln() };
        TagCalibration { tag: tag.clone(), scaling, error_before: 0.0, error_after: 0.0 }
    };
    let constants = Calibration { windows: 1, tags: tags.iter().enumerate().map(constant).collect() };
    let network = constants.fold_into(network);
    let vocabularies = vocabularies::parts(tags);
    let metadata = Metadata { tags: tags.to_vec(), vocabularies, sample_rate: Some(22_050), ..Default::default() };
    let path = folder.join(format!("{} tags.onnx", tags.len()));
    std::fs::write(&path, to_onnx(&network, &architecture, &metadata)).unwrap();
    path
}

/// The parameters of all 64 tags, used or not.
fn tags(session: &mut dyn Session) -> Vec<Parameter> {
    let is_tag = |parameter: &Parameter| (FIRST_TAG..FIRST_TAG + 64).contains(&parameter.id);
    let tags: Vec<Parameter> = session.parameters().into_iter().filter(is_tag).collect();
    assert_eq!(tags.len(), 64);
    tags
}

#[test]
fn names_follow_the_model_with_more_tags_and_with_fewer() {
    let folder = tempfile::tempdir().unwrap();
    let few: Vec<String> = ["größer", "låt", "静か"].map(String::from).to_vec();
    let many: Vec<String> = (0..70).map(|tag| format!("tag {tag}")).collect();
    let (few_path, many_path) = (write_model(folder.path(), &few), write_model(folder.path(), &many));
    for format in FORMATS {
        let is_clap = format == "clap";
        let mut session = open(format);
        let shipped = tags(session.as_mut());
        assert_eq!(
            shipped.iter().filter(|tag| !tag.is_hidden && !tag.name.starts_with("Unused")).count(),
            64,
            "{format}"
        );

        let before = session.request_counts();
        load_model(session.as_mut(), &few_path.to_str().into());
        let now = tags(session.as_mut());
        // A VST3's names are transliterated to ASCII, because clap-wrapper garbles other letters.
        let expected = if is_clap { ["größer", "låt", "静か"] } else { ["grosser", "lat", "Jing ka"] };
        let names: Vec<&str> = now.iter().take(4).map(|tag| tag.name.as_str()).collect();
        assert!(names[..2] == expected[..2] && names[2].starts_with(expected[2]), "{format}: {names:?}");
        assert_eq!((names[3], now[3].is_hidden), ("Unused tag 4", is_clap), "{format}");
        assert!(session.request_counts().rescans > before.rescans, "{format}: the plugin requested no rescan");

        load_model(session.as_mut(), &many_path.to_str().into());
        let now = tags(session.as_mut());
        for (index, tag) in now.iter().enumerate() {
            assert_eq!((tag.name.clone(), tag.is_read_only), (format!("tag {index}"), true), "{format}");
            assert!(!tag.is_hidden || !is_clap, "{format}: tag {index} is hidden");
        }

        // The user chooses which tags of a larger model are published.
        let chosen: Vec<&String> = many.iter().rev().take(64).collect();
        let state = session.save().unwrap();
        let mut routing = routing();
        routing["published"] = serde_json::json!(chosen);
        routing["sources"][0]["tags"] = serde_json::json!(["tag 69"]);
        assert!(session.load(&state_with_field(&state, "outputs", &routing)), "{format}");
        load_model(session.as_mut(), &many_path.to_str().into());
        let now = tags(session.as_mut());
        let names: Vec<&String> = now.iter().map(|tag| &tag.name).collect();
        assert_eq!(names.len(), chosen.len());
        assert!(chosen.iter().all(|tag| names.contains(tag)), "{format}: {names:?}");
        let slot = session.parameters().into_iter().find(|parameter| parameter.id == FIRST_SLOT).unwrap();
        assert_eq!(slot.name, "Slot 1: tag 69", "{format}");

        load_model(session.as_mut(), &serde_json::Value::Null);
        let shipped_again = tags(session.as_mut());
        let names = |tags: &[Parameter]| tags.iter().map(|tag| tag.name.clone()).collect::<Vec<_>>();
        // The shipped model has none of the chosen tags, so it publishes its own.
        assert_eq!(names(&shipped_again), names(&shipped), "{format}");
    }
}

#[test]
fn tags_of_four_vocabularies_are_published_and_drive_slots_under_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let all = vocabularies::join(&vocabularies::known().each_ref().map(|(_, tags)| &tags[..]));
    assert_eq!(all.len(), 214);
    let path = write_model(folder.path(), &all);
    let display = Model::open(&path, InferenceMode::Sliding).unwrap().metadata().display_tags();
    for format in FORMATS {
        let mut session = open(format);
        load_model(session.as_mut(), &path.to_str().into());
        let names: Vec<String> = tags(session.as_mut()).into_iter().map(|tag| tag.name).collect();
        assert_eq!(
            (&*names[0], &*names[50], &*names[51]),
            ("guitar", "rock (Million Song 50)", "pop (Million Song 50)")
        );
        let distinct: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), 64, "{format}: two tags have the same name");
        let mut routing = routing();
        let chosen = ["rapping", "guitar (AudioSet Music)", "relaxing", "guitar"];
        routing["published"] = serde_json::json!(chosen);
        routing["sources"][0]["tags"] = serde_json::json!(["guitar (AudioSet Music)"]);
        routing["sources"][1]["tags"] = serde_json::json!(["guitar", "acoustic guitar"]);
        let state = state_with_field(&session.save().unwrap(), "outputs", &routing);
        assert!(session.load(&state), "{format}");
        load_model(session.as_mut(), &path.to_str().into());
        let names: Vec<String> = tags(session.as_mut()).into_iter().map(|tag| tag.name).collect();
        assert_eq!(names[..4], chosen, "{format}");
        session.start(bounce_setup(44_100.0, 512)).unwrap();
        session.set(WRITE, 1.0);
        session.set_playing(true);
        let changes = send_noise(session.as_mut(), 0.3, 512, 400).unwrap();
        // The model gives each tag a probability of its own, whatever it hears.
        let expected = |tag: &str| {
            let index = display.iter().position(|name| name == tag).unwrap();
            f64::from(constant_probability(index, all.len()))
        };
        let value = |session: &mut dyn Session, id: u32| session.value(id).unwrap();
        for (id, tag) in (FIRST_TAG..).zip(chosen) {
            let value = value(session.as_mut(), id);
            assert!((value - expected(tag)).abs() < 1e-3, "{format}: {tag} is {value}");
        }
        let highest = expected("guitar").max(expected("acoustic guitar"));
        for (id, expected) in [(FIRST_SLOT, expected("guitar (AudioSet Music)")), (FIRST_SLOT + 1, highest)] {
            let last = changes.iter().rfind(|change| change.id == id).map(|change| change.value);
            // Without its window a VST3 records no slots.
            let is_expected = last.map_or(format == "vst3", |last| (last - expected).abs() < 0.02);
            assert!(is_expected, "{format}: {last:?} instead of {expected}");
        }
        let slots: Vec<Parameter> = session
            .parameters()
            .into_iter()
            .filter(|parameter| (FIRST_SLOT..FIRST_SLOT + 2).contains(&parameter.id))
            .collect();
        assert_eq!(slots[0].name, "Slot 1: guitar (AudioSet Music)", "{format}");
        assert_eq!(slots[1].name, "Slot 2: max of guitar, acoustic guitar", "{format}");
    }
}
