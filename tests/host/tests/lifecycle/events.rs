//! The events of a call as CLAP's C structs: those that the host sends, and the check of those that the plugin
//! sends.

use clap_sys::events::*;
use std::cell::RefCell;
use std::collections::BTreeSet;
use tagvane_host::testing::is_slot;

/// The input events of a call. Each has its own allocation of exactly its size, so that
/// AddressSanitizer detects a read beyond it. `None` is a null pointer.
#[derive(Default)]
pub(crate) struct InputEvents(pub(crate) Vec<Option<Box<[u8]>>>);

impl InputEvents {
    /// Adds the first `size` bytes of an event, and sets that size in its header.
    pub(crate) fn push<T: Copy>(&mut self, event: T, size: usize) {
        let mut bytes = vec![0_u8; size].into_boxed_slice();
        assert_eq!(bytes.as_ptr().align_offset(align_of::<T>()), 0, "allocations are aligned");
        // SAFETY: `size` bytes of an event are copied to `size` allocated bytes.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const event).cast(), bytes.as_mut_ptr(), size);
            (*bytes.as_mut_ptr().cast::<clap_event_header>()).size = size as u32;
        }
        self.0.push(Some(bytes));
    }

    /// Adds a parameter value.
    pub(crate) fn set(&mut self, time: u32, param_id: u32, value: f64) {
        let size = size_of::<clap_event_param_value>();
        self.push(parameter(time, param_id, value), size);
    }

    /// The queue that the plugin gets.
    pub(crate) fn queue(&self) -> clap_input_events {
        unsafe extern "C" fn size(queue: *const clap_input_events) -> u32 {
            // SAFETY: `ctx` points to the `InputEvents` that made this queue.
            unsafe { &*(*queue).ctx.cast::<InputEvents>() }.0.len() as u32
        }
        unsafe extern "C" fn get(queue: *const clap_input_events, index: u32) -> *const clap_event_header {
            // SAFETY: as above.
            let events = unsafe { &*(*queue).ctx.cast::<InputEvents>() };
            let event = events.0.get(index as usize).and_then(Option::as_ref);
            event.map_or(std::ptr::null(), |event| event.as_ptr().cast())
        }
        clap_input_events { ctx: std::ptr::from_ref(self).cast_mut().cast(), size: Some(size), get: Some(get) }
    }
}

pub(crate) fn header(time: u32, type_: u16) -> clap_event_header {
    clap_event_header { size: 0, time, space_id: CLAP_CORE_EVENT_SPACE_ID, type_, flags: 0 }
}

pub(crate) fn parameter(time: u32, param_id: u32, value: f64) -> clap_event_param_value {
    let header = header(time, CLAP_EVENT_PARAM_VALUE);
    let cookie = std::ptr::null_mut();
    clap_event_param_value { header, param_id, cookie, note_id: -1, port_index: -1, channel: -1, key: -1, value }
}

pub(crate) fn transport(time: u32, is_playing: bool) -> clap_event_transport {
    // SAFETY: all zeros are valid in this plain C struct.
    let mut transport: clap_event_transport = unsafe { std::mem::zeroed() };
    transport.header = header(time, CLAP_EVENT_TRANSPORT);
    transport.header.size = size_of::<clap_event_transport>() as u32;
    transport.flags = if is_playing { CLAP_TRANSPORT_IS_PLAYING } else { 0 };
    transport
}

/// Checks each event that the plugin sends.
#[derive(Default)]
pub(crate) struct ReceivedEvents {
    /// The parameters with an open gesture.
    pub(crate) open_gestures: BTreeSet<u32>,
    /// The channels and keys of the notes that sound.
    pub(crate) notes: BTreeSet<(i16, i16)>,
    /// The number of notes that began.
    pub(crate) begun_notes: u64,
    /// The number of accepted events.
    pub(crate) accepted: u64,
    /// Refuses every n-th event; 0 refuses none.
    pub(crate) refuse_every: u64,
    pushed: u64,
    /// The frames of the current block.
    frames: u32,
    /// The time of the block's last event.
    last_time: u32,
}

impl ReceivedEvents {
    /// The next events belong to a new call, with a block of `frames` frames.
    pub(crate) fn begin_call(&mut self, frames: u32) {
        (self.frames, self.last_time) = (frames, 0);
    }

    /// Checks an event, and returns whether it is accepted.
    fn accept(&mut self, event: &clap_event_header) -> bool {
        self.pushed += 1;
        if self.refuse_every > 0 && self.pushed.is_multiple_of(self.refuse_every) {
            return false;
        }
        self.accepted += 1;
        let is_in_order = event.time < self.frames.max(1) && event.time >= self.last_time;
        assert!(is_in_order, "{event:?} is out of order, or outside the block of {} frames", self.frames);
        self.last_time = event.time;
        let pointer = std::ptr::from_ref(event);
        // SAFETY: the event has the type in its header.
        unsafe {
            match event.type_ {
                CLAP_EVENT_PARAM_VALUE => {
                    let event = &*pointer.cast::<clap_event_param_value>();
                    assert!((0.0..=1.0).contains(&event.value), "the value is outside 0..=1: {event:?}");
                    let is_allowed = !is_slot(event.param_id) || self.open_gestures.contains(&event.param_id);
                    assert!(is_allowed, "a slot moved outside a gesture: {event:?}");
                }
                CLAP_EVENT_PARAM_GESTURE_BEGIN => {
                    let id = (*pointer.cast::<clap_event_param_gesture>()).param_id;
                    assert!(self.open_gestures.insert(id), "the gesture of {id:x} began twice");
                }
                CLAP_EVENT_PARAM_GESTURE_END => {
                    let id = (*pointer.cast::<clap_event_param_gesture>()).param_id;
                    assert!(self.open_gestures.remove(&id), "the gesture of {id:x} ended without a beginning");
                }
                CLAP_EVENT_MIDI => {
                    let data = (*pointer.cast::<clap_event_midi>()).data;
                    let is_control_change = data[0] & 0xf0 == 0xb0 && data[1] < 128 && data[2] < 128;
                    assert!(is_control_change, "not a control change: {data:?}");
                }
                CLAP_EVENT_NOTE_ON => {
                    let note = &*pointer.cast::<clap_event_note>();
                    let is_valid = (0..16).contains(&note.channel) && (0..128).contains(&note.key);
                    assert!(is_valid && note.velocity > 0.0 && note.velocity <= 1.0, "{note:?}");
                    assert!(self.notes.insert((note.channel, note.key)), "a note began twice: {note:?}");
                    self.begun_notes += 1;
                }
                CLAP_EVENT_NOTE_OFF => {
                    // An end may come twice: by a flush, and in the next block.
                    let note = &*pointer.cast::<clap_event_note>();
                    self.notes.remove(&(note.channel, note.key));
                }
                other => panic!("an unexpected event of type {other}"),
            }
        }
        true
    }
}

/// Receives an event from the plugin.
pub(crate) unsafe extern "C" fn push(queue: *const clap_output_events, event: *const clap_event_header) -> bool {
    // SAFETY: `ctx` points to the cell of the current call, which only its thread uses.
    unsafe { (*(*queue).ctx.cast::<RefCell<&mut ReceivedEvents>>()).borrow_mut().accept(&*event) }
}
