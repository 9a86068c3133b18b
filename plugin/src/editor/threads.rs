//! The threads that draw the window, and waiting for their end.
//!
//! On X11 the library that opens windows draws each on a thread of its own, and does not always
//! wait for it when the window is closed. What that thread still has to say to the display would
//! then come after the host has closed its own window, which kills the host, or unloaded the
//! plugin. So whoever closes the window waits here until the thread is gone.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The threads that draw an instance's window: at most one at a time, if the host is in order.
#[derive(Clone, Default)]
pub(crate) struct Threads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    count: Mutex<usize>,
    ended: Condvar,
}

/// Counts its thread for as long as it is there.
struct Counted(Threads);

thread_local! {
    /// What ends with the calling thread.
    static HERE: RefCell<Vec<Counted>> = const { RefCell::new(Vec::new()) };
}

impl Threads {
    /// Counts the calling thread until it ends.
    pub(crate) fn enter(&self) {
        self.change(|count| *count += 1);
        HERE.with_borrow_mut(|here| here.push(Counted(self.clone())));
    }

    /// Waits until all that were counted have ended, or for so long; tells whether they have.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.ended.wait_timeout_while(count, at_most, |count| *count > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn change(&self, change: impl FnOnce(&mut usize)) {
        change(&mut self.0.count.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.ended.notify_all();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.change(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_thread_counts_until_it_has_ended() {
        let threads = Threads::default();
        assert!(threads.wait(Duration::ZERO), "there is none yet");
        let (go, gone) = channel::<()>();
        let (entered, wait) = channel();
        let theirs = threads.clone();
        let thread = std::thread::spawn(move || {
            theirs.enter();
            entered.send(()).unwrap();
            let _ = gone.recv();
        });
        wait.recv().unwrap();
        assert!(!threads.wait(Duration::from_millis(20)), "it goes on");
        drop(go);
        assert!(threads.wait(Duration::from_secs(10)));
        thread.join().unwrap();
    }
}
