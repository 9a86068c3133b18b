//! The format of a preset: TOML.

use crate::params::{AnnounceRate, ModelChoice, SHIPPED_MODELS, SlotMode};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use tagvane_outputs::{Combine, MAX_SOURCE_TAGS, SLOTS, SlotShape};

/// The most bytes of a preset file.
pub(super) const MAX_BYTES: u64 = 64 << 10;

/// The most characters of a name.
const MAX_NAME: usize = 64;

/// The most characters of any other text.
const MAX_TEXT: usize = 500;

/// The longest time constant, in milliseconds.
const MAX_MILLISECONDS: f32 = 5_000.0;

/// A preset. It sets all eight slots: those that it does not have are not used. Of everything else it sets what it has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preset {
    /// Its name in lists.
    pub(crate) name: String,
    /// What it is for, in a line.
    #[serde(default)]
    pub(crate) description: String,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    /// Whether MIDI and OSC send the live values of the slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) live: Option<bool>,
    /// The model; without it the model stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<ModelChoice>,
    /// How tags are smoothed and announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<PresetTags>,
    /// The MIDI output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) midi: Option<PresetMidi>,
    /// The OSC output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) osc: Option<PresetOsc>,
    /// The slots that are used.
    #[serde(default, rename = "slot", skip_serializing_if = "Vec::is_empty")]
    pub(crate) slots: Vec<PresetSlot>,
}

/// A slot: its source and its shape. What it does not say is as in a new instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetSlot {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// The tags that drive it; those that the model does not have are ignored.
    pub(crate) tags: Vec<String>,
    /// How several tags are combined.
    pub(crate) combine: Combine,
    pub(crate) mode: SlotMode,
    pub(crate) invert: bool,
    /// 0..=1.
    pub(crate) threshold: f32,
    /// 0..=1.
    pub(crate) hysteresis: f32,
    /// In milliseconds.
    pub(crate) attack: f32,
    /// In milliseconds.
    pub(crate) release: f32,
    /// 0..=1.
    pub(crate) low: f32,
    /// 0..=1.
    pub(crate) high: f32,
}

/// How tags are smoothed and announced.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetTags {
    pub(crate) announce: Option<AnnounceRate>,
    /// In milliseconds.
    pub(crate) attack: Option<f32>,
    /// In milliseconds.
    pub(crate) release: Option<f32>,
}

/// The MIDI output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetMidi {
    pub(crate) on: Option<bool>,
    /// From 1.
    pub(crate) channel: Option<i32>,
    pub(crate) first_controller: Option<i32>,
    pub(crate) fourteen_bits: Option<bool>,
    pub(crate) tags: Option<bool>,
    pub(crate) notes: Option<bool>,
    pub(crate) first_note: Option<i32>,
    pub(crate) velocity: Option<i32>,
}

/// The OSC output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetOsc {
    pub(crate) on: Option<bool>,
    pub(crate) address: Option<String>,
    pub(crate) instance: Option<String>,
    pub(crate) pattern: Option<String>,
    pub(crate) bundles: Option<bool>,
}

impl PresetSlot {
    /// The slot with this index, not used.
    pub(crate) fn unused(slot: usize) -> Self {
        Self { number: slot + 1, ..Self::default() }
    }
}

impl Default for PresetSlot {
    fn default() -> Self {
        let SlotShape { threshold, hysteresis, is_gate, attack, release, is_inverted, low, high } =
            SlotShape::default();
        Self {
            number: 0,
            tags: Vec::new(),
            combine: Combine::default(),
            mode: if is_gate { SlotMode::Gate } else { SlotMode::Continuous },
            invert: is_inverted,
            threshold,
            hysteresis,
            attack,
            release,
            low,
            high,
        }
    }
}

impl Preset {
    /// Reads a preset.
    ///
    /// # Errors
    /// What is wrong with the text, as a clause.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let preset: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', ", "))
        })?;
        preset.check()?;
        Ok(preset)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// What the format cannot express or does not allow, as a clause.
    pub(crate) fn to_text(&self) -> Result<String, String> {
        self.check()?;
        toml::to_string(self).map_err(|error| error.to_string())
    }

    /// The slot with this index, as the preset sets it.
    pub(crate) fn slot(&self, slot: usize) -> PresetSlot {
        self.slots.iter().find(|other| other.number == slot + 1).cloned().unwrap_or_else(|| PresetSlot::unused(slot))
    }

    fn check(&self) -> Result<(), String> {
        text("name", &self.name, MAX_NAME)?;
        if self.name.trim().is_empty() {
            return Err("its name is empty".into());
        }
        text("description", &self.description, MAX_TEXT)?;
        text("author", self.author.as_deref().unwrap_or_default(), MAX_TEXT)?;
        if let Some(ModelChoice::Shipped { shipped }) = &self.model
            && !SHIPPED_MODELS.iter().any(|model| model.name == shipped)
        {
            return Err(format!("this version has no model {shipped:?}"));
        }
        if matches!(self.model, Some(ModelChoice::Path(_) | ModelChoice::Default)) {
            return Err("its model needs a table: [model] with shipped = \"a name\", or with file and sha256".into());
        }
        let mut numbers = Vec::new();
        for slot in &self.slots {
            let number = slot.number;
            if !(1..=SLOTS).contains(&number) || numbers.contains(&number) {
                return Err(format!("each slot needs a number of its own from 1 to {SLOTS}; one has {number}"));
            }
            numbers.push(number);
            if slot.tags.len() > MAX_SOURCE_TAGS {
                return Err(format!("slot {number} has more than {MAX_SOURCE_TAGS} tags"));
            }
            slot.tags.iter().try_for_each(|tag| text("tag", tag, MAX_TEXT))?;
            for (name, value) in
                [("threshold", slot.threshold), ("hysteresis", slot.hysteresis), ("low", slot.low), ("high", slot.high)]
            {
                within(&format!("{name} of slot {number}"), Some(value), 0.0..=1.0)?;
            }
            for (name, value) in [("attack", slot.attack), ("release", slot.release)] {
                within(&format!("{name} of slot {number}"), Some(value), 0.0..=MAX_MILLISECONDS)?;
            }
        }
        if let Some(tags) = &self.tags {
            within("attack of the tags", tags.attack, 0.0..=MAX_MILLISECONDS)?;
            within("release of the tags", tags.release, 0.0..=MAX_MILLISECONDS)?;
        }
        if let Some(midi) = &self.midi {
            within("channel", midi.channel, 1..=16)?;
            within("first_controller", midi.first_controller, 0..=119)?;
            within("first_note", midi.first_note, 0..=119)?;
            within("velocity", midi.velocity, 8..=127)?;
        }
        if let Some(osc) = &self.osc {
            for (name, value) in [("address", &osc.address), ("instance", &osc.instance), ("pattern", &osc.pattern)] {
                text(name, value.as_deref().unwrap_or_default(), MAX_TEXT)?;
            }
        }
        Ok(())
    }
}

/// Whether a value is missing or in its range.
fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    match value {
        Some(value) if !range.contains(&value) => {
            Err(format!("its {name} is {value}, which is not from {} to {}", range.start(), range.end()))
        }
        _ => Ok(()),
    }
}

/// Whether a text fits into lists and has one line.
fn text(name: &str, value: &str, limit: usize) -> Result<(), String> {
    if value.chars().count() > limit {
        return Err(format!("its {name} has more than {limit} characters"));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("its {name} has a line break or another control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_preset_does_not_say_is_left_out_or_as_in_a_new_instance() {
        let preset = Preset::parse("name = \"a\"\n[[slot]]\nnumber = 3\ntags = [\"rock\"]\ninvert = true").unwrap();
        let expected = PresetSlot { number: 3, tags: vec!["rock".into()], invert: true, ..PresetSlot::default() };
        assert_eq!(preset.slot(2), expected);
        assert_eq!(preset.slot(3), PresetSlot::unused(3));
        assert_eq!((preset.model, preset.midi, preset.osc, preset.live), (None, None, None, None));
    }

    #[test]
    fn a_written_preset_is_read_as_the_same() {
        let midi = PresetMidi { on: Some(true), channel: Some(16), fourteen_bits: Some(false), ..Default::default() };
        let slot = PresetSlot { threshold: 0.35, high: 0.1, mode: SlotMode::Gate, ..PresetSlot::unused(7) };
        let preset = Preset {
            name: "Ünter \"Druck\"".into(),
            model: Some(ModelChoice::File { file: "/a/b.onnx".into(), sha256: None }),
            tags: Some(PresetTags { announce: Some(AnnounceRate::Hz10), attack: Some(0.5), release: None }),
            midi: Some(midi),
            osc: Some(PresetOsc { address: Some("10.0.0.1:9000".into()), ..PresetOsc::default() }),
            slots: vec![slot],
            ..Preset::default()
        };
        let text = preset.to_text().unwrap();
        assert!(text.contains("threshold = 0.35\n"), "{text}");
        assert_eq!(Preset::parse(&text).unwrap(), preset);
    }

    #[test]
    fn a_damaged_preset_is_refused_with_its_place() {
        for (text, expected) in [
            ("", "missing field `name`"),
            ("name = \"a\"\n\nthreshhold = 3", "line 3: unknown field `threshhold`"),
            ("name = \"a\"\n[[slot]]\nnumber = 1\ntags = \"rock\"", "line 4: "),
            ("name = \"a\"\n[[slot]]\nnumber = 9", "from 1 to 8; one has 9"),
            ("name = \"a\"\n[[slot]]\ntags = []", "one has 0"),
            ("name = \"a\"\n[[slot]]\nnumber = 1\n[[slot]]\nnumber = 1", "one has 1"),
            (
                "name = \"a\"\n[[slot]]\nnumber = 2\nthreshold = 40",
                "threshold of slot 2 is 40, which is not from 0 to 1",
            ),
            ("name = \"a\"\n[[slot]]\nnumber = 2\nlow = nan", "low of slot 2 is NaN"),
            ("name = \"a\"\n[[slot]]\nnumber = 2\nrelease = inf", "release of slot 2 is inf"),
            ("name = \"a\"\n[midi]\nvelocity = 0", "velocity is 0, which is not from 8 to 127"),
            ("name = \"  \"", "name is empty"),
            ("name = \"a\\nb\"", "line break"),
            ("name = \"a\"\n[model]\nshipped = \"Five Million\"", "no model \"Five Million\""),
            ("name = \"a\"\nmodel = \"Million Song 50\"", "[model]"),
        ] {
            let why = Preset::parse(text).unwrap_err();
            assert!(why.contains(expected) && !why.contains('\n'), "{text:?}: {why}");
        }
        let name = "x".repeat(MAX_NAME + 1);
        assert!(Preset { name, ..Preset::default() }.to_text().unwrap_err().contains("64 characters"));
    }
}
