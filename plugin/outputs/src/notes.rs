//! The notes of slots in gate mode.

use crate::constants::SLOTS;
use crate::event::Event;
use crate::params::{MidiSettings, SlotShape};

/// Begins a note when the gate of a slot opens, and ends it when the gate closes, or by [`end`](Self::end).
#[derive(Debug, Default)]
pub(crate) struct NoteSender {
    gates: [Gate; SLOTS],
    /// Whether the transport played in the last block.
    was_playing: bool,
    /// Whether the plug-in is bypassed, so that no note sounds.
    is_bypassed: bool,
    /// How the notes have to end, by the next tick.
    due_end: Option<NoteEnd>,
    /// Whether the ends of all notes were sent by [`copy_ends`](Self::copy_ends).
    has_copied_ends: bool,
}

/// The gate of a slot.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum Gate {
    /// No note sounds.
    #[default]
    Closed,
    /// This note sounds.
    Open(Note),
    /// The note was ended although the gate is open; the next one begins when the gate opens again.
    Held,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Note {
    channel: u8,
    key: u8,
}

/// How all notes end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NoteEnd {
    /// A gate that is open begins its note again.
    Restart,
    /// A gate has to close and open for its next note.
    Hold,
}

impl NoteSender {
    /// A block begins: a stop of the transport and a bypass end all notes.
    pub(crate) fn begin_block(&mut self, is_playing: bool, is_bypassed: bool) {
        let was_playing = std::mem::replace(&mut self.was_playing, is_playing);
        let was_bypassed = std::mem::replace(&mut self.is_bypassed, is_bypassed);
        if is_bypassed && !was_bypassed {
            self.request_end(NoteEnd::Restart);
        }
        if was_playing && !is_playing {
            self.request_end(NoteEnd::Hold);
        } else if is_playing && !was_playing {
            self.gates.iter_mut().filter(|gate| **gate == Gate::Held).for_each(|gate| *gate = Gate::Closed);
        }
    }

    /// All notes have to end.
    pub(crate) fn request_end(&mut self, end: NoteEnd) {
        // A restart forgets what is held.
        if self.due_end != Some(NoteEnd::Restart) {
            self.due_end = Some(end);
        }
    }

    /// Ends all notes if that was requested; call it with room for the events only.
    pub(crate) fn end_if_due(&mut self, mut push: impl FnMut(Event)) {
        let Some(end) = self.due_end.take() else { return };
        for gate in &mut self.gates {
            if let Gate::Open(note) = *gate {
                push(note.off());
                *gate = Gate::Held;
            }
            if end == NoteEnd::Restart {
                *gate = Gate::Closed;
            }
        }
    }

    /// Ends the note of one slot; the gate has to close and open for the next one.
    pub(crate) fn hold(&mut self, slot: usize, push: impl FnOnce(Event)) {
        if let Gate::Open(note) = self.gates[slot] {
            push(note.off());
            self.gates[slot] = Gate::Held;
        }
    }

    /// Sends the ends of all notes once, without counting them as ended: a host may ignore notes outside of a block.
    pub(crate) fn copy_ends(&mut self, mut push: impl FnMut(Event)) {
        if !std::mem::replace(&mut self.has_copied_ends, true) {
            self.gates.iter().filter_map(Gate::note).for_each(|note| push(note.off()));
        }
    }

    /// Whether a note sounds.
    pub(crate) fn is_sounding(&self) -> bool {
        self.gates.iter().any(|gate| gate.note().is_some())
    }

    /// Updates the gate of a slot with this value; `None` if the slot is not used.
    pub(crate) fn step(
        &mut self,
        slot: usize,
        value: Option<f32>,
        shape: &SlotShape,
        settings: Option<&MidiSettings>,
        mut push: impl FnMut(Event),
    ) {
        let is_open = !self.is_bypassed && value.is_some_and(|value| shape.is_gate_open(value));
        let gate = &mut self.gates[slot];
        let target = settings.and_then(|settings| {
            let notes = settings.notes?;
            let key = u8::try_from(usize::from(notes.first_key) + slot).ok().filter(|key| *key <= 127)?;
            Some((Note { channel: settings.channel, key }, notes.velocity.clamp(1, 127)))
        });
        if let Gate::Open(note) = *gate
            && !(is_open && target.is_some_and(|(target, _)| target == note))
        {
            push(note.off());
            *gate = Gate::Closed;
        }
        match (*gate, target) {
            (Gate::Held, _) if !is_open => *gate = Gate::Closed,
            (Gate::Closed, Some((note, velocity))) if is_open => {
                push(Event::NoteOn { channel: note.channel, key: note.key, velocity });
                *gate = Gate::Open(note);
                self.has_copied_ends = false;
            }
            _ => {}
        }
    }
}

impl Gate {
    fn note(&self) -> Option<Note> {
        if let Self::Open(note) = self { Some(*note) } else { None }
    }
}

impl Note {
    fn off(self) -> Event {
        Event::NoteOff { channel: self.channel, key: self.key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::NoteSettings;

    const GATE: SlotShape = SlotShape {
        threshold: 0.0,
        hysteresis: 0.0,
        is_gate: true,
        attack: 0.0,
        release: 0.0,
        is_inverted: false,
        low: 0.0,
        high: 1.0,
    };

    fn settings() -> MidiSettings {
        MidiSettings { channel: 2, notes: Some(NoteSettings::default()), ..MidiSettings::default() }
    }

    fn step(sender: &mut NoteSender, value: Option<f32>, shape: &SlotShape, settings: &MidiSettings) -> Vec<Event> {
        let mut events = Vec::new();
        sender.step(1, value, shape, Some(settings), |event| events.push(event));
        events
    }

    const ON: Event = Event::NoteOn { channel: 2, key: 37, velocity: 100 };
    const OFF: Event = Event::NoteOff { channel: 2, key: 37 };

    #[test]
    fn a_note_sounds_while_the_value_is_nearer_to_the_end_of_the_range() {
        for (low, high, values) in [(0.0, 1.0, [0.5, 0.51, 0.9, 0.5]), (0.8, 0.2, [0.5, 0.4, 0.2, 0.51])] {
            let shape = SlotShape { low, high, ..GATE };
            let mut sender = NoteSender::default();
            let sent: Vec<Vec<Event>> =
                values.iter().map(|value| step(&mut sender, Some(*value), &shape, &settings())).collect();
            assert_eq!(sent, [vec![], vec![ON], vec![], vec![OFF]], "from {low} to {high}");
        }
        let flat = SlotShape { low: 0.5, high: 0.5, ..GATE };
        assert_eq!(step(&mut NoteSender::default(), Some(0.5), &flat, &settings()), [], "a range without a length");
    }

    #[test]
    fn a_note_ends_with_the_key_that_began_it_whatever_is_changed() {
        let continuous = SlotShape { is_gate: false, ..GATE };
        let other = MidiSettings { channel: 3, ..settings() };
        let without = MidiSettings { notes: None, ..settings() };
        let higher = MidiSettings { notes: Some(NoteSettings { first_key: 127, velocity: 9 }), ..settings() };
        let next = Event::NoteOn { channel: 3, key: 37, velocity: 100 };
        for (value, shape, settings_after, expected) in [
            (None, &GATE, settings(), vec![OFF]),
            (Some(1.0), &continuous, settings(), vec![OFF]),
            (Some(1.0), &GATE, other, vec![OFF, next]),
            (Some(1.0), &GATE, without, vec![OFF]),
            (Some(1.0), &GATE, higher, vec![OFF]),
        ] {
            let mut sender = NoteSender::default();
            assert_eq!(step(&mut sender, Some(1.0), &GATE, &settings()), [ON]);
            assert_eq!(step(&mut sender, value, shape, &settings_after), expected);
            assert_eq!(sender.is_sounding(), expected.len() == 2);
        }
        let mut sender = NoteSender::default();
        step(&mut sender, Some(1.0), &GATE, &settings());
        let mut events = Vec::new();
        sender.step(1, Some(1.0), &GATE, None, |event| events.push(event));
        assert_eq!(events, [OFF], "MIDI is switched off");
    }

    #[test]
    fn held_gates_wait_until_they_close_and_restarted_ones_do_not() {
        for (end, expected) in [(NoteEnd::Hold, vec![]), (NoteEnd::Restart, vec![ON])] {
            let mut sender = NoteSender::default();
            step(&mut sender, Some(1.0), &GATE, &settings());
            let mut events = Vec::new();
            sender.request_end(end);
            sender.end_if_due(|event| events.push(event));
            sender.end_if_due(|event| events.push(event));
            assert_eq!(events, [OFF]);
            assert_eq!(step(&mut sender, Some(1.0), &GATE, &settings()), expected, "{end:?}");
        }
        let mut sender = NoteSender::default();
        step(&mut sender, Some(1.0), &GATE, &settings());
        sender.hold(1, |event| assert_eq!(event, OFF));
        assert_eq!(step(&mut sender, Some(0.9), &GATE, &settings()), []);
        assert_eq!(step(&mut sender, Some(0.1), &GATE, &settings()), []);
        assert_eq!(step(&mut sender, Some(0.9), &GATE, &settings()), [ON], "the gate was closed in between");
        sender.hold(1, |event| assert_eq!(event, OFF));
        sender.begin_block(true, false);
        assert_eq!(step(&mut sender, Some(0.9), &GATE, &settings()), [ON], "the transport has started");
    }

    #[test]
    fn copies_of_the_ends_are_sent_once_and_do_not_replace_them() {
        let mut sender = NoteSender::default();
        step(&mut sender, Some(1.0), &GATE, &settings());
        let mut events = Vec::new();
        sender.copy_ends(|event| events.push(event));
        sender.copy_ends(|event| events.push(event));
        assert_eq!(events, [OFF]);
        sender.request_end(NoteEnd::Restart);
        sender.end_if_due(|event| events.push(event));
        assert_eq!(events, [OFF, OFF]);
    }
}
