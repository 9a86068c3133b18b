//! Any text as the routing of a project: a valid routing is taken over and can be processed, and saving
//! it loses nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tagvane_outputs::{Block, OutputProcessor, Outputs, Routing, Settings};

fuzz_target!(|text: &[u8]| {
    let Ok(routing) = serde_json::from_slice::<Routing>(text) else { return };
    // The fuzzer must not send datagrams.
    if routing.osc.on {
        return;
    }
    let outputs = Arc::new(Outputs::new());
    outputs.set_routing(routing.clone());
    let mut processor = OutputProcessor::new(Arc::clone(&outputs)).expect("new outputs have no processor");
    processor.activate(48_000.0);
    processor.begin_block(true);
    let block = Block { frames: 512, position: (1, 512), playing: true, bypassed: false, offline: false };
    processor.process(&block, &Settings::default());
    processor.drain_events(|_| true);
    let saved = serde_json::to_string(&outputs.routing()).expect("a routing can be serialised");
    let loaded: Routing = serde_json::from_str(&saved).expect("a saved routing can be read");
    assert_eq!(loaded, routing);
});
