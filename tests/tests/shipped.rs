//! The models that ship are what their cards say, and say of the clips what they said when they
//! were made.

use sha2::{Digest as _, Sha256};
use tagvane_engine::{Inference, Metadata, Model};
use tagvane_tests::{CLIPS, SHIPPED, clip_path, root};
use tagvane_trainer::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
use tagvane_trainer::tagging::Tagger;

/// Of every processor's own rounding, after some ten layers.
const ROUNDING: f64 = 1e-4;

/// A shipped model's file and its card.
fn file_and_card(name: &str) -> (Vec<u8>, String) {
    let models = root().join("plugin/models");
    let file = std::fs::read(models.join(name).with_extension("onnx")).unwrap();
    (file, std::fs::read_to_string(models.join(name).with_extension("md")).unwrap())
}

#[test]
fn cards_name_the_files_that_ship() {
    let mut bytes = 0;
    for name in SHIPPED {
        let (file, card) = file_and_card(name);
        let hash: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(card.contains(&hash), "the card of {name} does not name its file, {hash}");
        bytes += file.len();
    }
    assert!(bytes < 12_000_000, "the models are {bytes} bytes");
}

#[test]
fn tags_are_the_vocabularies_and_the_cards_list_the_weak_ones() {
    for (name, vocabulary) in SHIPPED.into_iter().zip([MAGNATAGATUNE, MILLION_SONG]) {
        let (file, card) = file_and_card(name);
        let metadata = Metadata::peek(&file);
        assert_eq!(metadata.tags, vocabulary, "{name}");
        assert!(!metadata.licence.is_empty() && !metadata.trained_on.is_empty(), "{name}");
        let weak = card.lines().find_map(|line| line.strip_prefix("Weak: ")).expect("a line of the weak tags");
        assert_eq!(weak.trim_end_matches('.'), metadata.weak_tags.join(", "), "{name}");
    }
}

/// `cargo trainer tag` writes these files; `tests/golden/README.md` has the command.
#[test]
fn the_clips_read_as_they_did() {
    for name in SHIPPED {
        let path = root().join("plugin/models").join(name).with_extension("onnx");
        let tagger = Tagger::new(Model::open(&path, Inference::FullWindows).unwrap(), Some(3.0)).unwrap();
        let golden = std::fs::read(root().join("tests/golden").join(name).with_extension("json")).unwrap();
        let golden: Vec<serde_json::Value> = serde_json::from_slice(&golden).unwrap();
        assert_eq!(golden.len(), CLIPS.len());
        let mut worst = 0.0_f64;
        for (clip, golden) in CLIPS.into_iter().zip(golden) {
            assert!(golden["file"].as_str().unwrap().ends_with(&format!("{clip}.ogg")));
            let tagged = tagger.judge(&clip_path(clip)).unwrap();
            let timeline = golden["timeline"].as_array().unwrap();
            assert_eq!(tagged.timeline.len(), timeline.len(), "{name}, {clip}");
            for (moment, golden) in tagged.timeline.iter().zip(timeline) {
                assert!((moment.start - golden["start"].as_f64().unwrap()).abs() < 1e-3, "{name}, {clip}");
                let said = golden["probabilities"].as_array().unwrap();
                assert_eq!(moment.probabilities.len(), said.len());
                for (probability, said) in moment.probabilities.iter().zip(said) {
                    worst = worst.max((f64::from(*probability) - said.as_f64().unwrap()).abs());
                }
            }
        }
        println!("{name}: at most {worst:.1e} apart");
        assert!(worst < ROUNDING, "{name}: {worst} apart from what it said of the clips");
    }
}
