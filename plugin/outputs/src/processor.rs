//! The part of the outputs that runs on the audio thread.

use crate::announcer::Announcer;
use crate::constants::{PREDICTION_DELAY, SLOTS, TICK_RATE};
use crate::event::{Event, TimedEvent};
use crate::event_queue::EventQueue;
use crate::midi::MidiSender;
use crate::notes::{NoteEnd, NoteSender};
use crate::osc::{OscThrottle, Snapshot};
use crate::outputs::Outputs;
use crate::outputs::ProcessorQueues;
use crate::params::OutputParams;
use crate::predictions::PredictionReceiver;
use crate::slot::SlotShaper;
use crate::smoothed_tags::SmoothedTags;
use crate::timeline::{Transport, TransportSender};
use crate::writer::AutomationWriter;
use std::collections::VecDeque;
use std::sync::Arc;
use tagvane_engine::{StreamPosition, StreamTime};

/// Changes of the slots by the host that can wait without an allocation.
const MAX_SLOT_CHANGES: usize = 4_096;

/// A block of the host, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Its length, in frames.
    pub frames: u32,
    /// The position at the end of the block, as
    /// [`AudioProducer::position`](tagvane_engine::AudioProducer::position) returns it after the block was
    /// pushed.
    pub end: StreamPosition,
    /// Whether the host's transport plays.
    pub is_playing: bool,
    /// Whether the plug-in is bypassed, so that no automation is written and no note sounds.
    pub is_bypassed: bool,
    /// Whether this is a bounce, which may wait and allocate.
    pub is_offline: bool,
}

/// Takes the predictions that are due and queues events for the host.
///
/// After it is created, nothing here locks, allocates, waits or calls the system, unless the block is
/// offline.
pub struct OutputProcessor {
    outputs: Arc<Outputs>,
    predictions: PredictionReceiver,
    transport: TransportSender,
    /// Frames a second.
    rate: f64,
    segment: u32,
    tags: SmoothedTags,
    announcer: Announcer,
    slots: [SlotOutput; SLOTS],
    /// The values that the host set in this block, in order.
    slot_changes: VecDeque<SlotChange>,
    midi: MidiSender,
    notes: NoteSender,
    osc: OscThrottle,
    events: EventQueue,
    is_activated: bool,
    /// Whether the host provides a transport.
    has_transport: bool,
}

/// One slot.
#[derive(Default)]
struct SlotOutput {
    shaper: SlotShaper,
    writer: AutomationWriter,
    /// The value that MIDI and OSC send; `None` if the slot is not used.
    value: Option<f32>,
    /// Whether the slot had a source at the last tick.
    had_source: bool,
}

/// The host sets a slot at a frame of its block.
struct SlotChange {
    frame: u32,
    slot: usize,
    value: f32,
}

impl OutputProcessor {
    /// The processor of these outputs; `None` if they have one already.
    pub fn new(outputs: Arc<Outputs>) -> Option<Self> {
        let ProcessorQueues { predictions, osc, transport } = outputs.take_processor_queues()?;
        let tags_version = outputs.resolved_routing.tags_version();
        outputs.set_tags_version(tags_version);
        Some(Self {
            outputs,
            predictions,
            transport,
            rate: 48_000.0,
            segment: 0,
            tags: SmoothedTags::new(tags_version),
            announcer: Announcer::new(),
            slots: Default::default(),
            slot_changes: VecDeque::with_capacity(MAX_SLOT_CHANGES),
            midi: MidiSender::new(),
            notes: NoteSender::default(),
            osc: OscThrottle::new(osc),
            events: EventQueue::new(),
            is_activated: false,
            has_transport: false,
        })
    }

    /// Starts processing at `rate` hertz, or at 48 kHz if that is not from 1 kHz to 1 GHz. Call it while
    /// no audio is processed.
    pub fn activate(&mut self, rate: f64) {
        self.rate = if (1e3..=1e9).contains(&rate) { rate } else { 48e3 };
        self.predictions.clear();
        self.slot_changes.clear();
        self.midi = MidiSender::new();
        self.start_segment(0);
        self.is_activated = true;
    }

    /// Stops processing: gestures end and all tags go to zero. The events for that wait for
    /// [`flush`](Self::flush) or the next block. Notes end with the next block, or by [`end_notes`](Self::end_notes).
    pub fn deactivate(&mut self) {
        self.end_gestures();
        self.start_segment(self.segment);
        self.is_activated = false;
    }

    /// Stops writing automation; gestures end.
    pub fn end_gestures(&mut self) {
        let Self { slots, events, outputs, .. } = self;
        let frame = events.frame();
        for (slot, output) in slots.iter_mut().enumerate() {
            let push = |event| events.push(frame, event);
            if let Some(value) = output.writer.end(slot, outputs.slot_value(slot), push) {
                outputs.set_slot_value(slot, value);
            }
        }
    }

    /// Sends the ends of all notes without a block, to a host that does not process. Because it may ignore them there,
    /// the next block begins with them again.
    pub fn end_notes(&mut self) {
        let Self { notes, events, .. } = self;
        let frame = events.frame();
        notes.request_end(NoteEnd::Restart);
        if events.has_room() {
            notes.copy_ends(|event| events.push(frame, event));
        }
    }

    /// Whether a note sounds.
    pub fn has_sounding_notes(&self) -> bool {
        self.notes.is_sounding()
    }

    /// Whether the host does not know yet that every gesture has ended.
    pub fn has_open_gestures(&self) -> bool {
        self.slots.iter().any(|output| output.writer.has_open_gesture()) || self.events.has_gesture_end()
    }

    /// Starts a block of the host; `has_transport` if it provides a transport.
    pub fn begin_block(&mut self, has_transport: bool) {
        self.events.begin_block();
        self.has_transport = has_transport;
    }

    /// The host sets a slot at a frame of this block. Call it in the order of the frames, before
    /// [`process`](Self::process). The value is clamped to 0..=1. A slot whose automation is being written
    /// ignores it; so do all slots a value that is not finite, and more than 4096 changes in a block.
    pub fn set_slot_value(&mut self, frame: u32, slot: usize, value: f32) {
        // A block with more changes than that would make the queue allocate.
        if slot < SLOTS && value.is_finite() && self.slot_changes.len() < MAX_SLOT_CHANGES {
            self.slot_changes.push_back(SlotChange { frame, slot, value: value.clamp(0.0, 1.0) });
        }
    }

    /// The host arms or disarms Write.
    pub fn set_armed(&mut self, armed: bool) {
        self.outputs.set_armed(armed);
        self.events.set_host_armed(armed);
    }

    /// Sets the host's transport at the beginning of `block`, whose audio was pushed.
    pub fn set_transport(&mut self, block: &Block, transport: Transport) {
        let StreamPosition { segment, frames: end } = block.end;
        let begin = end.saturating_sub(u64::from(block.frames));
        self.transport.send(StreamTime { segment, seconds: begin as f64 / self.rate }, transport);
    }

    /// Processes a block, or a part of one.
    pub fn process(&mut self, block: &Block, params: &OutputParams) {
        let StreamPosition { segment, frames: end } = block.end;
        if segment != self.segment {
            self.start_segment(segment);
        }
        self.midi.set(params.midi);
        self.events.announce_armed(self.outputs.is_armed());
        self.notes.begin_block(block.is_playing && self.has_transport, block.is_bypassed);
        self.end_notes_if_due(self.events.frame());
        let begin = end.saturating_sub(u64::from(block.frames));
        let mut tick = (begin as f64 * f64::from(TICK_RATE) / self.rate) as u64;
        loop {
            let position = (tick as f64 * self.rate / f64::from(TICK_RATE)).ceil() as u64;
            if position >= end {
                break;
            }
            if position >= begin {
                let frame = self.events.frame() + (position - begin) as u32;
                self.apply_slot_changes(frame, params, true);
                self.tick(tick, position, frame, block, params);
            }
            tick += 1;
        }
        self.events.advance(block.frames);
        self.apply_slot_changes(self.events.frame().saturating_sub(1), params, true);
    }

    /// Ends the notes if that was requested; without room for the events a later tick does so.
    fn end_notes_if_due(&mut self, frame: u32) {
        let Self { notes, events, .. } = self;
        if events.has_room() {
            notes.end_if_due(|event| events.push(frame, event));
        }
    }

    /// Takes what the host set and announces what is pending, without audio.
    pub fn flush(&mut self, params: &OutputParams) {
        self.apply_slot_changes(u32::MAX, params, false);
        self.events.announce_armed(self.outputs.is_armed());
        if !self.is_activated && self.announcer.is_pending() && params.announce_rate.is_some() {
            self.announce_tags(0);
        }
    }

    /// Gives the events for the host to `push`, which returns whether the host took the event. An event
    /// that it did not take, and those behind it, come again at the beginning of the next block.
    pub fn drain_events(&mut self, mut push: impl FnMut(TimedEvent) -> bool) {
        let Self { events, outputs, .. } = self;
        events.drain(|timed| {
            let is_taken = push(timed);
            if is_taken && timed.event.is_midi() {
                outputs.count_midi_message();
            }
            is_taken
        });
    }

    /// Resets everything that depends on the audio.
    fn start_segment(&mut self, segment: u32) {
        self.segment = segment;
        self.notes.request_end(NoteEnd::Restart);
        self.tags.start_segment(&self.outputs);
        self.mark_tags_changed();
        for (slot, output) in self.slots.iter_mut().enumerate() {
            output.shaper = SlotShaper::default();
            self.outputs.set_live_value(slot, 0.0, 0.0);
        }
        self.outputs.set_active(false);
    }

    fn mark_tags_changed(&mut self) {
        self.announcer.mark_changed();
        self.osc.mark_changed();
    }

    /// Applies the changes by the host up to `frame`. Notes begin and end in blocks only: a host may ignore them
    /// elsewhere.
    fn apply_slot_changes(&mut self, frame: u32, params: &OutputParams, is_in_block: bool) {
        while let Some(change) = self.slot_changes.pop_front_if(|change| change.frame <= frame) {
            let SlotChange { frame, slot, value } = change;
            let output = &mut self.slots[slot];
            if output.writer.is_writing() {
                continue;
            }
            self.outputs.set_slot_value(slot, value);
            if !params.sends_live_values {
                output.value = Some(value);
                self.osc.mark_changed();
                // Without room a later tick sends it.
                if self.events.has_room() {
                    let events = &mut self.events;
                    self.midi.send_slot(slot, value, |event| events.push(frame, event));
                    if is_in_block {
                        self.step_note(slot, frame, params);
                    }
                }
            }
        }
    }

    /// Updates the note of a slot with the value that is sent.
    fn step_note(&mut self, slot: usize, frame: u32, params: &OutputParams) {
        let Self { notes, events, slots, .. } = self;
        let push = |event| events.push(frame, event);
        notes.step(slot, slots[slot].value, &params.slots[slot], params.midi.as_ref(), push);
    }

    /// Updates all outputs at a tick, which is at `position` in the segment and at `frame` in the host's
    /// block.
    fn tick(&mut self, tick: u64, position: u64, frame: u32, block: &Block, params: &OutputParams) {
        if self.take_predictions(position) | self.smooth_tags(params) {
            self.mark_tags_changed();
        }
        self.end_notes_if_due(frame);
        // The queue must not allocate if the host takes no events.
        let has_room = block.is_offline || self.events.has_room();
        // A host without a transport is taken to play.
        let is_playing = block.is_playing || !self.has_transport;
        let is_armed = self.outputs.is_armed() && is_playing && !block.is_bypassed;
        let mut is_active = self.tags.is_active(self.outputs.resolved_routing.tag_count());
        for slot in 0..SLOTS {
            is_active |= self.tick_slot(slot, frame, is_armed, has_room, params);
        }
        self.outputs.set_active(is_active);
        if !has_room {
            return;
        }
        let Self { outputs, midi, events, .. } = self;
        let value = |index| outputs.resolved_routing.published_tag(index).map(|tag| outputs.tag_value(tag));
        midi.send_tags(value, |event| events.push(frame, event));
        if let Some(rate) = params.announce_rate
            && self.announcer.is_due(tick, rate)
        {
            self.announce_tags(frame);
        }
        let Self { outputs, osc, slots, tags, rate, .. } = self;
        osc.step(tick, block.is_offline, || Snapshot {
            tags: std::array::from_fn(|index| outputs.published_value(index)),
            slots: std::array::from_fn(|slot| slots[slot].value),
            age: (position as f64 / *rate - tags.window_end()) as f32,
        });
    }

    /// Updates one slot; `has_room` if events may be queued. Returns whether the slot is active.
    fn tick_slot(&mut self, slot: usize, frame: u32, is_armed: bool, has_room: bool, params: &OutputParams) -> bool {
        let Self { outputs, tags, slots, midi, notes, osc, events, .. } = self;
        let output = &mut slots[slot];
        let source = outputs.resolved_routing.source_value(slot, tags.targets());
        let source_value = source.unwrap_or(0.0);
        let live = output.shaper.step(source_value, &params.slots[slot]);
        outputs.set_live_value(slot, source_value, live);
        if !has_room {
            return true;
        }
        let mut push = |event| events.push(frame, event);
        let is_recording = is_armed && source.is_some();
        if let Some(value) = output.writer.step(slot, is_recording, live, outputs.gesture_mode(), &mut push) {
            outputs.set_slot_value(slot, value);
        }
        if std::mem::replace(&mut output.had_source, source.is_some()) && source.is_none() {
            // The parameter may rest where the source left it.
            notes.hold(slot, &mut push);
        }
        let parameter = outputs.slot_value(slot);
        let value = match source {
            Some(_) if is_recording || params.sends_live_values => Some(live),
            Some(_) => Some(parameter),
            // The host plays automation back, or did, although the slot has no source now.
            None if output.value.is_some() || parameter != 0.0 => Some(parameter),
            None => None,
        };
        if value != output.value {
            output.value = value;
            osc.mark_changed();
        }
        if let Some(value) = value {
            midi.send_slot(slot, value, push);
        }
        let is_active = output.writer.has_open_gesture() || !output.shaper.is_at_rest();
        self.step_note(slot, frame, params);
        is_active || self.notes.is_sounding()
    }

    /// Takes the predictions that are due at `position` in the segment. Returns whether the tags changed.
    fn take_predictions(&mut self, position: u64) -> bool {
        let tags_version = self.outputs.resolved_routing.tags_version();
        let mut has_changed = tags_version != self.tags.tags_version();
        if has_changed {
            self.tags.set_tags_version(tags_version, &self.outputs);
            self.notes.request_end(NoteEnd::Hold);
        }
        while let Some(header) = self.predictions.peek() {
            let is_current = header.time.segment == self.segment && header.tags_version == tags_version;
            // Half a frame is a tolerance for rounding.
            if is_current && (header.time.seconds + PREDICTION_DELAY) * self.rate > position as f64 + 0.5 {
                break;
            }
            let probabilities = self.predictions.pop();
            if is_current {
                let tag_count = self.outputs.resolved_routing.tag_count();
                self.tags.set_targets(probabilities, tag_count, header.time.seconds);
                has_changed = true;
            }
        }
        has_changed
    }

    /// Advances the smoothed tags by a tick. Returns whether one may have moved.
    fn smooth_tags(&mut self, params: &OutputParams) -> bool {
        self.tags.step(params, self.outputs.resolved_routing.tag_count(), &self.outputs)
    }

    fn announce_tags(&mut self, frame: u32) {
        let Self { outputs, announcer, events, .. } = self;
        let push = |index, value| events.push(frame, Event::Tag { index, value });
        announcer.announce(|index| outputs.published_value(index), push);
    }
}
