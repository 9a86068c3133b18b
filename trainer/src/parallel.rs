//! Parallel maps: of a list, that stops at the first error, and of a stream, in its order.

use crate::error::{Result, TrainerError, catch_panic};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

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
        // All of them are joined here: the scope passes on the panic of a thread that is not.
        workers.into_iter().map(|worker| worker.join().unwrap_or_else(|_| Err(panicked()))).collect()
    });
    ends.into_iter().collect::<Result<()>>()?;
    let mut done = done.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.sort_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, result)| result).collect())
}

/// Calls `work` for each item on `jobs` threads, at least one, and `sink` on this thread with the results in the items'
/// order, each as soon as it is there. At most `ahead` items, at least one, are taken before the sink has their results.
/// No more items are taken after the first error of `sink`.
///
/// # Errors
/// That of `sink`, or [`TrainerError::Request`] if a thread panicked.
pub fn map_in_order<T: Send, R: Send>(
    items: impl Iterator<Item = T> + Send,
    jobs: usize,
    ahead: usize,
    work: impl Fn(T) -> R + Sync,
    mut sink: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let (permits, allowed) = mpsc::sync_channel(ahead.max(1));
    let (item_sender, item_receiver) = mpsc::channel::<(usize, T)>();
    let item_receiver = Mutex::new(item_receiver);
    let (result_sender, results) = mpsc::channel::<(usize, Option<R>)>();
    let run_worker = |sender: mpsc::Sender<(usize, Option<R>)>| {
        loop {
            let next = item_receiver.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
            let Ok((index, item)) = next else { break };
            if sender.send((index, catch_panic(|| work(item)))).is_err() {
                break;
            }
        }
    };
    std::thread::scope(|scope| {
        // The thread that takes the items may wait for them, so results do not wait for it.
        scope.spawn(move || {
            for pair in items.enumerate() {
                if permits.send(()).is_err() || item_sender.send(pair).is_err() {
                    break;
                }
            }
        });
        for _ in 0..jobs.max(1) {
            let (sender, run_worker) = (result_sender.clone(), &run_worker);
            scope.spawn(move || run_worker(sender));
        }
        drop(result_sender);
        let (mut waiting, mut next) = (BTreeMap::new(), 0);
        let mut done = Ok(());
        while done.is_ok()
            && let Ok((index, result)) = results.recv()
        {
            waiting.insert(index, result);
            while done.is_ok()
                && let Some(result) = waiting.remove(&next)
            {
                next += 1;
                done = result.ok_or_else(panicked).and_then(&mut sink);
                // The other end waits for it, or has no items any more.
                let _ = allowed.recv();
            }
        }
        // Ends the other threads.
        drop((results, allowed));
        done
    })
}

/// The error of a thread that panicked.
fn panicked() -> TrainerError {
    TrainerError::Request("a worker thread panicked; see the message above".into())
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

    #[test]
    fn a_stream_keeps_its_order_and_takes_few_items_ahead() {
        for (jobs, ahead) in [(1, 1), (2, 1), (3, 7), (4, 100)] {
            let taken = AtomicUsize::new(0);
            let items = (0..200).inspect(|_| {
                taken.fetch_add(1, Ordering::Relaxed);
            });
            let mut results = Vec::new();
            let slow = |item: usize| {
                std::thread::sleep(Duration::from_micros((item as u64 * 7_919) % 300));
                item * item
            };
            map_in_order(items, jobs, ahead, slow, |result| {
                // One more may wait for its turn in the thread that takes them.
                assert!(taken.load(Ordering::Relaxed) <= results.len() + ahead + 1, "{jobs} {ahead}");
                results.push(result);
                Ok(())
            })
            .unwrap();
            assert_eq!(results, (0..200).map(|item| item * item).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_stream_ends_at_an_error_of_its_sink_and_at_a_panic() {
        let endless = || map_in_order(0.., 2, 4, |item| item, |_| Err(TrainerError::Request("full".into())));
        assert!(endless().unwrap_err().to_string().contains("full"));
        let panics = map_in_order(0..9, 3, 2, |item| assert!(item < 1, "this panic belongs to the test"), |()| Ok(()));
        assert!(panics.unwrap_err().to_string().contains("panicked"));
    }

    /// A worker process answers a line before it gets the next one.
    #[test]
    fn a_result_does_not_wait_for_the_next_item() {
        let (items, taken) = mpsc::channel();
        items.send(1).unwrap();
        let mut items = Some(items);
        let mut results = Vec::new();
        map_in_order(
            taken.into_iter(),
            2,
            8,
            |item: usize| item,
            |result| {
                results.push(result);
                match &items {
                    Some(sender) if result < 3 => sender.send(result + 1).unwrap(),
                    _ => items = None,
                }
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(results, [1, 2, 3]);
    }
}
