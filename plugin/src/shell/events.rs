//! Exchanges events with the host: its changes of the shell's parameters, and the events of the outputs.
//!
//! MIDI goes out only: a note or a controller that a host routes back to Tagvane stops at [`HostEvents`].

use super::host_events::HostEvents;
use super::object::Shell;
use super::shell_params::{FIRST_SLOT_ID, FIRST_TAG_ID, ShellParam, WRITE_ID};
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_MIDI, CLAP_EVENT_NOTE_OFF, CLAP_EVENT_NOTE_ON, CLAP_EVENT_PARAM_GESTURE_BEGIN,
    CLAP_EVENT_PARAM_GESTURE_END, CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_midi, clap_event_note,
    clap_event_param_gesture, clap_event_param_value, clap_output_events,
};
use clap_sys::id::clap_id;
use std::ptr;
use tagvane_outputs::{Event, TimedEvent};

/// The status byte of a MIDI control change; its lower half is the channel.
const CONTROL_CHANGE: u8 = 0xb0;

impl Shell {
    /// Begins a block and applies the values that the host sets. The events stay in the queue for
    /// nice-plug, which ignores parameters that it does not know.
    pub(super) fn apply_host_events(&self, events: &HostEvents<'_>, has_transport: bool) {
        // The main thread holds the lock only while the plugin is activated or deactivated.
        let Ok(mut processor) = self.instance.processor.try_lock() else { return };
        processor.begin_block(has_transport);
        for event in events.values() {
            match ShellParam::from_id(event.param_id) {
                Some(ShellParam::Slot(slot)) => {
                    processor.set_slot_value(events.frame_of(&event.header), slot, event.value as f32);
                }
                Some(ShellParam::Write) => processor.set_armed(event.value >= 0.5),
                // Read-only parameters, and those of nice-plug.
                Some(ShellParam::Tag(_) | ShellParam::Inference) | None => {}
            }
        }
    }

    /// Pushes the waiting events of the outputs to the host. Events for which its queue has no space wait
    /// for the next block.
    ///
    /// # Safety
    /// `events` is null or the host's queue.
    pub(super) unsafe fn push_events(&self, events: *const clap_output_events, frames: u32) {
        // SAFETY: the pointer is null or valid for the length of this call, by the caller.
        let Some(queue) = (unsafe { events.as_ref() }) else { return };
        let Some(push) = queue.try_push else { return };
        let Ok(mut processor) = self.instance.processor.try_lock() else { return };
        let last = frames.saturating_sub(1);
        processor.drain_events(|TimedEvent { frame, event }| {
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
                param_id: FIRST_SLOT_ID + slot as u32,
            };
            let note = |type_, channel: u8, key: u8, velocity: u8| clap_event_note {
                header: header(size_of::<clap_event_note>(), type_),
                note_id: -1,
                port_index: 0,
                channel: channel.into(),
                key: key.into(),
                velocity: f64::from(velocity) / 127.0,
            };
            // SAFETY: the queue is valid, and it copies the event before it returns.
            let push = |header: &clap_event_header| unsafe { push(queue, header) };
            match event {
                Event::Tag { index, value: tag } => push(&value(FIRST_TAG_ID + index as u32, f64::from(tag)).header),
                Event::Slot { slot, value: level } => {
                    push(&value(FIRST_SLOT_ID + slot as u32, f64::from(level)).header)
                }
                Event::Write { armed } => push(&value(WRITE_ID, f64::from(u8::from(armed))).header),
                Event::BeginGesture { slot } => push(&gesture(slot, CLAP_EVENT_PARAM_GESTURE_BEGIN).header),
                Event::EndGesture { slot } => push(&gesture(slot, CLAP_EVENT_PARAM_GESTURE_END).header),
                // clap-wrapper drops control changes.
                Event::ControlChange { channel, controller, value } if self.is_vst3 => {
                    self.vst3_block.output_events.push_control_change(frame.min(last), channel, controller, value);
                    true
                }
                Event::ControlChange { channel, controller, value } => {
                    let event = clap_event_midi {
                        header: header(size_of::<clap_event_midi>(), CLAP_EVENT_MIDI),
                        port_index: 0,
                        data: [CONTROL_CHANGE | channel, controller, value],
                    };
                    push(&event.header)
                }
                Event::NoteOn { channel, key, velocity } => {
                    push(&note(CLAP_EVENT_NOTE_ON, channel, key, velocity).header)
                }
                Event::NoteOff { channel, key } => push(&note(CLAP_EVENT_NOTE_OFF, channel, key, 0).header),
            }
        });
    }
}
