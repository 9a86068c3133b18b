//! What an engine and the worker threads share.

use crate::analyzer::{Analyzer, RenderMode};
use crate::board::TagBoard;
use crate::model::InferenceMode;
use crate::source::ModelRequest;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{Condvar, Mutex, lock};
use cpu_time::ThreadTime;
use std::sync::Arc;
use std::time::Duration;

/// The shortest time to wait for audio that should be there: hosts deliver in blocks.
const MIN_WAIT: Duration = Duration::from_millis(10);

/// The longest time to wait for audio; the wait doubles while the host delivers none.
const MAX_WAIT: Duration = Duration::from_secs(1);

/// The state of an engine.
pub(crate) struct Shared {
    pub(crate) board: Arc<TagBoard>,
    pub(crate) analyzer: Mutex<Analyzer>,
    /// How its models are run.
    pub(crate) inference: InferenceMode,
    /// The model to load next.
    pub(crate) request: Mutex<Option<ModelRequest>>,
    /// Notified when a load has ended, with success or not.
    pub(crate) loaded: Condvar,
    /// Whether the workers take from the queue.
    pub(crate) is_realtime: AtomicBool,
    /// Whether the render mode that was set last is offline: the caller takes from the queue, if there is one.
    pub(crate) is_offline: AtomicBool,
    /// The number of times in a row that the queue was empty.
    empty_polls: AtomicU32,
}

impl Shared {
    /// An instance without a queue; `request` is the model to load first.
    pub(crate) fn new(board: Arc<TagBoard>, inference: InferenceMode, request: ModelRequest) -> Self {
        Self {
            analyzer: Mutex::new(Analyzer::new(Arc::clone(&board))),
            board,
            inference,
            request: Mutex::new(Some(request)),
            loaded: Condvar::new(),
            is_realtime: AtomicBool::new(false),
            is_offline: AtomicBool::new(false),
            empty_polls: AtomicU32::new(0),
        }
    }

    /// Predicts the windows that are due, as [`Analyzer::advance`] does in real time. Returns the time to wait before the next call, or
    /// `None` if there is no queue to take from.
    pub(crate) fn serve(&self) -> Option<Duration> {
        if !self.is_realtime.load(Ordering::Acquire) {
            return None;
        }
        let mut analyzer = lock(&self.analyzer);
        let before = analyzer.items_taken();
        let start = ThreadTime::now();
        let has_more = analyzer.advance(RenderMode::Realtime);
        self.board.add_cpu_time(start.elapsed());
        if has_more {
            return Some(Duration::ZERO);
        }
        let is_empty = analyzer.items_taken() == before;
        let empty_polls = if is_empty { self.empty_polls.load(Ordering::Relaxed) + 1 } else { 0 };
        self.empty_polls.store(empty_polls, Ordering::Relaxed);
        let wait = (MIN_WAIT * (1 << empty_polls.min(8))).min(MAX_WAIT);
        Some(analyzer.until_hop()?.max(wait))
    }

    /// Inference panicked: this instance runs no model until another one is loaded.
    pub(crate) fn fail_after_panic(&self) -> Option<Duration> {
        lock(&self.analyzer).fail("inference panicked; load the model again or another one".into());
        None
    }
}
