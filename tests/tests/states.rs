//! States of later versions, damaged states and hostile states.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use tagvane_host::Session;
use tagvane_host::testing::edit_state;
use tagvane_tests::{FORMATS, bounce_setup, open, send_noise, state_with_field};

/// The maximum size of a saved state.
const MAX_BYTES: usize = 128 << 10;

/// Asserts that the plugin saves a state, loads it and makes predictions.
fn assert_works(session: &mut dyn Session, what: &str) {
    let saved = session.save().unwrap_or_else(|| panic!("{what}: the plugin saves no state"));
    assert!(saved.len() <= MAX_BYTES, "{what}: the saved state has {} bytes", saved.len());
    assert!(session.load(&saved), "{what}: the plugin does not load its own state");
    session.start(bounce_setup(48_000.0, 512)).unwrap();
    let changes = send_noise(session, 0.3, 512, 400).unwrap();
    assert!(!changes.is_empty(), "{what}: the plugin makes no predictions");
    session.stop();
}

#[test]
fn known_fields_of_a_later_versions_state_are_loaded() {
    for format in FORMATS {
        let mut session = open(format);
        let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
        let later = edit_state(&session.save().unwrap(), |json| {
            json["version"] = json!("99.0.0");
            json["params"]["bypass"] = json!({ "bool": true });
            json["params"]["of_the_future"] = json!({ "f32": 0.5 });
            json["fields"]["of_the_future"] = json!("{\"a\": [1, 2, 3]}");
        });
        assert!(session.load(&later), "{format}");
        assert_eq!(session.value(bypass), Some(1.0), "{format}");
        session.set(bypass, 0.0);
        let _ = session.flush();
        assert_works(session.as_mut(), format);
    }
}

#[test]
fn damaged_states_leave_a_working_plugin() {
    let seed = 8_001;
    println!("seed {seed}");
    for format in FORMATS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut session = open(format);
        let original = session.save().unwrap();
        for cut in (0..original.len()).step_by(original.len() / 60) {
            session.load(&original[..cut]);
        }
        for _ in 0..400 {
            let mut state = original.clone();
            for _ in 0..random.random_range(1..6) {
                let position = random.random_range(0..state.len());
                state[position] ^= 1 << random.random_range(0..8);
            }
            session.load(&state);
        }
        assert!(session.load(&original), "{format}");
        assert_eq!(session.save().unwrap(), original, "{format}: a damaged state left something behind");
        assert_works(session.as_mut(), format);
    }
}

#[test]
fn the_fuzzers_corpus_leaves_a_working_plugin() {
    for format in FORMATS {
        let mut session = open(format);
        let original = session.save().unwrap();
        let mut count = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/state")).unwrap() {
            session.load(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 50, "the corpus has only {count} files");
        assert!(session.load(&original), "{format}");
        assert_eq!(session.save().unwrap(), original, "{format}: a state of the corpus left something behind");
        assert_works(session.as_mut(), format);
    }
}

#[test]
fn hostile_states_leave_a_working_plugin() {
    for format in FORMATS {
        let mut session = open(format);
        let original = session.save().unwrap();
        for (what, state) in [
            ("300 MB of zeros", vec![0; 300 << 20]),
            (
                "300 MB of brackets with their true length",
                [&(300_u64 << 20).to_le_bytes()[..], &vec![b'['; 300 << 20]].concat(),
            ),
            ("the maximum length", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
            ("a field that is no string", edit_state(&original, |json| json["fields"] = json!({ "view": 3 }))),
            ("an enormous number", edit_state(&original, |json| json["params"]["tag_attack"] = json!({ "f32": 1e38 }))),
        ] {
            session.load(&state);
            assert_works(session.as_mut(), &format!("{format}, {what}"));
        }
        for (field, value) in [
            ("slots", json!([1e300, -1e300, 0.5, 2, 0, 0, 0, 0])),
            ("view", json!({ "seconds": -1e300, "pinned": vec!["x"; 5_000], "threshold": 1e300 })),
            (
                "outputs",
                json!({ "sources": vec![json!({ "tags": vec!["rock"; 200] }); 8], "published": vec!["a"; 3_000] }),
            ),
            ("outputs", json!({ "osc": { "on": true, "address": "x".repeat(30_000), "instance": "/#*?\u{0}" } })),
            ("model", json!({ "file": "/dev/zero", "sha256": "x".repeat(20_000) })),
            ("model", json!({ "shipped": "x".repeat(20_000) })),
        ] {
            session.load(&state_with_field(&original, field, &value));
            assert_works(session.as_mut(), &format!("{format}, {field}"));
        }
        assert!(session.load(&original), "{format}");
        assert_eq!(session.save().unwrap(), original, "{format}: a hostile state left something behind");
    }
}
