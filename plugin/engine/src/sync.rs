//! Locks, atomics, threads and time: the standard library's, or with the feature `shuttle` ones whose
//! schedule a test decides, so that it can try the orders in which threads may run
//! (`tests/handoffs.rs`).

#[cfg(not(feature = "shuttle"))]
pub(crate) use real::*;
#[cfg(feature = "shuttle")]
pub(crate) use simulated::*;

/// Locks a mutex; a panic while it was locked does not matter.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(not(feature = "shuttle"))]
mod real {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
    pub(crate) use std::thread::{self, available_parallelism};
    pub(crate) use std::time::Instant;

    /// Waits until `condvar` is notified or the time has passed, and releases `guard`'s lock of `mutex`
    /// meanwhile.
    pub(crate) fn wait_timeout<'a, T>(
        condvar: &Condvar,
        _mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: std::time::Duration,
    ) -> MutexGuard<'a, T> {
        condvar.wait_timeout(guard, time).unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(feature = "shuttle")]
mod simulated {
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard, PoisonError, atomic};
    pub(crate) use shuttle::thread;
    use std::num::NonZeroUsize;
    use std::ops::{Add, Sub};
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// Two, on any machine.
    pub(crate) fn available_parallelism() -> std::io::Result<NonZeroUsize> {
        NonZeroUsize::new(2).ok_or(std::io::ErrorKind::Unsupported.into())
    }

    /// The simulated time, in nanoseconds: the sum of all waits.
    static ELAPSED_NANOS: AtomicU64 = AtomicU64::new(0);

    /// A point in simulated time, which passes only while a thread waits.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct Instant(Duration);

    impl Instant {
        pub(crate) fn now() -> Self {
            Self(Duration::from_nanos(ELAPSED_NANOS.load(Ordering::Relaxed)))
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

    /// Lets other threads run without the lock and lets the time pass: shuttle's condition variables
    /// have no timeout, and spurious wake-ups are allowed.
    pub(crate) fn wait_timeout<'a, T>(
        _condvar: &Condvar,
        mutex: &'a Mutex<T>,
        guard: MutexGuard<'a, T>,
        time: Duration,
    ) -> MutexGuard<'a, T> {
        drop(guard);
        thread::yield_now();
        ELAPSED_NANOS.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
