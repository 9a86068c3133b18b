//! The values that a host has set in the controller and not in a block. Most hosts send each to the processor as well,
//! with the next block; one that processes no block expects it in the state all the same.

use super::clap::NormalizedValue;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// The values that were set in the controller since the last block.
#[derive(Default)]
pub(super) struct ControllerValues {
    /// Locked on the host's main thread only.
    values: Mutex<Vec<NormalizedValue>>,
    /// Whether a block came after the values: it had them, or they only repeat what the plug-in has put out.
    are_outdated: AtomicBool,
}

impl ControllerValues {
    /// Notes a value that the host has set.
    pub(super) fn insert(&self, value: NormalizedValue) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if self.are_outdated.swap(false, Ordering::AcqRel) {
            values.clear();
        }
        values.retain(|other| other.id != value.id);
        values.push(value);
    }

    /// Takes note of a block or of a loaded state; the audio thread may call it.
    pub(super) fn outdate(&self) {
        self.are_outdated.store(true, Ordering::Release);
    }

    /// Takes the values out.
    pub(super) fn take(&self) -> Vec<NormalizedValue> {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = mem::take(&mut *values);
        if self.are_outdated.swap(false, Ordering::AcqRel) { Vec::new() } else { taken }
    }
}
