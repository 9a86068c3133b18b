//! One piece of work after another, on several threads.

use crate::error::{Result, TrainerError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Does `work` for every item on `jobs` threads and gives the results in the items'
/// order. The first error ends all.
///
/// # Errors
/// The first error of `work`, or [`TrainerError::Request`] where it panicked.
pub fn map<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let one_thread = || -> Result<()> {
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
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(one_thread)).collect();
        let panicked = |_| TrainerError::Request("a worker thread panicked".into());
        workers.into_iter().try_for_each(|worker| worker.join().map_err(panicked)?)
    })?;
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}
