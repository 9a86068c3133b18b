//! The parameters that shape a slot.

use super::units::{milliseconds, percent};
use nice_plug::prelude::*;
use serde::{Deserialize, Serialize};
use tagvane_outputs::SlotShape;

/// How a slot's value follows its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SlotMode {
    #[id = "continuous"]
    Continuous,
    #[id = "gate"]
    Gate,
}

/// The parameters of a slot. Only the threshold can be automated: the others are set once, and some hosts
/// list few automatable parameters.
#[derive(Params)]
pub(crate) struct SlotParams {
    #[id = "threshold"]
    pub(crate) threshold: FloatParam,
    #[id = "hysteresis"]
    pub(crate) hysteresis: FloatParam,
    #[id = "mode"]
    pub(crate) mode: EnumParam<SlotMode>,
    #[id = "invert"]
    pub(crate) invert: BoolParam,
    #[id = "attack"]
    pub(crate) attack: FloatParam,
    #[id = "release"]
    pub(crate) release: FloatParam,
    #[id = "low"]
    pub(crate) low: FloatParam,
    #[id = "high"]
    pub(crate) high: FloatParam,
}

impl SlotParams {
    /// The parameters of slot `slot`, which counts from 0.
    pub(crate) fn new(slot: usize) -> Self {
        let shape = SlotShape::default();
        let name = |parameter: &str| format!("Slot {} {parameter}", slot + 1);
        Self {
            threshold: percent(&name("Threshold"), shape.threshold),
            hysteresis: percent(&name("Hysteresis"), shape.hysteresis).non_automatable(),
            mode: EnumParam::new(name("Mode"), SlotMode::Continuous).non_automatable(),
            invert: BoolParam::new(name("Invert"), shape.is_inverted).non_automatable(),
            attack: milliseconds(&name("Attack"), shape.attack),
            release: milliseconds(&name("Release"), shape.release),
            low: percent(&name("Low"), shape.low).non_automatable(),
            high: percent(&name("High"), shape.high).non_automatable(),
        }
    }

    /// The current values, for the output processor.
    pub(crate) fn shape(&self) -> SlotShape {
        SlotShape {
            threshold: self.threshold.value(),
            hysteresis: self.hysteresis.value(),
            is_gate: self.mode.value() == SlotMode::Gate,
            attack: self.attack.value(),
            release: self.release.value(),
            is_inverted: self.invert.value(),
            low: self.low.value(),
            high: self.high.value(),
        }
    }
}
