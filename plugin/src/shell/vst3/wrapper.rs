//! A VST3 instance: component, processor and controller in one object, as clap-wrapper makes them. Its calls
//! pass on to clap-wrapper only what that can take.

use super::block;
use super::buses::Buses;
use super::clap::{InnerClap, NormalizedValue};
use super::controller_values::{ControllerValue, ControllerValues};
use super::handler::{StandInHandler, retain};
use super::text::is_too_long;
use crate::shell::object::Shell;
use crate::shell::shell_params::{CURRENT_VALUE, INFERENCE_ID, ShellParam};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use vst3::Steinberg::Vst::{
    BusDirection, BusInfo, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentHandler, IComponentTrait,
    IEditController, IEditControllerTrait, IoMode, MediaType, ParamID, ParamValue, ParameterInfo, ProcessData,
    ProcessSetup, RoutingInfo, SpeakerArrangement, String128, TChar,
};
use vst3::Steinberg::{
    FIDString, FUnknown, IBStream, IPlugView, IPluginBaseTrait, TBool, TUID, int32, kInvalidArgument, kNotInitialized,
    kResultFalse, kResultOk, tresult, uint32,
};
use vst3::{ComPtr, ComWrapper};

/// How often a state that is saved during a block tries again to take the values of the controller, a millisecond apart.
const STATE_RETRIES: usize = 20;

/// Wraps clap-wrapper's instance and passes on only the calls that it can take.
pub(super) struct Vst3Instance {
    pub(super) component: ComPtr<IComponent>,
    processor: ComPtr<IAudioProcessor>,
    controller: ComPtr<IEditController>,
    clap: InnerClap,
    buses: Buses,
    controller_values: ControllerValues,
    stand_in: ComWrapper<StandInHandler>,
    /// The host's handler, if it has set one. Locked on the main thread only.
    handler: Mutex<Option<ComPtr<IComponentHandler>>>,
    /// True between a successful `initialize` and `terminate`.
    is_initialized: AtomicBool,
    /// The sorted ids of all parameters, which never change.
    parameter_ids: OnceLock<Vec<ParamID>>,
}

impl Vst3Instance {
    /// Wraps clap-wrapper's object; `None` if it lacks one of the three interfaces.
    pub(super) fn create(component: ComPtr<IComponent>) -> Option<ComPtr<FUnknown>> {
        let (processor, controller) = (component.cast()?, component.cast()?);
        let instance = ComWrapper::new(Self {
            component,
            processor,
            controller,
            clap: InnerClap::default(),
            buses: Buses::default(),
            controller_values: ControllerValues::default(),
            stand_in: ComWrapper::new(StandInHandler::default()),
            handler: Mutex::new(None),
            is_initialized: AtomicBool::new(false),
            parameter_ids: OnceLock::new(),
        });
        instance.set_handler(None);
        instance.to_com_ptr::<FUnknown>()
    }

    /// Sets the handler of clap-wrapper: the host's, or the stand-in for `None`.
    fn set_handler(&self, handler: Option<ComPtr<IComponentHandler>>) -> tresult {
        let raw = handler.as_ref().map_or_else(|| self.stand_in_pointer(), ComPtr::as_ptr);
        // SAFETY: the controller and the handler are live; clap-wrapper takes a reference of its own.
        let result = unsafe { self.controller.setComponentHandler(raw) };
        *self.handler.lock().unwrap_or_else(PoisonError::into_inner) = handler;
        result
    }

    /// The host's handler, if it has set one.
    fn handler(&self) -> Option<ComPtr<IComponentHandler>> {
        self.handler.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn stand_in_pointer(&self) -> *mut IComponentHandler {
        self.stand_in.as_com_ref().map_or(ptr::null_mut(), |stand_in| stand_in.as_ptr())
    }

    /// Passes the changes that the stand-in has stored on to the host's handler, if there is one.
    ///
    /// # Safety
    /// This is the main thread, in a call in which a host expects callbacks.
    unsafe fn report_changes(&self) {
        if let Some(handler) = self.handler() {
            // SAFETY: the handler is the host's, and this is the main thread by the caller.
            unsafe { self.stand_in.report_changes(&handler) };
        }
    }

    /// Gives clap-wrapper's controller the values of a loaded state. It reads them by itself only on the thread that
    /// created the instance; elsewhere a host would read the values from before, and set them again.
    fn update_controller(&self) {
        // SAFETY: this is a call of the host, by the contract.
        let Some(shell) = (unsafe { self.clap.shell() }) else { return };
        for NormalizedValue { id, value } in shell.normalized_values() {
            // SAFETY: the controller is initialized, and the parameter exists.
            unsafe {
                if self.controller.getParamNormalized(id) != value {
                    self.controller.setParamNormalized(id, value);
                }
            }
        }
    }

    /// Sets the parameters to the values that the host has set in the controller since the last block; on the main thread.
    /// If a block takes longer than [`STATE_RETRIES`], they stay for the next state.
    fn set_controller_values(&self, shell: &Shell) {
        let values = self.controller_values.take();
        // A parameter that has moved since was edited later, in the window for example.
        let is_unchanged = |value: &&ControllerValue| shell.normalized_value(value.set.id) == Some(value.before);
        let current: Vec<NormalizedValue> = values.iter().filter(is_unchanged).map(|value| value.set).collect();
        let set = || current.is_empty() || shell.set_normalized_values(&current);
        let set_later = || {
            std::thread::sleep(Duration::from_millis(1));
            set()
        };
        if !set() && !(0..STATE_RETRIES).any(|_| set_later()) {
            values.into_iter().for_each(|value| self.controller_values.insert(value));
        }
    }

    fn is_initialized(&self) -> bool {
        self.is_initialized.load(Ordering::Acquire)
    }

    /// Whether there is a parameter with this id.
    fn has_parameter(&self, id: ParamID) -> bool {
        let ids = self.parameter_ids.get_or_init(|| {
            // SAFETY: the controller is initialized; all zeros are a valid value of the plain C struct that
            // it writes to.
            let mut ids: Vec<ParamID> = unsafe {
                (0..self.controller.getParameterCount())
                    .filter_map(|index| {
                        let mut info: ParameterInfo = std::mem::zeroed();
                        (self.controller.getParameterInfo(index, &mut info) == kResultOk).then_some(info.id)
                    })
                    .collect()
            };
            ids.sort_unstable();
            ids
        });
        ids.binary_search(&id).is_ok()
    }
}

impl IPluginBaseTrait for Vst3Instance {
    unsafe fn initialize(&self, context: *mut FUnknown) -> tresult {
        // SAFETY: by the contract; the stand-in replaces a null context.
        unsafe {
            let context = if context.is_null() { self.stand_in_pointer().cast() } else { context };
            let result = self.component.initialize(context);
            self.clap.take_created();
            if result == kResultOk {
                self.is_initialized.store(true, Ordering::Release);
                self.set_handler(self.handler());
            }
            result
        }
    }

    unsafe fn terminate(&self) -> tresult {
        self.is_initialized.store(false, Ordering::Release);
        self.clap.forget();
        self.buses.forget();
        self.controller_values.outdate();
        // SAFETY: by the contract.
        let result = unsafe { self.component.terminate() };
        // clap-wrapper has released its handler.
        self.set_handler(None);
        result
    }
}

/// Passes a call on. Returns `$otherwise` of an error code if the instance is not initialized or one of the
/// pointers is null.
macro_rules! forward {
    ($self:ident.$part:ident.$call:ident($($argument:expr),*), not null: [$($pointer:expr),*], else $otherwise:expr) => {
        if !$self.is_initialized() {
            $otherwise(kNotInitialized)
        } else if false $(|| $pointer.is_null())* {
            $otherwise(kInvalidArgument)
        } else {
            // SAFETY: by the contract; the call comes on the host's thread.
            unsafe { $self.$part.$call($($argument),*) }
        }
    };
}

/// The fallback of a call that returns no error code.
fn default_value<T: Default>(_: tresult) -> T {
    T::default()
}

#[allow(non_snake_case)]
impl IComponentTrait for Vst3Instance {
    unsafe fn getControllerClassId(&self, class: *mut TUID) -> tresult {
        forward!(self.component.getControllerClassId(class), not null: [class], else tresult::from)
    }

    unsafe fn setIoMode(&self, mode: IoMode) -> tresult {
        forward!(self.component.setIoMode(mode), not null: [], else tresult::from)
    }

    unsafe fn getBusCount(&self, media: MediaType, direction: BusDirection) -> int32 {
        forward!(self.component.getBusCount(media, direction), not null: [], else default_value)
    }

    unsafe fn getBusInfo(&self, media: MediaType, direction: BusDirection, index: int32, bus: *mut BusInfo) -> tresult {
        forward!(self.component.getBusInfo(media, direction, index, bus), not null: [bus], else tresult::from)
    }

    unsafe fn getRoutingInfo(&self, input: *mut RoutingInfo, output: *mut RoutingInfo) -> tresult {
        forward!(self.component.getRoutingInfo(input, output), not null: [input, output], else tresult::from)
    }

    unsafe fn activateBus(&self, media: MediaType, direction: BusDirection, index: int32, state: TBool) -> tresult {
        forward!(self.component.activateBus(media, direction, index, state), not null: [], else tresult::from)
    }

    unsafe fn setActive(&self, state: TBool) -> tresult {
        // SAFETY: hosts call this on the main thread, by the contract.
        unsafe { self.report_changes() };
        forward!(self.component.setActive(state), not null: [], else tresult::from)
    }

    unsafe fn setState(&self, state: *mut IBStream) -> tresult {
        let result = forward!(self.component.setState(state), not null: [state], else tresult::from);
        if result == kResultOk {
            self.controller_values.outdate();
        }
        self.update_controller();
        result
    }

    unsafe fn getState(&self, state: *mut IBStream) -> tresult {
        // SAFETY: hosts call this on the main thread, by the contract.
        if let Some(shell) = unsafe { self.clap.shell() } {
            self.set_controller_values(shell);
        }
        forward!(self.component.getState(state), not null: [state], else tresult::from)
    }
}

#[allow(non_snake_case)]
impl IAudioProcessorTrait for Vst3Instance {
    unsafe fn setBusArrangements(
        &self,
        inputs: *mut SpeakerArrangement,
        input_count: int32,
        outputs: *mut SpeakerArrangement,
        output_count: int32,
    ) -> tresult {
        if input_count > 0 && inputs.is_null() || output_count > 0 && outputs.is_null() {
            return kInvalidArgument;
        }
        if !self.is_initialized() {
            return kNotInitialized;
        }
        // SAFETY: both have an arrangement, by the contract, and hosts call this on the main thread.
        match unsafe { self.clap.shell() } {
            Some(shell) if (input_count, output_count) == (1, 1) => unsafe {
                self.buses.set(&self.processor, shell, *inputs, *outputs)
            },
            _ => kResultFalse,
        }
    }

    unsafe fn getBusArrangement(
        &self,
        direction: BusDirection,
        index: int32,
        arrangement: *mut SpeakerArrangement,
    ) -> tresult {
        let result = forward!(
            self.processor.getBusArrangement(direction, index, arrangement),
            not null: [arrangement],
            else tresult::from
        );
        if let Some(set) = self.buses.arrangement().filter(|_| result == kResultOk) {
            // SAFETY: the pointer is not null, so it may be written, by the contract.
            unsafe { arrangement.write(set) };
        }
        result
    }

    unsafe fn canProcessSampleSize(&self, size: int32) -> tresult {
        forward!(self.processor.canProcessSampleSize(size), not null: [], else tresult::from)
    }

    unsafe fn getLatencySamples(&self) -> uint32 {
        forward!(self.processor.getLatencySamples(), not null: [], else default_value)
    }

    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        forward!(self.processor.setupProcessing(setup), not null: [setup], else tresult::from)
    }

    unsafe fn setProcessing(&self, state: TBool) -> tresult {
        forward!(self.processor.setProcessing(state), not null: [], else tresult::from)
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: the block is null or the host's, by the contract.
        match unsafe { (self.clap.shell(), data.as_mut()) } {
            // SAFETY: the instance is initialized.
            (Some(shell), Some(data)) if self.is_initialized() => unsafe {
                self.controller_values.outdate();
                block::process(&self.processor, shell, data)
            },
            (_, None) if self.is_initialized() => kInvalidArgument,
            _ => kNotInitialized,
        }
    }

    unsafe fn getTailSamples(&self) -> uint32 {
        forward!(self.processor.getTailSamples(), not null: [], else default_value)
    }
}

#[allow(non_snake_case)]
impl IEditControllerTrait for Vst3Instance {
    unsafe fn setComponentState(&self, state: *mut IBStream) -> tresult {
        // SAFETY: hosts call this on the main thread, by the contract.
        unsafe { self.report_changes() };
        let result = forward!(self.controller.setComponentState(state), not null: [state], else tresult::from);
        self.update_controller();
        result
    }

    unsafe fn setState(&self, state: *mut IBStream) -> tresult {
        forward!(self.controller.setState(state), not null: [state], else tresult::from)
    }

    unsafe fn getState(&self, state: *mut IBStream) -> tresult {
        forward!(self.controller.getState(state), not null: [state], else tresult::from)
    }

    unsafe fn getParameterCount(&self) -> int32 {
        forward!(self.controller.getParameterCount(), not null: [], else default_value)
    }

    unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        forward!(self.controller.getParameterInfo(index, info), not null: [info], else tresult::from)
    }

    unsafe fn getParamStringByValue(&self, id: ParamID, value: ParamValue, text: *mut String128) -> tresult {
        if self.is_initialized() && !self.has_parameter(id) {
            return kInvalidArgument;
        }
        forward!(self.controller.getParamStringByValue(id, value, text), not null: [text], else tresult::from)
    }

    unsafe fn getParamValueByString(&self, id: ParamID, text: *mut TChar, value: *mut ParamValue) -> tresult {
        if self.is_initialized() && !self.has_parameter(id) || text.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: the text is null-terminated, by the contract.
        if unsafe { is_too_long(text) } {
            return kResultFalse;
        }
        forward!(self.controller.getParamValueByString(id, text, value), not null: [value], else tresult::from)
    }

    unsafe fn normalizedParamToPlain(&self, id: ParamID, value: ParamValue) -> ParamValue {
        forward!(self.controller.normalizedParamToPlain(id, value), not null: [], else default_value)
    }

    unsafe fn plainParamToNormalized(&self, id: ParamID, value: ParamValue) -> ParamValue {
        forward!(self.controller.plainParamToNormalized(id, value), not null: [], else default_value)
    }

    unsafe fn getParamNormalized(&self, id: ParamID) -> ParamValue {
        if id == INFERENCE_ID && self.is_initialized() {
            // clap-wrapper would return the value of the last rescan; a rescan for each change would look
            // like an edit to hosts.
            let mut text: Vec<TChar> = CURRENT_VALUE.encode_utf16().chain([0]).collect();
            let mut value = 0.0;
            // SAFETY: the text is null-terminated, and `value` may be written.
            unsafe { self.controller.getParamValueByString(id, text.as_mut_ptr(), &mut value) };
            return value;
        }
        forward!(self.controller.getParamNormalized(id), not null: [], else default_value)
    }

    unsafe fn setParamNormalized(&self, id: ParamID, value: ParamValue) -> tresult {
        if !value.is_finite() {
            return kInvalidArgument;
        }
        let result = forward!(self.controller.setParamNormalized(id, value), not null: [], else tresult::from);
        if result == kResultOk {
            // SAFETY: hosts call this on the main thread, by the contract.
            let shell = unsafe { self.clap.shell() }.filter(|_| ShellParam::is_saved(id));
            if let Some(before) = shell.and_then(|shell| shell.normalized_value(id)) {
                self.controller_values.insert(ControllerValue { set: NormalizedValue { id, value }, before });
            }
        }
        result
    }

    unsafe fn setComponentHandler(&self, handler: *mut IComponentHandler) -> tresult {
        // SAFETY: the handler is null or the host's, by the contract.
        self.set_handler(unsafe { retain(handler) })
    }

    unsafe fn createView(&self, name: FIDString) -> *mut IPlugView {
        if !self.is_initialized() {
            return ptr::null_mut();
        }
        // SAFETY: hosts call this on the main thread, by the contract; `name` is passed on unchanged.
        unsafe {
            self.report_changes();
            self.controller.createView(name)
        }
    }
}
