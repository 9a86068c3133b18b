//! Between a preset and the parameters: what it sets, and what a new one takes from the current settings.

use super::format::{Preset, PresetMidi, PresetOsc, PresetSlot, PresetTags};
use crate::params::{ModelChoice, TagvaneParams};
use nice_plug::plugin::ParamValue;
use nice_plug::prelude::*;
use std::collections::BTreeMap;
use tagvane_outputs::{OutputConfig, SLOTS, SlotSource};

/// Receives the parameters that a preset sets.
pub(crate) trait ParamSink {
    /// The parameter `param`, whose id is `id`, has this value.
    fn set<P: SavedParam>(&mut self, id: &str, param: &P, value: P::Plain);
}

/// A parameter whose values can be saved.
pub(crate) trait SavedParam: Param {
    /// The value in the saved state.
    fn saved(value: Self::Plain) -> ParamValue;
}

impl SavedParam for FloatParam {
    fn saved(value: f32) -> ParamValue {
        ParamValue::F32(value)
    }
}

impl SavedParam for IntParam {
    fn saved(value: i32) -> ParamValue {
        ParamValue::I32(value)
    }
}

impl SavedParam for BoolParam {
    fn saved(value: bool) -> ParamValue {
        ParamValue::Bool(value)
    }
}

impl<T: Enum + PartialEq + Copy + 'static> SavedParam for EnumParam<T> {
    fn saved(value: T) -> ParamValue {
        let index = value.to_index();
        T::ids()
            .and_then(|ids| ids.get(index))
            .map_or(ParamValue::I32(index as i32), |id| ParamValue::String((*id).into()))
    }
}

/// Collects the values in the form of the saved state.
#[derive(Default)]
struct StateSink(BTreeMap<String, ParamValue>);

impl ParamSink for StateSink {
    fn set<P: SavedParam>(&mut self, id: &str, _param: &P, value: P::Plain) {
        self.0.insert(id.into(), P::saved(value));
    }
}

impl Preset {
    /// Gives the values of the parameters to `sink`.
    pub(crate) fn set_params(&self, params: &TagvaneParams, sink: &mut impl ParamSink) {
        for (slot, params) in params.slots.iter().enumerate() {
            let id = |name: &str| format!("{name}_{}", slot + 1);
            let slot = self.slot(slot);
            sink.set(&id("threshold"), &params.threshold, slot.threshold);
            sink.set(&id("hysteresis"), &params.hysteresis, slot.hysteresis);
            sink.set(&id("mode"), &params.mode, slot.mode);
            sink.set(&id("invert"), &params.invert, slot.invert);
            sink.set(&id("attack"), &params.attack, slot.attack);
            sink.set(&id("release"), &params.release, slot.release);
            sink.set(&id("low"), &params.low, slot.low);
            sink.set(&id("high"), &params.high, slot.high);
        }
        let tags = self.tags.clone().unwrap_or_default();
        set_some(sink, "announce", &params.tags.announce_rate, tags.announce);
        set_some(sink, "tag_attack", &params.tags.attack, tags.attack);
        set_some(sink, "tag_release", &params.tags.release, tags.release);
        let midi = self.midi.clone().unwrap_or_default();
        set_some(sink, "midi", &params.midi.is_on, midi.on);
        set_some(sink, "midi_channel", &params.midi.channel, midi.channel);
        set_some(sink, "midi_first", &params.midi.first_controller, midi.first_controller);
        set_some(sink, "midi_14_bit", &params.midi.is_14_bit, midi.fourteen_bits);
        set_some(sink, "midi_tags", &params.midi.sends_tags, midi.tags);
        set_some(sink, "midi_notes", &params.midi.sends_notes, midi.notes);
        set_some(sink, "midi_key", &params.midi.first_key, midi.first_note);
        set_some(sink, "midi_velocity", &params.midi.velocity, midi.velocity);
        set_some(sink, "live", &params.midi.sends_live_values, self.live);
    }

    /// Sets the sources of the slots, and what the preset has of OSC.
    pub(crate) fn set_config(&self, config: &mut OutputConfig) {
        config.routing.sources = std::array::from_fn(|slot| {
            let PresetSlot { tags, combine, .. } = self.slot(slot);
            SlotSource { tags, combine }
        });
        let osc = self.osc.clone().unwrap_or_default();
        config.osc.on = osc.on.unwrap_or(config.osc.on);
        config.osc.sends_bundles = osc.bundles.unwrap_or(config.osc.sends_bundles);
        for (to, from) in [
            (&mut config.osc.address, osc.address),
            (&mut config.osc.instance, osc.instance),
            (&mut config.osc.pattern, osc.pattern),
        ] {
            if let Some(text) = from {
                *to = text;
            }
        }
    }

    /// What the preset sets, as a part of a saved state.
    pub(crate) fn to_state(&self, params: &TagvaneParams, config: OutputConfig) -> PluginState {
        let mut sink = StateSink::default();
        self.set_params(params, &mut sink);
        let mut config = config;
        self.set_config(&mut config);
        let mut fields = BTreeMap::new();
        let mut add = |name: &str, value: serde_json::Result<String>| {
            if let Ok(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        add("outputs", serde_json::to_string(&config));
        if let Some(model) = &self.model {
            add("model", serde_json::to_string(model));
        }
        PluginState { version: env!("CARGO_PKG_VERSION").into(), params: sink.0, fields }
    }

    /// A preset of the current settings; `model` is stored in it if there is one.
    pub(crate) fn of_current(
        name: &str,
        description: &str,
        params: &TagvaneParams,
        config: &OutputConfig,
        model: Option<ModelChoice>,
    ) -> Self {
        let slot = |slot: usize| {
            let (shape, source) = (&params.slots[slot], &config.routing.sources[slot]);
            PresetSlot {
                number: slot + 1,
                tags: source.tags.clone(),
                combine: source.combine,
                mode: shape.mode.value(),
                invert: shape.invert.value(),
                threshold: shape.threshold.value(),
                hysteresis: shape.hysteresis.value(),
                attack: shape.attack.value(),
                release: shape.release.value(),
                low: shape.low.value(),
                high: shape.high.value(),
            }
        };
        let (tags, midi, osc) = (&params.tags, &params.midi, &config.osc);
        Self {
            name: name.trim().into(),
            description: description.trim().into(),
            author: None,
            live: Some(midi.sends_live_values.value()),
            model,
            tags: Some(PresetTags {
                announce: Some(tags.announce_rate.value()),
                attack: Some(tags.attack.value()),
                release: Some(tags.release.value()),
            }),
            midi: Some(PresetMidi {
                on: Some(midi.is_on.value()),
                channel: Some(midi.channel.value()),
                first_controller: Some(midi.first_controller.value()),
                fourteen_bits: Some(midi.is_14_bit.value()),
                tags: Some(midi.sends_tags.value()),
                notes: Some(midi.sends_notes.value()),
                first_note: Some(midi.first_key.value()),
                velocity: Some(midi.velocity.value()),
            }),
            osc: Some(PresetOsc {
                on: Some(osc.on),
                address: Some(osc.address.clone()),
                instance: Some(osc.instance.clone()),
                pattern: Some(osc.pattern.clone()),
                bundles: Some(osc.sends_bundles),
            }),
            slots: (0..SLOTS).map(slot).filter(|slot| *slot != PresetSlot::unused(slot.number - 1)).collect(),
        }
    }
}

/// Sets a parameter if there is a value for it.
fn set_some<P: SavedParam>(sink: &mut impl ParamSink, id: &str, param: &P, value: Option<P::Plain>) {
    if let Some(value) = value {
        sink.set(id, param, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::Instance;
    use crate::presets::shipped;

    /// An id that no parameter has would be left out in silence.
    #[test]
    fn the_state_of_a_preset_names_every_parameter_by_its_id() {
        let instance = Instance::with_library(None);
        let preset = Preset::of_current("all", "", &instance.params, &instance.outputs.config(), None);
        let set = preset.to_state(&instance.params, instance.outputs.config()).params;
        let mut ids: Vec<String> = instance.params.param_map().into_iter().map(|(id, ..)| id).collect();
        // Nor are the buttons settings.
        ids.retain(|id| !["bypass", "mark_is", "mark_is_not"].contains(&id.as_str()));
        ids.sort();
        assert_eq!(set.into_keys().collect::<Vec<_>>(), ids);
    }

    #[test]
    fn a_preset_sets_all_slots_and_leaves_what_it_does_not_have() {
        let instance = Instance::with_library(None);
        let mut config = instance.outputs.config();
        config.routing.sources[6].tags.push("rock".into());
        (config.osc.address, config.osc.on) = ("10.1.2.3:7000".into(), false);
        let lights = shipped().iter().find(|shipped| shipped.key == "lights-calm-to-loud").unwrap().preset().unwrap();
        lights.set_config(&mut config);
        assert!(config.routing.sources[6].tags.is_empty(), "a slot without a place in the preset is cleared");
        assert!(!config.routing.sources[0].tags.is_empty());
        assert_eq!((&*config.osc.address, config.osc.on), ("10.1.2.3:7000", true));
        let state = lights.to_state(&instance.params, config);
        assert_eq!(state.fields.keys().collect::<Vec<_>>(), ["outputs"], "the model and the window stay");
        assert!(!state.params.contains_key("midi_channel") && state.params.contains_key("threshold_8"));
    }
}
