//! The check of a saved state before nice-plug loads it.

use super::model::ModelChoice;
use super::view::ViewSettings;
use nice_plug::prelude::PluginState;
use serde::de::DeserializeOwned;
use tagvane_engine::teaching::Mine;
use tagvane_outputs::{OutputConfig, SLOTS};

/// The longest state that is loaded, in bytes; saved states are shorter.
pub(crate) const MAX_STATE_BYTES: usize = 128 << 10;

/// Checks a state: the length of its JSON in eight bytes, little-endian, then the JSON. Returns a sentence
/// for the user if a part of the state will be left out.
///
/// # Errors
/// A sentence for the user if the state cannot be loaded.
pub(crate) fn check_state(bytes: &[u8]) -> Result<Option<String>, String> {
    let reject = |why: &str| {
        let advice = "the current settings stay; load the project again, or set up this instance again";
        Err(format!("The project's settings cannot be read: {why}; {advice}"))
    };
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return reject("they end early") };
    let length = u64::from_le_bytes(*length);
    if length > (MAX_STATE_BYTES - 8) as u64 {
        return reject("they are longer than Tagvane saves them");
    }
    // nice-plug would load a truncated state as another one. A host may append bytes of its own.
    let Some(json) = rest.get(..length as usize) else { return reject("they end early") };
    let Ok(state) = serde_json::from_slice::<PluginState>(json) else { return reject("they are damaged") };
    let damaged: Vec<&str> = [
        ("model", is_readable::<ModelChoice>(&state, "model")),
        (
            "tags of your own",
            state
                .fields
                .get("mine")
                .is_none_or(|text| serde_json::from_str(text).is_ok_and(|mine: Mine| mine.checked().is_ok())),
        ),
        ("view", is_readable::<ViewSettings>(&state, "view")),
        ("slots' sources and OSC", is_readable::<OutputConfig>(&state, "outputs")),
        ("slots' values", is_readable::<[f32; SLOTS]>(&state, "slots")),
    ]
    .into_iter()
    .filter_map(|(name, is_readable)| (!is_readable).then_some(name))
    .collect();
    if !damaged.is_empty() {
        let parts = damaged.join(" and ");
        return Ok(Some(format!("The project's {parts} cannot be read; the current ones stay, so set them again")));
    }
    if major_minor(&state.version) > major_minor(env!("CARGO_PKG_VERSION")) {
        let version: String = state.version.chars().filter(|c| !c.is_control()).take(20).collect();
        return Ok(Some(format!(
            "The project was saved by Tagvane {version}; this version leaves out the settings that it does not know"
        )));
    }
    Ok(None)
}

/// Whether a field can be read as a `T`, or is absent.
fn is_readable<T: DeserializeOwned>(state: &PluginState, field: &str) -> bool {
    state.fields.get(field).is_none_or(|text| serde_json::from_str::<T>(text).is_ok())
}

/// The major and minor number of a version; the fields of a state depend on no others.
fn major_minor(version: &str) -> (u64, u64) {
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
        assert_eq!(check_state(&state(env!("CARGO_PKG_VERSION"), json!({}))), Ok(None));
        // The first version saved fewer fields, and only the path of a model.
        assert_eq!(check_state(&state("0.1.0", json!({ "model": "\"/music/mine.onnx\"" }))), Ok(None));
        let later = check_state(&state("9.3.1", json!({ "a new field": "{}", "view": "{\"new\": 1}" })));
        assert!(later.unwrap().unwrap().contains("saved by Tagvane 9.3.1"));
    }

    #[test]
    fn an_unreadable_state_is_rejected_with_its_reason() {
        let whole = state("0.1.0", json!({ "view": "{}" }));
        for cut in 0..whole.len() {
            let error = check_state(&whole[..cut]).unwrap_err();
            assert!(error.contains("end early"), "cut at {cut}: {error}");
        }
        let padded = [&whole[..], &[0; 100]].concat();
        assert_eq!(check_state(&padded), Ok(None), "a host may append bytes");
        let long = state("0.1.0", json!({ "view": "x".repeat(MAX_STATE_BYTES) }));
        for (bytes, words) in [
            (&b"nonsense and more"[..], "longer"),
            (&encoded(&json!(null)), "damaged"),
            (&encoded(&json!({ "version": 3 })), "damaged"),
            (&long, "longer"),
        ] {
            assert!(check_state(bytes).unwrap_err().contains(words));
        }
        let deep = format!("{{\"fields\": {}", "[".repeat(50_000));
        let deep = [&(deep.len() as u64).to_le_bytes()[..], deep.as_bytes()].concat();
        assert!(check_state(&deep).unwrap_err().contains("damaged"));
    }

    #[test]
    fn damaged_fields_are_named() {
        let notice = check_state(&state("0.1.0", json!({ "outputs": "{\"sources\": 5}", "slots": "[1]" })));
        let notice = notice.unwrap().unwrap();
        assert!(notice.contains("slots' sources and OSC and slots' values cannot be read"), "{notice}");
    }

    #[test]
    fn flipped_bits_never_panic() {
        let whole =
            state("0.1.0", json!({ "view": "{\"light\": true}", "model": "null", "slots": "[0,0,0,0,0,0,0,0]" }));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _ = check_state(&bytes);
        }
    }
}
