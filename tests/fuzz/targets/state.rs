//! Any bytes as a project's state, given to the CLAP in `TAGVANE_BUNDLES` as a host gives them: what is
//! saved afterwards is within the limit and loads again as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::cell::RefCell;
use std::path::Path;
use tagvane_host::Session;
use tagvane_outputs::Wiring;

/// The longest state that may be saved, in bytes.
const LONGEST: usize = 64 << 10;

thread_local! {
    static SESSION: RefCell<Box<dyn Session>> = RefCell::new(open());
}

fn open() -> Box<dyn Session> {
    let bundles = std::env::var_os("TAGVANE_BUNDLES").expect("TAGVANE_BUNDLES says where Tagvane.clap is");
    tagvane_host::open(&Path::new(&bundles).join("Tagvane.clap")).expect("the bundle opens")
}

/// Whether it asks for OSC: nothing is to be sent anywhere.
fn sends(bytes: &[u8]) -> bool {
    let state = bytes.get(8..).and_then(|json| serde_json::from_slice::<Value>(json).ok());
    let outputs = state.as_ref().and_then(|state| state["fields"]["outputs"].as_str());
    outputs.and_then(|text| serde_json::from_str::<Wiring>(text).ok()).is_some_and(|wiring| wiring.osc.on)
}

fn begin() {
    let Some(seeds) = std::env::var_os("TAGVANE_SEEDS") else { return };
    let state = SESSION.with_borrow_mut(|session| session.save()).expect("a new instance saves");
    std::fs::write(Path::new(&seeds).join("new"), state).expect("the folder for seeds can be written to");
}

fuzz_target!(init: begin(), |bytes: &[u8]| {
    if sends(bytes) {
        return;
    }
    SESSION.with_borrow_mut(|session| {
        session.load(bytes);
        let saved = session.save().expect("it saves");
        assert!(saved.len() <= LONGEST, "{} bytes are saved", saved.len());
        assert!(session.load(&saved), "it does not load what it saved");
        assert_eq!(session.save().expect("it saves"), saved, "something is lost on the way");
    });
});
