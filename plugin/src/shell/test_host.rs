//! A host for the editor's tests, which records how the window changes parameters.

use nice_plug::context::PluginApi;
use nice_plug::context::gui::{GuiContext, GuiContextInner};
use nice_plug::params::internals::ParamPtr;
use nice_plug::plugin::PluginState;
use std::sync::{Arc, Mutex, PoisonError};

/// A call of the window about a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum HostCall {
    BeginSet,
    Set(f32),
    EndSet,
}

/// The host with all calls, in order.
#[derive(Default)]
pub(crate) struct TestHost {
    calls: Mutex<Vec<HostCall>>,
}

impl TestHost {
    /// A host and the context that a window gets from it.
    pub(crate) fn new() -> (Arc<Self>, GuiContext) {
        let host = Arc::new(Self::default());
        (Arc::clone(&host), GuiContext::new(host))
    }

    /// The calls so far.
    pub(crate) fn calls(&self) -> Vec<HostCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, call: HostCall) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
}

impl GuiContextInner for TestHost {
    fn plugin_api(&self) -> PluginApi {
        PluginApi::Clap
    }

    unsafe fn raw_begin_set_parameter(&self, _parameter: ParamPtr) {
        self.record(HostCall::BeginSet);
    }

    unsafe fn raw_set_parameter_normalized(&self, parameter: ParamPtr, normalized: f32) {
        self.record(HostCall::Set(normalized));
        // SAFETY: the parameter belongs to an instance that the test owns.
        unsafe { parameter._internal_set_normalized_value(normalized) };
    }

    unsafe fn raw_end_set_parameter(&self, _parameter: ParamPtr) {
        self.record(HostCall::EndSet);
    }

    fn get_state(&self) -> PluginState {
        unreachable!("the window reads no state")
    }

    fn set_state(&self, _state: PluginState) {
        unreachable!("the window sets no state")
    }

    fn request_restart(&self) {
        unreachable!("the window requests no restart")
    }
}
