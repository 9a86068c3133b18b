//! Any text as the configuration of the outputs in a project: a valid one is taken over and can be processed,
//! and saving it loses nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use tagvane_engine::StreamPosition;
use tagvane_outputs::{Block, OutputConfig, OutputParams, OutputProcessor, Outputs};

fuzz_target!(|text: &[u8]| {
    let Ok(config) = serde_json::from_slice::<OutputConfig>(text) else { return };
    // The fuzzer must not send datagrams.
    if config.osc.on {
        return;
    }
    let outputs = Arc::new(Outputs::new());
    outputs.set_config(config.clone());
    let mut processor = OutputProcessor::new(Arc::clone(&outputs)).expect("new outputs have no processor");
    processor.activate(48_000.0);
    processor.begin_block(true);
    let block = Block { frames: 512, end: StreamPosition { segment: 1, frames: 512 }, is_playing: true, is_bypassed: false, is_offline: false };
    processor.process(&block, &OutputParams::default());
    processor.drain_events(|_| true);
    let saved = serde_json::to_string(&outputs.config()).expect("a configuration can be serialised");
    let loaded: OutputConfig = serde_json::from_str(&saved).expect("a saved configuration can be read");
    assert_eq!(loaded, config);
});
