//! What the host may change and a project remembers.
//!
//! The slots themselves, Write and the tags are parameters too, but not nice-plug's: the
//! shell adds them.

mod model;
mod outputs;
mod slot;
mod state;
mod view;

pub(crate) use model::{Choice, SHIPPED, inference};
use slot::SlotControls;
pub(crate) use state::{LONGEST as LONGEST_STATE, examine as examine_state};
use view::SavedView;
pub(crate) use view::View;

use crate::host::Host;
use model::ModelChoice;
use nice_plug::prelude::*;
use outputs::{SavedSlots, SavedWiring};
use std::sync::{Arc, OnceLock};
use tagvane_engine::Engine;
use tagvane_outputs::{Midi, Outputs, SLOTS, Settings};

/// The controls.
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
    /// Known once the shell has met it.
    host: OnceLock<Host>,
    #[persist = "model"]
    pub(crate) model: ModelChoice,
    #[persist = "view"]
    pub(crate) view: SavedView,
    #[persist = "outputs"]
    wiring: SavedWiring,
    #[persist = "slots"]
    saved_slots: SavedSlots,
}

/// How often the host is told of a tag at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Announce {
    /// 25 Hz, but in a host that takes an output for a person's touch not at all.
    #[id = "auto"]
    Auto,
    #[id = "off"]
    Off,
    #[id = "5"]
    #[name = "5 Hz"]
    Five,
    #[id = "10"]
    #[name = "10 Hz"]
    Ten,
    #[id = "25"]
    #[name = "25 Hz"]
    TwentyFive,
}

/// How tags are shown and told.
#[derive(Params)]
pub(crate) struct TagControls {
    #[id = "announce"]
    pub(crate) announce: EnumParam<Announce>,
    #[id = "tag_attack"]
    pub(crate) attack: FloatParam,
    #[id = "tag_release"]
    pub(crate) release: FloatParam,
}

/// What goes out as MIDI.
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
    pub(crate) fn new(engine: Arc<Engine>, outputs: Arc<Outputs>) -> Self {
        Self {
            bypass: BoolParam::new("Bypass", false).make_bypass(),
            tags: TagControls {
                announce: EnumParam::new("Announce tags", Announce::Auto).non_automatable(),
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
            model: ModelChoice::new(engine),
            view: SavedView::default(),
            wiring: SavedWiring(Arc::clone(&outputs)),
            saved_slots: SavedSlots(outputs),
        }
    }

    /// The host says its name, once.
    pub(crate) fn meet(&self, name: &str) {
        self.host.get_or_init(|| Host::named(name));
    }

    /// What is known of the host.
    pub(crate) fn host(&self) -> Host {
        self.host.get().copied().unwrap_or_default()
    }

    /// The outputs' settings as they are now. Reads atomics alone.
    pub(crate) fn settings(&self) -> Settings {
        let midi = Midi {
            channel: (self.midi.channel.value() - 1) as u8,
            first: self.midi.first.value() as u8,
            tags: self.midi.tags.value(),
        };
        Settings {
            announce: match self.tags.announce.value() {
                Announce::Auto => (!self.host().touchy).then_some(25.0),
                Announce::Off => None,
                Announce::Five => Some(5.0),
                Announce::Ten => Some(10.0),
                Announce::TwentyFive => Some(25.0),
            },
            attack: self.tags.attack.value(),
            release: self.tags.release.value(),
            slots: std::array::from_fn(|slot| self.slots[slot].shape()),
            midi: self.midi.on.value().then_some(midi),
            live: self.midi.live.value(),
        }
    }

    /// The pages of a hardware controller.
    pub(crate) fn pages(&self, context: &mut impl RemoteControlsContext) {
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

/// A time constant; 0 is at once.
fn milliseconds(name: &str, default: f32) -> FloatParam {
    let range = FloatRange::Skewed { min: 0.0, max: 5_000.0, factor: FloatRange::skew_factor(-2.0) };
    FloatParam::new(name, default, range).with_step_size(1.0).with_unit(" ms").non_automatable()
}

/// A share of the whole.
fn percent(name: &str, default: f32) -> FloatParam {
    FloatParam::new(name, default, FloatRange::Linear { min: 0.0, max: 1.0 })
        .with_unit(" %")
        .with_value_to_string(formatters::v2s_f32_percentage(0))
        .with_string_to_value(formatters::s2v_f32_percentage())
}
