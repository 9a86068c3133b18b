//! What a host must not do, and some have done: it costs what was asked for, and nothing
//! else. After each of these the plugin still works.

use crate::host::{Block, Heard, Plugin, Sent, header, parameter, transport};
use crate::{FIRST_SLOT, WRITE};
use clap_sys::events::*;
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process};
use std::ffi::CStr;

/// It plays a block as it should.
fn still_works(plugin: &Plugin) {
    assert!(plugin.activate(48_000.0, 512) && plugin.start());
    let mut block = Block::new(2, 512);
    assert_ne!(plugin.process(&mut block, &mut Heard::default()), CLAP_PROCESS_ERROR);
    assert_eq!(block.output, block.input);
    plugin.stop();
    plugin.deactivate();
    assert!(plugin.load(&plugin.save()));
}

/// It is active, and processes.
fn running() -> Plugin {
    let plugin = Plugin::new();
    assert!(plugin.activate(48_000.0, 512) && plugin.start());
    plugin
}

#[test]
fn processing_while_it_is_not_active_is_an_error() {
    let plugin = Plugin::new();
    assert_eq!(plugin.process(&mut Block::new(2, 64), &mut Heard::default()), CLAP_PROCESS_ERROR);
    plugin.start();
    assert_eq!(plugin.process(&mut Block::new(2, 64), &mut Heard::default()), CLAP_PROCESS_ERROR);
    still_works(&plugin);
    assert_eq!(plugin.process(&mut Block::new(2, 64), &mut Heard::default()), CLAP_PROCESS_ERROR);
    still_works(&plugin);
}

#[test]
fn everything_twice_and_in_the_wrong_order() {
    let plugin = Plugin::new();
    plugin.stop();
    plugin.deactivate();
    plugin.deactivate();
    plugin.reset();
    assert!(plugin.activate(44_100.0, 64));
    plugin.activate(96_000.0, 512);
    // Without a start.
    plugin.process(&mut Block::new(2, 512), &mut Heard::default());
    plugin.start();
    plugin.start();
    plugin.process(&mut Block::new(2, 512), &mut Heard::default());
    plugin.stop();
    plugin.stop();
    // Without a stop.
    plugin.start();
    plugin.deactivate();
    plugin.deactivate();
    still_works(&plugin);
    // Destroyed while it runs.
    drop(running());
    drop(Plugin::create(c"Lifecycle"));
}

#[test]
fn settings_that_are_none() {
    let plugin = Plugin::new();
    for rate in [0.0, -1.0, 1e-300, 1e300, f64::NAN, f64::INFINITY] {
        for frames in [0, 1, u32::MAX] {
            plugin.activate(rate, frames);
            plugin.start();
            let mut block = Block::new(2, 64);
            if plugin.process(&mut block, &mut Heard::default()) != CLAP_PROCESS_ERROR {
                assert_eq!(block.output, block.input, "{rate}");
            }
            plugin.stop();
            plugin.deactivate();
        }
    }
    still_works(&plugin);
}

#[test]
fn blocks_that_are_none() {
    let spoilt: [fn(&mut clap_process); 11] = [
        |block| block.in_events = std::ptr::null(),
        |block| block.out_events = std::ptr::null(),
        |block| block.audio_inputs = std::ptr::null(),
        |block| block.audio_outputs = std::ptr::null_mut(),
        |block| (block.audio_inputs_count, block.audio_outputs_count) = (0, 0),
        |block| (block.audio_inputs_count, block.audio_inputs) = (0, std::ptr::null()),
        |block| block.frames_count = 0,
        // SAFETY: these three point to the test's own structs.
        |block| unsafe { (*block.audio_outputs).data32 = std::ptr::null_mut() },
        |block| unsafe { *(*block.audio_outputs).data32 = std::ptr::null_mut() },
        |block| unsafe { *(*block.audio_inputs).data32 = std::ptr::null_mut() },
        |block| unsafe { (*block.audio_inputs.cast_mut()).channel_count = 0 },
    ];
    let plugin = running();
    assert_eq!(plugin.process_nothing(), CLAP_PROCESS_ERROR);
    plugin.flush_nothing();
    for spoil in spoilt {
        let mut block = Block::new(2, 64);
        block.spoil = spoil;
        plugin.process(&mut block, &mut Heard::default());
    }
    // Other channels than the layout has, and more frames than were announced.
    for channels in [0, 1, 3, 9, 64] {
        plugin.process(&mut Block::new(channels, 64), &mut Heard::default());
    }
    plugin.process(&mut Block::new(2, 40_000), &mut Heard::default());
    still_works(&plugin);
}

#[test]
fn events_that_are_none() {
    let plugin = running();
    let mut block = Block::new(2, 64);
    let sent = &mut block.sent;
    for type_ in 0..16 {
        // A header alone, which says to be more.
        sent.push(header(0, type_), size_of::<clap_event_header>());
    }
    sent.0.push(None);
    // Out of order, and after the block's end.
    for time in [63, 5, 64, 1_000, u32::MAX] {
        sent.set(time, FIRST_SLOT, 0.5);
        sent.push(transport(time, true), size_of::<clap_event_transport>());
    }
    for id in [0, 1, FIRST_SLOT - 1, FIRST_SLOT + 8, u32::MAX] {
        sent.set(0, id, 0.5);
    }
    let mut of_another_space = parameter(0, WRITE, 1.0);
    of_another_space.header.space_id = 9;
    sent.push(of_another_space, size_of::<clap_event_param_value>());
    assert_ne!(plugin.process(&mut block, &mut Heard::default()), CLAP_PROCESS_ERROR);
    assert_eq!(block.output, block.input);
    assert_eq!(plugin.value(WRITE), Some(0.0), "an event of another space armed it");
    plugin.flush(&block.sent, &mut Heard::default());
    still_works(&plugin);
}

#[test]
fn numbers_that_are_none_stay_out_of_the_state() {
    let plugin = running();
    let ids: Vec<u32> = (0..plugin.count()).map(|index| plugin.info(index).expect("an info").id).collect();
    let before = plugin.save();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut block = Block::new(2, 512);
        for id in &ids {
            block.sent.set(0, *id, value);
            plugin.text(*id, value, 64);
        }
        assert_ne!(plugin.process(&mut block, &mut Heard::default()), CLAP_PROCESS_ERROR);
    }
    assert_eq!(plugin.save(), before, "a number that is none changed the state");
    for value in [1e30, -1e30, f64::MAX, 1e-310] {
        let mut block = Block::new(2, 512);
        ids.iter().for_each(|id| block.sent.set(0, *id, value));
        plugin.process(&mut block, &mut Heard::default());
        for id in &ids {
            assert!(plugin.value(*id).is_some_and(f64::is_finite), "{id:x} after {value}");
        }
    }
    assert!(plugin.load(&before));
    still_works(&plugin);
}

#[test]
fn audio_that_is_none_passes_and_leaves_tags_finite() {
    let plugin = running();
    for level in [f32::NAN, f32::INFINITY, 1e30, 1e-40, 0.0] {
        for _ in 0..300 {
            let mut block = Block::new(2, 512);
            block.input = vec![vec![level; 512]; 2];
            plugin.process(&mut block, &mut Heard::default());
            let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
            assert!(block.output.iter().flatten().zip(block.input.iter().flatten()).all(same));
        }
        for index in 0..plugin.count() {
            let id = plugin.info(index).expect("an info").id;
            assert!(plugin.value(id).is_some_and(f64::is_finite), "{level}");
        }
    }
    still_works(&plugin);
}

#[test]
fn questions_that_are_none() {
    let plugin = Plugin::new();
    let count = plugin.count();
    for index in [count, count + 1, u32::MAX] {
        assert!(plugin.info(index).is_none());
    }
    for id in [0, FIRST_SLOT + 8, u32::MAX] {
        assert!(plugin.value(id).is_none());
        assert!(plugin.text(id, 0.5, 64).is_none());
        assert!(plugin.parsed(id, c"50 %").is_none());
    }
    for index in 0..count {
        let id = plugin.info(index).expect("an info").id;
        assert!(plugin.text(id, 0.5, 0).is_none());
        for text in [c"", c"%", c"\xff\xfe", c"999999999999999999999", c"-1e400", c"nan"] {
            assert!(plugin.parsed(id, text).is_none_or(f64::is_finite), "{id:x} {text:?}");
        }
    }
    for id in [c"", c"clap.nothing", c"\xff"] as [&CStr; 3] {
        assert!(plugin.extension::<u8>(id).is_null());
    }
    for state in [&[][..], &[0; 7], &[0; 8], &[0xff; 4_000], b"\x02\0\0\0\0\0\0\0{}", b"\x05\0\0\0\0\0\0\0null!"] {
        plugin.load(state);
    }
    still_works(&plugin);
}

#[test]
fn flushing_while_it_processes_is_harmless() {
    let plugin = running();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2_000 {
                plugin.process(&mut Block::new(2, 64), &mut Heard::default());
            }
        });
        scope.spawn(|| {
            let mut sent = Sent::default();
            sent.set(0, FIRST_SLOT, 0.5);
            for _ in 0..2_000 {
                plugin.flush(&sent, &mut Heard::default());
            }
        });
    });
    still_works(&plugin);
}
