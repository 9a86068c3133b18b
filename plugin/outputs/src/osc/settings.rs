//! What a project stores of the OSC output, and how addresses are made of it.

use crate::names::osc_address_part;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// The receiver of a new instance.
pub(super) const DEFAULT_ADDRESS: &str = "127.0.0.1:9000";

/// The address pattern of a new instance.
pub(super) const DEFAULT_PATTERN: &str = "/tagvane/{instance}/{kind}/{name}";

/// The most receivers.
const MAX_RECEIVERS: usize = 8;

/// The most bytes of a pattern.
const MAX_PATTERN: usize = 128;

/// The OSC output, as a project stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OscSettings {
    /// Whether OSC is sent.
    pub on: bool,
    /// The receivers, separated by commas: each an IP address and a port, such as `127.0.0.1:9000`.
    pub address: String,
    /// The name of the instance in the addresses.
    pub instance: String,
    /// The addresses of the messages: `{instance}` stands for the name of the instance, `{kind}` for `tag`, `slot` or
    /// `age`, `{name}` for the name of a tag or the number of a slot. An age has no name; its `/{name}` is left out, or
    /// it is called `age` if there is no `{kind}`.
    pub pattern: String,
    /// Whether the messages of a tick are sent in bundles, in contrast to one datagram each.
    #[serde(rename = "bundles")]
    pub sends_bundles: bool,
}

impl Default for OscSettings {
    fn default() -> Self {
        Self {
            on: false,
            address: DEFAULT_ADDRESS.into(),
            instance: "1".into(),
            pattern: DEFAULT_PATTERN.into(),
            sends_bundles: true,
        }
    }
}

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OscMessageKind<'a> {
    /// The value of the tag of this name.
    Tag(&'a str),
    /// The value of the slot of this number, from 1.
    Slot(usize),
    /// The age of the values.
    Age,
}

impl OscSettings {
    /// The address of a message.
    pub fn message_address(&self, kind: OscMessageKind<'_>) -> String {
        let (kind, name) = match kind {
            OscMessageKind::Tag(name) => ("tag", osc_address_part(name)),
            OscMessageKind::Slot(number) => ("slot", number.to_string()),
            OscMessageKind::Age if self.pattern.contains("{kind}") => ("age", String::new()),
            OscMessageKind::Age => ("age", "age".into()),
        };
        let pattern = if name.is_empty() { self.pattern.replace("/{name}", "") } else { self.pattern.clone() };
        // The instance last: its name is text of the user, and may contain a placeholder.
        let address = pattern.replace("{kind}", kind).replace("{name}", &name);
        address.replace("{instance}", &osc_address_part(&self.instance))
    }

    /// The receivers. Host names are not resolved, because that can block.
    ///
    /// # Errors
    /// A sentence for the user if one is no address, there is none, or there are more than eight.
    pub(super) fn receivers(&self) -> Result<Vec<SocketAddr>, String> {
        let parts: Vec<&str> = self.address.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        if !(1..=MAX_RECEIVERS).contains(&parts.len()) {
            let count = parts.len();
            return Err(format!(
                "OSC cannot be sent to {count} receivers; give 1 to {MAX_RECEIVERS} such as {DEFAULT_ADDRESS}, with \
                 commas between them"
            ));
        }
        parts.into_iter().map(parse_address).collect()
    }

    /// Checks the pattern.
    ///
    /// # Errors
    /// A sentence for the user.
    pub(super) fn check_pattern(&self) -> Result<(), String> {
        let pattern = &self.pattern;
        let reject = |why: &str| {
            Err(format!("OSC cannot be sent: the pattern \"{pattern}\" {why}; use one such as {DEFAULT_PATTERN}"))
        };
        let fixed =
            ["{instance}", "{kind}", "{name}"].iter().fold(pattern.clone(), |text, part| text.replace(part, ""));
        if !pattern.starts_with('/') {
            return reject("does not begin with a slash");
        }
        if !pattern.contains("{name}") {
            return reject("has no {name}, so all messages would have one address");
        }
        if pattern.len() > MAX_PATTERN {
            return reject("is longer than 128 characters");
        }
        if !fixed.chars().all(|character| character.is_ascii_graphic() && !"#*,?[]{}".contains(character)) {
            return reject("has characters that an OSC address cannot have");
        }
        Ok(())
    }
}

/// Parses the address of a receiver.
fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.to_owned(),
    };
    match numeric.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(address),
        _ => Err(format!(
            "OSC cannot be sent: \"{text}\" is not an IP address and a port; use one such as {DEFAULT_ADDRESS}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &str) -> OscSettings {
        OscSettings { address: address.into(), ..OscSettings::default() }
    }

    fn with_pattern(pattern: &str) -> OscSettings {
        OscSettings { pattern: pattern.into(), instance: "lead guitar".into(), ..OscSettings::default() }
    }

    #[test]
    fn receivers_are_ip_addresses_with_ports() {
        for (good, count) in
            [("127.0.0.1:9000", 1), (" 10.0.0.7:1 ", 1), ("localhost:9000", 1), ("[::1]:9000, 10.0.0.7:1,", 2)]
        {
            assert_eq!(to(good).receivers().map(|receivers| receivers.len()), Ok(count), "{good}");
        }
        let many = ["1.1.1.1:1"; 9].join(",");
        for bad in
            ["", ",", "9000", "127.0.0.1", "127.0.0.1:0", "1.1.1.1:1, 127.0.0.1:70000", "example.org:9000", &many]
        {
            assert!(to(bad).receivers().unwrap_err().contains("127.0.0.1:9000"), "{bad}");
        }
    }

    #[test]
    fn a_pattern_shapes_the_addresses() {
        for (pattern, tag, slot, age) in [
            (
                DEFAULT_PATTERN,
                "/tagvane/lead_guitar/tag/r&b_soul",
                "/tagvane/lead_guitar/slot/3",
                "/tagvane/lead_guitar/age",
            ),
            ("/{name}", "/r&b_soul", "/3", "/age"),
            ("/ch/{kind}-{name}/x", "/ch/tag-r&b_soul/x", "/ch/slot-3/x", "/ch/age-/x"),
        ] {
            let settings = with_pattern(pattern);
            assert_eq!(settings.check_pattern(), Ok(()), "{pattern}");
            assert_eq!(settings.message_address(OscMessageKind::Tag("r&b/soul")), tag);
            assert_eq!(settings.message_address(OscMessageKind::Slot(3)), slot);
            assert_eq!(settings.message_address(OscMessageKind::Age), age);
        }
        let named_like_a_placeholder = OscSettings { instance: "{name}".into(), ..OscSettings::default() };
        assert_eq!(named_like_a_placeholder.message_address(OscMessageKind::Age), "/tagvane/_name_/age");
    }

    #[test]
    fn a_pattern_that_makes_no_addresses_is_rejected() {
        let long = format!("/{}{{name}}", "x".repeat(200));
        for bad in ["", "tag/{name}", "/tagvane", "/a b/{name}", "/{name}/{colour}", "/*/{name}", "/ä/{name}", &long] {
            assert!(with_pattern(bad).check_pattern().unwrap_err().contains(DEFAULT_PATTERN), "{bad}");
        }
    }
}
