//! Any bytes as the state of a project, loaded by the CLAP in `TAGVANE_BUNDLES`: the state saved
//! afterwards is within the size limit, and loading it changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::cell::RefCell;
use std::path::Path;
use tagvane_host::Session;
use tagvane_outputs::OutputConfig;

/// The most bytes of a saved state.
const MAX_STATE: usize = 128 << 10;

thread_local! {
    static SESSION: RefCell<Box<dyn Session>> = RefCell::new(open());
}

fn open() -> Box<dyn Session> {
    let bundles = std::env::var_os("TAGVANE_BUNDLES").expect("TAGVANE_BUNDLES is the folder of Tagvane.clap");
    tagvane_host::open(&Path::new(&bundles).join("Tagvane.clap")).expect("the bundle can be opened")
}

/// Whether a state switches OSC on: the fuzzer must not send datagrams.
fn sends_osc(bytes: &[u8]) -> bool {
    let state = bytes.get(8..).and_then(|json| serde_json::from_slice::<Value>(json).ok());
    let outputs = state.as_ref().and_then(|state| state["fields"]["outputs"].as_str());
    outputs.and_then(|text| serde_json::from_str::<OutputConfig>(text).ok()).is_some_and(|config| config.osc.on)
}

/// Writes the state of a new instance to the folder in `TAGVANE_SEEDS`.
fn write_seed() {
    let Some(seeds) = std::env::var_os("TAGVANE_SEEDS") else { return };
    let state = SESSION.with_borrow_mut(|session| session.save()).expect("a new instance can be saved");
    std::fs::write(Path::new(&seeds).join("new"), state).expect("the folder in TAGVANE_SEEDS is writable");
}

fuzz_target!(init: write_seed(), |bytes: &[u8]| {
    if sends_osc(bytes) {
        return;
    }
    SESSION.with_borrow_mut(|session| {
        session.load(bytes);
        let saved = session.save().expect("an instance can be saved after any state");
        assert!(saved.len() <= MAX_STATE, "the saved state has {} bytes", saved.len());
        assert!(session.load(&saved), "the saved state cannot be loaded");
        assert_eq!(session.save().expect("an instance can be saved"), saved, "loading a saved state changes it");
    });
});
