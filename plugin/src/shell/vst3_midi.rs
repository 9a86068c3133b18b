//! Control changes from the VST3, which clap-wrapper drops: they go straight to the host's list of events.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use vst3::ComRef;
use vst3::Steinberg::Vst::Event_::EventTypes_::kLegacyMIDICCOutEvent;
use vst3::Steinberg::Vst::{Event, Event__type0, IEventList, IEventListTrait, LegacyMIDICCOutEvent};

/// The output events of the block that a VST3 processes.
#[derive(Default)]
pub(super) struct OutputEvents(AtomicPtr<IEventList>);

impl OutputEvents {
    /// Calls `process` with the list of a host for a block.
    ///
    /// # Safety
    /// `events` is null or the host's list, valid until this returns.
    pub(super) unsafe fn while_processing<T>(&self, events: *mut IEventList, process: impl FnOnce() -> T) -> T {
        self.0.store(events, Ordering::Release);
        let result = process();
        self.0.store(ptr::null_mut(), Ordering::Release);
        result
    }

    /// Sends a control change at a frame of the block; to nobody outside of a block, or if the host takes no events.
    pub(super) fn push_control_change(&self, frame: u32, channel: u8, controller: u8, value: u8) {
        // SAFETY: the list is null or valid, by `while_processing`.
        let Some(events) = (unsafe { ComRef::from_raw(self.0.load(Ordering::Acquire)) }) else { return };
        let message =
            LegacyMIDICCOutEvent { controlNumber: controller, channel: channel as i8, value: value as i8, value2: 0 };
        let mut event = Event {
            busIndex: 0,
            sampleOffset: frame as i32,
            ppqPosition: 0.0,
            flags: 0,
            r#type: kLegacyMIDICCOutEvent as u16,
            __field0: Event__type0 { midiCCOut: message },
        };
        // SAFETY: the list is the host's and copies the event.
        unsafe { events.addEvent(&mut event) };
    }
}
