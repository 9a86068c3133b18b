//! What goes in and out of a block: what the host sets of ours, and what it is told.

use super::Shell;
use super::block::Events;
use super::params::{FIRST_SLOT, FIRST_TAG, Own, WRITE};
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, CLAP_EVENT_PARAM_GESTURE_BEGIN, CLAP_EVENT_PARAM_GESTURE_END,
    CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_midi, clap_event_param_gesture, clap_event_param_value,
    clap_output_events,
};
use clap_sys::id::clap_id;
use std::ptr;
use tagvane_outputs::{Event, Timed};

/// A MIDI control change, with the channel in its lower half.
const CONTROL_CHANGE: u8 = 0xb0;

impl Shell {
    /// A block begins, in which the host sets what is in `events`. nice-plug ignores
    /// parameters it does not know, so that nothing needs to be taken out.
    pub(super) fn take_events(&self, events: &Events<'_>, has_transport: bool) {
        // Held by the main thread only while the plugin is activated or deactivated.
        let Ok(mut stage) = self.parts.stage.try_lock() else { return };
        stage.begin_block(has_transport);
        for event in events.values() {
            match Own::with_id(event.param_id) {
                Some(Own::Slot(slot)) => stage.set(event.header.time, slot, event.value as f32),
                Some(Own::Write) => stage.arm(event.value >= 0.5),
                // Outputs, which nobody sets, and nice-plug's own.
                Some(Own::Tag(_) | Own::Inference) | None => {}
            }
        }
    }

    /// Tells the host what waits. What its queue does not take is told with the next
    /// block.
    ///
    /// # Safety
    /// `events` is the host's queue, or null.
    pub(super) unsafe fn tell_events(&self, events: *const clap_output_events, frames: u32) {
        // SAFETY: null or the host's queue, valid while this call lasts.
        let Some(queue) = (unsafe { events.as_ref() }) else { return };
        let Some(push) = queue.try_push else { return };
        let Ok(mut stage) = self.parts.stage.try_lock() else { return };
        let last = frames.saturating_sub(1);
        stage.tell(|Timed { frame, event }| {
            let header = |size: usize, type_| clap_event_header {
                size: size as u32,
                time: frame.min(last),
                space_id: CLAP_CORE_EVENT_SPACE_ID,
                type_,
                flags: 0,
            };
            let value = |param_id: clap_id, value: f64| clap_event_param_value {
                header: header(size_of::<clap_event_param_value>(), CLAP_EVENT_PARAM_VALUE),
                param_id,
                cookie: ptr::null_mut(),
                note_id: -1,
                port_index: -1,
                channel: -1,
                key: -1,
                value,
            };
            let gesture = |slot: usize, type_| clap_event_param_gesture {
                header: header(size_of::<clap_event_param_gesture>(), type_),
                param_id: FIRST_SLOT + slot as u32,
            };
            // SAFETY: the queue is valid and copies an event before it returns.
            let push = |header: &clap_event_header| unsafe { push(queue, header) };
            match event {
                Event::Tag { index, value: at } => push(&value(FIRST_TAG + index as u32, f64::from(at)).header),
                Event::Slot { slot, value: at } => push(&value(FIRST_SLOT + slot as u32, f64::from(at)).header),
                Event::Write { armed } => push(&value(WRITE, f64::from(u8::from(armed))).header),
                Event::Begin { slot } => push(&gesture(slot, CLAP_EVENT_PARAM_GESTURE_BEGIN).header),
                Event::End { slot } => push(&gesture(slot, CLAP_EVENT_PARAM_GESTURE_END).header),
                // A VST3 has no port for it.
                Event::Controller { .. } if self.vst3 => true,
                Event::Controller { channel, controller, value } => {
                    let event = clap_event_midi {
                        header: header(size_of::<clap_event_midi>(), CLAP_EVENT_MIDI),
                        port_index: 0,
                        data: [CONTROL_CHANGE | channel, controller, value],
                    };
                    push(&event.header)
                }
            }
        });
    }
}
