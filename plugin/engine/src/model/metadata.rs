//! The metadata properties of an ONNX tagger.

use super::MAX_TAGS;
use super::background::Background;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use tract_onnx::pb::ModelProto;

/// A longer property counts as missing: it costs many times its size to parse, and no list of at most
/// [`MAX_TAGS`] tags needs it.
pub(super) const MAX_PROPERTY_BYTES: usize = 1 << 20;

/// The most vocabularies that a file can have.
pub const MAX_VOCABULARIES: usize = 16;

/// Separates the name of the vocabulary from that of the tag, in a file of several vocabularies.
pub const VOCABULARY_SEPARATOR: &str = ": ";

/// A part of a model's tags that belongs together, such as the fifty tags of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vocabulary {
    /// Its name, such as `Million Song 50`.
    pub name: String,
    /// The number of its tags, which follow those of the vocabulary before it.
    #[serde(rename = "tags")]
    pub tag_count: usize,
}

impl Vocabulary {
    /// The range of each of `vocabularies` in their tags, with its name.
    pub fn ranges(vocabularies: &[Self]) -> impl Iterator<Item = (&str, Range<usize>)> {
        vocabularies.iter().scan(0, |first, vocabulary| {
            let start = std::mem::replace(first, *first + vocabulary.tag_count);
            Some((vocabulary.name.as_str(), start..*first))
        })
    }
}

/// The metadata properties of a model file. The trainer writes them, [`Model`](crate::Model) reads them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The tags, in the order of the output `probabilities`; empty if missing. With several vocabularies each is preceded
    /// by the name of its own and [`VOCABULARY_SEPARATOR`], as in `Million Song 50: guitar`, because they share tags.
    pub tags: Vec<String>,
    /// The vocabularies, if the file has several: together they have all tags. Otherwise empty.
    pub vocabularies: Vec<Vocabulary>,
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
    /// Whitened embeddings of general music, if tags of a user's own can be taught.
    pub background: Background,
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
        let (tags, vocabularies) =
            if self.tags.is_empty() { (other.tags, other.vocabularies) } else { (self.tags, self.vocabularies) };
        Self {
            tags,
            vocabularies,
            weak_tags: if self.weak_tags.is_empty() { other.weak_tags } else { self.weak_tags },
            sample_rate: self.sample_rate.or(other.sample_rate),
            window: self.window.or(other.window),
            architecture: text(self.architecture, other.architecture),
            widths: text(self.widths, other.widths),
            trained_on: text(self.trained_on, other.trained_on),
            licence: text(self.licence, other.licence),
            background: if self.background.size() > 0 { self.background } else { other.background },
        }
    }

    /// The properties of a decoded file.
    pub(super) fn from_proto(model: &ModelProto) -> Self {
        Self::from_properties(model.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())))
    }

    /// Reads properties from pairs of key and value. Unknown keys are ignored; a property whose value
    /// cannot be parsed, or is longer than 1 MiB, is missing. Tags are cut to 64 characters, and control characters are
    /// removed.
    pub fn from_properties<'a>(properties: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let is_short = |(_, value): &(&str, &str)| value.len() <= MAX_PROPERTY_BYTES;
        let found: BTreeMap<&str, &str> = properties.into_iter().filter(is_short).collect();
        let text = |key: &str| found.get(key).map_or(String::new(), |value| (*value).to_owned());
        let tags = |key| match found.get(key).map(|json| serde_json::from_str(json)) {
            Some(Ok(Value::Array(names))) => {
                names.iter().map(|name| tag_name(name.as_str().unwrap_or_default())).collect()
            }
            _ => Vec::new(),
        };
        let tags_in_order = tags("tags");
        let vocabularies = found.get("vocabularies").and_then(|json| serde_json::from_str(json).ok());
        Self {
            vocabularies: valid_vocabularies(vocabularies.unwrap_or_default(), tags_in_order.len()),
            tags: tags_in_order,
            weak_tags: tags("weak_tags").into_iter().take(MAX_TAGS).collect(),
            sample_rate: found.get("sample_rate").and_then(|rate| rate.parse().ok()),
            window: found.get("window").and_then(|window| window.parse().ok()),
            architecture: text("architecture"),
            widths: text("widths"),
            trained_on: text("trained_on"),
            licence: text("licence"),
            background: found
                .get(Background::PROPERTY)
                .and_then(|value| Background::from_property(value))
                .unwrap_or_default(),
        }
    }

    /// The properties as pairs of key and value.
    pub fn to_properties(&self) -> Vec<(&'static str, String)> {
        let list = |tags: &[String]| Value::from(tags).to_string();
        let mut properties = vec![
            ("tagvane.format", if self.vocabularies.is_empty() { "1" } else { "2" }.to_owned()),
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
        properties.extend((self.background.size() > 0).then(|| (Background::PROPERTY, self.background.to_property())));
        if !self.vocabularies.is_empty() {
            properties.push(("vocabularies", serde_json::json!(self.vocabularies).to_string()));
        }
        properties
    }

    /// The range of each vocabulary in the tags, with its name; empty unless there are several.
    pub fn vocabulary_ranges(&self) -> Vec<(&str, Range<usize>)> {
        Vocabulary::ranges(&self.vocabularies).collect()
    }

    /// The names of the tags as a person reads them, each of them once: without their vocabulary, where no earlier
    /// vocabulary has a tag of this name in upper or lower case, and otherwise followed by it, as in
    /// `guitar (Million Song 50)`. A name that is there already gets a number. The tags themselves unless there are several
    /// vocabularies.
    pub fn display_tags(&self) -> Vec<String> {
        let mut shown = self.tags.clone();
        let (mut of_earlier, mut taken): (HashSet<String>, HashSet<String>) = Default::default();
        for (vocabulary, range) in self.vocabulary_ranges() {
            let plain: Vec<&str> =
                self.tags[range.clone()].iter().map(|tag| without_vocabulary(tag, vocabulary)).collect();
            for (index, plain) in range.zip(&plain) {
                let name = match plain.trim() {
                    "" => unnamed_tag(index),
                    _ if of_earlier.contains(&plain.to_lowercase()) => format!("{plain} ({vocabulary})"),
                    _ => (*plain).to_owned(),
                };
                shown[index].clone_from(&name);
                let mut number = 1;
                while !taken.insert(shown[index].clone()) {
                    number += 1;
                    shown[index] = format!("{name} {number}");
                }
            }
            of_earlier.extend(plain.iter().map(|plain| plain.to_lowercase()));
        }
        shown
    }
}

/// A tag without the vocabulary that precedes it.
fn without_vocabulary<'a>(tag: &'a str, vocabulary: &str) -> &'a str {
    tag.strip_prefix(vocabulary).and_then(|rest| rest.strip_prefix(VOCABULARY_SEPARATOR)).unwrap_or(tag)
}

/// The vocabularies of a file with this many tags; none unless they are several, have all tags and different names.
fn valid_vocabularies(mut vocabularies: Vec<Vocabulary>, tags: usize) -> Vec<Vocabulary> {
    vocabularies.iter_mut().for_each(|vocabulary| vocabulary.name = tag_name(&vocabulary.name));
    let names: HashSet<&str> = vocabularies.iter().map(|vocabulary| vocabulary.name.as_str()).collect();
    let count = vocabularies.iter().try_fold(0_usize, |sum, vocabulary| sum.checked_add(vocabulary.tag_count));
    let is_valid = (2..=MAX_VOCABULARIES).contains(&vocabularies.len())
        && names.len() == vocabularies.len()
        && vocabularies.iter().all(|vocabulary| vocabulary.tag_count > 0 && !vocabulary.name.trim().is_empty())
        && count == Some(tags);
    if is_valid { vocabularies } else { Vec::new() }
}

/// The name of the tag at `index`, from 0, where nothing names it.
pub fn unnamed_tag(index: usize) -> String {
    format!("tag {}", index + 1)
}

/// The first 64 characters of a tag's name, without control characters.
pub(crate) fn tag_name(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_properties_are_read_back() {
        let metadata = Metadata {
            tags: vec!["guitar".into(), "männlich \"quoted\"".into()],
            vocabularies: Vec::new(),
            weak_tags: vec!["guitar".into()],
            sample_rate: Some(22_050),
            window: Some(59_049),
            architecture: "3^9".into(),
            widths: "16, 32".into(),
            trained_on: "free music".into(),
            licence: "MIT".into(),
            background: Background::new(2, &[0.5, -1.0]),
        };
        let properties = metadata.to_properties();
        let borrowed = properties.iter().map(|(key, value)| (*key, value.as_str()));
        assert_eq!(Metadata::from_properties(borrowed), metadata);
    }

    fn of_vocabularies(vocabularies: &[(&str, &[&str])]) -> Metadata {
        let tags = vocabularies
            .iter()
            .flat_map(|(name, tags)| tags.iter().map(move |tag| format!("{name}{VOCABULARY_SEPARATOR}{tag}")));
        let list = vocabularies.iter().map(|(name, tags)| Vocabulary { name: (*name).into(), tag_count: tags.len() });
        Metadata { tags: tags.collect(), vocabularies: list.collect(), ..Metadata::default() }
    }

    #[test]
    fn a_tag_of_two_vocabularies_is_shown_with_the_second_ones_name() {
        let metadata =
            of_vocabularies(&[("First", &["guitar", "House"]), ("Second: one", &["house", "guitar", "harp"])]);
        assert_eq!(metadata.display_tags(), ["guitar", "House", "house (Second: one)", "guitar (Second: one)", "harp"]);
        assert_eq!(metadata.vocabulary_ranges(), [("First", 0..2), ("Second: one", 2..5)]);
        let properties = metadata.to_properties();
        assert_eq!(properties[0], ("tagvane.format", "2".into()));
        let read = Metadata::from_properties(properties.iter().map(|(key, value)| (*key, value.as_str())));
        assert_eq!(read, metadata);
        let odd = of_vocabularies(&[("A", &["x", "x (B)", "y", "y"]), ("B", &["x", " ", "Y"])]);
        assert_eq!(odd.display_tags(), ["x", "x (B)", "y", "y 2", "x (B) 2", "tag 6", "Y (B)"]);
        let plain = Metadata { tags: vec!["a: b".into(), "a: b".into()], ..Metadata::default() };
        assert_eq!((plain.display_tags(), plain.vocabulary_ranges().len()), (plain.tags.clone(), 0));
    }

    #[test]
    fn vocabularies_that_do_not_have_exactly_the_tags_are_missing() {
        let read = |json: &str| {
            Metadata::from_properties([("tags", r#"["a: x", "b: y", "b: z"]"#), ("vocabularies", json)]).vocabularies
        };
        assert_eq!(read(r#"[{"name": "a", "tags": 1}, {"name": "b", "tags": 2}]"#).len(), 2);
        for json in [
            "5",
            "[]",
            r#"[{"name": "a", "tags": 3}]"#,
            r#"[{"name": "a", "tags": 1}, {"name": "b", "tags": 1}]"#,
            r#"[{"name": "a", "tags": 1}, {"name": "a", "tags": 2}]"#,
            r#"[{"name": "a", "tags": 0}, {"name": "b", "tags": 3}]"#,
            r#"[{"name": " ", "tags": 1}, {"name": "b", "tags": 2}]"#,
            r#"[{"name": "a", "tags": 4}, {"name": "b", "tags": 18446744073709551615}]"#,
            r#"[{"name": "a", "tags": -1}, {"name": "b", "tags": 4}]"#,
        ] {
            assert!(read(json).is_empty(), "{json}");
        }
    }

    #[test]
    fn malformed_properties_are_missing_or_truncated() {
        fn read(key: &str, value: &str) -> Metadata {
            Metadata::from_properties([(key, value)])
        }
        assert!(read("tags", "not json").tags.is_empty());
        assert!(read("tags", "{\"a\": 1}").tags.is_empty());
        assert_eq!(read("sample_rate", "-4").sample_rate, None);
        assert_eq!(read("tags", "[\"a\\u0007\\nb\", 5]").tags, ["ab", ""]);
        let long = |length: usize| format!("[\"{}\"]", "x".repeat(length - 4));
        assert_eq!(read("tags", &long(MAX_PROPERTY_BYTES)).tags[0].len(), 64);
        for key in ["tags", "weak_tags", "vocabularies", "trained_on"] {
            assert_eq!(read(key, &long(MAX_PROPERTY_BYTES + 1)), Metadata::default(), "{key}");
        }
        let many = format!("[{}0]", "0,".repeat(5_000));
        assert_eq!(read("weak_tags", &many).weak_tags.len(), MAX_TAGS);
    }
}
