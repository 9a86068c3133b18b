//! Announces the published tags to the host, at a limited rate.

use crate::constants::{MAX_PUBLISHED_TAGS, TICK_RATE};
use crate::rate_limit::RateLimit;

/// A tag is not announced again until it has moved by this, or to zero.
const DEAD_BAND: f32 = 0.001;

/// The values of the published tags that the host knows.
#[derive(Debug)]
pub(crate) struct Announcer {
    announced: [f32; MAX_PUBLISHED_TAGS],
    limit: RateLimit,
    /// Whether a tag may have moved since the last announcement.
    is_pending: bool,
}

impl Announcer {
    pub(crate) fn new() -> Self {
        Self { announced: [0.0; MAX_PUBLISHED_TAGS], limit: RateLimit::default(), is_pending: false }
    }

    /// A tag may have moved.
    pub(crate) fn mark_changed(&mut self) {
        self.is_pending = true;
    }

    /// Whether a tag may have moved since the last announcement.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending
    }

    /// Whether an announcement is pending and `rate` announcements a second allow it at `tick`. If so,
    /// it counts as made.
    pub(crate) fn is_due(&mut self, tick: u64, rate: f64) -> bool {
        self.is_pending && self.limit.allows(tick, f64::from(TICK_RATE) / rate)
    }

    /// Gives each published tag that has moved to `push`, with its index; `value` returns the value at
    /// an index.
    pub(crate) fn announce(&mut self, value: impl Fn(usize) -> f32, mut push: impl FnMut(usize, f32)) {
        for (index, announced) in self.announced.iter_mut().enumerate() {
            let current = value(index);
            if has_moved(current, *announced, DEAD_BAND) {
                push(index, current);
                *announced = current;
            }
        }
        self.is_pending = false;
    }
}

/// Whether a value has moved from the one sent last by at least `dead_band`, or to zero.
pub(crate) fn has_moved(current: f32, sent: f32, dead_band: f32) -> bool {
    (current - sent).abs() >= dead_band || (current == 0.0 && sent != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_moves_are_not_announced_unless_they_reach_zero() {
        let mut announcer = Announcer::new();
        let mut announce = |value: f32| {
            let mut announced = Vec::new();
            let values = |index: usize| if index == 2 { value } else { 0.0 };
            announcer.announce(values, |index, value| announced.push((index, value)));
            announced
        };
        assert_eq!(announce(0.5), [(2, 0.5)]);
        assert_eq!(announce(0.5004), []);
        assert_eq!(announce(0.0004), [(2, 0.0004)]);
        assert_eq!(announce(0.0), [(2, 0.0)]);
    }
}
