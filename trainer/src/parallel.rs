//! A parallel map that stops at the first error.

use crate::error::{Result, TrainerError};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Sets a flag when it is dropped, also where a panic drops it.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls `work` for each item on `jobs` threads, at least one, and returns the results in the items' order. The
/// threads take no more items after the first error or panic.
///
/// # Errors
/// An error of `work`, or [`TrainerError::Request`] if it panicked.
pub fn map<T: Sync, R: Send>(items: &[T], jobs: usize, work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run_worker = || -> Result<()> {
        // A worker ends at an error, at a panic, or where no items are left. In each case the others have to end too.
        let _stop_others = SetOnDrop(&stop);
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item)?;
            done.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push((index, result));
        }
        Ok(())
    };
    let ends: Vec<Result<()>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(run_worker)).collect();
        let panicked = || TrainerError::Request("a worker thread panicked; see the message above".into());
        // All of them are joined here: the scope passes on the panic of a thread that is not.
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    ends.into_iter().collect::<Result<()>>()?;
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::time::Duration;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..100).collect();
        let squares: Vec<usize> = items.iter().map(|item| item * item).collect();
        for jobs in [0, 1, 3, 200] {
            assert_eq!(map(&items, jobs, |item| Ok(item * item)).unwrap(), squares);
        }
    }

    /// Regression: only the workers before the first one with an error were joined, and a panic of a later one passed
    /// through.
    #[test]
    fn panics_of_several_workers_are_an_error() {
        let both = Barrier::new(2);
        let result = map(&[0, 1], 2, |_| -> Result<()> {
            both.wait();
            panic!("this panic belongs to the test");
        });
        assert!(result.unwrap_err().to_string().contains("panicked"));
    }

    /// Regression: the other workers went on with all items after a panic.
    #[test]
    fn no_more_items_are_taken_after_an_error_or_a_panic() {
        for panics in [false, true] {
            let calls = AtomicUsize::new(0);
            let items: Vec<usize> = (0..100_000).collect();
            let result = map(&items, 2, |item| {
                calls.fetch_add(1, Ordering::Relaxed);
                if *item == 0 {
                    assert!(!panics, "this panic belongs to the test");
                    return Err(TrainerError::Request("the first".into()));
                }
                std::thread::sleep(Duration::from_micros(100));
                Ok(())
            });
            assert!(result.unwrap_err().to_string().contains(if panics { "panicked" } else { "the first" }));
            assert!(calls.load(Ordering::Relaxed) < items.len());
        }
    }
}
