//! Slots and tags as MIDI control changes.

use crate::event::Event;
use crate::settings::Midi;
use crate::{PUBLISHED, SLOTS};

/// The last controller that is one: from 120 on they are channel mode messages, such as
/// "all notes off".
const LAST_CONTROLLER: usize = 119;

/// Keeps what was sent last, so that a controller is sent on change only.
#[derive(Debug)]
pub(crate) struct Controllers {
    midi: Option<Midi>,
    slots: [Option<u8>; SLOTS],
    tags: [Option<u8>; PUBLISHED],
}

impl Controllers {
    pub(crate) fn new() -> Self {
        Self { midi: None, slots: [None; SLOTS], tags: [None; PUBLISHED] }
    }

    /// Takes over where MIDI goes; a new place gets every value once.
    pub(crate) fn set(&mut self, midi: Option<Midi>) {
        if midi != self.midi {
            *self = Self { midi, ..Self::new() };
        }
    }

    /// Slot `slot` stands at `value`, 0..=1.
    pub(crate) fn slot(&mut self, slot: usize, value: f32, mut tell: impl FnMut(Event)) {
        if let Some(midi) = self.midi
            && let Some(event) = change(&mut self.slots[slot], midi.channel, midi.first, slot, value)
        {
            tell(event);
        }
    }

    /// The published tags stand where `value` says, if there are such.
    pub(crate) fn tags(&mut self, value: impl Fn(usize) -> Option<f32>, mut tell: impl FnMut(Event)) {
        let Some(midi) = self.midi.filter(|midi| midi.tags) else { return };
        let channel = (midi.channel + 1) % 16;
        for (index, sent) in self.tags.iter_mut().enumerate() {
            if let Some(event) = value(index).and_then(|value| change(sent, channel, midi.first, index, value)) {
                tell(event);
            }
        }
    }
}

/// The control change of something that stands at `value`, if it is another one than
/// that sent last.
fn change(sent: &mut Option<u8>, channel: u8, first: u8, index: usize, value: f32) -> Option<Event> {
    let controller = usize::from(first) + index;
    let value = (value * 127.0).round() as u8;
    if controller > LAST_CONTROLLER || *sent == Some(value) {
        return None;
    }
    *sent = Some(value);
    Some(Event::Controller { channel, controller: controller as u8, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_is_sent_on_change_and_anew_after_another_channel() {
        let mut controllers = Controllers::new();
        let mut send = |midi, value| {
            let mut told = Vec::new();
            controllers.set(midi);
            controllers.slot(2, value, |event| told.push(event));
            told
        };
        let midi = Midi { channel: 4, first: 20, tags: false };
        let sent = |channel, value| vec![Event::Controller { channel, controller: 22, value }];
        assert_eq!(send(None, 0.5), []);
        assert_eq!(send(Some(midi), 0.5), sent(4, 64));
        assert_eq!(send(Some(midi), 0.501), []);
        assert_eq!(send(Some(midi), 1.0), sent(4, 127));
        assert_eq!(send(Some(Midi { channel: 5, ..midi }), 1.0), sent(5, 127));
    }

    #[test]
    fn no_channel_mode_message_is_ever_sent() {
        let mut controllers = Controllers::new();
        controllers.set(Some(Midi { channel: 15, first: 117, tags: true }));
        let mut told = Vec::new();
        (0..SLOTS).for_each(|slot| controllers.slot(slot, 0.5, |event| told.push(event)));
        controllers.tags(|_| Some(0.7), |event| told.push(event));
        let highest = told.iter().map(|event| match event {
            Event::Controller { channel, controller, .. } => (*controller, *channel),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.len(), 6);
        assert_eq!(highest.max(), Some((119, 15)));
    }
}
