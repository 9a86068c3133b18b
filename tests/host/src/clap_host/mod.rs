//! A session with a CLAP plugin, based on clack-host.

mod handlers;
mod transport;
mod window;

use crate::session::{
    HostError, HostEvent, HostRequestCounts, Parameter, ParameterChange, ParentWindow, PluginDescription, Session,
    Setup, Size,
};
use crate::song::Song;
use clack_extensions::audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig};
use clack_extensions::latency::PluginLatency;
use clack_extensions::params::{ParamInfoBuffer, ParamInfoFlags, PluginParams};
use clack_extensions::render::{PluginRender, RenderMode};
use clack_extensions::state::PluginState;
use clack_extensions::tail::PluginTail;
use clack_host::events::Match;
use clack_host::events::event_types::{
    MidiEvent, NoteOffEvent, NoteOnEvent, ParamGestureBeginEvent, ParamGestureEndEvent, ParamValueEvent,
};
use clack_host::prelude::*;
use handlers::{AudioProcessor, Handlers, HostRequests, MainThread, Shared};
use std::ffi::CStr;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use transport::transport;

/// A CLAP plugin.
pub struct ClapSession {
    // The order of drops matters: the processor, its instance, the library.
    processor: Option<StartedPluginAudioProcessor<Handlers>>,
    instance: PluginInstance<Handlers>,
    _entry: PluginEntry,
    bundle: PathBuf,
    requests: Arc<HostRequests>,
    pending_changes: Vec<(u32, f64, u32)>,
    pending_midi: Vec<HostEvent>,
    song: Song,
    sample_rate: f64,
    events: Vec<HostEvent>,
    gestures: u64,
    process_hook: fn(bool),
    output_events: EventBuffer,
    has_window: bool,
}

/// The plugins of a bundle, which is loaded and unloaded.
pub(crate) fn scan(bundle: &Path) -> Result<Vec<PluginDescription>, HostError> {
    // SAFETY: loading runs the library's code; the caller trusts it, as in any host.
    let entry = unsafe { PluginEntry::load(bundle) }.map_err(|error| HostError::new(bundle, error.to_string()))?;
    let factory = entry.get_plugin_factory().ok_or_else(|| HostError::new(bundle, "the library has no factory"))?;
    let text = |text: Option<&CStr>| text.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default();
    let describe = |plugin: &clack_host::plugin::PluginDescriptor| PluginDescription {
        id: text(plugin.id()),
        name: text(plugin.name()),
        vendor: text(plugin.vendor()),
        version: text(plugin.version()),
    };
    Ok(factory.plugin_descriptors().map(describe).collect())
}

impl ClapSession {
    /// Loads the first plugin of a bundle.
    ///
    /// # Errors
    /// [`HostError`] if the library does not load, or has no plugin.
    pub fn open(bundle: &Path) -> Result<Self, HostError> {
        let failed = |what: String| HostError::new(bundle, what);
        // SAFETY: loading runs the library's code; the caller trusts it, as in any host.
        let entry = unsafe { PluginEntry::load(bundle) }.map_err(|error| failed(error.to_string()))?;
        let factory = entry.get_plugin_factory().ok_or_else(|| failed("the library has no plugin factory".into()))?;
        let descriptor =
            factory.plugin_descriptors().next().ok_or_else(|| failed("the library contains no plugin".into()))?;
        let id = descriptor.id().ok_or_else(|| failed("the plugin has no id".into()))?.to_owned();
        let info = HostInfo::new("Tagvane's own host", "Tagvane", "", env!("CARGO_PKG_VERSION"))
            .map_err(|error| failed(error.to_string()))?;
        let requests = Arc::new(HostRequests::default());
        let (shared, main) = (Arc::clone(&requests), Arc::clone(&requests));
        let instance = PluginInstance::new(|_| Shared(shared), |_| MainThread(main), &entry, &id, &info)
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self {
            processor: None,
            instance,
            _entry: entry,
            bundle: bundle.to_owned(),
            requests,
            pending_changes: Vec::new(),
            pending_midi: Vec::new(),
            song: Song::default(),
            sample_rate: 48_000.0,
            events: Vec::new(),
            gestures: 0,
            process_hook: |_| (),
            output_events: EventBuffer::with_capacity(1_024),
            has_window: false,
        })
    }

    fn failed(&self, what: impl std::fmt::Display) -> HostError {
        HostError::new(&self.bundle, what.to_string())
    }

    /// Selects the layout with this number of input and output channels.
    fn select_layout(&mut self, channels: usize) -> Result<(), HostError> {
        let plugin = self.instance.plugin_handle();
        let layouts = plugin.get_extension::<PluginAudioPortsConfig>();
        let mut buffer = AudioPortsConfigBuffer::new();
        let found = layouts.and_then(|layouts| {
            (0..layouts.count(&plugin)).find_map(|index| {
                let layout = layouts.get(&plugin, index, &mut buffer)?;
                let [input, output] = [layout.main_input?, layout.main_output?].map(|port| port.channel_count as usize);
                (input == channels && output == channels).then_some((layouts, layout.id))
            })
        });
        let is_selected = found.is_some_and(|(layouts, id)| layouts.select(&plugin, id).is_ok());
        let what = format!("the plugin has no layout with {channels} channels");
        if is_selected { Ok(()) } else { Err(HostError::new(&self.bundle, what)) }
    }

    fn params(&mut self) -> Option<PluginParams> {
        self.instance.plugin_handle().get_extension()
    }
}

/// Drains the pending changes into a buffer of input events.
fn input_events(pending_changes: &mut Vec<(u32, f64, u32)>) -> EventBuffer {
    let mut events = EventBuffer::new();
    for (id, value, frame) in pending_changes.drain(..) {
        events.push(&ParamValueEvent::new(frame, ClapId::new(id), Pckn::match_all(), value));
    }
    events
}

/// Appends the MIDI that waits to a buffer of input events.
fn push_midi(events: &mut EventBuffer, pending: &mut Vec<HostEvent>) {
    for event in pending.drain(..) {
        match event {
            HostEvent::Midi { frame, data } => events.push(&MidiEvent::new(frame, 0, data)),
            HostEvent::Note { frame, is_on, channel, key, velocity } => {
                let pckn = Pckn::new(0_u16, channel, key, Match::All);
                if is_on {
                    events.push(&NoteOnEvent::new(frame, pckn, velocity));
                } else {
                    events.push(&NoteOffEvent::new(frame, pckn, velocity));
                }
            }
            _ => {}
        }
    }
}

/// A note of the plugin; `None` if it has no channel or no key.
fn convert_note(frame: u32, is_on: bool, pckn: &Pckn, velocity: f64) -> Option<HostEvent> {
    let [channel, key] = [pckn.channel, pckn.key].map(|part| part.into_specific().map(|part| part as u8));
    Some(HostEvent::Note { frame, is_on, channel: channel?, key: key?, velocity })
}

impl ClapSession {
    /// Appends the events of the last call to `events`, and returns the parameter values among them.
    fn collect_output(&mut self) -> Vec<ParameterChange> {
        let convert = |event: &UnknownEvent| {
            let frame = event.header().time();
            if let Some(value) = event.as_event::<ParamValueEvent>() {
                let id = value.param_id()?.get();
                return Some(HostEvent::Value(ParameterChange { id, frame, value: value.value() }));
            }
            if let Some(begin) = event.as_event::<ParamGestureBeginEvent>() {
                return Some(HostEvent::GestureBegin { id: begin.param_id()?.get() });
            }
            if let Some(end) = event.as_event::<ParamGestureEndEvent>() {
                return Some(HostEvent::GestureEnd { id: end.param_id()?.get() });
            }
            if let Some(note) = event.as_event::<NoteOnEvent>() {
                return convert_note(frame, true, &note.pckn(), note.velocity());
            }
            if let Some(note) = event.as_event::<NoteOffEvent>() {
                return convert_note(frame, false, &note.pckn(), note.velocity());
            }
            event.as_event::<MidiEvent>().map(|midi| HostEvent::Midi { frame, data: midi.data() })
        };
        let start = self.events.len();
        self.events.extend(self.output_events.iter().filter_map(convert));
        let is_gesture =
            |event: &&HostEvent| matches!(event, HostEvent::GestureBegin { .. } | HostEvent::GestureEnd { .. });
        self.gestures += self.events[start..].iter().filter(is_gesture).count() as u64;
        let change = |event: &HostEvent| if let HostEvent::Value(change) = event { Some(*change) } else { None };
        self.events[start..].iter().filter_map(change).collect()
    }
}

impl Session for ClapSession {
    fn parameters(&mut self) -> Vec<Parameter> {
        let Some(params) = self.params() else { return Vec::new() };
        let plugin = self.instance.plugin_handle();
        let mut buffer = ParamInfoBuffer::new();
        let mut parameters = Vec::new();
        for index in 0..params.count(&plugin) {
            if let Some(info) = params.get_info(&plugin, index, &mut buffer) {
                parameters.push(Parameter {
                    id: info.id.get(),
                    name: String::from_utf8_lossy(info.name).into_owned(),
                    is_read_only: info.flags.contains(ParamInfoFlags::IS_READONLY),
                    is_automatable: info.flags.contains(ParamInfoFlags::IS_AUTOMATABLE),
                    is_hidden: info.flags.contains(ParamInfoFlags::IS_HIDDEN),
                    group: String::from_utf8_lossy(info.module).into_owned(),
                    range: (info.min_value, info.max_value),
                });
            }
        }
        parameters
    }

    fn value(&mut self, id: u32) -> Option<f64> {
        let params = self.params()?;
        params.get_value(&self.instance.plugin_handle(), ClapId::new(id))
    }

    fn text(&mut self, id: u32, value: f64) -> Option<String> {
        let params = self.params()?;
        let mut buffer = [0; 256];
        let text = params.value_to_text(&self.instance.plugin_handle(), ClapId::new(id), value, &mut buffer).ok()?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    fn parse(&mut self, id: u32, text: &str) -> Option<f64> {
        let params = self.params()?;
        let text = std::ffi::CString::new(text).ok()?;
        params.text_to_value(&self.instance.plugin_handle(), ClapId::new(id), &text)
    }

    fn set_at(&mut self, id: u32, value: f64, frame: u32) {
        self.pending_changes.push((id, value, frame));
    }

    fn song(&mut self) -> &mut Song {
        &mut self.song
    }

    fn latency(&mut self) -> u32 {
        let plugin = self.instance.plugin_handle();
        plugin.get_extension::<PluginLatency>().map_or(0, |latency| latency.get(&plugin))
    }

    fn tail(&mut self) -> u32 {
        let tail = self.instance.plugin_handle().get_extension::<PluginTail>();
        let processor = self.processor.as_mut();
        tail.zip(processor).map_or(0, |(tail, processor)| tail.get(&processor.plugin_handle()).to_raw())
    }

    fn send_midi(&mut self, event: HostEvent) {
        self.pending_midi.push(event);
    }

    fn set_offline(&mut self, offline: bool) {
        let plugin = self.instance.plugin_handle();
        if let Some(render) = plugin.get_extension::<PluginRender>() {
            let mode = if offline { RenderMode::Offline } else { RenderMode::Realtime };
            let _ = render.set(&plugin, mode);
        }
    }

    fn start(&mut self, setup: Setup) -> Result<(), HostError> {
        self.stop();
        self.select_layout(setup.channels)?;
        let plugin = self.instance.plugin_handle();
        if let Some(render) = plugin.get_extension::<PluginRender>() {
            let mode = if setup.offline { RenderMode::Offline } else { RenderMode::Realtime };
            render.set(&plugin, mode).map_err(|error| HostError::new(&self.bundle, error.to_string()))?;
        }
        let configuration = PluginAudioConfiguration {
            sample_rate: setup.sample_rate,
            min_frames_count: 1,
            max_frames_count: setup.max_block_frames as u32,
        };
        let requests = Arc::clone(&self.requests);
        let stopped = self.instance.activate(|_, _| AudioProcessor(requests), configuration);
        let stopped = stopped.map_err(|error| self.failed(error))?;
        self.sample_rate = setup.sample_rate;
        self.processor = Some(stopped.start_processing().map_err(|error| self.failed(error))?);
        Ok(())
    }

    fn restart_processing(&mut self) {
        if let Some(processor) = self.processor.take() {
            self.processor = processor.stop_processing().start_processing().ok();
        }
    }

    fn stop(&mut self) {
        if let Some(processor) = self.processor.take() {
            self.instance.deactivate(processor.stop_processing());
        }
    }

    fn process(&mut self, input: &[Vec<f32>], output: &mut [Vec<f32>]) -> Result<Vec<ParameterChange>, HostError> {
        let bundle = &self.bundle;
        let failed = |what: String| HostError::new(bundle, what);
        let processor = self
            .processor
            .as_mut()
            .ok_or_else(|| failed("the plugin is not running; start it before processing".into()))?;
        let mut events = input_events(&mut self.pending_changes);
        push_midi(&mut events, &mut self.pending_midi);
        let transport = transport(&self.song);
        self.output_events.clear();
        // CLAP's input buffers are not const, so the plugin gets a copy.
        let mut scratch = input.to_vec();
        let (mut inputs, mut outputs) =
            (AudioPorts::with_capacity(input.len(), 1), AudioPorts::with_capacity(input.len(), 1));
        let input_ports = inputs.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(scratch.iter_mut().map(InputChannel::variable)),
        }]);
        let mut output_ports = outputs.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(output.iter_mut().map(Vec::as_mut_slice)),
        }]);
        let (events, mut output_events) = (events.as_input(), self.output_events.as_output());
        (self.process_hook)(true);
        let result = processor.process(
            &input_ports,
            &mut output_ports,
            &events,
            &mut output_events,
            Some(self.song.clock),
            Some(&transport).filter(|_| self.song.has_transport),
        );
        (self.process_hook)(false);
        result.map_err(|error| failed(error.to_string()))?;
        self.song.advance(input.first().map_or(0, Vec::len), self.sample_rate);
        Ok(self.collect_output())
    }

    fn flush(&mut self) -> Result<Vec<ParameterChange>, HostError> {
        let events = input_events(&mut self.pending_changes);
        self.output_events.clear();
        let Some(params) = self.params() else { return Err(self.failed("the plugin has no parameters")) };
        let (events, mut output_events) = (events.as_input(), self.output_events.as_output());
        match &mut self.processor {
            Some(processor) => params.flush_active(&mut processor.plugin_handle(), &events, &mut output_events),
            None => {
                let plugin = self.instance.inactive_plugin_handle();
                let stop_first = "the plugin is still active; stop it before a flush";
                let mut plugin = plugin.ok_or_else(|| HostError::new(&self.bundle, stop_first))?;
                params.flush(&mut plugin, &events, &mut output_events);
            }
        }
        Ok(self.collect_output())
    }

    fn take_events(&mut self) -> Vec<HostEvent> {
        std::mem::take(&mut self.events)
    }

    fn set_process_hook(&mut self, hook: fn(bool)) {
        self.process_hook = hook;
    }

    fn save(&mut self) -> Option<Vec<u8>> {
        let plugin = self.instance.plugin_handle();
        let mut bytes = Vec::new();
        plugin.get_extension::<PluginState>()?.save(&plugin, &mut bytes).ok()?;
        Some(bytes)
    }

    fn load(&mut self, state: &[u8]) -> bool {
        let plugin = self.instance.plugin_handle();
        let extension = plugin.get_extension::<PluginState>();
        extension.is_some_and(|extension| extension.load(&plugin, &mut Cursor::new(state)).is_ok())
    }

    fn request_counts(&self) -> HostRequestCounts {
        HostRequestCounts {
            dirty: self.requests.dirty.load(Relaxed),
            restarts: self.requests.restarts.load(Relaxed),
            edits: self.gestures,
            rescans: self.requests.rescans.load(Relaxed),
        }
    }

    fn open_window(&mut self, parent: ParentWindow, scale: f64) -> Result<Size, HostError> {
        let size = window::open(&self.instance.plugin_handle(), parent, scale).map_err(|what| self.failed(what))?;
        self.has_window = true;
        Ok(size)
    }

    fn resize_window(&mut self, size: Size) -> Result<Size, HostError> {
        window::resize(&self.instance.plugin_handle(), size).map_err(|what| self.failed(what))
    }

    fn hide_window(&mut self, hidden: bool) -> Result<(), HostError> {
        window::hide(&self.instance.plugin_handle(), hidden).map_err(|what| self.failed(what))
    }

    fn close_window(&mut self) {
        if std::mem::take(&mut self.has_window) {
            window::close(&self.instance.plugin_handle());
        }
    }

    fn idle(&mut self) {
        if self.requests.callback.swap(false, Relaxed) {
            self.instance.call_on_main_thread_callback();
        }
    }
}

impl Drop for ClapSession {
    fn drop(&mut self) {
        self.stop();
        self.close_window();
    }
}
