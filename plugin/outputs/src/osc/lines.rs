//! What is said over OSC: addresses and bundles.
//!
//! `/tagvane/<instance>/tag/<name>`, `/tagvane/<instance>/slot/<number>` and
//! `/tagvane/<instance>/age`, each with one float.

use super::Snapshot;
use crate::SLOTS;
use crate::announcer::moved;
use crate::names::osc_part;
use rosc::{OscBundle, OscMessage, OscPacket, OscTime, OscType, encoder};

/// A value that moved by less than this since it was last sent waits.
const DEAD_BAND: f32 = 0.001;

/// So many updates after each other everything is sent, moved or not: datagrams get
/// lost, and receivers come later.
const REFRESH: u32 = 25;

/// The longest datagram: what any network carries in one piece.
const LONGEST: usize = 1_400;

/// Bytes of a bundle before its first message: its name and its time.
const BUNDLE: usize = 16;

/// "At once".
const NOW: OscTime = OscTime { seconds: 0, fractional: 1 };

/// The addresses of an instance, and what was sent to each last.
pub(super) struct Lines {
    tags: Vec<Line>,
    slots: Vec<Line>,
    age: String,
    /// Updates since everything was sent.
    updates: u32,
}

struct Line {
    address: String,
    sent: Option<f32>,
}

impl Lines {
    /// The lines of an instance whose published tags have these names.
    pub(super) fn new(instance: &str, tags: &[String]) -> Self {
        let instance = osc_part(instance);
        let line = |kind: &str, name: &str| Line { address: format!("/tagvane/{instance}/{kind}/{name}"), sent: None };
        Self {
            tags: tags.iter().map(|name| line("tag", &osc_part(name))).collect(),
            slots: (1..=SLOTS).map(|number| line("slot", &number.to_string())).collect(),
            age: format!("/tagvane/{instance}/age"),
            updates: 0,
        }
    }

    /// The datagrams of an update, each a bundle: what moved, or now and then everything.
    pub(super) fn update(&mut self, snapshot: &Snapshot) -> Vec<Vec<u8>> {
        let everything = self.updates.is_multiple_of(REFRESH);
        self.updates += 1;
        let tags = self.tags.iter_mut().zip(snapshot.tags.iter().copied().map(Some));
        let slots = self.slots.iter_mut().zip(snapshot.slots);
        let mut messages = Vec::new();
        for (line, value) in tags.chain(slots) {
            if let Some(value) = value
                && (everything || line.sent.is_none_or(|sent| moved(value, sent, DEAD_BAND)))
            {
                line.sent = Some(value);
                messages.push(message(&line.address, value));
            }
        }
        if !messages.is_empty() {
            messages.push(message(&self.age, snapshot.age));
        }
        bundles(messages)
    }
}

fn message(address: &str, value: f32) -> OscMessage {
    OscMessage { addr: address.to_owned(), args: vec![OscType::Float(value)] }
}

/// Messages in as few bundles as hold them.
fn bundles(messages: Vec<OscMessage>) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let (mut content, mut length) = (Vec::new(), BUNDLE);
    for message in messages {
        // Its size, its address to the next multiple of four, ",f", and the float.
        let bytes = 4 + (message.addr.len() / 4 + 1) * 4 + 4 + 4;
        if length + bytes > LONGEST && !content.is_empty() {
            datagrams.extend(datagram(std::mem::take(&mut content)));
            length = BUNDLE;
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
    encoder::encode(&OscPacket::Bundle(OscBundle { timetag: NOW, content })).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PUBLISHED;

    fn snapshot(tag: f32, slot: Option<f32>) -> Snapshot {
        let mut slots = [None; SLOTS];
        slots[0] = slot;
        Snapshot { tags: [tag; PUBLISHED], slots, age: 1.44 }
    }

    fn read(datagrams: &[Vec<u8>]) -> Vec<(String, f32)> {
        let mut read = Vec::new();
        for datagram in datagrams {
            assert!(datagram.len() <= LONGEST, "{} bytes", datagram.len());
            let (rest, packet) = rosc::decoder::decode_udp(datagram).unwrap();
            assert!(rest.is_empty());
            let OscPacket::Bundle(bundle) = packet else { panic!("not a bundle") };
            for packet in bundle.content {
                let OscPacket::Message(message) = packet else { panic!("not a message") };
                let [OscType::Float(value)] = message.args[..] else { panic!("not one float") };
                read.push((message.addr, value));
            }
        }
        read
    }

    #[test]
    fn only_what_moved_is_sent_and_everything_now_and_then() {
        let mut lines = Lines::new("lead guitar", &["female vocal".into(), "r&b".into()]);
        let all = [
            ("/tagvane/lead_guitar/tag/female_vocal".to_owned(), 0.5),
            ("/tagvane/lead_guitar/tag/r&b".to_owned(), 0.5),
            ("/tagvane/lead_guitar/slot/1".to_owned(), 0.25),
            ("/tagvane/lead_guitar/age".to_owned(), 1.44),
        ];
        assert_eq!(read(&lines.update(&snapshot(0.5, Some(0.25)))), all);
        assert_eq!(read(&lines.update(&snapshot(0.5, Some(0.25)))), []);
        let moved = read(&lines.update(&snapshot(0.5, Some(0.75))));
        assert_eq!(moved, [("/tagvane/lead_guitar/slot/1".to_owned(), 0.75), all[3].clone()]);
        for _ in 3..REFRESH {
            assert_eq!(lines.update(&snapshot(0.5, Some(0.75))).len(), 0);
        }
        assert_eq!(read(&lines.update(&snapshot(0.5, Some(0.75)))).len(), 4);
    }

    #[test]
    fn many_long_names_go_in_several_datagrams() {
        let names: Vec<String> = (0..PUBLISHED).map(|tag| format!("{tag} {}", "long ".repeat(20))).collect();
        let datagrams = Lines::new("1", &names).update(&snapshot(0.1, None));
        assert!(datagrams.len() > 5);
        assert_eq!(read(&datagrams).len(), PUBLISHED + 1);
    }
}
