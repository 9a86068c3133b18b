//! What a project remembers of the outputs besides their parameters.

use nice_plug::params::persist::PersistentField;
use std::sync::Arc;
use tagvane_outputs::{Outputs, SLOTS, Wiring};

/// Which tag goes where.
pub(crate) struct SavedWiring(pub(crate) Arc<Outputs>);

impl<'a> PersistentField<'a, Wiring> for SavedWiring {
    fn set(&self, wiring: Wiring) {
        self.0.wire(wiring);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&Wiring) -> R,
    {
        f(&self.0.wiring())
    }
}

/// Where the slots stand.
pub(crate) struct SavedSlots(pub(crate) Arc<Outputs>);

impl<'a> PersistentField<'a, [f32; SLOTS]> for SavedSlots {
    fn set(&self, values: [f32; SLOTS]) {
        for (slot, value) in values.into_iter().enumerate() {
            self.0.set_slot(slot, value);
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&[f32; SLOTS]) -> R,
    {
        f(&std::array::from_fn(|slot| self.0.slot(slot)))
    }
}
