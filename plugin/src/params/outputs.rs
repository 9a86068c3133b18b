//! The saved state of the outputs that is not a parameter of nice-plug.

use nice_plug::params::persist::PersistentField;
use std::sync::Arc;
use tagvane_outputs::{OutputConfig, Outputs, SLOTS};

/// The configuration of the outputs in the saved state.
pub(crate) struct SavedConfig(pub(crate) Arc<Outputs>);

impl<'a> PersistentField<'a, OutputConfig> for SavedConfig {
    fn set(&self, config: OutputConfig) {
        self.0.set_config(config);
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&OutputConfig) -> R,
    {
        f(&self.0.config())
    }
}

/// The values of the slots in the saved state.
pub(crate) struct SavedSlots(pub(crate) Arc<Outputs>);

impl<'a> PersistentField<'a, [f32; SLOTS]> for SavedSlots {
    fn set(&self, values: [f32; SLOTS]) {
        for (slot, value) in values.into_iter().enumerate() {
            self.0.set_slot_value(slot, value);
        }
    }

    fn map<F, R>(&self, f: F) -> R
    where
        F: Fn(&[f32; SLOTS]) -> R,
    {
        f(&std::array::from_fn(|slot| self.0.slot_value(slot)))
    }
}
