//! The threads that draw the window.
//!
//! On X11 baseview draws each window on a thread of its own and does not always wait for that thread
//! when the window closes. The thread would then talk to the display after the host has closed its own
//! window, which kills the host, or after the host has unloaded the plugin. So whoever closes the window
//! waits here until the thread has ended.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts the threads that draw an instance's window: at most one, unless the host makes a mistake.
#[derive(Clone, Default)]
pub(crate) struct WindowThreads(Arc<ThreadCount>);

#[derive(Default)]
struct ThreadCount {
    running: Mutex<usize>,
    has_changed: Condvar,
}

/// Counts its thread until it is dropped.
struct CountedThread(WindowThreads);

thread_local! {
    /// Dropped when the calling thread ends.
    static COUNTED: RefCell<Vec<CountedThread>> = const { RefCell::new(Vec::new()) };
}

impl WindowThreads {
    /// Counts the calling thread until it ends.
    pub(crate) fn count_current(&self) {
        self.change(|running| *running += 1);
        COUNTED.with_borrow_mut(|counted| counted.push(CountedThread(self.clone())));
    }

    /// Waits until all counted threads have ended, or until `timeout`. Returns whether they have ended.
    pub(crate) fn wait(&self, timeout: Duration) -> bool {
        let running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.has_changed.wait_timeout_while(running, timeout, |running| *running > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn change(&self, change: impl FnOnce(&mut usize)) {
        change(&mut self.0.running.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.has_changed.notify_all();
    }
}

impl Drop for CountedThread {
    fn drop(&mut self) {
        self.0.change(|running| *running -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn waiting_ends_when_the_thread_has_ended() {
        let threads = WindowThreads::default();
        assert!(threads.wait(Duration::ZERO), "no thread runs yet");
        let (stop, stopped) = channel::<()>();
        let (started, wait) = channel();
        let counter = threads.clone();
        let thread = std::thread::spawn(move || {
            counter.count_current();
            started.send(()).unwrap();
            let _ = stopped.recv();
        });
        wait.recv().unwrap();
        assert!(!threads.wait(Duration::from_millis(20)), "the thread still runs");
        drop(stop);
        assert!(threads.wait(Duration::from_secs(10)));
        thread.join().unwrap();
    }
}
