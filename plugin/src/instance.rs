//! What nice-plug's plugin, the shell and the editor share of an instance.

use crate::mine::{MarkButtons, SavedMine};
use crate::params::{ModelChoice, TagvaneParams, inference_mode_from_env, library_from_env};
use crate::window::{Repaint, WindowSize, WindowThreads};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tagvane_engine::{Engine, EngineObserver, Metadata, ModelLibrary, Status, StreamTime};
use tagvane_outputs::{OutputConfig, OutputProcessor, Outputs};

/// The parts of an instance; a clone shares them.
#[derive(Clone)]
pub(crate) struct Instance {
    pub(crate) engine: Arc<Engine>,
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) params: Arc<TagvaneParams>,
    /// The tags of the user's own.
    pub(crate) mine: Arc<SavedMine>,
    /// The buttons that mark a span of a tag of the user's own.
    pub(crate) mark_buttons: Arc<MarkButtons>,
    /// Locked for the length of a call by the thread that acts as the audio thread, which never waits
    /// for the lock.
    pub(crate) processor: Arc<Mutex<OutputProcessor>>,
    /// Whether the user has changed saved state that is not a parameter since the host was last told.
    pub(crate) is_dirty: Arc<AtomicBool>,
    /// The number of channels, in and out, while the instance is active; otherwise 0.
    pub(crate) channels: Arc<AtomicU32>,
    /// Whether the host processes: since the last start of processing or block, until processing was stopped.
    pub(crate) is_processing: Arc<AtomicBool>,
    /// Whether the host asks for a reset, in contrast to a start of processing, which keeps the window.
    pub(crate) is_reset_requested: Arc<AtomicBool>,
    /// Whether the host's clock went on without a block since the last one.
    pub(crate) has_skipped_audio: Arc<AtomicBool>,
    /// The highest absolute input sample since the last [`take_peak`](Self::take_peak), as the bits of
    /// an `f32`.
    peak: Arc<AtomicU32>,
    /// What to tell the user about the project that was loaded last, in one sentence.
    project_notice: Arc<Mutex<Option<String>>>,
    /// Asks the window to draw.
    pub(crate) repaint: Repaint,
    pub(crate) window_size: WindowSize,
    pub(crate) window_threads: WindowThreads,
}

/// Passes the engine's callbacks to the outputs and asks the window to draw.
struct InstanceObserver {
    outputs: Arc<Outputs>,
    mark_buttons: Arc<MarkButtons>,
    repaint: Repaint,
}

impl EngineObserver for InstanceObserver {
    fn on_status(&self, status: &Status) {
        self.outputs.on_status(status);
        self.repaint.request();
    }

    fn on_prediction(&self, time: StreamTime, probabilities: &[f32], embedding: &[i8]) {
        self.outputs.on_prediction(time, probabilities, embedding);
        let clock = self.outputs.timeline().entries().next_back().map(|entry| entry.clock);
        if let Some(clock) = clock {
            self.mark_buttons.on_prediction(clock);
        }
        self.repaint.request();
    }
}

impl Instance {
    /// A new instance, which loads its model in the background, with the library of the user.
    pub(crate) fn new() -> Self {
        Self::with_library(library_from_env())
    }

    /// A new instance with this library.
    pub(crate) fn with_library(library: Option<ModelLibrary>) -> Self {
        let outputs = Arc::new(Outputs::new());
        let repaint = Repaint::default();
        let mark_buttons = Arc::new(MarkButtons::default());
        let observer = InstanceObserver {
            outputs: Arc::clone(&outputs),
            mark_buttons: Arc::clone(&mark_buttons),
            repaint: repaint.clone(),
        };
        let engine = Arc::new(Engine::with_observer(
            ModelChoice::Default.request(library.as_ref()),
            inference_mode_from_env(),
            Arc::new(observer),
        ));
        let is_dirty = Arc::new(AtomicBool::new(false));
        let mine = SavedMine::new(Arc::clone(&engine), Arc::clone(&outputs), Arc::clone(&is_dirty), repaint.clone());
        let mine = Arc::new(mine);
        mark_buttons.connect(&mine);
        let params =
            Arc::new(TagvaneParams::new(Arc::clone(&engine), Arc::clone(&outputs), library, Arc::clone(&mine)));
        let processor = OutputProcessor::new(Arc::clone(&outputs)).expect("new outputs have no processor yet");
        let processor = Arc::new(Mutex::new(processor));
        let (is_processing, is_reset_requested, has_skipped_audio) = Default::default();
        let (channels, peak, project_notice, window_size, window_threads) = Default::default();
        Self {
            engine,
            outputs,
            params,
            mine,
            mark_buttons,
            processor,
            is_dirty,
            channels,
            is_processing,
            is_reset_requested,
            has_skipped_audio,
            peak,
            project_notice,
            repaint,
            window_size,
            window_threads,
        }
    }

    /// Records the peak of a block on the audio thread.
    pub(crate) fn record_peak(&self, peak: f32) {
        // The bits of numbers that are not negative have the order of the numbers.
        self.peak.fetch_max(peak.abs().to_bits(), Ordering::Relaxed);
    }

    /// The highest peak since the last call, linear; 1.0 is full scale.
    pub(crate) fn take_peak(&self) -> f32 {
        f32::from_bits(self.peak.swap(0, Ordering::Relaxed))
    }

    /// Sets what to tell the user about the project that has just been loaded.
    pub(crate) fn set_project_notice(&self, notice: Option<String>) {
        if let Some(notice) = &notice {
            tracing::warn!("{notice}");
        }
        *self.project_notice.lock().unwrap_or_else(PoisonError::into_inner) = notice;
        self.repaint.request();
    }

    /// What to tell the user about the project and the model, in sentences.
    pub(crate) fn notices(&self) -> Vec<String> {
        let project = self.project_notice.lock().unwrap_or_else(PoisonError::into_inner).clone();
        project.into_iter().chain(self.engine.board().model_info().notice).collect()
    }

    /// Loads the model that the user chooses and marks the project as changed.
    pub(crate) fn choose_model(&self, choice: ModelChoice) {
        if self.params.model.choose(choice) {
            self.is_dirty.store(true, Ordering::Release);
        }
    }

    /// Loads a model file with what the user states in the place of what it lacks.
    pub(crate) fn load_with_metadata(&self, file: PathBuf, stated: Metadata) {
        if self.params.model.load_stated(file, stated) {
            self.is_dirty.store(true, Ordering::Release);
        }
    }

    /// Edits the configuration of the outputs for the user. Marks the project as changed if the edit changed
    /// something.
    pub(crate) fn edit_outputs<T>(&self, edit: impl FnOnce(&mut OutputConfig) -> T) {
        let before = self.outputs.config();
        let mut config = before.clone();
        edit(&mut config);
        if config != before {
            self.outputs.set_config(config);
            self.is_dirty.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::SHIPPED_MODELS;

    #[test]
    fn a_project_becomes_dirty_only_when_the_user_changes_it() {
        let instance = Instance::new();
        instance.edit_outputs(|config| config.routing.sources[0].tags.clear());
        assert!(!instance.is_dirty.load(Ordering::Acquire), "the configuration is the same");
        instance.edit_outputs(|config| config.routing.sources[0].tags.push("rock".into()));
        assert!(instance.is_dirty.swap(false, Ordering::AcqRel));
        assert_eq!(instance.outputs.config().routing.sources[0].tags, ["rock"]);
        instance.choose_model(ModelChoice::Default);
        assert!(!instance.is_dirty.load(Ordering::Acquire), "the model is the same");
        instance.choose_model(ModelChoice::Shipped { shipped: SHIPPED_MODELS[0].name.into() });
        assert!(instance.is_dirty.load(Ordering::Acquire));
    }
}
