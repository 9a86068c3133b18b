//! The parameters that nice-plug knows, and the saved state.
//!
//! The slots' values, Write and the tags are parameters too, but the shell adds them.

mod model;
mod outputs;
mod slot;
mod state;
mod units;
mod view;

pub(crate) use model::{ModelChoice, SHIPPED_MODELS, inference_mode_from_env, library_from_env};
pub(crate) use slot::SlotMode;
pub(crate) use state::{MAX_STATE_BYTES, check_state};
pub(crate) use view::{ViewSettings, VocabularyChoice};

use crate::host::HostQuirks;
use crate::mine::{PersistedMine, SavedMine};
use model::SavedModel;
use nice_plug::prelude::*;
use outputs::{SavedConfig, SavedSlots};
use serde::{Deserialize, Serialize};
use slot::SlotParams;
use std::sync::{Arc, OnceLock};
use tagvane_engine::{Engine, ModelLibrary};
use tagvane_outputs::{MidiSettings, NoteSettings, OutputParams, Outputs, SLOTS};
use units::{milliseconds, whole_number};
use view::SavedView;

/// The parameters and the saved state of an instance.
#[derive(Params)]
pub(crate) struct TagvaneParams {
    #[id = "bypass"]
    pub(crate) bypass: BoolParam,
    #[nested(group = "Tags")]
    pub(crate) tags: TagParams,
    #[nested(group = "Mine")]
    pub(crate) marking: MarkingParams,
    #[nested(group = "MIDI")]
    pub(crate) midi: MidiParams,
    #[nested(array, group = "Slot")]
    pub(crate) slots: [SlotParams; SLOTS],
    /// Set by the shell when it creates the instance.
    host_quirks: OnceLock<HostQuirks>,
    #[persist = "model"]
    pub(crate) model: SavedModel,
    #[persist = "mine"]
    mine: PersistedMine,
    #[persist = "view"]
    pub(crate) view: SavedView,
    #[persist = "outputs"]
    outputs: SavedConfig,
    #[persist = "slots"]
    saved_slots: SavedSlots,
}

/// How often a tag's value is announced to the host at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum AnnounceRate {
    /// 25 Hz, or off in a host that [treats outputs as edits](HostQuirks::treats_outputs_as_edits).
    #[id = "auto"]
    Auto,
    #[id = "off"]
    Off,
    #[id = "5"]
    #[serde(rename = "5")]
    #[name = "5 Hz"]
    Hz5,
    #[id = "10"]
    #[serde(rename = "10")]
    #[name = "10 Hz"]
    Hz10,
    #[id = "25"]
    #[serde(rename = "25")]
    #[name = "25 Hz"]
    Hz25,
}

/// How tags are smoothed and announced to the host.
#[derive(Params)]
pub(crate) struct TagParams {
    #[id = "announce"]
    pub(crate) announce_rate: EnumParam<AnnounceRate>,
    #[id = "tag_attack"]
    pub(crate) attack: FloatParam,
    #[id = "tag_release"]
    pub(crate) release: FloatParam,
}

/// The buttons that mark a span of the selected tag of the user's own while they are held.
#[derive(Params)]
pub(crate) struct MarkingParams {
    #[id = "mark_is"]
    pub(crate) is_example: BoolParam,
    #[id = "mark_is_not"]
    pub(crate) is_counterexample: BoolParam,
}

/// What is sent as MIDI.
#[derive(Params)]
pub(crate) struct MidiParams {
    #[id = "midi"]
    pub(crate) is_on: BoolParam,
    #[id = "midi_channel"]
    pub(crate) channel: IntParam,
    #[id = "midi_first"]
    pub(crate) first_controller: IntParam,
    #[id = "midi_14_bit"]
    pub(crate) is_14_bit: BoolParam,
    #[id = "midi_tags"]
    pub(crate) sends_tags: BoolParam,
    #[id = "midi_notes"]
    pub(crate) sends_notes: BoolParam,
    #[id = "midi_key"]
    pub(crate) first_key: IntParam,
    #[id = "midi_velocity"]
    pub(crate) velocity: IntParam,
    #[id = "live"]
    pub(crate) sends_live_values: BoolParam,
}

impl TagvaneParams {
    /// The parameters with their default values, for the engine, the outputs and the taught tags of an instance, and the
    /// library of the user.
    pub(crate) fn new(
        engine: Arc<Engine>,
        outputs: Arc<Outputs>,
        library: Option<ModelLibrary>,
        mine: Arc<SavedMine>,
    ) -> Self {
        let (midi, notes) = (MidiSettings::default(), NoteSettings::default());
        Self {
            bypass: BoolParam::new("Bypass", false).make_bypass(),
            tags: TagParams {
                announce_rate: EnumParam::new("Announce tags", AnnounceRate::Auto).non_automatable(),
                attack: milliseconds("Tag attack", 100.0),
                release: milliseconds("Tag release", 300.0),
            },
            marking: MarkingParams {
                is_example: BoolParam::new("Mark: is", false),
                is_counterexample: BoolParam::new("Mark: is not", false),
            },
            midi: MidiParams {
                is_on: BoolParam::new("MIDI out", false).non_automatable(),
                channel: whole_number("MIDI channel", midi.channel + 1, 1..=16),
                first_controller: whole_number("MIDI first controller", midi.first_controller, 0..=119),
                is_14_bit: BoolParam::new("MIDI 14 bits", false).non_automatable(),
                sends_tags: BoolParam::new("MIDI tags", false).non_automatable(),
                sends_notes: BoolParam::new("MIDI notes", false).non_automatable(),
                first_key: whole_number("MIDI first note", notes.first_key, 0..=119),
                velocity: whole_number("MIDI velocity", notes.velocity, 8..=127),
                sends_live_values: BoolParam::new("Send live", false).non_automatable(),
            },
            slots: std::array::from_fn(SlotParams::new),
            host_quirks: OnceLock::new(),
            model: SavedModel::new(engine, library),
            mine: PersistedMine(mine),
            view: SavedView::default(),
            outputs: SavedConfig(Arc::clone(&outputs)),
            saved_slots: SavedSlots(outputs),
        }
    }

    /// Sets the host by its name; later calls change nothing.
    pub(crate) fn set_host_name(&self, name: &str) {
        self.host_quirks.get_or_init(|| HostQuirks::from_name(name));
    }

    /// The quirks of the host; none before its name is set.
    pub(crate) fn host_quirks(&self) -> HostQuirks {
        self.host_quirks.get().copied().unwrap_or_default()
    }

    /// The current values of the outputs' parameters. Only reads atomics, so that the audio thread may call
    /// it.
    pub(crate) fn output_params(&self) -> OutputParams {
        let notes =
            NoteSettings { first_key: self.midi.first_key.value() as u8, velocity: self.midi.velocity.value() as u8 };
        let midi = MidiSettings {
            channel: (self.midi.channel.value() - 1) as u8,
            first_controller: self.midi.first_controller.value() as u8,
            is_14_bit: self.midi.is_14_bit.value(),
            sends_tags: self.midi.sends_tags.value(),
            notes: self.midi.sends_notes.value().then_some(notes),
        };
        OutputParams {
            announce_rate: match self.tags.announce_rate.value() {
                AnnounceRate::Auto => (!self.host_quirks().treats_outputs_as_edits).then_some(25.0),
                AnnounceRate::Off => None,
                AnnounceRate::Hz5 => Some(5.0),
                AnnounceRate::Hz10 => Some(10.0),
                AnnounceRate::Hz25 => Some(25.0),
            },
            attack: self.tags.attack.value(),
            release: self.tags.release.value(),
            slots: std::array::from_fn(|slot| self.slots[slot].shape()),
            midi: self.midi.is_on.value().then_some(midi),
            sends_live_values: self.midi.sends_live_values.value(),
        }
    }

    /// Adds the pages for a hardware controller.
    pub(crate) fn add_remote_control_pages(&self, context: &mut impl RemoteControlsContext) {
        context.add_section("Slots", |section| {
            for (slot, params) in self.slots.iter().enumerate() {
                section.add_page(format!("Slot {}", slot + 1), |page| {
                    page.add_param(&params.threshold);
                    page.add_param(&params.hysteresis);
                    page.add_param(&params.mode);
                    page.add_param(&params.invert);
                    page.add_param(&params.attack);
                    page.add_param(&params.release);
                    page.add_param(&params.low);
                    page.add_param(&params.high);
                });
            }
        });
        context.add_section("Outputs", |section| {
            section.add_page("Outputs", |page| {
                page.add_param(&self.tags.announce_rate);
                page.add_param(&self.tags.attack);
                page.add_param(&self.tags.release);
                page.add_param(&self.midi.is_on);
                page.add_param(&self.midi.channel);
                page.add_param(&self.midi.first_controller);
                page.add_param(&self.midi.sends_tags);
                page.add_param(&self.midi.sends_live_values);
            });
            section.add_page("MIDI", |page| {
                page.add_param(&self.midi.is_14_bit);
                page.add_param(&self.midi.sends_notes);
                page.add_param(&self.midi.first_key);
                page.add_param(&self.midi.velocity);
            });
        });
    }
}
