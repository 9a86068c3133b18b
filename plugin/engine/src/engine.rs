//! One instance's listening: its board and its listener, served by the workers.

use crate::board::{Status, TagBoard};
use crate::listener::{Listener, Pace};
use crate::model::{Inference, Metadata};
use crate::observer::Observer;
use crate::resample::RateError;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex, PoisonError};
use crate::tap::{Tap, tap};
use crate::workers::{Workers, lock};
use cpu_time::ThreadTime;
use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait at least for audio that should be there: hosts deliver in blocks.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long to wait at most, doubling each time, where a host stopped calling.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

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

/// A model that an instance is asked to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where it is.
    pub source: ModelSource,
    /// The SHA-256 that its file once had, in hexadecimal digits, where that is known. A file that
    /// is gone may be in use elsewhere in this process; of one that is another the board tells.
    pub hash: Option<String>,
    /// What listens instead, if it cannot be used; without it, what listened before listens on.
    pub instead: Option<ModelSource>,
}

impl From<ModelSource> for Request {
    fn from(source: ModelSource) -> Self {
        Self { source, hash: None, instead: None }
    }
}

impl ModelSource {
    /// What a person knows the model as: for a file, its name without the folders.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Bytes { name, .. } => Cow::Borrowed(name),
            Self::File(path) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy(),
        }
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { name, .. } => f.write_str(name),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Listens for one instance of the plugin, on threads that all instances share.
///
/// Dropping it waits for at most one judgement; dropping the last one ends the threads
/// and waits for at most one model load.
pub struct Engine {
    shared: Arc<Shared>,
    /// `None` where the system gives no thread.
    workers: Option<Arc<Workers>>,
}

/// What the threads know of an instance.
pub(crate) struct Shared {
    pub(crate) board: Arc<TagBoard>,
    pub(crate) listener: Mutex<Listener>,
    /// How its models are run.
    pub(crate) inference: Inference,
    /// The model to load next.
    pub(crate) wanted: Mutex<Option<Request>>,
    /// Told when a load has ended, well or not.
    pub(crate) loaded: Condvar,
    /// Whether there is audio to wait for.
    live: AtomicBool,
    /// Whether the caller takes the audio, as the listener's pace says.
    every_hop: AtomicBool,
    /// Looks in a row that found no new audio.
    idle_looks: AtomicU32,
}

impl Shared {
    /// Judges what is due, at most once; gives how long to wait before the next look,
    /// or `None` where there is nothing to listen to.
    pub(crate) fn listen(&self) -> Option<Duration> {
        if !self.live.load(Ordering::Acquire) {
            return None;
        }
        let mut listener = lock(&self.listener);
        let before = listener.taken();
        let start = ThreadTime::now();
        let more = listener.advance(Pace::Live);
        self.board.add_busy(start.elapsed());
        if more {
            return Some(Duration::ZERO);
        }
        let idle = if listener.taken() == before { self.idle_looks.load(Ordering::Relaxed) + 1 } else { 0 };
        self.idle_looks.store(idle, Ordering::Relaxed);
        let patience = (PATIENCE * (1 << idle.min(8))).min(MOST_PATIENCE);
        Some(listener.until_hop()?.max(patience))
    }

    /// Listening panicked: this instance is left alone.
    pub(crate) fn break_down(&self) -> Option<Duration> {
        lock(&self.listener).fail("listening broke down; load the model again".into());
        None
    }
}

impl Engine {
    /// Starts to listen, and loads a model first; models are run by sliding steps
    /// where they allow it and `inference` says so. Where the system gives no thread,
    /// the board says so and tags stay at zero.
    pub fn start(request: impl Into<Request>, inference: Inference) -> Self {
        Self::observed(request, inference, Arc::new(()))
    }

    /// As [`start`](Self::start); `observer` is told of all that is judged.
    pub fn observed(request: impl Into<Request>, inference: Inference, observer: Arc<dyn Observer>) -> Self {
        let request = request.into();
        let board = Arc::new(TagBoard::observed(observer));
        if let ModelSource::Bytes { bytes, .. } = &request.source {
            board.set_status(Status::Loading { tags: Metadata::peek(bytes).tags });
        }
        let shared = Arc::new(Shared {
            listener: Mutex::new(Listener::new(Arc::clone(&board))),
            board,
            inference,
            wanted: Mutex::new(Some(request)),
            loaded: Condvar::new(),
            live: AtomicBool::new(false),
            every_hop: AtomicBool::new(false),
            idle_looks: AtomicU32::new(0),
        });
        let workers = Workers::of_this_process().and_then(|workers| workers.add(&shared).map(|()| workers));
        match &workers {
            Ok(workers) => workers.load(&shared),
            Err(error) => {
                *lock(&shared.wanted) = None;
                shared.board.set_status(Status::Failed(format!("the system gives no thread to listen on: {error}")));
            }
        }
        Self { shared, workers: workers.ok() }
    }

    /// Where the tags stand.
    pub fn board(&self) -> &Arc<TagBoard> {
        &self.shared.board
    }

    /// Loads another model in the background; the one before listens on until then.
    pub fn load(&self, request: impl Into<Request>) {
        if let Some(workers) = &self.workers {
            *lock(&self.shared.wanted) = Some(request.into());
            workers.load(&self.shared);
        }
    }

    /// Whether a model is being loaded. Takes a lock.
    pub fn is_loading(&self) -> bool {
        lock(&self.shared.wanted).is_some()
    }

    /// Waits until no model is being loaded.
    pub fn wait_until_loaded(&self) {
        let mut wanted = lock(&self.shared.wanted);
        while wanted.is_some() {
            wanted = self.shared.loaded.wait(wanted).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Listens to a host that runs at `rate` hertz: gives the audio thread's end. At
    /// [`Pace::Live`] the workers take what it hears; at [`Pace::EveryHop`] the
    /// caller does, with [`catch_up`](Self::catch_up). May wait for one inference.
    ///
    /// # Errors
    /// [`RateError`] where the rate cannot be resampled; nothing is listened to then.
    pub fn connect(&self, rate: f64, pace: Pace) -> Result<Tap, RateError> {
        self.disconnect();
        let (tap, feed) = tap(rate)?;
        lock(&self.shared.listener).attach(Some(feed), pace);
        self.shared.every_hop.store(pace == Pace::EveryHop, Ordering::Release);
        self.shared.live.store(pace == Pace::Live, Ordering::Release);
        self.wake();
        Ok(tap)
    }

    /// The pace it listens at, or will.
    pub fn pace(&self) -> Pace {
        if self.shared.every_hop.load(Ordering::Acquire) { Pace::EveryHop } else { Pace::Live }
    }

    /// Goes on at another pace with the tap that [`connect`](Self::connect) gave, if there is
    /// one. Towards [`Pace::EveryHop`] it waits until no model is being loaded.
    pub fn set_pace(&self, pace: Pace) {
        if pace == Pace::EveryHop {
            self.shared.live.store(false, Ordering::Release);
            self.wait_until_loaded();
        }
        self.shared.every_hop.store(pace == Pace::EveryHop, Ordering::Release);
        let mut listener = lock(&self.shared.listener);
        listener.set_pace(pace);
        self.shared.live.store(pace == Pace::Live && listener.hears(), Ordering::Release);
        drop(listener);
        self.wake();
    }

    /// Listens to nothing and lets the workers sleep.
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
        if let Some(workers) = &self.workers {
            workers.wake(&self.shared);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.disconnect();
        if let Some(workers) = &self.workers {
            workers.remove(&self.shared);
        }
    }
}
