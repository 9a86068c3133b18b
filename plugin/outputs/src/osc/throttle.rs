//! How often the audio thread sends a snapshot.

use super::{Snapshot, SnapshotSender};
use crate::constants::TICK_RATE;
use crate::rate_limit::RateLimit;

/// Ticks between two snapshots, at least.
const MIN_SPACING: f64 = 4.0;

/// Ticks after which a snapshot is sent although nothing has changed.
const MAX_SPACING: u32 = TICK_RATE;

/// Sends a snapshot when something has changed, at a limited rate.
pub(crate) struct OscThrottle {
    sender: SnapshotSender,
    limit: RateLimit,
    /// Whether something may have changed since the last snapshot.
    is_pending: bool,
    /// Ticks since the last snapshot.
    ticks: u32,
}

impl OscThrottle {
    pub(crate) fn new(sender: SnapshotSender) -> Self {
        Self { sender, limit: RateLimit::default(), is_pending: false, ticks: 0 }
    }

    /// A tag or a slot may have changed.
    pub(crate) fn mark_changed(&mut self) {
        self.is_pending = true;
    }

    /// Advances by a tick and sends a snapshot if one is due.
    pub(crate) fn step(&mut self, tick: u64, is_offline: bool, snapshot: impl FnOnce() -> Snapshot) {
        self.ticks += 1;
        if (self.is_pending || self.ticks >= MAX_SPACING) && self.limit.allows(tick, MIN_SPACING) {
            (self.is_pending, self.ticks) = (false, 0);
            self.sender.send(snapshot(), is_offline);
        }
    }
}
