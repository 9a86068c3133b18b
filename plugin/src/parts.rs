//! What the halves of an instance share: nice-plug's plugin, the shell and the editor.

use crate::editor::{self, Extent, Repaint, Threads};
use crate::params::{Choice, Controls, inference};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tagvane_engine::{Engine, Moment, Observer, Status};
use tagvane_outputs::{Outputs, Stage, Wiring};

/// What an instance is made of.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) engine: Arc<Engine>,
    pub(crate) outputs: Arc<Outputs>,
    pub(crate) controls: Arc<Controls>,
    /// Held for as long as a call lasts by whoever is the audio thread then; never waited
    /// for on it.
    pub(crate) stage: Arc<Mutex<Stage>>,
    /// A person changed what a project remembers besides parameters.
    pub(crate) edited: Arc<AtomicBool>,
    /// The channels in and out while the instance is active; 0 while it is not.
    pub(crate) channels: Arc<AtomicU32>,
    /// The highest sample that came in since it was last asked for, as its bits.
    level: Arc<AtomicU32>,
    /// What there is to say of the project that was loaded last.
    project: Arc<Mutex<Option<String>>>,
    /// Tells the window that there is something new to draw.
    pub(crate) repaint: Repaint,
    /// How large the window is.
    pub(crate) extent: Extent,
    /// The threads that draw it.
    pub(crate) drawing: Threads,
}

/// Hears of judgements: for the outputs, and so that the window draws when there is something new
/// and rests when there is not.
struct Listeners {
    outputs: Arc<Outputs>,
    repaint: Repaint,
}

impl Observer for Listeners {
    fn changed(&self, status: &Status) {
        self.outputs.changed(status);
        self.repaint.request();
    }

    fn judged(&self, moment: Moment, probabilities: &[f32]) {
        self.outputs.judged(moment, probabilities);
        self.repaint.request();
    }
}

impl Parts {
    pub(crate) fn new() -> Self {
        let outputs = Arc::new(Outputs::new());
        let repaint = Repaint::default();
        let listeners = Listeners { outputs: Arc::clone(&outputs), repaint: repaint.clone() };
        let engine = Arc::new(Engine::observed(Choice::Usual.of_project(), inference(), Arc::new(listeners)));
        let controls = Arc::new(Controls::new(Arc::clone(&engine), Arc::clone(&outputs)));
        let stage = Stage::new(Arc::clone(&outputs)).expect("new outputs have no stage yet");
        let stage = Arc::new(Mutex::new(stage));
        let (edited, channels, level, project, drawing) = Default::default();
        Self {
            engine,
            outputs,
            controls,
            stage,
            edited,
            channels,
            level,
            project,
            repaint,
            extent: editor::extent(),
            drawing,
        }
    }

    /// A block of this peak came in. On the audio thread.
    pub(crate) fn hear_level(&self, peak: f32) {
        // Bits of numbers that are not negative are in the order of the numbers.
        self.level.fetch_max(peak.abs().to_bits(), Ordering::Relaxed);
    }

    /// The highest peak since the last time.
    pub(crate) fn take_level(&self) -> f32 {
        f32::from_bits(self.level.swap(0, Ordering::Relaxed))
    }

    /// A project was loaded, and there is this to say of it.
    pub(crate) fn say_of_project(&self, notice: Option<String>) {
        if let Some(notice) = &notice {
            tracing::warn!("{notice}");
        }
        *self.project.lock().unwrap_or_else(PoisonError::into_inner) = notice;
        self.repaint.request();
    }

    /// What there is to say, in sentences: of the project, of the model.
    pub(crate) fn notices(&self) -> Vec<String> {
        let project = self.project.lock().unwrap_or_else(PoisonError::into_inner).clone();
        project.into_iter().chain(self.engine.board().about().notice).collect()
    }

    /// A person chooses a model: the project is to be saved.
    pub(crate) fn choose_model(&self, choice: Choice) {
        if self.controls.model.choose(choice) {
            self.edited.store(true, Ordering::Release);
        }
    }

    /// A person changes the wiring: the project is to be saved.
    pub(crate) fn rewire<T>(&self, change: impl FnOnce(&mut Wiring) -> T) {
        let before = self.outputs.wiring();
        let mut wiring = before.clone();
        change(&mut wiring);
        if wiring != before {
            self.outputs.wire(wiring);
            self.edited.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::SHIPPED;

    #[test]
    fn a_project_is_to_be_saved_when_a_person_changed_it_and_only_then() {
        let parts = Parts::new();
        parts.rewire(|wiring| wiring.sources[0].tags.clear());
        assert!(!parts.edited.load(Ordering::Acquire), "nothing changed");
        parts.rewire(|wiring| wiring.sources[0].tags.push("rock".into()));
        assert!(parts.edited.swap(false, Ordering::AcqRel));
        assert_eq!(parts.outputs.wiring().sources[0].tags, ["rock"]);
        parts.choose_model(Choice::Usual);
        assert!(!parts.edited.load(Ordering::Acquire), "it was the model already");
        parts.choose_model(Choice::Shipped { shipped: SHIPPED[0].name.into() });
        assert!(parts.edited.load(Ordering::Acquire));
    }
}
