//! VST3, by the `vst3` crate's bindings.
//!
//! Every call below rests on the same ground: the plugin keeps the VST3 contract,
//! the pointers handed to it are to values that outlive the call, and this host
//! calls everything from one thread.

mod module;
mod objects;
#[cfg(target_os = "linux")]
mod window;

#[cfg(target_os = "linux")]
use crate::Size;
use crate::{Announcement, Disturbances, HostError, Parameter, Session, Setup, Told};
pub use module::Module;
use objects::{Changes, Handler, HostApplication, Stream};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::ptr;
use vst3::Steinberg::Vst::BusDirections_::{kInput, kOutput};
use vst3::Steinberg::Vst::MediaTypes_::kAudio;
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{kCanAutomate, kIsHidden, kIsReadOnly};
use vst3::Steinberg::Vst::ProcessContext_::StatesAndFlags_::kPlaying;
use vst3::Steinberg::Vst::ProcessModes_::{kOffline, kRealtime};
use vst3::Steinberg::Vst::SymbolicSampleSizes_::kSample32;
use vst3::Steinberg::Vst::{
    AudioBusBuffers, AudioBusBuffers__type0, IAudioProcessor, IAudioProcessorTrait, IComponent, IComponentHandler,
    IComponentTrait, IEditController, IEditControllerTrait, IHostApplication, IParameterChanges, IUnitInfo,
    IUnitInfoTrait, ParameterInfo, ProcessContext, ProcessData, ProcessSetup, SpeakerArr, UnitInfo, kRootUnitId,
};
use vst3::Steinberg::{FUnknown, IBStream, IPluginBaseTrait, kResultOk};
use vst3::{ComPtr, ComWrapper};

/// A VST3 plugin whose component and controller are one object, as clap-wrapper
/// makes them.
pub struct Vst3Session {
    bundle: PathBuf,
    running: Option<Setup>,
    handler: ComWrapper<Handler>,
    to_set: Vec<(u32, f64, u32)>,
    position: i64,
    playing: bool,
    watch: fn(bool),
    told: ComWrapper<Changes>,
    // Dropped in this order, the module last.
    #[cfg(target_os = "linux")]
    view: Option<window::View>,
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
    /// [`HostError`] where there is none, or it does not initialise.
    pub fn open(bundle: &Path) -> Result<Self, HostError> {
        let mut session = Self::open_without_handler(bundle)?;
        session.set_handler(true);
        Ok(session)
    }

    /// Loads the first audio effect of a bundle, as scanners do that set no component handler.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_without_handler(bundle: &Path) -> Result<Self, HostError> {
        let failed = |what: &str| HostError { bundle: bundle.to_owned(), what: what.into() };
        let module = Module::load(bundle)?;
        let component = module.create_component().ok_or_else(|| failed("it holds no audio effect"))?;
        let application = ComWrapper::new(HostApplication);
        let context = application.to_com_ptr::<IHostApplication>().ok_or_else(|| failed("no host context"))?;
        let handler = ComWrapper::new(Handler::default());
        // SAFETY: see the module's own words; the objects live as long as the session.
        unsafe {
            if component.initialize(context.as_ptr().cast::<FUnknown>()) != kResultOk {
                return Err(failed("it does not initialise"));
            }
            let processor = component.cast::<IAudioProcessor>().ok_or_else(|| failed("it processes no audio"))?;
            let controller = component.cast::<IEditController>().ok_or_else(|| failed("it has no controller"))?;
            Ok(Self {
                bundle: bundle.to_owned(),
                running: None,
                handler,
                to_set: Vec::new(),
                position: 0,
                playing: false,
                watch: |_| (),
                told: ComWrapper::new(Changes::default()),
                #[cfg(target_os = "linux")]
                view: None,
                controller,
                processor,
                component,
                _application: application,
                _module: module,
            })
        }
    }

    /// The plugin's component, which is its processor and its controller too.
    pub fn component(&self) -> &ComPtr<IComponent> {
        &self.component
    }

    /// The names of the groups of parameters.
    fn units(&self) -> BTreeMap<i32, String> {
        let Some(units) = self.controller.cast::<IUnitInfo>() else { return BTreeMap::new() };
        // SAFETY: as above; `info` is a plain C struct, written by the plugin.
        unsafe {
            (0..units.getUnitCount())
                .filter_map(|index| {
                    let mut info: UnitInfo = std::mem::zeroed();
                    let known = units.getUnitInfo(index, &mut info) == kResultOk && info.id != kRootUnitId;
                    known.then(|| (info.id, utf16(&info.name)))
                })
                .collect()
        }
    }

    fn check(&self, result: i32, what: &str) -> Result<(), HostError> {
        if result == kResultOk {
            Ok(())
        } else {
            Err(HostError { bundle: self.bundle.clone(), what: format!("it does not {what}") })
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
                        read_only: info.flags & kIsReadOnly != 0,
                        automatable: info.flags & kCanAutomate != 0,
                        hidden: info.flags & kIsHidden != 0,
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
        // SAFETY: as above; the string has the size the interface asks for.
        let result = unsafe { self.controller.getParamStringByValue(id, value, &mut text) };
        (result == kResultOk).then(|| utf16(&text))
    }

    fn parse(&mut self, id: u32, text: &str) -> Option<f64> {
        let mut text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut value = 0.0;
        // SAFETY: as above; the text ends with a zero.
        let result = unsafe { self.controller.getParamValueByString(id, text.as_mut_ptr(), &mut value) };
        (result == kResultOk).then_some(value)
    }

    fn set_at(&mut self, id: u32, value: f64, frame: u32) {
        self.to_set.push((id, value, frame));
    }

    fn play(&mut self, playing: bool) {
        self.playing = playing;
    }

    fn set_offline(&mut self, offline: bool) {
        if let Some(setup) = &mut self.running {
            setup.offline = offline;
            let mut setup = process_setup(*setup);
            // SAFETY: as above. By VST3 this comes before a plugin is active; some hosts
            // are late.
            unsafe { self.processor.setupProcessing(&mut setup) };
        }
    }

    fn start(&mut self, setup: Setup) -> Result<(), HostError> {
        self.stop();
        let arrangement = match setup.channels {
            1 => SpeakerArr::kMono,
            2 => SpeakerArr::kStereo,
            channels => {
                let what = format!("this host runs VST3 in mono and stereo only, not in {channels} channels");
                return Err(HostError { bundle: self.bundle.clone(), what });
            }
        };
        let mut process_setup = process_setup(setup);
        let (mut inputs, mut outputs) = ([arrangement], [arrangement]);
        // SAFETY: as above, in the order that VST3 prescribes.
        unsafe {
            let result = self.processor.setBusArrangements(inputs.as_mut_ptr(), 1, outputs.as_mut_ptr(), 1);
            // A plugin may keep its own arrangement; then it has to be the same one.
            let mut kept = 0;
            self.processor.getBusArrangement(kInput as i32, 0, &mut kept);
            if result != kResultOk && kept != arrangement {
                self.check(result, "take this number of channels")?;
            }
            self.check(self.processor.setupProcessing(&mut process_setup), "take this sample rate and block size")?;
            self.component.activateBus(kAudio as i32, kInput as i32, 0, 1);
            self.component.activateBus(kAudio as i32, kOutput as i32, 0, 1);
            self.check(self.component.setActive(1), "activate")?;
            self.processor.setProcessing(1);
        }
        self.running = Some(setup);
        Ok(())
    }

    fn stop(&mut self) {
        if self.running.take().is_some() {
            // SAFETY: as above.
            unsafe {
                self.processor.setProcessing(0);
                self.component.setActive(0);
            }
        }
    }

    fn process(&mut self, input: &[Vec<f32>], output: &mut [Vec<f32>]) -> Result<Vec<Announcement>, HostError> {
        let Some(setup) = self.running else {
            return Err(HostError { bundle: self.bundle.clone(), what: "it is not running".into() });
        };
        let frames = input.first().map_or(0, Vec::len);
        // VST3's input buffers are not const; the plugin must not write to these.
        let mut scratch = input.to_vec();
        let mut from: Vec<*mut f32> = scratch.iter_mut().map(Vec::as_mut_ptr).collect();
        let mut to: Vec<*mut f32> = output.iter_mut().map(Vec::as_mut_ptr).collect();
        let bus = |channels: &mut Vec<*mut f32>| AudioBusBuffers {
            numChannels: channels.len() as i32,
            silenceFlags: 0,
            __field0: AudioBusBuffers__type0 { channelBuffers32: channels.as_mut_ptr() },
        };
        let (mut input_bus, mut output_bus) = (bus(&mut from), bus(&mut to));
        let sent = ComWrapper::new(Changes::default());
        self.to_set.drain(..).for_each(|(id, value, frame)| sent.set(id, value, frame));
        let changes = |changes: &ComWrapper<Changes>| {
            changes.as_com_ref::<IParameterChanges>().map_or(ptr::null_mut(), |changes| changes.as_ptr())
        };
        // SAFETY: a plain C struct for which all zeros are a value.
        let mut context: ProcessContext = unsafe { std::mem::zeroed() };
        context.sampleRate = setup.sample_rate;
        context.projectTimeSamples = self.position;
        context.state = if self.playing { kPlaying } else { 0 };
        let mut data = ProcessData {
            processMode: (if setup.offline { kOffline } else { kRealtime }) as i32,
            symbolicSampleSize: kSample32 as i32,
            numSamples: frames as i32,
            numInputs: 1,
            numOutputs: 1,
            inputs: &mut input_bus,
            outputs: &mut output_bus,
            inputParameterChanges: changes(&sent),
            outputParameterChanges: changes(&self.told),
            inputEvents: ptr::null_mut(),
            outputEvents: ptr::null_mut(),
            processContext: &mut context,
        };
        // SAFETY: everything `data` points to lives until the end of this function.
        let result = unsafe {
            (self.watch)(true);
            let result = self.processor.process(&mut data);
            (self.watch)(false);
            result
        };
        self.check(result, "process")?;
        self.position += frames as i64;
        let announcements = self.told.take();
        for announcement in &announcements {
            // A host passes outputs on to the controller.
            // SAFETY: as above.
            unsafe { self.controller.setParamNormalized(announcement.id, announcement.value) };
            self.handler.tell(Told::Value(*announcement));
        }
        Ok(announcements)
    }

    fn flush(&mut self) -> Result<Vec<Announcement>, HostError> {
        // A block of no frames, which VST3 calls a flush.
        self.process(&[Vec::new(), Vec::new()], &mut [Vec::new(), Vec::new()])
    }

    fn told(&mut self) -> Vec<Told> {
        self.handler.told()
    }

    fn watch(&mut self, watch: fn(bool)) {
        self.watch = watch;
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        let stream = ComWrapper::new(Stream::default());
        let pointer = stream.to_com_ptr::<IBStream>()?;
        // SAFETY: as above.
        let result = unsafe { self.component.getState(pointer.as_ptr()) };
        (result == kResultOk).then(|| stream.bytes())
    }

    fn load(&mut self, state: &[u8]) -> bool {
        let component = ComWrapper::new(Stream::of(state)).to_com_ptr::<IBStream>();
        let controller = ComWrapper::new(Stream::of(state)).to_com_ptr::<IBStream>();
        let (Some(component), Some(controller)) = (component, controller) else { return false };
        // SAFETY: as above.
        unsafe {
            let result = self.component.setState(component.as_ptr());
            self.controller.setComponentState(controller.as_ptr());
            result == kResultOk
        }
    }

    fn set_handler(&mut self, there: bool) {
        let handler = self.handler.as_com_ref::<IComponentHandler>().filter(|_| there);
        // SAFETY: as above; the plugin takes a reference of its own.
        unsafe { self.controller.setComponentHandler(handler.map_or(ptr::null_mut(), |handler| handler.as_ptr())) };
    }

    fn disturbances(&self) -> Disturbances {
        self.handler.disturbances()
    }

    #[cfg(target_os = "linux")]
    fn open_window(&mut self, parent: u32, scale: f64) -> Result<Size, HostError> {
        let opened = window::View::open(&self.controller, parent, scale);
        let (view, size) = opened.map_err(|what| HostError { bundle: self.bundle.clone(), what: what.into() })?;
        self.view = Some(view);
        Ok(size)
    }

    #[cfg(target_os = "linux")]
    fn resize_window(&mut self, size: Size) -> Result<Size, HostError> {
        let taken = self.view.as_ref().ok_or("its window is not open").and_then(|view| view.resize(size));
        taken.map_err(|what| HostError { bundle: self.bundle.clone(), what: what.into() })
    }

    #[cfg(target_os = "linux")]
    fn hide_window(&mut self, _hidden: bool) -> Result<(), HostError> {
        Err(HostError { bundle: self.bundle.clone(), what: "a VST3's window is open or closed, never hidden".into() })
    }

    #[cfg(target_os = "linux")]
    fn close_window(&mut self) {
        self.view = None;
    }

    fn idle(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(view) = &self.view {
            view.idle();
        }
    }
}

impl Drop for Vst3Session {
    fn drop(&mut self) {
        self.stop();
        #[cfg(target_os = "linux")]
        self.close_window();
        // SAFETY: as above; the last calls before the objects are released.
        unsafe {
            self.controller.setComponentHandler(ptr::null_mut());
            self.component.terminate();
        }
    }
}

/// What a plugin is set up with.
fn process_setup(setup: Setup) -> ProcessSetup {
    ProcessSetup {
        processMode: (if setup.offline { kOffline } else { kRealtime }) as i32,
        symbolicSampleSize: kSample32 as i32,
        maxSamplesPerBlock: setup.longest_block as i32,
        sampleRate: setup.sample_rate,
    }
}

/// The text of a zero-terminated UTF-16 string.
fn utf16(text: &[u16]) -> String {
    let end = text.iter().position(|unit| *unit == 0).unwrap_or(text.len());
    String::from_utf16_lossy(&text[..end])
}
