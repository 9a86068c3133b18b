//! The list of note and controller events that a VST3 host and its plugin exchange in a block.

use crate::session::HostEvent;
use std::cell::RefCell;
use vst3::Class;
use vst3::Steinberg::Vst::Event_::EventTypes;
use vst3::Steinberg::Vst::Event_::EventTypes_::{kLegacyMIDICCOutEvent, kNoteOffEvent, kNoteOnEvent};
use vst3::Steinberg::Vst::{
    Event, Event__type0, IEventList, IEventListTrait, LegacyMIDICCOutEvent, NoteOffEvent, NoteOnEvent,
};
use vst3::Steinberg::{int32, kInvalidArgument, kResultFalse, kResultOk, tresult};

/// The most events of a block, allocated beforehand: the plugin adds them on the audio thread.
const CAPACITY: usize = 4_096;

/// The status byte of a MIDI control change; its lower half is the channel.
const CONTROL_CHANGE: u8 = 0xb0;

/// The events of a block, as input or output.
pub(super) struct EventList(RefCell<Vec<Event>>);

impl Default for EventList {
    fn default() -> Self {
        Self(RefCell::new(Vec::with_capacity(CAPACITY)))
    }
}

impl EventList {
    /// Adds a note or a control change; other events have no form in VST3.
    pub(super) fn push(&self, event: HostEvent) {
        let (frame, r#type, content) = match event {
            HostEvent::Note { frame, is_on: true, channel, key, velocity } => {
                let (channel, pitch, velocity) = (channel.into(), key.into(), velocity as f32);
                let note = NoteOnEvent { channel, pitch, tuning: 0.0, velocity, length: 0, noteId: -1 };
                (frame, kNoteOnEvent, Event__type0 { noteOn: note })
            }
            HostEvent::Note { frame, is_on: false, channel, key, velocity } => {
                let (channel, pitch, velocity) = (channel.into(), key.into(), velocity as f32);
                let note = NoteOffEvent { channel, pitch, velocity, noteId: -1, tuning: 0.0 };
                (frame, kNoteOffEvent, Event__type0 { noteOff: note })
            }
            HostEvent::Midi { frame, data: [status, controller, value] } if status & 0xf0 == CONTROL_CHANGE => {
                let channel = (status & 15) as i8;
                let change = LegacyMIDICCOutEvent { controlNumber: controller, channel, value: value as i8, value2: 0 };
                (frame, kLegacyMIDICCOutEvent, Event__type0 { midiCCOut: change })
            }
            _ => return,
        };
        self.0.borrow_mut().push(Event {
            busIndex: 0,
            sampleOffset: frame as i32,
            ppqPosition: 0.0,
            flags: 0,
            r#type: r#type as u16,
            __field0: content,
        });
    }

    /// Takes all events.
    pub(super) fn take(&self) -> Vec<HostEvent> {
        self.0.borrow_mut().drain(..).filter_map(|event| convert(&event)).collect()
    }
}

fn convert(event: &Event) -> Option<HostEvent> {
    let frame = event.sampleOffset as u32;
    // SAFETY: the type says which part of the union was written.
    unsafe {
        let r#type: EventTypes = event.r#type.into();
        match r#type {
            note_on if note_on == kNoteOnEvent => {
                let NoteOnEvent { channel, pitch, velocity, .. } = event.__field0.noteOn;
                let (channel, key, velocity) = (channel as u8, pitch as u8, velocity.into());
                Some(HostEvent::Note { frame, is_on: true, channel, key, velocity })
            }
            note_off if note_off == kNoteOffEvent => {
                let NoteOffEvent { channel, pitch, velocity, .. } = event.__field0.noteOff;
                let (channel, key, velocity) = (channel as u8, pitch as u8, velocity.into());
                Some(HostEvent::Note { frame, is_on: false, channel, key, velocity })
            }
            change if change == kLegacyMIDICCOutEvent => {
                let LegacyMIDICCOutEvent { controlNumber, channel, value, .. } = event.__field0.midiCCOut;
                Some(HostEvent::Midi { frame, data: [CONTROL_CHANGE | channel as u8, controlNumber, value as u8] })
            }
            _ => None,
        }
    }
}

impl Class for EventList {
    type Interfaces = (IEventList,);
}

impl IEventListTrait for EventList {
    unsafe fn getEventCount(&self) -> int32 {
        self.0.borrow().len() as int32
    }

    unsafe fn getEvent(&self, index: int32, event: *mut Event) -> tresult {
        let found = usize::try_from(index).ok().and_then(|index| self.0.borrow().get(index).copied());
        let Some(found) = found.filter(|_| !event.is_null()) else { return kInvalidArgument };
        // SAFETY: the caller's variable, by the interface's contract.
        unsafe { event.write(found) };
        kResultOk
    }

    unsafe fn addEvent(&self, event: *mut Event) -> tresult {
        let mut events = self.0.borrow_mut();
        // SAFETY: the caller's variable, by the interface's contract.
        let Some(event) = (unsafe { event.as_ref() }) else { return kInvalidArgument };
        if events.len() == CAPACITY {
            return kResultFalse;
        }
        events.push(*event);
        kResultOk
    }
}
