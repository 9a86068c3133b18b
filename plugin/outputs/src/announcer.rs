//! When the host is told of a tag: rarely enough that it does not mind.

use crate::PUBLISHED;

/// A tag that moved by less than this since it was last announced stays as it is,
/// unless it went to zero.
const DEAD_BAND: f32 = 0.001;

/// A rate that must not be exceeded, over time and not from one time to the next: what
/// comes a little too often is not told half as often.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    /// The tick from which on the next time is allowed.
    next: f64,
}

impl Limit {
    /// Whether it may happen at `tick`, when there are `spacing` ticks between two.
    pub(crate) fn allows(&mut self, tick: u64, spacing: f64) -> bool {
        let now = tick as f64;
        // Ticks start again from zero with each start.
        if self.next > now + spacing {
            self.next = now;
        }
        if now < self.next {
            return false;
        }
        self.next = if self.next + spacing < now { now + spacing } else { self.next + spacing };
        true
    }
}

/// Keeps what the host was last told of the published tags.
#[derive(Debug)]
pub(crate) struct Announcer {
    told: [f32; PUBLISHED],
}

impl Announcer {
    pub(crate) fn new() -> Self {
        Self { told: [0.0; PUBLISHED] }
    }

    /// Tells of each published tag that moved; `value` gives where it stands.
    pub(crate) fn announce(&mut self, value: impl Fn(usize) -> f32, mut tell: impl FnMut(usize, f32)) {
        for (index, told) in self.told.iter_mut().enumerate() {
            let now = value(index);
            if moved(now, *told, DEAD_BAND) {
                tell(index, now);
                *told = now;
            }
        }
    }
}

/// Whether a value went by at least `band` from what was told, or to zero.
pub(crate) fn moved(now: f32, told: f32, band: f32) -> bool {
    (now - told).abs() >= band || (now == 0.0 && told != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_over_time_and_loses_nothing_to_a_beat() {
        // Ten a second are allowed, and something comes every 99.2 ms: looked at every
        // 10 ms, nearly all of it is told.
        let (mut limit, mut told, mut waiting) = (Limit::default(), 0, 0);
        for tick in 0..6_000 {
            let before = (f64::from(tick - 1) / 9.92).floor();
            waiting += i32::from((f64::from(tick) / 9.92).floor() > before);
            if waiting > 0 && limit.allows(tick as u64, 10.0) {
                (told, waiting) = (told + 1, 0);
            }
        }
        assert!((590..=600).contains(&told), "{told} in a minute");
    }

    #[test]
    fn a_limit_starts_again_with_the_ticks() {
        let mut limit = Limit::default();
        assert!(limit.allows(5_000, 10.0));
        assert!(!limit.allows(5_001, 10.0));
        assert!(limit.allows(0, 10.0));
        assert!(!limit.allows(3, 10.0));
    }

    #[test]
    fn small_moves_are_not_told_but_zero_is() {
        let mut announcer = Announcer::new();
        let mut tell = |value: f32| {
            let mut told = Vec::new();
            announcer.announce(|index| if index == 2 { value } else { 0.0 }, |index, value| told.push((index, value)));
            told
        };
        assert_eq!(tell(0.5), [(2, 0.5)]);
        assert_eq!(tell(0.5004), []);
        assert_eq!(tell(0.0004), [(2, 0.0004)]);
        assert_eq!(tell(0.0), [(2, 0.0)]);
    }
}
