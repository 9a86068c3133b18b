//! Calls that CLAP forbids, and that some hosts make. A violation may fail, but has no other effect:
//! after each one the plugin works.

use crate::events::{InputEvents, ReceivedEvents, header, parameter, transport};
use crate::host::{Block, Plugin};
use clap_sys::events::*;
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process};
use std::ffi::CStr;
use tagvane_host::testing::{FIRST_SLOT, WRITE};

/// Asserts that an inactive plugin processes a block and loads its own state.
fn assert_works(plugin: &Plugin) {
    assert!(plugin.activate(48_000.0, 512) && plugin.start());
    let mut block = Block::new(2, 512);
    assert_ne!(plugin.process(&mut block, &mut ReceivedEvents::default()), CLAP_PROCESS_ERROR);
    assert_eq!(block.output, block.input);
    plugin.stop();
    plugin.deactivate();
    assert!(plugin.load(&plugin.save()));
}

/// A plugin that is active and processing.
fn processing_plugin() -> Plugin {
    let plugin = Plugin::new();
    assert!(plugin.activate(48_000.0, 512) && plugin.start());
    plugin
}

#[test]
fn processing_while_inactive_is_an_error() {
    let plugin = Plugin::new();
    assert_eq!(plugin.process(&mut Block::new(2, 64), &mut ReceivedEvents::default()), CLAP_PROCESS_ERROR);
    plugin.start();
    assert_eq!(plugin.process(&mut Block::new(2, 64), &mut ReceivedEvents::default()), CLAP_PROCESS_ERROR);
    assert_works(&plugin);
    assert_eq!(plugin.process(&mut Block::new(2, 64), &mut ReceivedEvents::default()), CLAP_PROCESS_ERROR);
    assert_works(&plugin);
}

#[test]
fn lifecycle_calls_twice_or_out_of_order_are_harmless() {
    let plugin = Plugin::new();
    plugin.stop();
    plugin.deactivate();
    plugin.deactivate();
    plugin.reset();
    assert!(plugin.activate(44_100.0, 64));
    plugin.activate(96_000.0, 512);
    // Without start_processing.
    plugin.process(&mut Block::new(2, 512), &mut ReceivedEvents::default());
    plugin.start();
    plugin.start();
    plugin.process(&mut Block::new(2, 512), &mut ReceivedEvents::default());
    plugin.stop();
    plugin.stop();
    // Without stop_processing.
    plugin.start();
    plugin.deactivate();
    plugin.deactivate();
    assert_works(&plugin);
    // Destroyed while it is processing.
    drop(processing_plugin());
    drop(Plugin::create(c"Lifecycle"));
}

#[test]
fn invalid_sample_rates_and_block_sizes_are_harmless() {
    let plugin = Plugin::new();
    for rate in [0.0, -1.0, 1e-300, 1e300, f64::NAN, f64::INFINITY] {
        for frames in [0, 1, u32::MAX] {
            plugin.activate(rate, frames);
            plugin.start();
            let mut block = Block::new(2, 64);
            if plugin.process(&mut block, &mut ReceivedEvents::default()) != CLAP_PROCESS_ERROR {
                assert_eq!(block.output, block.input, "at {rate} Hz");
            }
            plugin.stop();
            plugin.deactivate();
        }
    }
    assert_works(&plugin);
}

#[test]
fn invalid_blocks_are_harmless() {
    let corruptions: [fn(&mut clap_process); 11] = [
        |block| block.in_events = std::ptr::null(),
        |block| block.out_events = std::ptr::null(),
        |block| block.audio_inputs = std::ptr::null(),
        |block| block.audio_outputs = std::ptr::null_mut(),
        |block| (block.audio_inputs_count, block.audio_outputs_count) = (0, 0),
        |block| (block.audio_inputs_count, block.audio_inputs) = (0, std::ptr::null()),
        |block| block.frames_count = 0,
        // SAFETY: these pointers point to the test's own structs.
        |block| unsafe { (*block.audio_outputs).data32 = std::ptr::null_mut() },
        |block| unsafe { *(*block.audio_outputs).data32 = std::ptr::null_mut() },
        |block| unsafe { *(*block.audio_inputs).data32 = std::ptr::null_mut() },
        |block| unsafe { (*block.audio_inputs.cast_mut()).channel_count = 0 },
    ];
    let plugin = processing_plugin();
    assert_eq!(plugin.process_null(), CLAP_PROCESS_ERROR);
    plugin.flush_null();
    for corrupt in corruptions {
        let mut block = Block::new(2, 64);
        block.corrupt = corrupt;
        plugin.process(&mut block, &mut ReceivedEvents::default());
    }
    // Other channel counts than the layout's, and more frames than the maximum at activation.
    for channels in [0, 1, 3, 9, 64] {
        plugin.process(&mut Block::new(channels, 64), &mut ReceivedEvents::default());
    }
    plugin.process(&mut Block::new(2, 40_000), &mut ReceivedEvents::default());
    assert_works(&plugin);
}

#[test]
fn invalid_events_are_ignored() {
    let plugin = processing_plugin();
    let mut block = Block::new(2, 64);
    let events = &mut block.events;
    for type_ in 0..16 {
        // Only a header, although its type has more fields.
        events.push(header(0, type_), size_of::<clap_event_header>());
    }
    events.0.push(None);
    // Out of order, and beyond the block.
    for time in [63, 5, 64, 1_000, u32::MAX] {
        events.set(time, FIRST_SLOT, 0.5);
        events.push(transport(time, true), size_of::<clap_event_transport>());
    }
    for id in [0, 1, FIRST_SLOT - 1, FIRST_SLOT + 8, u32::MAX] {
        events.set(0, id, 0.5);
    }
    let mut foreign_event = parameter(0, WRITE, 1.0);
    foreign_event.header.space_id = 9;
    events.push(foreign_event, size_of::<clap_event_param_value>());
    assert_ne!(plugin.process(&mut block, &mut ReceivedEvents::default()), CLAP_PROCESS_ERROR);
    assert_eq!(block.output, block.input);
    assert_eq!(plugin.value(WRITE), Some(0.0), "an event of another event space armed Write");
    plugin.flush(&block.events, &mut ReceivedEvents::default());
    assert_works(&plugin);
}

/// One event of a slot after the block's end once blocked all later ones of all slots.
#[test]
fn an_event_after_the_blocks_end_is_applied_and_blocks_no_later_ones() {
    let plugin = processing_plugin();
    for (time, id, value) in [(1_000, FIRST_SLOT, 0.5), (u32::MAX, FIRST_SLOT + 1, 0.75), (0, FIRST_SLOT + 2, 0.25)] {
        let mut block = Block::new(2, 64);
        block.events.set(time, id, value);
        plugin.process(&mut block, &mut ReceivedEvents::default());
        assert_eq!(plugin.value(id), Some(value), "set at frame {time}");
    }
    assert_works(&plugin);
}

#[test]
fn non_finite_values_stay_out_of_the_state() {
    let plugin = processing_plugin();
    let ids: Vec<u32> =
        (0..plugin.count()).map(|index| plugin.info(index).expect("the parameter has an info").id).collect();
    let before = plugin.save();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut block = Block::new(2, 512);
        for id in &ids {
            block.events.set(0, *id, value);
            plugin.text(*id, value, 64);
        }
        assert_ne!(plugin.process(&mut block, &mut ReceivedEvents::default()), CLAP_PROCESS_ERROR);
    }
    assert_eq!(plugin.save(), before, "a non-finite value changed the state");
    for value in [1e30, -1e30, f64::MAX, 1e-310] {
        let mut block = Block::new(2, 512);
        ids.iter().for_each(|id| block.events.set(0, *id, value));
        plugin.process(&mut block, &mut ReceivedEvents::default());
        for id in &ids {
            assert!(plugin.value(*id).is_some_and(f64::is_finite), "{id:x} after {value}");
        }
    }
    assert!(plugin.load(&before));
    assert_works(&plugin);
}

#[test]
fn non_finite_audio_passes_and_leaves_tags_finite() {
    let plugin = processing_plugin();
    for level in [f32::NAN, f32::INFINITY, 1e30, 1e-40, 0.0] {
        for _ in 0..300 {
            let mut block = Block::new(2, 512);
            block.input = vec![vec![level; 512]; 2];
            plugin.process(&mut block, &mut ReceivedEvents::default());
            let is_same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            assert!(block.output.iter().flatten().zip(block.input.iter().flatten()).all(is_same));
        }
        for index in 0..plugin.count() {
            let id = plugin.info(index).expect("the parameter has an info").id;
            assert!(plugin.value(id).is_some_and(f64::is_finite), "{level}");
        }
    }
    assert_works(&plugin);
}

#[test]
fn queries_with_unknown_indices_ids_and_texts_are_refused() {
    let plugin = Plugin::new();
    let count = plugin.count();
    for index in [count, count + 1, u32::MAX] {
        assert!(plugin.info(index).is_none());
    }
    for id in [0, FIRST_SLOT + 8, u32::MAX] {
        assert!(plugin.value(id).is_none());
        assert!(plugin.text(id, 0.5, 64).is_none());
        assert!(plugin.parse(id, c"50 %").is_none());
    }
    for index in 0..count {
        let id = plugin.info(index).expect("the parameter has an info").id;
        assert!(plugin.text(id, 0.5, 0).is_none());
        for text in [c"", c"%", c"\xff\xfe", c"999999999999999999999", c"-1e400", c"nan"] {
            assert!(plugin.parse(id, text).is_none_or(f64::is_finite), "{id:x} {text:?}");
        }
    }
    for id in [c"", c"clap.nothing", c"\xff"] as [&CStr; 3] {
        assert!(plugin.extension::<u8>(id).is_null());
    }
    for state in [&[][..], &[0; 7], &[0; 8], &[0xff; 4_000], b"\x02\0\0\0\0\0\0\0{}", b"\x05\0\0\0\0\0\0\0null!"] {
        plugin.load(state);
    }
    assert_works(&plugin);
}

#[test]
fn flushing_while_processing_is_harmless() {
    let plugin = processing_plugin();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2_000 {
                plugin.process(&mut Block::new(2, 64), &mut ReceivedEvents::default());
            }
        });
        scope.spawn(|| {
            let mut events = InputEvents::default();
            events.set(0, FIRST_SLOT, 0.5);
            for _ in 0..2_000 {
                plugin.flush(&events, &mut ReceivedEvents::default());
            }
        });
    });
    assert_works(&plugin);
}
