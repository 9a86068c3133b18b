//! A limit on how often something happens.

/// Allows something once every so many ticks on average: of what comes a little too often, only the excess
/// is held back.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    /// The tick at which the next time is allowed.
    next: f64,
}

impl RateLimit {
    /// Whether it may happen at `tick`, every `spacing` ticks on average. If so, it counts as done.
    pub(crate) fn allows(&mut self, tick: u64, spacing: f64) -> bool {
        let now = tick as f64;
        // The count of ticks restarts with each segment.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten a second are allowed, and one comes every 99.2 ms, checked every 10 ms.
    #[test]
    fn a_rate_just_above_the_limit_is_hardly_reduced() {
        let (mut limit, mut allowed, mut waiting) = (RateLimit::default(), 0, 0);
        for tick in 0..6_000 {
            let before = (f64::from(tick - 1) / 9.92).floor();
            waiting += i32::from((f64::from(tick) / 9.92).floor() > before);
            if waiting > 0 && limit.allows(tick as u64, 10.0) {
                (allowed, waiting) = (allowed + 1, 0);
            }
        }
        assert!((590..=600).contains(&allowed), "{allowed} in a minute");
    }

    #[test]
    fn the_limit_restarts_with_the_count_of_ticks() {
        let mut limit = RateLimit::default();
        assert!(limit.allows(5_000, 10.0));
        assert!(!limit.allows(5_001, 10.0));
        assert!(limit.allows(0, 10.0));
        assert!(!limit.allows(3, 10.0));
    }
}
