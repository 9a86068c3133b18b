//! Validates the events of a host.

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_MOD, CLAP_EVENT_PARAM_VALUE, CLAP_EVENT_TRANSPORT, clap_event_header,
    clap_event_param_mod, clap_event_param_value, clap_event_transport, clap_input_events,
};
use std::ptr;

/// Replaces an event that is not passed on; no plugin knows its space.
static UNKNOWN_EVENT: clap_event_header =
    clap_event_header { size: size_of::<clap_event_header>() as u32, time: 0, space_id: u16::MAX, type_: 0, flags: 0 };

/// The valid events of a host: those that set a parameter, modulate a parameter or change the transport,
/// with the length of their type, with finite values, and without transport events after the block's end.
pub(super) struct HostEvents<'a> {
    queue: Option<&'a clap_input_events>,
    /// The length of the block.
    frames: u32,
}

impl<'a> HostEvents<'a> {
    /// The events of a block of `frames` frames.
    ///
    /// # Safety
    /// `queue` is null or the host's queue; the queue and its events are valid for `'a`.
    pub(super) unsafe fn new(queue: *const clap_input_events, frames: u32) -> Self {
        // SAFETY: the pointer is null or valid for `'a`, by the caller.
        let queue = unsafe { queue.as_ref() }.filter(|queue| queue.size.is_some() && queue.get.is_some());
        Self { queue, frames }
    }

    fn len(&self) -> u32 {
        // SAFETY: the queue is valid, by `new`.
        self.queue.and_then(|queue| queue.size.map(|size| unsafe { size(queue) })).unwrap_or(0)
    }

    /// The event at `index`, if it is valid.
    fn get(&self, index: u32) -> Option<&'a clap_event_header> {
        let queue = self.queue?;
        // SAFETY: the queue and its events are valid for `'a`, by `new`.
        let event = unsafe { queue.get?(queue, index).as_ref() }?;
        let is_core = event.space_id == CLAP_CORE_EVENT_SPACE_ID;
        let has_length = |size| event.size as usize >= size;
        let pointer = ptr::from_ref(event);
        let is_valid = match event.type_ {
            CLAP_EVENT_PARAM_VALUE => {
                // SAFETY: the header has this type, and the event is long enough for it.
                has_length(size_of::<clap_event_param_value>())
                    && unsafe { (*pointer.cast::<clap_event_param_value>()).value }.is_finite()
            }
            CLAP_EVENT_PARAM_MOD => {
                // SAFETY: the header has this type, and the event is long enough for it.
                has_length(size_of::<clap_event_param_mod>())
                    && unsafe { (*pointer.cast::<clap_event_param_mod>()).amount }.is_finite()
            }
            // nice-plug splits the block at the event.
            CLAP_EVENT_TRANSPORT => has_length(size_of::<clap_event_transport>()) && event.time < self.frames,
            _ => false,
        };
        (is_core && is_valid).then_some(event)
    }

    /// The parameter values that the host sets, in the order of its queue.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a clap_event_param_value> {
        let events = (0..self.len()).filter_map(|index| self.get(index));
        events.filter(|event| event.type_ == CLAP_EVENT_PARAM_VALUE).map(|event| {
            // SAFETY: `get` has checked the length for this type.
            unsafe { &*ptr::from_ref(event).cast::<clap_event_param_value>() }
        })
    }

    /// The frame of an event in the block, which is the last one for an event after the block's end.
    pub(super) fn frame_of(&self, event: &clap_event_header) -> u32 {
        event.time.min(self.frames.saturating_sub(1))
    }

    /// A queue of these events, which must not outlive them.
    pub(super) fn as_queue(&self) -> clap_input_events {
        clap_input_events { ctx: ptr::from_ref(self).cast_mut().cast(), size: Some(size), get: Some(get) }
    }
}

unsafe extern "C" fn size(queue: *const clap_input_events) -> u32 {
    // SAFETY: `HostEvents::as_queue` made the queue, so `ctx` points to its events.
    unsafe { (*(*queue).ctx.cast::<HostEvents<'_>>()).len() }
}

unsafe extern "C" fn get(queue: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: `HostEvents::as_queue` made the queue, so `ctx` points to its events.
    unsafe { (*(*queue).ctx.cast::<HostEvents<'_>>()).get(index) }.map_or(&raw const UNKNOWN_EVENT, ptr::from_ref)
}
