//! One block, or one exchange of parameters without audio. nice-plug relies on what a host
//! hands over; here it is looked at first, so that a host's mistake costs a block and not
//! the process.

use super::Shell;
use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_MOD, CLAP_EVENT_PARAM_VALUE, CLAP_EVENT_TRANSPORT, clap_event_header,
    clap_event_param_mod, clap_event_param_value, clap_event_transport, clap_input_events, clap_output_events,
};
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// What stands in the place of an event that is not handed on: of no known kind.
static NOTHING: clap_event_header =
    clap_event_header { size: size_of::<clap_event_header>() as u32, time: 0, space_id: u16::MAX, type_: 0, flags: 0 };

/// The audio side of an instance, held for as long as a call lasts.
struct Turn<'a>(&'a AtomicBool);

impl<'a> Turn<'a> {
    /// `None` where a host processes and flushes at once, which it must not.
    fn take(taken: &'a AtomicBool) -> Option<Self> {
        (!taken.swap(true, Ordering::Acquire)).then(|| Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A host's events as far as they are understood: those that set and modulate parameters
/// and the transport, whole, numbers, and none of the transport after the block's end.
pub(super) struct Events<'a> {
    host: Option<&'a clap_input_events>,
    frames: u32,
}

impl<'a> Events<'a> {
    /// # Safety
    /// `host` is the host's queue, or null, valid for `'a`, and so are its events.
    unsafe fn new(host: *const clap_input_events, frames: u32) -> Self {
        // SAFETY: by the caller.
        let host = unsafe { host.as_ref() }.filter(|host| host.size.is_some() && host.get.is_some());
        Self { host, frames }
    }

    fn len(&self) -> u32 {
        // SAFETY: the queue is valid, by `new`.
        self.host.and_then(|host| host.size.map(|size| unsafe { size(host) })).unwrap_or(0)
    }

    fn get(&self, index: u32) -> Option<&'a clap_event_header> {
        let host = self.host?;
        // SAFETY: the queue is valid, by `new`, and lends its events.
        let event = unsafe { host.get?(host, index).as_ref() }?;
        let of_core = event.space_id == CLAP_CORE_EVENT_SPACE_ID;
        let long_enough = |size| event.size as usize >= size;
        let event_of = ptr::from_ref(event);
        let taken = match event.type_ {
            CLAP_EVENT_PARAM_VALUE => {
                // SAFETY: it is as long as that and of this type, by its header.
                long_enough(size_of::<clap_event_param_value>())
                    && unsafe { (*event_of.cast::<clap_event_param_value>()).value }.is_finite()
            }
            CLAP_EVENT_PARAM_MOD => {
                // SAFETY: likewise.
                long_enough(size_of::<clap_event_param_mod>())
                    && unsafe { (*event_of.cast::<clap_event_param_mod>()).amount }.is_finite()
            }
            // nice-plug splits the block there.
            CLAP_EVENT_TRANSPORT => long_enough(size_of::<clap_event_transport>()) && event.time < self.frames,
            _ => false,
        };
        (of_core && taken).then_some(event)
    }

    /// The values that are set, in the host's order.
    pub(super) fn values(&self) -> impl Iterator<Item = &'a clap_event_param_value> {
        let events = (0..self.len()).filter_map(|index| self.get(index));
        events.filter(|event| event.type_ == CLAP_EVENT_PARAM_VALUE).map(|event| {
            // SAFETY: `get` found it long enough for its type.
            unsafe { &*ptr::from_ref(event).cast::<clap_event_param_value>() }
        })
    }

    /// These events as a queue, which must not outlive them.
    fn queue(&self) -> clap_input_events {
        clap_input_events { ctx: ptr::from_ref(self).cast_mut().cast(), size: Some(size), get: Some(get) }
    }
}

unsafe extern "C" fn size(queue: *const clap_input_events) -> u32 {
    // SAFETY: the queue is one that `Events::queue` made.
    unsafe { (*(*queue).ctx.cast::<Events<'_>>()).len() }
}

unsafe extern "C" fn get(queue: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: likewise.
    unsafe { (*(*queue).ctx.cast::<Events<'_>>()).get(index) }.map_or(&raw const NOTHING, ptr::from_ref)
}

/// Whether `count` ports have a first one with what nice-plug will read: all its channels
/// present, `channels` of them if this is an output. None at all is fine.
///
/// # Safety
/// `ports` points to so many ports of the host, or is null.
unsafe fn has_channels(ports: *const clap_audio_buffer, count: u32, channels: Option<u32>) -> bool {
    // SAFETY: by the caller; the contract gives a port as many channel pointers as it says.
    unsafe {
        let Some(port) = ports.as_ref().filter(|port| count > 0 && !port.data32.is_null()) else { return true };
        channels.is_none_or(|channels| channels == port.channel_count)
            && (0..port.channel_count as usize).all(|channel| !(*port.data32.add(channel)).is_null())
    }
}

impl Shell {
    /// Sends a block through.
    ///
    /// # Safety
    /// `block` is the host's, by the contract, or null.
    pub(super) unsafe fn process_block(&self, block: *const clap_process) -> clap_process_status {
        let channels = self.parts.channels.load(Ordering::Acquire);
        // SAFETY: by the caller.
        let Some(block) = (unsafe { block.as_ref() }).filter(|_| channels > 0) else { return CLAP_PROCESS_ERROR };
        let Some(_turn) = Turn::take(&self.taken) else { return CLAP_PROCESS_ERROR };
        // SAFETY: they are the block's.
        let fits = unsafe {
            has_channels(block.audio_outputs, block.audio_outputs_count, Some(channels))
                && has_channels(block.audio_inputs, block.audio_inputs_count, None)
        };
        if !fits {
            return CLAP_PROCESS_ERROR;
        }
        // SAFETY: the host's queue, valid while this call lasts.
        let events = unsafe { Events::new(block.in_events, block.frames_count) };
        self.take_events(&events, !block.transport.is_null());
        let queue = events.queue();
        let block = clap_process { in_events: &raw const queue, out_events: told_to(block.out_events), ..*block };
        // SAFETY: forwarded on the thread the host called us on; the queue lives until then.
        let status =
            self.inner().0.process.map_or(CLAP_PROCESS_ERROR, |process| unsafe { process(self.inner, &block) });
        // SAFETY: the host's queue, or null.
        unsafe { self.tell_events(block.out_events, block.frames_count) };
        status
    }

    /// Exchanges parameters without audio.
    ///
    /// # Safety
    /// Both queues are the host's, by the contract, or null.
    pub(super) unsafe fn exchange(&self, input: *const clap_input_events, output: *const clap_output_events) {
        let Some(_turn) = Turn::take(&self.taken) else { return };
        // SAFETY: the host's queue, valid while this call lasts; no transport belongs here.
        let events = unsafe { Events::new(input, 0) };
        self.take_events(&events, false);
        let (queue, output) = (events.queue(), told_to(output));
        // SAFETY: forwarded on the thread the host called us on; the queues live until then.
        unsafe {
            if let Some(flush) = self.inner().1.flush {
                flush(self.inner, &queue, output);
            }
            if let Ok(mut stage) = self.parts.stage.try_lock() {
                stage.flush(&self.parts.controls.settings());
            }
            self.tell_events(output, 0);
        }
    }
}

/// A host's queue that takes something; null otherwise.
fn told_to(queue: *const clap_output_events) -> *const clap_output_events {
    // SAFETY: the host's queue, or null, by the contract.
    if unsafe { queue.as_ref() }.is_some_and(|queue| queue.try_push.is_some()) { queue } else { ptr::null() }
}
