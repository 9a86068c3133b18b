//! Projects that were saved elsewhere, are damaged, or mean harm.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tagvane_host::Session;
use tagvane_tests::{FORMATS, bounce, changed_state, open, send};

/// The longest state that may be saved.
const LONGEST: usize = 64 << 10;

/// It saves, loads that again, and hears.
fn works(session: &mut dyn Session, what: &str) {
    let saved = session.save().unwrap_or_else(|| panic!("{what}: it saves nothing"));
    assert!(saved.len() <= LONGEST, "{what}: it saves {} bytes", saved.len());
    assert!(session.load(&saved), "{what}: it does not load what it saved");
    session.start(bounce(48_000.0, 512)).unwrap();
    let heard = send(session, 0.3, 512, 400).unwrap();
    assert!(!heard.is_empty(), "{what}: it hears nothing");
    session.stop();
}

/// A state with its JSON changed.
fn edited(state: &[u8], edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(&state[8..]).unwrap();
    edit(&mut json);
    let text = json.to_string().into_bytes();
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}

#[test]
fn a_project_of_a_later_version_is_loaded_as_far_as_it_is_known() {
    for format in FORMATS {
        let mut session = open(format);
        let bypass = session.parameters().iter().find(|parameter| parameter.name == "Bypass").unwrap().id;
        let later = edited(&session.save().unwrap(), |json| {
            json["version"] = json!("99.0.0");
            json["params"]["bypass"] = json!({ "bool": true });
            json["params"]["of_the_future"] = json!({ "f32": 0.5 });
            json["fields"]["of_the_future"] = json!("{\"a\": [1, 2, 3]}");
        });
        assert!(session.load(&later), "{format}");
        assert_eq!(session.value(bypass), Some(1.0), "{format}");
        session.set(bypass, 0.0);
        let _ = session.flush();
        works(session.as_mut(), format);
    }
}

#[test]
fn damaged_projects_leave_a_working_plugin() {
    let seed = 8_001;
    println!("seed {seed}");
    for format in FORMATS {
        let mut random = StdRng::seed_from_u64(seed);
        let mut session = open(format);
        let whole = session.save().unwrap();
        for cut in (0..whole.len()).step_by(whole.len() / 60) {
            session.load(&whole[..cut]);
        }
        for _ in 0..400 {
            let mut state = whole.clone();
            for _ in 0..random.random_range(1..6) {
                let place = random.random_range(0..state.len());
                state[place] ^= 1 << random.random_range(0..8);
            }
            session.load(&state);
        }
        assert!(session.load(&whole), "{format}");
        assert_eq!(session.save().unwrap(), whole, "{format}: something stayed of the damaged ones");
        works(session.as_mut(), format);
    }
}

/// What the fuzzer kept.
#[test]
fn what_fuzzing_kept_leaves_a_working_plugin() {
    for format in FORMATS {
        let mut session = open(format);
        let whole = session.save().unwrap();
        let mut count = 0;
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/state")).unwrap() {
            session.load(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 50, "{count} files are kept");
        assert!(session.load(&whole), "{format}");
        assert_eq!(session.save().unwrap(), whole, "{format}: something stayed of them");
        works(session.as_mut(), format);
    }
}

#[test]
fn hostile_projects_leave_a_working_plugin() {
    for format in FORMATS {
        let mut session = open(format);
        let whole = session.save().unwrap();
        for (what, state) in [
            ("300 MB of zeros", vec![0; 300 << 20]),
            ("300 MB of a length that is true", [&(300_u64 << 20).to_le_bytes()[..], &vec![b'['; 300 << 20]].concat()),
            ("a length beyond all", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
            ("no field that is a text", edited(&whole, |json| json["fields"] = json!({ "view": 3 }))),
            ("numbers beyond all", edited(&whole, |json| json["params"]["tag_attack"] = json!({ "f32": 1e38 }))),
        ] {
            session.load(&state);
            works(session.as_mut(), &format!("{format}, {what}"));
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
            session.load(&changed_state(&whole, field, &value));
            works(session.as_mut(), &format!("{format}, {field}"));
        }
        assert!(session.load(&whole), "{format}");
        assert_eq!(session.save().unwrap(), whole, "{format}: something stayed of the hostile ones");
    }
}
