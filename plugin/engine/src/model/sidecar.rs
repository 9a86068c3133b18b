//! What files beside a model file say of it: its tags, its sample rate and its window, which files of other programs
//! rarely hold themselves.

use super::metadata::{MAX_PROPERTY_BYTES, Metadata, tag_name};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// The most bytes of such a file: as many as a property of the model file may have.
const MAX_BYTES: u64 = MAX_PROPERTY_BYTES as u64;

/// Reads the files beside `model`, such as `NAME.onnx`. Where several say something, the first one counts:
///
/// * `NAME.json`: `tags`, `sample_rate` and `window`; or Essentia's `classes` and `inference.sample_rate`; or Hugging
///   Face's `id2label`;
/// * `NAME.labels.txt`: a tag a line;
/// * Hugging Face's `config.json` with `id2label`, and `preprocessor_config.json` with `sampling_rate`.
pub(crate) fn read(model: &Path) -> Metadata {
    let beside = |name: &str| model.with_file_name(name);
    let mut found = Metadata::default();
    for path in [model.with_extension("json"), beside("config.json"), beside("preprocessor_config.json")] {
        found = found.or(read_json(&path));
        if path == model.with_extension("json")
            && let Some(text) = read_text(&model.with_extension("labels.txt"))
        {
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            found = found.or(Metadata { tags: lines.map(tag_name).collect(), ..Metadata::default() });
        }
    }
    found
}

/// What a JSON file says; nothing if it cannot be read.
pub(crate) fn read_json(path: &Path) -> Metadata {
    let value = read_text(path).and_then(|text| serde_json::from_str(&text).ok());
    value.map_or_else(Metadata::default, |value| from_json(&value))
}

/// The JSON that says this of a model: its `tags`, `sample_rate` and `window`.
pub(crate) fn to_json(stated: &Metadata) -> String {
    let mut fields = Map::new();
    if !stated.tags.is_empty() {
        fields.insert("tags".into(), stated.tags.clone().into());
    }
    if let Some(rate) = stated.sample_rate {
        fields.insert("sample_rate".into(), rate.into());
    }
    if let Some(window) = stated.window {
        fields.insert("window".into(), window.into());
    }
    Value::Object(fields).to_string()
}

/// The text of a file; `None` if there is none, or it is too long or no text.
fn read_text(path: &Path) -> Option<String> {
    // Before it is opened: opening a pipe would block.
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return None;
    }
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

/// What a JSON document says.
fn from_json(value: &Value) -> Metadata {
    let list = |key: &str| value[key].as_array().map(|names| names.iter().filter_map(Value::as_str));
    let tags = list("tags").or_else(|| list("classes")).or_else(|| list("labels"));
    let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
    let rates = [&value["sample_rate"], &value["inference"]["sample_rate"], &value["sampling_rate"]];
    Metadata {
        tags: tags.map_or_else(|| id_to_label(&value["id2label"]), |tags| tags.map(tag_name).collect()),
        sample_rate: rates.into_iter().find_map(number),
        window: number(&value["window"]).map(|window| window as usize),
        ..Metadata::default()
    }
}

/// Hugging Face's map from the index of an output to its label; empty if an index is missing.
fn id_to_label(map: &Value) -> Vec<String> {
    let Some(map) = map.as_object() else { return Vec::new() };
    let label = |index: usize| map.get(&index.to_string()).and_then(Value::as_str).map(tag_name);
    (0..map.len()).map(label).collect::<Option<_>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let cases = [
            (r#"{"tags": ["rock", "pop"], "sample_rate": 16000, "window": 15600}"#, Some(16_000), Some(15_600)),
            (r#"{"classes": ["rock", "pop"], "inference": {"sample_rate": 16000}}"#, Some(16_000), None),
            (r#"{"id2label": {"1": "pop", "0": "rock"}, "sampling_rate": 44100}"#, Some(44_100), None),
            (r#"{"labels": ["rock", "pop"]}"#, None, None),
        ];
        for (text, sample_rate, window) in cases {
            let found = from_json(&serde_json::from_str(text).unwrap());
            let expected =
                Metadata { tags: vec!["rock".into(), "pop".into()], sample_rate, window, ..Metadata::default() };
            assert_eq!(found, expected, "{text}");
            assert_eq!(from_json(&serde_json::from_str(&to_json(&found)).unwrap()), found, "written and read again");
        }
        for text in ["[]", "3", r#"{"tags": 3, "sample_rate": -1, "window": 1e300}"#, r#"{"id2label": {"5": "pop"}}"#] {
            assert_eq!(from_json(&serde_json::from_str(text).unwrap()), Metadata::default(), "{text}");
        }
    }
}
