//! One instance's listening: its board, its listener, and the thread that runs it.

use crate::board::{Status, TagBoard};
use crate::listener::{Listener, Pace};
use crate::model::{Metadata, Model};
use crate::resample::RateError;
use crate::tap::{Tap, tap};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// How long the worker sleeps between looks into the ring: a fifth of a hop, so
/// that a judgement is at most that much late.
const NAP: Duration = Duration::from_millis(20);

/// Where a model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// The bytes of an ONNX file, and what the model is called.
    Bytes {
        /// What a person knows it as.
        name: Cow<'static, str>,
        /// The ONNX file.
        bytes: &'static [u8],
    },
    /// An ONNX file on disk.
    File(PathBuf),
}

/// Listens for one instance of the plugin, on a worker thread of its own.
///
/// Dropping it ends the thread and waits for it: at most one inference, or one
/// model load.
pub struct Engine {
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

struct Shared {
    board: Arc<TagBoard>,
    listener: Mutex<Listener>,
    /// The model to load next.
    wanted: Mutex<Option<ModelSource>>,
    /// Told when a load has ended, well or not.
    loaded: Condvar,
    /// Whether the worker has audio to wait for.
    live: AtomicBool,
    stop: AtomicBool,
}

impl Engine {
    /// Starts a worker, which loads `source` first. Where the system gives no thread,
    /// the board says so and tags stay at zero.
    pub fn start(source: ModelSource) -> Self {
        let board = Arc::new(TagBoard::new());
        if let ModelSource::Bytes { bytes, .. } = &source {
            board.set_status(Status::Loading { tags: Metadata::peek(bytes).tags });
        }
        let shared = Arc::new(Shared {
            listener: Mutex::new(Listener::new(Arc::clone(&board))),
            board,
            wanted: Mutex::new(Some(source)),
            loaded: Condvar::new(),
            live: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let mine = Arc::clone(&shared);
        let worker = std::thread::Builder::new().name("tagvane listener".into()).spawn(move || work(&mine));
        if let Err(error) = &worker {
            *lock(&shared.wanted) = None;
            shared.board.set_status(Status::Failed(format!("the system gives no thread to listen on: {error}")));
        }
        Self { shared, worker: worker.ok() }
    }

    /// Where the tags stand.
    pub fn board(&self) -> &Arc<TagBoard> {
        &self.shared.board
    }

    /// Loads another model on the worker thread; the one before listens on until then.
    pub fn load(&self, source: ModelSource) {
        if self.worker.is_none() {
            return;
        }
        *lock(&self.shared.wanted) = Some(source);
        self.wake();
    }

    /// Waits until no model is being loaded, or there is nobody to load it.
    pub fn wait_until_loaded(&self) {
        let gone = || self.worker.as_ref().is_none_or(JoinHandle::is_finished);
        let mut wanted = lock(&self.shared.wanted);
        while wanted.is_some() && !gone() {
            let waited = self.shared.loaded.wait_timeout(wanted, Duration::from_millis(100));
            wanted = waited.unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
    }

    /// Listens to a host that runs at `rate` hertz: gives the audio thread's end. At
    /// [`Pace::Live`] the worker takes what it hears; at [`Pace::EveryHop`] the
    /// caller does, with [`catch_up`](Self::catch_up). May wait for one inference.
    ///
    /// # Errors
    /// [`RateError`] where the rate cannot be resampled; nothing is listened to then.
    pub fn connect(&self, rate: f64, pace: Pace) -> Result<Tap, RateError> {
        self.disconnect();
        let (tap, feed) = tap(rate)?;
        lock(&self.shared.listener).attach(Some(feed), pace);
        self.shared.live.store(pace == Pace::Live, Ordering::Release);
        self.wake();
        Ok(tap)
    }

    /// Listens to nothing and lets the worker sleep.
    pub fn disconnect(&self) {
        self.shared.live.store(false, Ordering::Release);
        lock(&self.shared.listener).attach(None, Pace::Live);
    }

    /// Judges every hop that was heard, on the caller's thread. For rendering
    /// offline: it waits, allocates and takes its time.
    pub fn catch_up(&self) {
        lock(&self.shared.listener).advance(Pace::EveryHop);
    }

    fn wake(&self) {
        self.worker.as_ref().map(JoinHandle::thread).map(Thread::unpark);
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(worker) = self.worker.take() {
            // A worker that panicked has nothing left to say.
            let _ = worker.join();
        }
    }
}

/// The worker thread.
fn work(shared: &Shared) {
    while !shared.stop.load(Ordering::Acquire) {
        let source = lock(&shared.wanted).clone();
        if let Some(source) = source {
            load(shared, &source);
            let mut wanted = lock(&shared.wanted);
            // Unless another one was asked for meanwhile.
            if *wanted == Some(source) {
                *wanted = None;
                shared.loaded.notify_all();
            }
            continue;
        }
        if shared.live.load(Ordering::Acquire) {
            let more = lock(&shared.listener).advance(Pace::Live);
            if !more {
                std::thread::park_timeout(NAP);
            }
        } else {
            std::thread::park();
        }
    }
}

fn load(shared: &Shared, source: &ModelSource) {
    let (model, name) = match source {
        ModelSource::Bytes { name, bytes } => (Model::from_bytes(bytes), name.to_string()),
        ModelSource::File(path) => (Model::open(path), path.display().to_string()),
    };
    let mut listener = lock(&shared.listener);
    match model {
        Ok(model) => listener.set_model(model, &name),
        Err(error) => listener.fail(format!("{name}: {error}")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
