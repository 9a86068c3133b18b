//! The values that a host has set in the controller and not in a block. Most hosts send each to the processor as well,
//! with the next block; one that processes no block expects it in the state all the same.

use super::clap::NormalizedValue;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A value that a host has set in the controller.
#[derive(Clone, Copy)]
pub(super) struct ControllerValue {
    /// The value that was set.
    pub(super) set: NormalizedValue,
    /// The value that the parameter had then.
    pub(super) before: f64,
}

/// The values that were set in the controller since the last block.
#[derive(Default)]
pub(super) struct ControllerValues {
    /// Locked on the host's main thread only.
    values: Mutex<Vec<ControllerValue>>,
    /// Whether a block came after the values: it had them, or they only repeat what the plug-in has put out.
    are_outdated: AtomicBool,
}

impl ControllerValues {
    /// Notes a value that the host has set. One that the parameter has already is no edit: hosts repeat what the plug-in
    /// puts out.
    pub(super) fn insert(&self, value: ControllerValue) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if self.are_outdated.swap(false, Ordering::AcqRel) {
            values.clear();
        }
        values.retain(|other| other.set.id != value.set.id);
        if value.set.value != value.before {
            values.push(value);
        }
    }

    /// Takes note of a block or of a loaded state; the audio thread may call it.
    pub(super) fn outdate(&self) {
        self.are_outdated.store(true, Ordering::Release);
    }

    /// Takes the values out.
    pub(super) fn take(&self) -> Vec<ControllerValue> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = mem::take(&mut *values);
        if self.are_outdated.swap(false, Ordering::AcqRel) { Vec::new() } else { taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(values: &ControllerValues, id: u32, value: f64) {
        values.insert(ControllerValue { set: NormalizedValue { id, value }, before: 0.25 });
    }

    fn taken(values: &ControllerValues) -> Vec<(u32, f64)> {
        values.take().into_iter().map(|value| (value.set.id, value.set.value)).collect()
    }

    #[test]
    fn the_last_value_of_each_parameter_counts_unless_it_is_the_one_before_or_a_block_came() {
        let values = ControllerValues::default();
        for (id, value) in [(1, 0.5), (2, 0.5), (3, 0.25), (1, 0.75), (2, 0.25)] {
            insert(&values, id, value);
        }
        assert_eq!(taken(&values), [(1, 0.75)]);
        assert_eq!(taken(&values), []);
        insert(&values, 1, 0.5);
        values.outdate();
        assert_eq!(taken(&values), []);
        insert(&values, 1, 0.5);
        values.outdate();
        insert(&values, 2, 0.5);
        assert_eq!(taken(&values), [(2, 0.5)]);
    }
}
