//! Slots and tags as MIDI control changes.

use crate::constants::{MAX_PUBLISHED_TAGS, SLOTS};
use crate::event::Event;
use crate::params::MidiSettings;

/// The last controller: 120 to 127 are channel mode messages, such as "all notes off".
const LAST_CONTROLLER: usize = 119;

/// Sends control changes, each only when its value changes.
#[derive(Debug)]
pub(crate) struct MidiSender {
    settings: Option<MidiSettings>,
    /// The last value that was sent for each slot.
    slots: [Option<u8>; SLOTS],
    /// The last value that was sent for each published tag.
    tags: [Option<u8>; MAX_PUBLISHED_TAGS],
}

impl MidiSender {
    pub(crate) fn new() -> Self {
        Self { settings: None, slots: [None; SLOTS], tags: [None; MAX_PUBLISHED_TAGS] }
    }

    /// Applies the settings; if they changed, every value is sent again.
    pub(crate) fn set(&mut self, settings: Option<MidiSettings>) {
        if settings != self.settings {
            *self = Self { settings, ..Self::new() };
        }
    }

    /// Sends the value of a slot, 0..=1, to `push`.
    pub(crate) fn send_slot(&mut self, slot: usize, value: f32, mut push: impl FnMut(Event)) {
        if let Some(settings) = self.settings
            && let Some(event) =
                control_change(&mut self.slots[slot], settings.channel, settings.first_controller, slot, value)
        {
            push(event);
        }
    }

    /// Sends the published tags to `push` if that is switched on; `value` returns the value at an index,
    /// or `None` if there is no tag.
    pub(crate) fn send_tags(&mut self, value: impl Fn(usize) -> Option<f32>, mut push: impl FnMut(Event)) {
        let Some(settings) = self.settings.filter(|settings| settings.sends_tags) else { return };
        let (channel, first) = ((settings.channel + 1) % 16, settings.first_controller);
        for (index, sent) in self.tags.iter_mut().enumerate() {
            if let Some(event) = value(index).and_then(|value| control_change(sent, channel, first, index, value)) {
                push(event);
            }
        }
    }
}

/// The control change for a value, 0..=1; `None` if the same value was sent last, or if the controller
/// does not exist.
fn control_change(sent: &mut Option<u8>, channel: u8, first: u8, index: usize, value: f32) -> Option<Event> {
    let controller = usize::from(first) + index;
    let value = (value * 127.0).round() as u8;
    if controller > LAST_CONTROLLER || *sent == Some(value) {
        return None;
    }
    *sent = Some(value);
    Some(Event::ControlChange { channel, controller: controller as u8, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_sent_when_it_changes_or_the_channel_does() {
        let mut sender = MidiSender::new();
        let mut send = |settings, value| {
            let mut events = Vec::new();
            sender.set(settings);
            sender.send_slot(2, value, |event| events.push(event));
            events
        };
        let settings = MidiSettings { channel: 4, first_controller: 20, sends_tags: false };
        let expected = |channel, value| vec![Event::ControlChange { channel, controller: 22, value }];
        assert_eq!(send(None, 0.5), []);
        assert_eq!(send(Some(settings), 0.5), expected(4, 64));
        assert_eq!(send(Some(settings), 0.501), []);
        assert_eq!(send(Some(settings), 1.0), expected(4, 127));
        assert_eq!(send(Some(MidiSettings { channel: 5, ..settings }), 1.0), expected(5, 127));
    }

    #[test]
    fn channel_mode_messages_are_never_sent() {
        let mut sender = MidiSender::new();
        sender.set(Some(MidiSettings { channel: 15, first_controller: 117, sends_tags: true }));
        let mut events = Vec::new();
        (0..SLOTS).for_each(|slot| sender.send_slot(slot, 0.5, |event| events.push(event)));
        sender.send_tags(|_| Some(0.7), |event| events.push(event));
        let controllers = events.iter().map(|event| match event {
            Event::ControlChange { channel, controller, .. } => (*controller, *channel),
            other => panic!("{other:?}"),
        });
        assert_eq!(events.len(), 6);
        assert_eq!(controllers.max(), Some((119, 15)));
    }
}
