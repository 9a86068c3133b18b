//! A host for the editor's tests: it takes what the window sets, with the gestures around it.

use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;
use std::sync::{Arc, Mutex, PoisonError};

/// What a window did to a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Done {
    Began,
    Set(f32),
    Ended,
}

/// The host, and all that was done, in order.
#[derive(Default)]
pub(crate) struct TestHost {
    done: Mutex<Vec<Done>>,
}

impl TestHost {
    /// A host, and what a window talks to it by.
    pub(crate) fn new() -> (Arc<Self>, GuiContext) {
        let host = Arc::new(Self::default());
        (Arc::clone(&host), GuiContext::new(host))
    }

    /// All that was done so far.
    pub(crate) fn done(&self) -> Vec<Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, done: Done) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(done);
    }
}

impl GuiContextInner for TestHost {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }

    unsafe fn raw_begin_set_parameter(&self, _parameter: ParamPtr) {
        self.note(Done::Began);
    }

    unsafe fn raw_set_parameter_normalized(&self, parameter: ParamPtr, normalized: f32) {
        self.note(Done::Set(normalized));
        // SAFETY: the window shows parameters of an instance that the test holds.
        unsafe { parameter._internal_set_normalized_value(normalized) };
    }

    unsafe fn raw_end_set_parameter(&self, _parameter: ParamPtr) {
        self.note(Done::Ended);
    }

    fn get_state(&self) -> PluginState {
        unreachable!("the window asks for no state")
    }

    fn set_state(&self, _state: PluginState) {
        unreachable!("the window sets no state")
    }

    fn request_restart(&self) {
        unreachable!("the window asks for no restart")
    }
}
