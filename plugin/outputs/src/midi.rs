//! Slots and tags as MIDI control changes, with 7 bits or as pairs with 14 bits.

use crate::constants::{MAX_PUBLISHED_TAGS, SLOTS};
use crate::event::Event;
use crate::params::MidiSettings;

/// The last controller: 120 to 127 are channel mode messages, such as "all notes off".
const LAST_CONTROLLER: usize = 119;

/// The controller with the lower half of controller 0; those of the other controllers below 32 follow it.
const FIRST_LOWER_HALF: usize = 32;

/// Sends control changes, each only when its value changes.
#[derive(Debug)]
pub(crate) struct MidiSender {
    settings: Option<MidiSettings>,
    /// The last value that was sent for each slot.
    slots: [Option<u16>; SLOTS],
    /// The last value that was sent for each published tag.
    tags: [Option<u16>; MAX_PUBLISHED_TAGS],
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
    pub(crate) fn send_slot(&mut self, slot: usize, value: f32, push: impl FnMut(Event)) {
        if let Some(settings) = self.settings {
            send(&mut self.slots[slot], &settings, settings.channel, slot, value, push);
        }
    }

    /// Sends the published tags to `push` if that is switched on; `value` returns the value at an index,
    /// or `None` if there is no tag.
    pub(crate) fn send_tags(&mut self, value: impl Fn(usize) -> Option<f32>, mut push: impl FnMut(Event)) {
        let Some(settings) = self.settings.filter(|settings| settings.sends_tags) else { return };
        let channel = (settings.channel + 1) % 16;
        for (index, sent) in self.tags.iter_mut().enumerate() {
            if let Some(value) = value(index) {
                send(sent, &settings, channel, index, value, &mut push);
            }
        }
    }
}

/// Sends a value, 0..=1, unless the same was sent last, or the controller does not exist.
fn send(
    sent: &mut Option<u16>,
    settings: &MidiSettings,
    channel: u8,
    index: usize,
    value: f32,
    mut push: impl FnMut(Event),
) {
    let controller = usize::from(settings.first_controller) + index;
    let (last, highest) = if settings.is_14_bit { (FIRST_LOWER_HALF - 1, 16_383.0) } else { (LAST_CONTROLLER, 127.0) };
    let value = (value * highest).round() as u16;
    if controller > last || *sent == Some(value) {
        return;
    }
    *sent = Some(value);
    let mut push = |controller: usize, value: u16| {
        push(Event::ControlChange { channel, controller: controller as u8, value: value as u8 });
    };
    if settings.is_14_bit {
        // Both halves each time, the upper one first: to a receiver a new upper half sets the lower one to zero.
        push(controller, value >> 7);
        push(controller + FIRST_LOWER_HALF, value & 127);
    } else {
        push(controller, value);
    }
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
        let settings = MidiSettings { channel: 4, ..MidiSettings::default() };
        let expected = |channel, value| vec![Event::ControlChange { channel, controller: 22, value }];
        assert_eq!(send(None, 0.5), []);
        assert_eq!(send(Some(settings), 0.5), expected(4, 64));
        assert_eq!(send(Some(settings), 0.501), []);
        assert_eq!(send(Some(settings), 1.0), expected(4, 127));
        assert_eq!(send(Some(MidiSettings { channel: 5, ..settings }), 1.0), expected(5, 127));
    }

    /// A receiver of pairs, as MIDI 1.0 describes it: the upper half sets the lower one to zero.
    #[test]
    fn pairs_have_14_bits_and_move_where_7_bits_rest() {
        let mut sender = MidiSender::new();
        sender.set(Some(MidiSettings { is_14_bit: true, ..MidiSettings::default() }));
        let mut received = 0_u16;
        let mut sent = 0;
        for step in 0..=1_000_u16 {
            let value = f32::from(step) / 1_000.0;
            sender.send_slot(3, value, |event| {
                sent += 1;
                match event {
                    Event::ControlChange { channel: 0, controller: 23, value } => received = u16::from(value) << 7,
                    Event::ControlChange { channel: 0, controller: 55, value } => received |= u16::from(value),
                    other => panic!("{other:?}"),
                }
            });
            assert!((f32::from(received) / 16_383.0 - value).abs() <= 0.5 / 16_383.0 + 1e-6, "{value}: {received}");
        }
        assert_eq!((received, sent), (16_383, 2 * 1_001));
    }

    /// Controllers from 32 on are the lower halves of those below.
    #[test]
    fn with_14_bits_controllers_without_a_partner_are_not_sent() {
        let mut sender = MidiSender::new();
        let settings = MidiSettings { first_controller: 28, is_14_bit: true, sends_tags: true, ..Default::default() };
        sender.set(Some(settings));
        let mut events = Vec::new();
        (0..SLOTS).for_each(|slot| sender.send_slot(slot, 0.5, |event| events.push(event)));
        sender.send_tags(|_| Some(0.7), |event| events.push(event));
        let controllers: Vec<(u8, u8)> = events
            .iter()
            .map(|event| match event {
                Event::ControlChange { channel, controller, .. } => (*channel, *controller),
                other => panic!("{other:?}"),
            })
            .collect();
        let pairs = [28, 60, 29, 61, 30, 62, 31, 63];
        let expected: Vec<(u8, u8)> = [0, 1].iter().flat_map(|channel| pairs.map(|pair| (*channel, pair))).collect();
        assert_eq!(controllers, expected);
    }

    #[test]
    fn channel_mode_messages_are_never_sent() {
        let mut sender = MidiSender::new();
        let settings = MidiSettings { channel: 15, first_controller: 117, sends_tags: true, ..Default::default() };
        sender.set(Some(settings));
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
