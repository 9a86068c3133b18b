//! The shipped models match their cards, and give the clips the same tags as when they were released.

use sha2::{Digest as _, Sha256};
use tagvane_engine::{InferenceMode, Metadata, Model};
use tagvane_tests::{CLIPS, SHIPPED, clip_path, root};
use tagvane_trainer::data::vocabularies;
use tagvane_trainer::tagging::Tagger;

/// The tolerance for different rounding on other processors.
const ROUNDING: f64 = 1e-4;

/// Reads a shipped model's file and its card.
fn file_and_card(name: &str) -> (Vec<u8>, String) {
    let models = root().join("plugin/models");
    let file = std::fs::read(models.join(name).with_extension("onnx")).unwrap();
    (file, std::fs::read_to_string(models.join(name).with_extension("md")).unwrap())
}

#[test]
fn cards_name_the_hashes_of_the_shipped_files() {
    let mut bytes = 0;
    for name in SHIPPED {
        let (file, card) = file_and_card(name);
        let hash = format!("{:x}", Sha256::digest(&file));
        assert!(card.contains(&hash), "the card of {name} does not name the SHA-256 {hash}");
        bytes += file.len();
    }
    assert!(bytes < 16_000_000, "the models have {bytes} bytes together");
}

#[test]
fn models_have_the_tags_of_their_vocabularies_and_cards_list_the_weak_ones() {
    let [magnatagatune, million_song, jamendo, audioset] = vocabularies::known().map(|(_, tags)| tags);
    let all = vocabularies::join(&[&magnatagatune, &million_song, &jamendo, &audioset]);
    for (name, tags) in SHIPPED.into_iter().zip([all.clone(), all, magnatagatune, million_song]) {
        let (file, card) = file_and_card(name);
        let metadata = Metadata::peek(&file);
        assert_eq!(metadata.tags, tags, "{name}");
        assert_eq!(metadata.vocabularies, vocabularies::parts(&tags), "{name}");
        assert!(!metadata.licence.is_empty() && !metadata.trained_on.is_empty(), "{name}");
        let weak = card.lines().find_map(|line| line.strip_prefix("Weak: ")).expect("the card has a line \"Weak: \"");
        assert_eq!(weak.trim_end_matches('.'), metadata.weak_tags.join(", "), "{name}");
    }
}

/// `cargo trainer tag` writes the golden files; `tests/golden/README.md` has the command.
#[test]
fn the_clips_have_the_tags_of_the_golden_files() {
    for name in SHIPPED {
        let path = root().join("plugin/models").join(name).with_extension("onnx");
        let tagger = Tagger::new(Model::open(&path, InferenceMode::FullWindows).unwrap(), Some(3.0)).unwrap();
        let golden = std::fs::read(root().join("tests/golden").join(name).with_extension("json")).unwrap();
        let golden: Vec<serde_json::Value> = serde_json::from_slice(&golden).unwrap();
        assert_eq!(golden.len(), CLIPS.len());
        let mut max_difference = 0.0_f64;
        for (clip, golden) in CLIPS.into_iter().zip(golden) {
            assert!(golden["file"].as_str().unwrap().ends_with(&format!("{clip}.ogg")));
            let tagged = tagger.tag(&clip_path(clip), |_, _| {}).unwrap();
            let timeline = golden["timeline"].as_array().unwrap();
            assert_eq!(tagged.timeline.len(), timeline.len(), "{name}, {clip}");
            for (prediction, golden) in tagged.timeline.iter().zip(timeline) {
                assert!((prediction.start - golden["start"].as_f64().unwrap()).abs() < 1e-3, "{name}, {clip}");
                let expected = golden["probabilities"].as_array().unwrap();
                assert_eq!(prediction.probabilities.len(), expected.len());
                for (probability, expected) in prediction.probabilities.iter().zip(expected) {
                    max_difference = max_difference.max((f64::from(*probability) - expected.as_f64().unwrap()).abs());
                }
            }
        }
        println!("{name}: differences up to {max_difference:.1e}");
        assert!(max_difference < ROUNDING, "{name}: the probabilities differ by {max_difference} from the golden file");
    }
}
