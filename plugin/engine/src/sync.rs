//! What threads share things with, wait on, and tell the time by: the standard library's, or
//! with the feature `shuttle` one that a test decides for, so that it can go through the orders
//! in which threads may come to run (`tests/handoffs.rs`).

#[cfg(feature = "shuttle")]
pub(crate) use decided::*;
#[cfg(not(feature = "shuttle"))]
pub(crate) use real::*;

#[cfg(not(feature = "shuttle"))]
mod real {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
    pub(crate) use std::thread::{self, available_parallelism};
    pub(crate) use std::time::Instant;

    /// Waits until `condvar` is told or a time has passed, without the lock that `guard` holds of
    /// `mutex`.
    pub(crate) fn wait_at_most<'a, T>(
        condvar: &Condvar,
        _mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: std::time::Duration,
    ) -> MutexGuard<'a, T> {
        condvar.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(feature = "shuttle")]
mod decided {
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
    pub(crate) use shuttle::thread;
    use std::num::NonZeroUsize;
    use std::ops::{Add, Sub};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// Two processors, whatever the machine has.
    pub(crate) fn available_parallelism() -> std::io::Result<NonZeroUsize> {
        NonZeroUsize::new(2).ok_or(std::io::ErrorKind::Unsupported.into())
    }

    /// Nanoseconds that threads have waited.
    static PASSED: AtomicU64 = AtomicU64::new(0);

    /// A moment of a time that passes only where somebody waits for it to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct Instant(Duration);

    impl Instant {
        pub(crate) fn now() -> Self {
            Self(Duration::from_nanos(PASSED.load(Ordering::Relaxed)))
        }

        pub(crate) fn elapsed(&self) -> Duration {
            Self::now() - *self
        }
    }

    impl Add<Duration> for Instant {
        type Output = Self;

        fn add(self, later: Duration) -> Self {
            Self(self.0 + later)
        }
    }

    impl Sub for Instant {
        type Output = Duration;

        fn sub(self, earlier: Self) -> Duration {
            self.0.saturating_sub(earlier.0)
        }
    }

    /// Lets others run without the lock, and then the time has passed: shuttle's own waiting knows
    /// no time, and to wake unasked is allowed.
    pub(crate) fn wait_at_most<'a, T>(
        _condvar: &Condvar,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> MutexGuard<'a, T> {
        drop(guard);
        thread::yield_now();
        PASSED.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
