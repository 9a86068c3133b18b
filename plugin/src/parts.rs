//! What the halves of an instance share: nice-plug's plugin, the shell and the editor.

use crate::params::{Choice, Controls, inference};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tagvane_engine::Engine;
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
}

impl Parts {
    pub(crate) fn new() -> Self {
        let outputs = Arc::new(Outputs::new());
        let engine = Arc::new(Engine::observed(Choice::Usual.source(), inference(), Arc::<Outputs>::clone(&outputs)));
        let controls = Arc::new(Controls::new(Arc::clone(&engine), Arc::clone(&outputs)));
        let stage = Stage::new(Arc::clone(&outputs)).expect("new outputs have no stage yet");
        let stage = Arc::new(Mutex::new(stage));
        Self { engine, outputs, controls, stage, edited: Arc::default(), channels: Arc::default() }
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
