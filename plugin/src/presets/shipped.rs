//! The presets inside the plugin.

use super::format::Preset;

/// A preset inside the plugin.
pub(crate) struct ShippedPreset {
    /// Its key in a host's list, which must never change.
    pub(crate) key: &'static str,
    text: &'static str,
}

impl ShippedPreset {
    /// The preset.
    ///
    /// # Errors
    /// What is wrong with it, as a clause; a test checks that nothing is.
    pub(crate) fn preset(&self) -> Result<Preset, String> {
        Preset::parse(self.text)
    }
}

/// A list of presets by the names of their files in plugin/presets.
macro_rules! presets {
    ($($key:literal),* $(,)?) => {
        [$(ShippedPreset { key: $key, text: include_str!(concat!("../../presets/", $key, ".tagvane")) }),*]
    };
}

/// The presets inside the plugin, in the order of the lists.
static PRESETS: [ShippedPreset; 13] = presets![
    "duck-under-vocals",
    "filter-opens-with-energy",
    "drums-in-reverb-down",
    "delay-between-the-lines",
    "hall-for-strings-and-choir",
    "slow-and-wide-fast-and-dry",
    "tension",
    "guitars-against-synths",
    "instruments-to-faders",
    "lights-calm-to-loud",
    "lights-a-scene-for-each-style",
    "notes-a-pad-for-each-style",
    "fine-controllers-for-moods",
];

/// The presets inside the plugin, in the order of the lists.
pub(crate) fn shipped() -> &'static [ShippedPreset] {
    &PRESETS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::SHIPPED_MODELS;
    use std::collections::BTreeSet;

    /// A slot whose tags no model has would never move.
    #[test]
    fn each_shipped_preset_is_explained_and_each_of_its_slots_follows_a_shipped_model() {
        let models = SHIPPED_MODELS.each_ref().map(|model| model.metadata().display_tags());
        let mut names = BTreeSet::new();
        for shipped in shipped() {
            let preset = shipped.preset().unwrap_or_else(|why| panic!("{}: {why}", shipped.key));
            assert!(names.insert(preset.name.clone()), "two presets are called {}", preset.name);
            assert!((40..=160).contains(&preset.description.len()), "{}: {}", shipped.key, preset.description);
            assert!(preset.description.ends_with('.') && !preset.slots.is_empty(), "{}", shipped.key);
            for slot in &preset.slots {
                let of_default = slot.tags.iter().filter(|tag| models[0].contains(tag)).count();
                assert!(of_default > 0, "{}: slot {} follows nothing", shipped.key, slot.number);
                for tag in &slot.tags {
                    assert!(models.iter().any(|tags| tags.contains(tag)), "{}: no model has {tag}", shipped.key);
                }
            }
            assert_eq!(preset.model, None, "{}: the user's model must stay", shipped.key);
            let address = preset.osc.and_then(|osc| osc.address);
            assert_eq!(address, None, "{}: the user's receivers must stay", shipped.key);
        }
    }
}
