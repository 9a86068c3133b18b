//! The engine of one instance of the plug-in.

use crate::analyzer::RenderMode;
use crate::audio_queue::{AudioProducer, audio_queue};
use crate::board::TagBoard;
use crate::model::{InferenceMode, Metadata};
use crate::observer::EngineObserver;
use crate::resample::RateError;
use crate::shared::Shared;
use crate::source::{ModelRequest, ModelSource};
use crate::status::Status;
use crate::sync::atomic::Ordering;
use crate::sync::{PoisonError, lock};
use crate::teaching::{Confidence, Lesson, TaughtTag};
use crate::workers::Workers;
use std::sync::Arc;

/// Tags the audio of one instance on threads that all instances share.
///
/// Dropping it waits for at most one prediction. Dropping the last engine of a process stops the threads
/// and waits for at most one model to be loaded.
///
/// # Examples
///
/// ```no_run
/// use tagvane_engine::{Engine, InferenceMode, ModelSource, RenderMode};
///
/// let engine = Engine::start(ModelSource::File("model.onnx".into()), InferenceMode::Sliding);
/// engine.wait_until_loaded();
/// let mut producer = engine.connect(48_000.0, RenderMode::Offline)?;
/// let (left, right) = ([0.1_f32; 512], [0.2_f32; 512]);
/// producer.push(&[left, right]);
/// engine.process_offline();
/// println!("{}", engine.board().probability(0));
/// # Ok::<(), tagvane_engine::resample::RateError>(())
/// ```
pub struct Engine {
    shared: Arc<Shared>,
    /// `None` if the system cannot start a thread.
    workers: Option<Arc<Workers>>,
}

impl Engine {
    /// Loads a model in the background; `inference` is how models are run. If the system cannot start a thread,
    /// the board's status is [`Status::Failed`] and all tags stay at zero.
    pub fn start(request: impl Into<ModelRequest>, inference: InferenceMode) -> Self {
        Self::with_observer(request, inference, Arc::new(()))
    }

    /// Does the same as [`start`](Self::start); `observer` is called with every prediction.
    pub fn with_observer(
        request: impl Into<ModelRequest>,
        inference: InferenceMode,
        observer: Arc<dyn EngineObserver>,
    ) -> Self {
        let request = request.into();
        let board = Arc::new(TagBoard::with_observer(observer));
        if let ModelSource::Bytes { bytes, .. } = &request.source {
            board.set_status(Status::Loading { tags: Metadata::peek(bytes).display_tags() });
        }
        let shared = Arc::new(Shared::new(board, inference, request));
        let workers = Workers::of_this_process().and_then(|workers| workers.add(&shared).map(|()| workers));
        match &workers {
            Ok(workers) => workers.request_load(&shared),
            Err(error) => {
                *lock(&shared.request) = None;
                let why = format!("the system cannot start a thread for the model: {error}; close other programs");
                shared.board.set_status(Status::Failed(why));
            }
        }
        Self { shared, workers: workers.ok() }
    }

    /// The latest prediction.
    pub fn board(&self) -> &Arc<TagBoard> {
        &self.shared.board
    }

    /// Loads another model in the background; the current one stays in use until then.
    pub fn load(&self, request: impl Into<ModelRequest>) {
        if let Some(workers) = &self.workers {
            *lock(&self.shared.request) = Some(request.into());
            workers.request_load(&self.shared);
        }
    }

    /// Computes the tags that `taught` gives beside those of the model from the next prediction on, while the model is theirs.
    /// Waits for at most one prediction; `taught` is called while no other thread sets them.
    pub fn set_taught(&self, taught: impl FnOnce() -> Arc<[TaughtTag]>) {
        let mut analyzer = lock(&self.shared.analyzer);
        analyzer.set_taught(taught());
    }

    /// Learns a taught tag from its spans in the background. Then it calls `on_learned` with what was learned and how well, and
    /// computes the tags that this returns, as [`set_taught`](Self::set_taught) does. `on_learned` must not own an engine.
    pub fn learn(
        &self,
        mut lesson: Lesson,
        on_learned: impl FnOnce(Lesson, Confidence) -> Arc<[TaughtTag]> + Send + 'static,
    ) {
        let Some(workers) = &self.workers else { return };
        let shared = Arc::downgrade(&self.shared);
        workers.request_learning(move || {
            let Some(shared) = shared.upgrade() else { return };
            let info = shared.board.model_info();
            // The spans are those of another model: what was learned from them stays.
            if lesson.model == info.hash {
                lesson.function = lesson.learn(&info.metadata.background);
            }
            let confidence = lesson.confidence(&info.metadata.background);
            let mut analyzer = lock(&shared.analyzer);
            analyzer.set_taught(on_learned(lesson, confidence));
        });
    }

    /// Whether a model is being loaded. Takes a lock.
    pub fn is_loading(&self) -> bool {
        lock(&self.shared.request).is_some()
    }

    /// Waits until no model is being loaded.
    pub fn wait_until_loaded(&self) {
        let mut request = lock(&self.shared.request);
        while request.is_some() {
            request = self.shared.loaded.wait(request).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Connects a host that runs at `rate` hertz: returns the audio thread's end of a new queue. In
    /// [`RenderMode::Realtime`] the workers take from it, in [`RenderMode::Offline`] the caller by
    /// [`process_offline`](Self::process_offline). May wait for one prediction.
    ///
    /// # Errors
    /// [`RateError`] if the rate cannot be resampled; then no host is connected.
    pub fn connect(&self, rate: f64, render_mode: RenderMode) -> Result<AudioProducer, RateError> {
        self.disconnect();
        let (producer, consumer) = audio_queue(rate)?;
        lock(&self.shared.analyzer).attach(Some(consumer), render_mode);
        self.shared.is_offline.store(render_mode == RenderMode::Offline, Ordering::Release);
        self.shared.is_realtime.store(render_mode == RenderMode::Realtime, Ordering::Release);
        self.wake();
        Ok(producer)
    }

    /// The render mode that was set last, by [`connect`](Self::connect) or
    /// [`set_render_mode`](Self::set_render_mode).
    pub fn render_mode(&self) -> RenderMode {
        if self.shared.is_offline.load(Ordering::Acquire) { RenderMode::Offline } else { RenderMode::Realtime }
    }

    /// Changes the render mode and keeps the queue of [`connect`](Self::connect), if there is one. For
    /// [`RenderMode::Offline`] it first waits until no model is being loaded.
    pub fn set_render_mode(&self, render_mode: RenderMode) {
        if render_mode == RenderMode::Offline {
            self.shared.is_realtime.store(false, Ordering::Release);
            self.wait_until_loaded();
        }
        self.shared.is_offline.store(render_mode == RenderMode::Offline, Ordering::Release);
        let mut analyzer = lock(&self.shared.analyzer);
        analyzer.set_render_mode(render_mode);
        let is_realtime = render_mode == RenderMode::Realtime && analyzer.is_attached();
        self.shared.is_realtime.store(is_realtime, Ordering::Release);
        drop(analyzer);
        self.wake();
    }

    /// Disconnects the host and lets the workers sleep.
    pub fn disconnect(&self) {
        self.shared.is_realtime.store(false, Ordering::Release);
        lock(&self.shared.analyzer).attach(None, RenderMode::Realtime);
    }

    /// Predicts every hop in the queue, on the caller's thread, in [`RenderMode::Offline`]. Not real-time
    /// safe: it allocates, locks and runs the model.
    pub fn process_offline(&self) {
        lock(&self.shared.analyzer).advance(RenderMode::Offline);
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
