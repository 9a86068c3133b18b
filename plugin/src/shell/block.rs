//! One call on the audio thread: a block, or a flush of parameters without audio.
//!
//! nice-plug relies on what a host passes. Here it is validated first, so that a mistake of a host costs
//! a block and does not crash the process.

use super::host_events::HostEvents;
use super::object::{Shell, UNKNOWN_TIME};
use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::events::{clap_input_events, clap_output_events};
use clap_sys::process::{CLAP_PROCESS_CONTINUE, CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exclusive access to the audio side of an instance for the length of a call.
struct CallGuard<'a>(&'a AtomicBool);

impl<'a> CallGuard<'a> {
    /// `None` during another call: a host must not process and flush at the same time.
    fn try_new(is_in_call: &'a AtomicBool) -> Option<Self> {
        (!is_in_call.swap(true, Ordering::Acquire)).then(|| Self(is_in_call))
    }
}

impl Drop for CallGuard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The 32-bit channels of the first of `count` ports; `None` if it has none, or there is no port.
///
/// # Safety
/// `ports` is null or points to `count` ports of the host.
unsafe fn main_channels<'a>(ports: *const clap_audio_buffer, count: u32) -> Option<&'a [*mut f32]> {
    // SAFETY: the ports are valid by the caller; a port has `channel_count` channel pointers by the
    // contract.
    unsafe {
        let port = ports.as_ref().filter(|port| count > 0 && !port.data32.is_null())?;
        Some(slice::from_raw_parts(port.data32, port.channel_count as usize))
    }
}

/// Whether a port has what nice-plug reads: no null channel and, if `channels` is given, that number of channels.
fn is_processable(port: Option<&[*mut f32]>, channels: Option<u32>) -> bool {
    port.is_none_or(|port| {
        channels.is_none_or(|channels| channels as usize == port.len()) && port.iter().all(|channel| !channel.is_null())
    })
}

impl Shell {
    /// Processes a block.
    ///
    /// # Safety
    /// `block` is null or the host's block, by the contract.
    pub(super) unsafe fn process_block(&self, block: *const clap_process) -> clap_process_status {
        let channels = self.instance.channels.load(Ordering::Acquire);
        // SAFETY: the pointer is null or valid, by the caller.
        let Some(block) = (unsafe { block.as_ref() }).filter(|_| channels > 0) else { return CLAP_PROCESS_ERROR };
        // SAFETY: the ports and their numbers are the host's, by the contract.
        let (inputs, outputs) = unsafe {
            (
                main_channels(block.audio_inputs, block.audio_inputs_count),
                main_channels(block.audio_outputs, block.audio_outputs_count),
            )
        };
        let is_processable = is_processable(outputs, Some(channels)) && is_processable(inputs, None);
        let Some(_guard) = CallGuard::try_new(&self.is_in_call) else {
            // A flush on another thread: a VST3 host saves the state, or a host breaks the contract. The audio is not
            // analysed, so the next block does not continue it.
            self.instance.has_skipped_audio.store(true, Ordering::Relaxed);
            // SAFETY: as above.
            unsafe {
                pass_through(inputs.unwrap_or_default(), outputs.unwrap_or_default(), block.frames_count as usize)
            };
            return CLAP_PROCESS_CONTINUE;
        };
        // Also for a host that does not say when it starts.
        self.instance.is_processing.store(true, Ordering::Release);
        if !is_processable {
            return CLAP_PROCESS_ERROR;
        }
        self.advance_clock(block);
        let transport = if self.is_vst3 && !self.vst3_block.has_transport.load(Ordering::Relaxed) {
            ptr::null()
        } else {
            block.transport
        };
        // SAFETY: the queue is null or the host's, valid for the length of this call.
        let events = unsafe { HostEvents::new(block.in_events, block.frames_count) };
        self.apply_host_events(&events, !transport.is_null());
        let queue = events.as_queue();
        // SAFETY: the queue is null or the host's, by the contract.
        let out_events = unsafe { writable_queue(block.out_events) };
        let block = clap_process { transport, in_events: &raw const queue, out_events, ..*block };
        // SAFETY: the call comes on the thread that the host called us on, and both queues outlive it.
        let status =
            self.inner_plugin().process.map_or(CLAP_PROCESS_ERROR, |process| unsafe { process(self.inner, &block) });
        // SAFETY: the queue is null or the host's.
        unsafe { self.push_events(block.out_events, block.frames_count) };
        status
    }

    /// Notes whether the host's clock went on without a block. A song position that moves while it did not is a loop.
    fn advance_clock(&self, block: &clap_process) {
        // clap-wrapper passes the song position instead.
        let clock = if self.is_vst3 { self.vst3_block.clock.load(Ordering::Relaxed) } else { block.steady_time };
        let end = if clock < 0 { UNKNOWN_TIME } else { clock.saturating_add(block.frames_count.into()) };
        let last_end = self.clock_end.swap(end, Ordering::Relaxed);
        if last_end != UNKNOWN_TIME && clock > last_end {
            self.instance.has_skipped_audio.store(true, Ordering::Relaxed);
        }
    }

    /// Exchanges parameter values without audio. Returns whether it did, which it does not during a block.
    ///
    /// # Safety
    /// Each queue is null or the host's, by the contract.
    pub(super) unsafe fn flush_parameters(
        &self,
        input: *const clap_input_events,
        output: *const clap_output_events,
    ) -> bool {
        let Some(_guard) = CallGuard::try_new(&self.is_in_call) else { return false };
        // SAFETY: the queue is null or the host's, valid for the length of this call. With a length of 0
        // no transport event is valid.
        let events = unsafe { HostEvents::new(input, 0) };
        self.apply_host_events(&events, false);
        let queue = events.as_queue();
        // SAFETY: the queue is null or the host's. The calls come on the thread that the host called us on,
        // and both queues outlive them.
        unsafe {
            let output = writable_queue(output);
            if let Some(flush) = self.inner_params().flush {
                flush(self.inner, &queue, output);
            }
            if let Ok(mut processor) = self.instance.processor.try_lock() {
                if !self.instance.is_processing.load(Ordering::Acquire) {
                    processor.end_gestures();
                    // Outside of a block clap-wrapper takes notes and drops them; the next block has the ends.
                    if !self.is_vst3 {
                        processor.end_notes();
                    }
                }
                processor.flush(&self.instance.params.output_params());
            }
            self.push_events(output, 0);
        }
        true
    }
}

/// The host's queue if events can be pushed to it, otherwise null.
///
/// # Safety
/// `queue` is null or the host's.
unsafe fn writable_queue(queue: *const clap_output_events) -> *const clap_output_events {
    // SAFETY: the pointer is null or valid, by the caller.
    if unsafe { queue.as_ref() }.is_some_and(|queue| queue.try_push.is_some()) { queue } else { ptr::null() }
}

/// Copies the channels of the input to the output.
///
/// # Safety
/// Each channel is null or has this many frames.
pub(super) unsafe fn pass_through(inputs: &[*mut f32], outputs: &[*mut f32], frames: usize) {
    for (index, output) in outputs.iter().enumerate().filter(|(_, output)| !output.is_null()) {
        let input = inputs.get(index).copied().unwrap_or(ptr::null_mut());
        // SAFETY: by the caller; a host may process in place.
        unsafe {
            if input.is_null() { ptr::write_bytes(*output, 0, frames) } else { ptr::copy(input, *output, frames) }
        }
    }
}
