//! How one slot is shaped.

use super::{milliseconds, percent};
use nice_plug::prelude::*;
use tagvane_outputs::Shape;

/// What a slot makes of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(crate) enum Mode {
    #[id = "continuous"]
    Continuous,
    #[id = "gate"]
    Gate,
}

/// The controls of one slot. Only the threshold can be automated: the rest is set up
/// once, and hosts list no more than so many.
#[derive(Params)]
pub(crate) struct SlotControls {
    #[id = "threshold"]
    pub(crate) threshold: FloatParam,
    #[id = "hysteresis"]
    pub(crate) hysteresis: FloatParam,
    #[id = "mode"]
    pub(crate) mode: EnumParam<Mode>,
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

impl SlotControls {
    /// The controls of slot `slot`, from 0.
    pub(crate) fn new(slot: usize) -> Self {
        let shape = Shape::default();
        let name = |what: &str| format!("Slot {} {what}", slot + 1);
        Self {
            threshold: percent(&name("Threshold"), shape.threshold),
            hysteresis: percent(&name("Hysteresis"), shape.hysteresis).non_automatable(),
            mode: EnumParam::new(name("Mode"), Mode::Continuous).non_automatable(),
            invert: BoolParam::new(name("Invert"), shape.invert).non_automatable(),
            attack: milliseconds(&name("Attack"), shape.attack),
            release: milliseconds(&name("Release"), shape.release),
            low: percent(&name("Low"), shape.low).non_automatable(),
            high: percent(&name("High"), shape.high).non_automatable(),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape {
            threshold: self.threshold.value(),
            hysteresis: self.hysteresis.value(),
            gate: self.mode.value() == Mode::Gate,
            attack: self.attack.value(),
            release: self.release.value(),
            invert: self.invert.value(),
            low: self.low.value(),
            high: self.high.value(),
        }
    }
}
