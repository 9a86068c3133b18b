//! A parallel map that stops at the first error.

use crate::error::{Result, TrainerError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Calls `work` for each item on `jobs` threads and returns the results in the items' order. The
/// threads take no more items after the first error.
///
/// # Errors
/// An error of `work`, or [`TrainerError::Request`] if it panicked.
pub fn map<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run_worker = || -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            match work(item) {
                Ok(result) => done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, result)),
                Err(error) => {
                    stop.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| -> Result<()> {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(run_worker)).collect();
        let panicked = |_| TrainerError::Request("a worker thread panicked".into());
        workers.into_iter().try_for_each(|worker| worker.join().map_err(panicked)?)
    })?;
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
