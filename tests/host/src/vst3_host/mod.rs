//! A session with a VST3 plugin, based on the `vst3` crate's bindings.
//!
//! All unsafe calls below have the same justification: the plugin keeps the VST3 contract,
//! the pointers passed to it point to values that outlive the call, and this host calls
//! everything from one thread.

mod convert;
mod event_list;
mod module;
mod objects;
mod window;

use crate::session::{HostError, HostEvent, HostRequestCounts, Parameter, ParameterChange, Session, Setup};
use crate::session::{ParentWindow, Size};
use crate::song::Song;
use convert::{arrangement, process_context, process_setup, utf16};
use event_list::EventList;
pub use module::Module;
pub use objects::stream;
use objects::{ComponentHandler, HostApplication, ParameterChanges, Stream};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::ptr;
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::MediaTypes_::{kAudio, kEvent};
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{kCanAutomate, kIsHidden, kIsReadOnly};
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentHandler,
    IComponentTrait, IEditController, IEditControllerTrait, IEventList, IHostApplication, IParameterChanges, IUnitInfo,
    IUnitInfoTrait, ParameterInfo, ProcessData, UnitInfo, kRootUnitId,
};
use vst3::Steinberg::{FUnknown, IBStream, IPluginBaseTrait, kResultOk};
use vst3::{ComPtr, ComWrapper};

/// A VST3 plugin whose component and controller are one object, as in clap-wrapper.
pub struct Vst3Session {
    bundle: PathBuf,
    active_setup: Option<Setup>,
    handler: ComWrapper<ComponentHandler>,
    pending_changes: Vec<(u32, f64, u32)>,
    pending_events: Vec<HostEvent>,
    song: Song,
    process_hook: fn(bool),
    output_changes: ComWrapper<ParameterChanges>,
    output_events: ComWrapper<EventList>,
    // The order of drops matters: the module is last.
    view: Option<window::EditorView>,
    controller: ComPtr<IEditController>,
    processor: ComPtr<IAudioProcessor>,
    component: ComPtr<IComponent>,
    _application: ComWrapper<HostApplication>,
    _module: Module,
}

impl Vst3Session {
    /// Loads the first audio effect of a bundle and sets its component handler.
    ///
    /// # Errors
    /// [`HostError`] if there is none, or it does not initialise.
    pub fn open(bundle: &Path) -> Result<Self, HostError> {
        let mut session = Self::open_without_handler(bundle)?;
        session.set_component_handler(true);
        Ok(session)
    }

    /// Loads the first audio effect of a bundle without a component handler, as some scanners do.
    ///
    /// # Errors
    /// The same as [`open`](Self::open).
    pub fn open_without_handler(bundle: &Path) -> Result<Self, HostError> {
        let failed = |what: &str| HostError::new(bundle, what);
        let module = Module::load(bundle)?;
        let component = module.create_component().ok_or_else(|| failed("the library contains no audio effect"))?;
        let application = ComWrapper::new(HostApplication);
        let context = application
            .to_com_ptr::<IHostApplication>()
            .ok_or_else(|| failed("the host context has no IHostApplication"))?;
        let handler = ComWrapper::new(ComponentHandler::default());
        // SAFETY: see the module's documentation; the objects live as long as the session.
        unsafe {
            if component.initialize(context.as_ptr().cast::<FUnknown>()) != kResultOk {
                return Err(failed("the plugin does not initialise"));
            }
            let processor =
                component.cast::<IAudioProcessor>().ok_or_else(|| failed("the plugin has no audio processor"))?;
            let controller =
                component.cast::<IEditController>().ok_or_else(|| failed("the plugin has no edit controller"))?;
            Ok(Self {
                bundle: bundle.to_owned(),
                active_setup: None,
                handler,
                pending_changes: Vec::new(),
                pending_events: Vec::new(),
                song: Song::default(),
                process_hook: |_| (),
                output_changes: ComWrapper::new(ParameterChanges::default()),
                output_events: ComWrapper::new(EventList::default()),
                view: None,
                controller,
                processor,
                component,
                _application: application,
                _module: module,
            })
        }
    }

    /// The plugin's component, which is its processor and controller too.
    pub fn component(&self) -> &ComPtr<IComponent> {
        &self.component
    }

    /// The names of the parameter groups, by unit id.
    fn units(&self) -> BTreeMap<i32, String> {
        let Some(units) = self.controller.cast::<IUnitInfo>() else { return BTreeMap::new() };
        // SAFETY: as above; `info` is a plain C struct, written by the plugin.
        unsafe {
            (0..units.getUnitCount())
                .filter_map(|index| {
                    let mut info: UnitInfo = std::mem::zeroed();
                    let is_group = units.getUnitInfo(index, &mut info) == kResultOk && info.id != kRootUnitId;
                    is_group.then(|| (info.id, utf16(&info.name)))
                })
                .collect()
        }
    }

    /// Turns a failed result into an error: the plugin "does not" do `action`.
    fn check(&self, result: i32, action: &str) -> Result<(), HostError> {
        if result == kResultOk {
            Ok(())
        } else {
            Err(HostError::new(&self.bundle, format!("the plugin does not {action}")))
        }
    }
}

impl Session for Vst3Session {
    fn parameters(&mut self) -> Vec<Parameter> {
        let units = self.units();
        // SAFETY: as above; `info` is a plain C struct, written by the plugin.
        unsafe {
            (0..self.controller.getParameterCount())
                .filter_map(|index| {
                    let mut info: ParameterInfo = std::mem::zeroed();
                    (self.controller.getParameterInfo(index, &mut info) == kResultOk).then(|| Parameter {
                        id: info.id,
                        name: utf16(&info.title),
                        is_read_only: info.flags & kIsReadOnly != 0,
                        is_automatable: info.flags & kCanAutomate != 0,
                        is_hidden: info.flags & kIsHidden != 0,
                        group: units.get(&info.unitId).cloned().unwrap_or_default(),
                        range: (0.0, 1.0),
                    })
                })
                .collect()
        }
    }

    fn value(&mut self, id: u32) -> Option<f64> {
        // SAFETY: as above.
        Some(unsafe { self.controller.getParamNormalized(id) })
    }

    fn text(&mut self, id: u32, value: f64) -> Option<String> {
        let mut text = [0; 128];
        // SAFETY: as above; the array has the size that the interface requires.
        let result = unsafe { self.controller.getParamStringByValue(id, value, &mut text) };
        (result == kResultOk).then(|| utf16(&text))
    }

    fn parse(&mut self, id: u32, text: &str) -> Option<f64> {
        let mut text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut value = 0.0;
        // SAFETY: as above; the text is null-terminated.
        let result = unsafe { self.controller.getParamValueByString(id, text.as_mut_ptr(), &mut value) };
        (result == kResultOk).then_some(value)
    }

    fn set_at(&mut self, id: u32, value: f64, frame: u32) {
        self.pending_changes.push((id, value, frame));
    }

    fn song(&mut self) -> &mut Song {
        &mut self.song
    }

    fn set_controller(&mut self, id: u32, value: f64) {
        // SAFETY: as above.
        unsafe { self.controller.setParamNormalized(id, value) };
    }

    fn latency(&mut self) -> u32 {
        // SAFETY: as above.
        unsafe { self.processor.getLatencySamples() }
    }

    fn tail(&mut self) -> u32 {
        // SAFETY: as above.
        unsafe { self.processor.getTailSamples() }
    }

    fn send_midi(&mut self, event: HostEvent) {
        self.pending_events.push(event);
    }

    fn set_offline(&mut self, offline: bool) {
        if let Some(setup) = &mut self.active_setup {
            setup.offline = offline;
            let mut setup = process_setup(*setup);
            // SAFETY: as above. VST3 requires this call before activation; some hosts are late.
            unsafe { self.processor.setupProcessing(&mut setup) };
        }
    }

    fn start(&mut self, setup: Setup) -> Result<(), HostError> {
        self.stop();
        let arrangement = arrangement(setup.channels);
        let mut process_setup = process_setup(setup);
        let (mut inputs, mut outputs) = ([arrangement], [arrangement]);
        // SAFETY: as above, in the order that VST3 prescribes.
        unsafe {
            let result = self.processor.setBusArrangements(inputs.as_mut_ptr(), 1, outputs.as_mut_ptr(), 1);
            // A plugin may refuse and keep its arrangement, which must be the same one then.
            let mut current = 0;
            self.processor.getBusArrangement(kInput as i32, 0, &mut current);
            if result != kResultOk && current != arrangement {
                self.check(result, &format!("support {} channels", setup.channels))?;
            }
            self.check(self.processor.setupProcessing(&mut process_setup), "support this sample rate and block size")?;
            self.component.activateBus(kAudio as i32, kInput as i32, 0, 1);
            self.component.activateBus(kAudio as i32, kOutput as i32, 0, 1);
            self.component.activateBus(kEvent as i32, kOutput as i32, 0, 1);
            self.check(self.component.setActive(1), "activate")?;
            self.processor.setProcessing(1);
        }
        self.active_setup = Some(setup);
        Ok(())
    }

    fn restart_processing(&mut self) {
        if self.active_setup.is_some() {
            // SAFETY: as above.
            unsafe {
                self.processor.setProcessing(0);
                self.processor.setProcessing(1);
            }
        }
    }

    fn stop(&mut self) {
        if self.active_setup.take().is_some() {
            // SAFETY: as above.
            unsafe {
                self.processor.setProcessing(0);
                self.component.setActive(0);
            }
        }
    }

    fn process(&mut self, input: &[Vec<f32>], output: &mut [Vec<f32>]) -> Result<Vec<ParameterChange>, HostError> {
        let Some(setup) = self.active_setup else {
            return Err(HostError::new(&self.bundle, "the plugin is not running; start it before processing"));
        };
        let frames = input.first().map_or(0, Vec::len);
        // VST3's input buffers are not const, so the plugin gets a copy.
        let mut scratch = input.to_vec();
        let mut from: Vec<*mut f32> = scratch.iter_mut().map(Vec::as_mut_ptr).collect();
        let mut to: Vec<*mut f32> = output.iter_mut().map(Vec::as_mut_ptr).collect();
        let bus = |channels: &mut Vec<*mut f32>| AudioBusBuffers {
            numChannels: channels.len() as i32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: channels.as_mut_ptr() },
        };
        let (mut input_bus, mut output_bus) = (bus(&mut from), bus(&mut to));
        let input_changes = ComWrapper::new(ParameterChanges::default());
        self.pending_changes.drain(..).for_each(|(id, value, frame)| input_changes.push(id, value, frame));
        let pointer = |changes: &ComWrapper<ParameterChanges>| {
            changes.as_com_ref::<IParameterChanges>().map_or(ptr::null_mut(), |changes| changes.as_ptr())
        };
        let input_events = ComWrapper::new(EventList::default());
        self.pending_events.drain(..).for_each(|event| input_events.push(event));
        let event_pointer = |events: &ComWrapper<EventList>| {
            events.as_com_ref::<IEventList>().map_or(ptr::null_mut(), |events| events.as_ptr())
        };
        let mut context = process_context(&self.song, setup.sample_rate);
        let mut data = ProcessData {
            processMode: (if setup.offline { kOffline } else { kRealtime }) as i32,
            symbolicSampleSize: kSample32 as i32,
            numSamples: frames as i32,
            numInputs: 1,
            numOutputs: 1,
            inputs: &mut input_bus,
            outputs: &mut output_bus,
            inputParameterChanges: pointer(&input_changes),
            outputParameterChanges: pointer(&self.output_changes),
            inputEvents: event_pointer(&input_events),
            outputEvents: event_pointer(&self.output_events),
            processContext: if self.song.has_transport { &mut context } else { ptr::null_mut() },
        };
        // SAFETY: everything that `data` points to lives until the end of this function.
        let result = unsafe {
            (self.process_hook)(true);
            let result = self.processor.process(&mut data);
            (self.process_hook)(false);
            result
        };
        self.check(result, "process")?;
        self.song.advance(frames, setup.sample_rate);
        self.output_events.take().into_iter().for_each(|event| self.handler.push(event));
        let changes = self.output_changes.take();
        for change in &changes {
            // VST3 requires the host to forward output values to the controller.
            // SAFETY: as above.
            unsafe { self.controller.setParamNormalized(change.id, change.value) };
            self.handler.push(HostEvent::Value(*change));
        }
        Ok(changes)
    }

    fn flush(&mut self) -> Result<Vec<ParameterChange>, HostError> {
        // In VST3 a block of 0 frames is a flush.
        let channels = self.active_setup.map_or(2, |setup| setup.channels);
        self.process(&vec![Vec::new(); channels], &mut vec![Vec::new(); channels])
    }

    fn take_events(&mut self) -> Vec<HostEvent> {
        self.handler.take_events()
    }

    fn set_process_hook(&mut self, hook: fn(bool)) {
        self.process_hook = hook;
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        let stream = ComWrapper::new(Stream::default());
        let pointer = stream.to_com_ptr::<IBStream>()?;
        // SAFETY: as above.
        let result = unsafe { self.component.getState(pointer.as_ptr()) };
        (result == kResultOk).then(|| stream.bytes())
    }

    fn load(&mut self, state: &[u8]) -> bool {
        let component = ComWrapper::new(Stream::from_bytes(state)).to_com_ptr::<IBStream>();
        let controller = ComWrapper::new(Stream::from_bytes(state)).to_com_ptr::<IBStream>();
        let (Some(component), Some(controller)) = (component, controller) else { return false };
        // SAFETY: as above.
        unsafe {
            let result = self.component.setState(component.as_ptr());
            self.controller.setComponentState(controller.as_ptr());
            result == kResultOk
        }
    }

    fn set_component_handler(&mut self, is_set: bool) {
        let handler = self.handler.as_com_ref::<IComponentHandler>().filter(|_| is_set);
        // SAFETY: as above; the plugin adds its own reference.
        unsafe { self.controller.setComponentHandler(handler.map_or(ptr::null_mut(), |handler| handler.as_ptr())) };
    }

    fn request_counts(&self) -> HostRequestCounts {
        self.handler.request_counts()
    }

    fn open_window(&mut self, parent: ParentWindow, scale: f64) -> Result<Size, HostError> {
        let opened = window::EditorView::open(&self.controller, parent, scale);
        let (view, size) = opened.map_err(|what| HostError::new(&self.bundle, what))?;
        self.view = Some(view);
        Ok(size)
    }

    fn resize_window(&mut self, size: Size) -> Result<Size, HostError> {
        let size = self.view.as_ref().ok_or("the editor window is not open").and_then(|view| view.resize(size));
        size.map_err(|what| HostError::new(&self.bundle, what))
    }

    fn hide_window(&mut self, _hidden: bool) -> Result<(), HostError> {
        Err(HostError::new(&self.bundle, "a VST3's window cannot be hidden; close it instead"))
    }

    fn close_window(&mut self) {
        self.view = None;
    }

    fn idle(&mut self) {
        if let Some(view) = &self.view {
            view.idle();
        }
    }
}

impl Drop for Vst3Session {
    fn drop(&mut self) {
        self.stop();
        self.close_window();
        // SAFETY: as above; these are the last calls before the objects are released.
        unsafe {
            self.controller.setComponentHandler(ptr::null_mut());
            self.component.terminate();
        }
    }
}
