//! The OSC messages of an instance, in bundles or one by one; each has one float.

use super::Snapshot;
use super::settings::{OscMessageKind, OscSettings};
use crate::announcer::has_moved;
use crate::constants::SLOTS;
use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType, encoder};

/// A value is not sent again until it has moved by this, or to zero.
const DEAD_BAND: f32 = 0.001;

/// The number of snapshots after which all values are sent, moved or not: datagrams get lost, and
/// receivers start late.
const REFRESH: u32 = 25;

/// The most bytes of a datagram, which every network carries unfragmented.
const MAX_DATAGRAM: usize = 1_400;

/// Bytes of a bundle before its first message: its identifier and its time tag.
const BUNDLE_HEADER: usize = 16;

/// The time tag for "immediately".
const IMMEDIATELY: OscTime = OscTime { seconds: 0, fractional: 1 };

/// Turns the snapshots of an instance into datagrams, with the values that have moved.
#[derive(Default)]
pub(super) struct MessageEncoder {
    settings: OscSettings,
    /// The names of the published tags.
    names: Vec<String>,
    tags: Vec<Output>,
    slots: Vec<Output>,
    age_address: String,
    /// Snapshots so far.
    snapshots: u32,
}

/// A value that is sent to an address.
struct Output {
    address: String,
    sent: Option<f32>,
}

impl MessageEncoder {
    /// An encoder for an instance whose published tags have these names.
    fn new(settings: OscSettings, names: Vec<String>) -> Self {
        let output = |kind| Output { address: settings.message_address(kind), sent: None };
        Self {
            tags: names.iter().map(|name| output(OscMessageKind::Tag(name))).collect(),
            slots: (1..=SLOTS).map(|number| output(OscMessageKind::Slot(number))).collect(),
            age_address: settings.message_address(OscMessageKind::Age),
            snapshots: 0,
            settings,
            names,
        }
    }

    /// Sets the addresses and the form; all values are sent again.
    pub(super) fn set_settings(&mut self, settings: OscSettings) {
        *self = Self::new(settings, std::mem::take(&mut self.names));
    }

    /// Sets the names of the published tags; all values are sent again.
    pub(super) fn set_names(&mut self, names: Vec<String>) {
        *self = Self::new(std::mem::take(&mut self.settings), names);
    }

    /// The datagrams for a snapshot; none if no value has moved.
    pub(super) fn encode(&mut self, snapshot: &Snapshot) -> Vec<Vec<u8>> {
        let is_refresh = self.snapshots.is_multiple_of(REFRESH);
        self.snapshots += 1;
        let tags = self.tags.iter_mut().zip(snapshot.tags.iter().copied().map(Some));
        let slots = self.slots.iter_mut().zip(snapshot.slots);
        let mut messages = Vec::new();
        for (output, value) in tags.chain(slots) {
            if let Some(value) = value
                && (is_refresh || output.sent.is_none_or(|sent| has_moved(value, sent, DEAD_BAND)))
            {
                output.sent = Some(value);
                messages.push(message(&output.address, value));
            }
        }
        if !messages.is_empty() {
            messages.push(message(&self.age_address, snapshot.age));
        }
        if self.settings.sends_bundles { bundles(messages) } else { messages.into_iter().filter_map(single).collect() }
    }
}

fn message(address: &str, value: f32) -> OscMessage {
    OscMessage { addr: address.to_owned(), args: vec![OscType::Float(value)] }
}

/// A datagram of one message.
fn single(message: OscMessage) -> Option<Vec<u8>> {
    encoder::encode(&OscPacket::Message(message)).ok()
}

/// Packs messages into as few bundles as possible.
fn bundles(messages: Vec<OscMessage>) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let (mut content, mut length) = (Vec::new(), BUNDLE_HEADER);
    for message in messages {
        // The size, the address padded to a multiple of four, ",f" padded, and the float.
        let bytes = 4 + (message.addr.len() / 4 + 1) * 4 + 4 + 4;
        if length + bytes > MAX_DATAGRAM && !content.is_empty() {
            datagrams.extend(datagram(std::mem::take(&mut content)));
            length = BUNDLE_HEADER;
        }
        length += bytes;
        content.push(OscPacket::Message(message));
    }
    if !content.is_empty() {
        datagrams.extend(datagram(content));
    }
    datagrams
}

fn datagram(content: Vec<OscPacket>) -> Option<Vec<u8>> {
    encoder::encode(&OscPacket::Bundle(OscBundle { timetag: IMMEDIATELY, content })).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constants::MAX_PUBLISHED_TAGS;

    fn snapshot(tag: f32, slot: Option<f32>) -> Snapshot {
        let mut slots = [None; SLOTS];
        slots[0] = slot;
        Snapshot { tags: [tag; MAX_PUBLISHED_TAGS], slots, age: 1.44 }
    }

    fn of_instance(name: &str) -> OscSettings {
        OscSettings { instance: name.into(), ..OscSettings::default() }
    }

    fn decoded(datagrams: &[Vec<u8>]) -> Vec<(String, f32)> {
        let mut values = Vec::new();
        for datagram in datagrams {
            assert!(datagram.len() <= MAX_DATAGRAM, "{} bytes", datagram.len());
            let (rest, packet) = rosc::decoder::decode_udp(datagram).unwrap();
            assert!(rest.is_empty());
            let OscPacket::Bundle(bundle) = packet else { panic!("not a bundle") };
            for packet in bundle.content {
                let OscPacket::Message(message) = packet else { panic!("not a message") };
                let [OscType::Float(value)] = message.args[..] else { panic!("not one float") };
                values.push((message.addr, value));
            }
        }
        values
    }

    #[test]
    fn moved_values_are_sent_and_all_values_at_a_refresh() {
        let mut encoder = MessageEncoder::new(of_instance("lead guitar"), vec!["female vocal".into(), "r&b".into()]);
        let all = [
            ("/tagvane/lead_guitar/tag/female_vocal".to_owned(), 0.5),
            ("/tagvane/lead_guitar/tag/r&b".to_owned(), 0.5),
            ("/tagvane/lead_guitar/slot/1".to_owned(), 0.25),
            ("/tagvane/lead_guitar/age".to_owned(), 1.44),
        ];
        assert_eq!(decoded(&encoder.encode(&snapshot(0.5, Some(0.25)))), all);
        assert_eq!(decoded(&encoder.encode(&snapshot(0.5, Some(0.25)))), []);
        let moved = decoded(&encoder.encode(&snapshot(0.5, Some(0.75))));
        assert_eq!(moved, [("/tagvane/lead_guitar/slot/1".to_owned(), 0.75), all[3].clone()]);
        for _ in 3..REFRESH {
            assert_eq!(encoder.encode(&snapshot(0.5, Some(0.75))).len(), 0);
        }
        assert_eq!(decoded(&encoder.encode(&snapshot(0.5, Some(0.75)))).len(), 4);
    }

    #[test]
    fn many_long_names_are_split_into_several_datagrams() {
        let names: Vec<String> = (0..MAX_PUBLISHED_TAGS).map(|tag| format!("{tag} {}", "long ".repeat(20))).collect();
        let datagrams =
            MessageEncoder::new(of_instance(&"long instance ".repeat(5)), names).encode(&snapshot(0.1, None));
        assert!(datagrams.len() > 5);
        assert_eq!(decoded(&datagrams).len(), MAX_PUBLISHED_TAGS + 1);
    }
}
