//! A project's state, as the host hands it over: looked at before nice-plug takes it.

use super::{Choice, View};
use nice_plug::prelude::PluginState;
use serde::de::DeserializeOwned;
use tagvane_outputs::{SLOTS, Wiring};

/// The longest state that is loaded, in bytes; what is saved is shorter.
pub(crate) const LONGEST: usize = 64 << 10;

/// Looks at a state: eight bytes of length, that of the JSON behind them. Gives a sentence where a part of it is to be
/// left out.
///
/// # Errors
/// A sentence where it is none.
pub(crate) fn examine(bytes: &[u8]) -> Result<Option<String>, String> {
    let refuse = |why: &str| {
        let kept = "what was set before stays; load the project again, or set this instance up anew";
        Err(format!("The project's settings cannot be read: {why}; {kept}"))
    };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return refuse("they end early") };
    let length = u64::from_le_bytes(*length);
    if length > (LONGEST - 8) as u64 {
        return refuse("they are longer than any that Tagvane saves");
    }
    // nice-plug reads as much as there is, and so takes a state whose end is lost for another. What a
    // host has behind it is its own.
    let Some(json) = rest.get(..length as usize) else { return refuse("they end early") };
    let Ok(state) = serde_json::from_slice::<PluginState>(json) else { return refuse("they are damaged") };
    let unread: Vec<&str> = [
        ("model", reads::<Choice>(&state, "model")),
        ("view", reads::<View>(&state, "view")),
        ("slots' sources and OSC", reads::<Wiring>(&state, "outputs")),
        ("slots' values", reads::<[f32; SLOTS]>(&state, "slots")),
    ]
    .into_iter()
    .filter_map(|(name, read)| (!read).then_some(name))
    .collect();
    if !unread.is_empty() {
        return Ok(Some(format!("The project's {} cannot be read and stay as they were", unread.join(" and "))));
    }
    if release(&state.version) > release(env!("CARGO_PKG_VERSION")) {
        let version: String = state.version.chars().filter(|c| !c.is_control()).take(20).collect();
        return Ok(Some(format!(
            "The project was saved by Tagvane {version}; what this version does not know of it is left out"
        )));
    }
    Ok(None)
}

/// Whether a field is what it should be, or not there.
fn reads<T: DeserializeOwned>(state: &PluginState, field: &str) -> bool {
    state.fields.get(field).is_none_or(|text| serde_json::from_str::<T>(text).is_ok())
}

/// The first two numbers of a version, which say what a state can hold.
fn release(version: &str) -> (u64, u64) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn encoded(json: &Value) -> Vec<u8> {
        let text = json.to_string().into_bytes();
        [&(text.len() as u64).to_le_bytes()[..], &text].concat()
    }

    fn state(version: &str, fields: Value) -> Vec<u8> {
        encoded(&json!({ "version": version, "params": { "bypass": { "bool": false } }, "fields": fields }))
    }

    #[test]
    fn states_of_all_versions_are_read() {
        assert_eq!(examine(&state(env!("CARGO_PKG_VERSION"), json!({}))), Ok(None));
        // The first version had fewer fields, and a model by its path alone.
        assert_eq!(examine(&state("0.1.0", json!({ "model": "\"/music/mine.onnx\"" }))), Ok(None));
        let later = examine(&state("9.3.1", json!({ "a new field": "{}", "view": "{\"new\": 1}" })));
        assert!(later.unwrap().unwrap().contains("saved by Tagvane 9.3.1"));
    }

    #[test]
    fn what_is_none_gets_a_sentence() {
        let whole = state("0.1.0", json!({ "view": "{}" }));
        for cut in 0..whole.len() {
            let said = examine(&whole[..cut]).unwrap_err();
            assert!(said.contains("end early"), "cut at {cut}: {said}");
        }
        let padded = [&whole[..], &[0; 100]].concat();
        assert_eq!(examine(&padded), Ok(None), "a host may fill up");
        let long = state("0.1.0", json!({ "view": "x".repeat(LONGEST) }));
        for (bytes, words) in [
            (&b"nonsense and more"[..], "longer"),
            (&encoded(&json!(null)), "damaged"),
            (&encoded(&json!({ "version": 3 })), "damaged"),
            (&long, "longer"),
        ] {
            assert!(examine(bytes).unwrap_err().contains(words));
        }
        let deep = format!("{{\"fields\": {}", "[".repeat(50_000));
        let deep = [&(deep.len() as u64).to_le_bytes()[..], deep.as_bytes()].concat();
        assert!(examine(&deep).unwrap_err().contains("damaged"));
    }

    #[test]
    fn a_field_that_is_damaged_is_named() {
        let said = examine(&state("0.1.0", json!({ "outputs": "{\"sources\": 5}", "slots": "[1]" })));
        let said = said.unwrap().unwrap();
        assert!(said.contains("slots' sources and OSC and slots' values cannot be read"), "{said}");
    }

    #[test]
    fn flipped_bits_never_panic() {
        let whole =
            state("0.1.0", json!({ "view": "{\"light\": true}", "model": "null", "slots": "[0,0,0,0,0,0,0,0]" }));
        for place in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[place / 8] ^= 1 << (place % 8);
            let _ = examine(&bytes);
        }
    }
}
