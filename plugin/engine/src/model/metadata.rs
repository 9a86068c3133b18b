//! The metadata properties of an ONNX tagger.

use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use tract_onnx::pb::ModelProto;

/// The value of the property `tagvane.format`.
pub const FORMAT: &str = "1";

/// The metadata properties of a model file. The trainer writes them, [`Model`](crate::Model) reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The tags, in the order of the output `probabilities`; empty if missing.
    pub tags: Vec<String>,
    /// Those of the tags that had few examples in training, so that their predictions are unreliable.
    pub weak_tags: Vec<String>,
    /// The sample rate of the waveform, in hertz; `None` if missing.
    pub sample_rate: Option<u32>,
    /// The length of the window, in samples; `None` if missing. Needed where the input's length is not fixed.
    pub window: Option<usize>,
    /// The network, such as `3^9`.
    pub architecture: String,
    /// The number of filters of each layer, such as `16, 16, 32`.
    pub widths: String,
    /// The training data, in a sentence.
    pub trained_on: String,
    /// The licence of the weights.
    pub licence: String,
}

impl Metadata {
    /// Reads the properties of an ONNX file without preparing its graph. All of them are missing if the
    /// bytes are not an ONNX file.
    pub fn peek(bytes: &[u8]) -> Self {
        let model = super::encoded_size::check(bytes).ok().and_then(|()| ModelProto::decode(bytes).ok());
        model.map_or_else(Self::default, |model| Self::from_proto(&model))
    }

    /// These properties, and those of `other` in the place of missing ones.
    pub(crate) fn or(self, other: Self) -> Self {
        let text = |mine: String, others: String| if mine.is_empty() { others } else { mine };
        Self {
            tags: if self.tags.is_empty() { other.tags } else { self.tags },
            weak_tags: if self.weak_tags.is_empty() { other.weak_tags } else { self.weak_tags },
            sample_rate: self.sample_rate.or(other.sample_rate),
            window: self.window.or(other.window),
            architecture: text(self.architecture, other.architecture),
            widths: text(self.widths, other.widths),
            trained_on: text(self.trained_on, other.trained_on),
            licence: text(self.licence, other.licence),
        }
    }

    /// The properties of a decoded file.
    pub(super) fn from_proto(model: &ModelProto) -> Self {
        Self::from_properties(model.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())))
    }

    /// Reads properties from pairs of key and value. Unknown keys are ignored; a property whose value
    /// cannot be parsed is missing. Tags are cut to 64 characters, and control characters are removed.
    pub fn from_properties<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let found: BTreeMap<&str, &str> = properties.into_iter().collect();
        let text = |key: &str| found.get(key).map_or(String::new(), |value| (*value).to_owned());
        let tags = |key| match found.get(key).map(|json| serde_json::from_str(json)) {
            Some(Ok(Value::Array(names))) => {
                names.iter().map(|name| tag_name(name.as_str().unwrap_or_default())).collect()
            }
            _ => Vec::new(),
        };
        Self {
            tags: tags("tags"),
            weak_tags: tags("weak_tags"),
            sample_rate: found.get("sample_rate").and_then(|rate| rate.parse().ok()),
            window: found.get("window").and_then(|window| window.parse().ok()),
            architecture: text("architecture"),
            widths: text("widths"),
            trained_on: text("trained_on"),
            licence: text("licence"),
        }
    }

    /// The properties as pairs of key and value.
    pub fn to_properties(&self) -> Vec<(&'static str, String)> {
        let list = |tags: &[String]| Value::from(tags).to_string();
        let mut properties = vec![
            ("tagvane.format", FORMAT.to_owned()),
            ("tags", list(&self.tags)),
            ("weak_tags", list(&self.weak_tags)),
            ("architecture", self.architecture.clone()),
            ("widths", self.widths.clone()),
            ("trained_on", self.trained_on.clone()),
            ("licence", self.licence.clone()),
        ];
        let numbers = [
            ("sample_rate", self.sample_rate.map(|rate| rate.to_string())),
            ("window", self.window.map(|window| window.to_string())),
        ];
        properties.extend(numbers.into_iter().filter_map(|(key, value)| Some((key, value?))));
        properties
    }
}

/// The name of the tag at `index`, from 0, where nothing names it.
pub fn unnamed_tag(index: usize) -> String {
    format!("tag {}", index + 1)
}

/// The first 64 characters of a tag's name, without control characters.
pub(super) fn tag_name(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_properties_are_read_back() {
        let metadata = Metadata {
            tags: vec!["guitar".into(), "männlich \"quoted\"".into()],
            weak_tags: vec!["guitar".into()],
            sample_rate: Some(22_050),
            window: Some(59_049),
            architecture: "3^9".into(),
            widths: "16, 32".into(),
            trained_on: "free music".into(),
            licence: "MIT".into(),
        };
        let properties = metadata.to_properties();
        let borrowed = properties.iter().map(|(key, value)| (*key, value.as_str()));
        assert_eq!(Metadata::from_properties(borrowed), metadata);
    }

    #[test]
    fn malformed_properties_are_missing_or_truncated() {
        let read = |key, value| Metadata::from_properties([(key, value)]);
        assert!(read("tags", "not json").tags.is_empty());
        assert!(read("tags", "{\"a\": 1}").tags.is_empty());
        assert_eq!(read("sample_rate", "-4").sample_rate, None);
        assert_eq!(read("tags", "[\"a\\u0007\\nb\", 5]").tags, ["ab", ""]);
        let long = format!("[\"{}\"]", "x".repeat(100_000));
        assert_eq!(read("tags", &long).tags[0].len(), 64);
    }
}
