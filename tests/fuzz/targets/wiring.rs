//! Any text as a project's wiring: what can be read is taken over, told to the host in names, and
//! written and read again without a loss.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tagvane_outputs::{Block, Outputs, Settings, Stage, Wiring};

fuzz_target!(|text: &[u8]| {
    let Ok(wiring) = serde_json::from_slice::<Wiring>(text) else { return };
    // Nothing is to be sent anywhere.
    if wiring.osc.on {
        return;
    }
    let outputs = Arc::new(Outputs::new());
    outputs.wire(wiring.clone());
    let mut stage = Stage::new(Arc::clone(&outputs)).expect("new outputs have no stage yet");
    stage.run(48_000.0);
    stage.begin_block(true);
    let block = Block { frames: 512, start: (1, 512), playing: true, bypassed: false, offline: false };
    stage.pass(&block, &Settings::default());
    stage.tell(|_| true);
    let again: Wiring = serde_json::from_str(&serde_json::to_string(&outputs.wiring()).expect("JSON")).expect("ours");
    assert_eq!(again, wiring);
});
