//! The parameters that nice-plug knows, and the saved state.
//!
//! The slots' values, Write and the tags are parameters too, but the shell adds them.

mod model;
mod routing;
mod slot;
mod state;
mod units;
mod view;

pub(crate) use model::{ModelChoice, SHIPPED_MODELS, inference_mode};
pub(crate) use state::{MAX_STATE_BYTES, check_state};
pub(crate) use view::View;

use crate::host::Host;
use model::SavedModel;
use nice_plug::prelude::*;
use routing::{SavedRouting, SavedSlots};
use slot::SlotControls;
use std::sync::{Arc, OnceLock};
use tagvane_engine::Engine;
use tagvane_outputs::{MidiSettings, Outputs, SLOTS, Settings};
use units::milliseconds;
use view::SavedView;

/// The parameters and the saved state of an instance.
#[derive(Params)]
pub(crate) struct Controls {
    #[id = "bypass"]
    pub(crate) bypass: BoolParam,
    #[nested(group = "Tags")]
    pub(crate) tags: TagControls,
    #[nested(group = "MIDI")]
    pub(crate) midi: MidiControls,
    #[nested(array, group = "Slot")]
    pub(crate) slots: [SlotControls; SLOTS],
    /// Set by the shell when it creates the instance.
    host: OnceLock<Host>,
    #[persist = "model"]
    pub(crate) model: SavedModel,
    #[persist = "view"]
    pub(crate) view: SavedView,
    #[persist = "outputs"]
    routing: SavedRouting,
    #[persist = "slots"]
    saved_slots: SavedSlots,
}

/// How often a tag's value is announced to the host at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum AnnounceRate {
    /// 25 Hz, or off in a host that [treats outputs as edits](Host::treats_outputs_as_edits).
    #[id = "auto"]
    Auto,
    #[id = "off"]
    Off,
    #[id = "5"]
    #[name = "5 Hz"]
    Hz5,
    #[id = "10"]
    #[name = "10 Hz"]
    Hz10,
    #[id = "25"]
    #[name = "25 Hz"]
    Hz25,
}

/// How tags are smoothed and announced to the host.
#[derive(Params)]
pub(crate) struct TagControls {
    #[id = "announce"]
    pub(crate) announce: EnumParam<AnnounceRate>,
    #[id = "tag_attack"]
    pub(crate) attack: FloatParam,
    #[id = "tag_release"]
    pub(crate) release: FloatParam,
}

/// What is sent as MIDI control changes.
#[derive(Params)]
pub(crate) struct MidiControls {
    #[id = "midi"]
    pub(crate) on: BoolParam,
    #[id = "midi_channel"]
    pub(crate) channel: IntParam,
    #[id = "midi_first"]
    pub(crate) first: IntParam,
    #[id = "midi_tags"]
    pub(crate) tags: BoolParam,
    #[id = "live"]
    pub(crate) live: BoolParam,
}

impl Controls {
    /// The parameters with their default values, for the engine and the outputs of an instance.
    pub(crate) fn new(engine: Arc<Engine>, outputs: Arc<Outputs>) -> Self {
        Self {
            bypass: BoolParam::new("Bypass", false).make_bypass(),
            tags: TagControls {
                announce: EnumParam::new("Announce tags", AnnounceRate::Auto).non_automatable(),
                attack: milliseconds("Tag attack", 100.0),
                release: milliseconds("Tag release", 300.0),
            },
            midi: MidiControls {
                on: BoolParam::new("MIDI out", false).non_automatable(),
                channel: IntParam::new("MIDI channel", 1, IntRange::Linear { min: 1, max: 16 }).non_automatable(),
                first: IntParam::new("MIDI first controller", 20, IntRange::Linear { min: 0, max: 119 })
                    .non_automatable(),
                tags: BoolParam::new("MIDI tags", false).non_automatable(),
                live: BoolParam::new("Send live", false).non_automatable(),
            },
            slots: std::array::from_fn(SlotControls::new),
            host: OnceLock::new(),
            model: SavedModel::new(engine),
            view: SavedView::default(),
            routing: SavedRouting(Arc::clone(&outputs)),
            saved_slots: SavedSlots(outputs),
        }
    }

    /// Sets the host by its name; later calls change nothing.
    pub(crate) fn set_host_name(&self, name: &str) {
        self.host.get_or_init(|| Host::from_name(name));
    }

    /// The quirks of the host; none before its name is set.
    pub(crate) fn host(&self) -> Host {
        self.host.get().copied().unwrap_or_default()
    }

    /// The current settings of the outputs. Only reads atomics, so that the audio thread may call it.
    pub(crate) fn settings(&self) -> Settings {
        let midi = MidiSettings {
            channel: (self.midi.channel.value() - 1) as u8,
            first_controller: self.midi.first.value() as u8,
            sends_tags: self.midi.tags.value(),
        };
        Settings {
            announce_rate: match self.tags.announce.value() {
                AnnounceRate::Auto => (!self.host().treats_outputs_as_edits).then_some(25.0),
                AnnounceRate::Off => None,
                AnnounceRate::Hz5 => Some(5.0),
                AnnounceRate::Hz10 => Some(10.0),
                AnnounceRate::Hz25 => Some(25.0),
            },
            attack: self.tags.attack.value(),
            release: self.tags.release.value(),
            slots: std::array::from_fn(|slot| self.slots[slot].shape()),
            midi: self.midi.on.value().then_some(midi),
            sends_live_values: self.midi.live.value(),
        }
    }

    /// Adds the pages for a hardware controller.
    pub(crate) fn add_remote_control_pages(&self, context: &mut impl RemoteControlsContext) {
        context.add_section("Slots", |section| {
            for (slot, controls) in self.slots.iter().enumerate() {
                section.add_page(format!("Slot {}", slot + 1), |page| {
                    page.add_param(&controls.threshold);
                    page.add_param(&controls.hysteresis);
                    page.add_param(&controls.mode);
                    page.add_param(&controls.invert);
                    page.add_param(&controls.attack);
                    page.add_param(&controls.release);
                    page.add_param(&controls.low);
                    page.add_param(&controls.high);
                });
            }
        });
        context.add_section("Outputs", |section| {
            section.add_page("Outputs", |page| {
                page.add_param(&self.tags.announce);
                page.add_param(&self.tags.attack);
                page.add_param(&self.tags.release);
                page.add_param(&self.midi.on);
                page.add_param(&self.midi.channel);
                page.add_param(&self.midi.first);
                page.add_param(&self.midi.tags);
                page.add_param(&self.midi.live);
            });
        });
    }
}
