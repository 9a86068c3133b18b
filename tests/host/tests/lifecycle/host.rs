//! A host at the level of CLAP's C structs, which can violate CLAP's contract.

use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::entry::clap_plugin_entry;
use clap_sys::events::*;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_host_params, clap_param_info, clap_plugin_params};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state, clap_plugin_state};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{clap_process, clap_process_status};
use clap_sys::stream::{clap_istream, clap_ostream};
use clap_sys::version::CLAP_VERSION;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The library, which is never unloaded, and the address of its plugin factory.
static LIBRARY: OnceLock<(libloading::Library, usize)> = OnceLock::new();

/// The library's plugin factory.
fn factory() -> &'static clap_plugin_factory {
    let (_, address) = LIBRARY.get_or_init(|| {
        let folder = std::env::var_os("TAGVANE_BUNDLES")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../bundles"), PathBuf::from);
        let path = folder.join("Tagvane.clap");
        assert!(path.exists(), "{} is missing; run `cargo xtask test`, or `cargo xtask bundle` first", path.display());
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: this is the library under test; CLAP defines the symbol's type.
        unsafe {
            let library = libloading::Library::new(&path).expect("the library loads");
            let entry: &clap_plugin_entry = &**library.get::<*const clap_plugin_entry>(b"clap_entry\0").unwrap();
            assert!(entry.init.unwrap()(name.as_ptr()));
            let factory = entry.get_factory.unwrap()(CLAP_PLUGIN_FACTORY_ID.as_ptr()) as usize;
            (library, factory)
        }
    });
    // SAFETY: the entry returned it; it lives as long as the library.
    unsafe { &*(*address as *const clap_plugin_factory) }
}

/// The plugin's requests.
#[derive(Default)]
pub(crate) struct HostRequests {
    pub(crate) callback: AtomicBool,
    pub(crate) flush: AtomicBool,
    pub(crate) restart: AtomicBool,
}

unsafe fn requests<'a>(host: *const clap_host) -> &'a HostRequests {
    // SAFETY: `host_data` points to the `HostRequests` of a live `Plugin`.
    unsafe { &*(*host).host_data.cast::<HostRequests>() }
}

unsafe extern "C" fn host_extension(_: *const clap_host, id: *const c_char) -> *const c_void {
    unsafe extern "C" fn rescan(_: *const clap_host, _: u32) {}
    unsafe extern "C" fn clear(_: *const clap_host, _: u32, _: u32) {}
    unsafe extern "C" fn flush(host: *const clap_host) {
        // SAFETY: the plugin passes the host that it was created with.
        unsafe { requests(host) }.flush.store(true, Relaxed);
    }
    unsafe extern "C" fn dirty(_: *const clap_host) {}
    static PARAMS: clap_host_params =
        clap_host_params { rescan: Some(rescan), clear: Some(clear), request_flush: Some(flush) };
    static STATE: clap_host_state = clap_host_state { mark_dirty: Some(dirty) };
    // SAFETY: CLAP requires a C string.
    match unsafe { CStr::from_ptr(id) } {
        id if id == CLAP_EXT_PARAMS => (&raw const PARAMS).cast(),
        id if id == CLAP_EXT_STATE => (&raw const STATE).cast(),
        _ => std::ptr::null(),
    }
}

/// The input events of a call. Each has its own allocation of exactly its size, so that
/// AddressSanitizer detects a read beyond it. `None` is a null pointer.
#[derive(Default)]
pub(crate) struct InputEvents(pub(crate) Vec<Option<Box<[u8]>>>);

impl InputEvents {
    /// Adds the first `size` bytes of an event, and sets that size in its header.
    pub(crate) fn push<T: Copy>(&mut self, event: T, size: usize) {
        let mut bytes = vec![0_u8; size].into_boxed_slice();
        assert_eq!(bytes.as_ptr().align_offset(align_of::<T>()), 0, "allocations are aligned");
        // SAFETY: `size` bytes of an event are copied to `size` allocated bytes.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const event).cast(), bytes.as_mut_ptr(), size);
            (*bytes.as_mut_ptr().cast::<clap_event_header>()).size = size as u32;
        }
        self.0.push(Some(bytes));
    }

    /// Adds a parameter value.
    pub(crate) fn set(&mut self, time: u32, param_id: u32, value: f64) {
        let size = size_of::<clap_event_param_value>();
        self.push(parameter(time, param_id, value), size);
    }

    fn queue(&self) -> clap_input_events {
        unsafe extern "C" fn size(queue: *const clap_input_events) -> u32 {
            // SAFETY: `ctx` points to the `InputEvents` that made this queue.
            unsafe { &*(*queue).ctx.cast::<InputEvents>() }.0.len() as u32
        }
        unsafe extern "C" fn get(queue: *const clap_input_events, index: u32) -> *const clap_event_header {
            // SAFETY: as above.
            let events = unsafe { &*(*queue).ctx.cast::<InputEvents>() };
            let event = events.0.get(index as usize).and_then(Option::as_ref);
            event.map_or(std::ptr::null(), |event| event.as_ptr().cast())
        }
        clap_input_events { ctx: std::ptr::from_ref(self).cast_mut().cast(), size: Some(size), get: Some(get) }
    }
}

pub(crate) fn header(time: u32, type_: u16) -> clap_event_header {
    clap_event_header { size: 0, time, space_id: CLAP_CORE_EVENT_SPACE_ID, type_, flags: 0 }
}

pub(crate) fn parameter(time: u32, param_id: u32, value: f64) -> clap_event_param_value {
    let header = header(time, CLAP_EVENT_PARAM_VALUE);
    let cookie = std::ptr::null_mut();
    clap_event_param_value { header, param_id, cookie, note_id: -1, port_index: -1, channel: -1, key: -1, value }
}

pub(crate) fn transport(time: u32, is_playing: bool) -> clap_event_transport {
    // SAFETY: all zeros are valid in this plain C struct.
    let mut transport: clap_event_transport = unsafe { std::mem::zeroed() };
    transport.header = header(time, CLAP_EVENT_TRANSPORT);
    transport.header.size = size_of::<clap_event_transport>() as u32;
    transport.flags = if is_playing { CLAP_TRANSPORT_IS_PLAYING } else { 0 };
    transport
}

/// Checks each event that the plugin sends.
#[derive(Default)]
pub(crate) struct ReceivedEvents {
    /// The parameters with an open gesture.
    pub(crate) open_gestures: BTreeSet<u32>,
    /// The number of accepted events.
    pub(crate) accepted: u64,
    /// Refuses every n-th event; 0 refuses none.
    pub(crate) refuse_every: u64,
    pushed: u64,
    /// The frames of the current block.
    frames: u32,
    /// The time of the block's last event.
    last_time: u32,
}

impl ReceivedEvents {
    /// Checks an event, and returns whether it is accepted.
    fn accept(&mut self, event: &clap_event_header) -> bool {
        self.pushed += 1;
        if self.refuse_every > 0 && self.pushed.is_multiple_of(self.refuse_every) {
            return false;
        }
        self.accepted += 1;
        let is_in_order = event.time < self.frames.max(1) && event.time >= self.last_time;
        assert!(is_in_order, "{event:?} is out of order, or outside the block of {} frames", self.frames);
        self.last_time = event.time;
        let pointer = std::ptr::from_ref(event);
        // SAFETY: the event has the type in its header.
        unsafe {
            match event.type_ {
                CLAP_EVENT_PARAM_VALUE => {
                    let event = &*pointer.cast::<clap_event_param_value>();
                    assert!((0.0..=1.0).contains(&event.value), "the value is outside 0..=1: {event:?}");
                    let is_allowed = !super::is_slot(event.param_id) || self.open_gestures.contains(&event.param_id);
                    assert!(is_allowed, "a slot moved outside a gesture: {event:?}");
                }
                CLAP_EVENT_PARAM_GESTURE_BEGIN => {
                    let id = (*pointer.cast::<clap_event_param_gesture>()).param_id;
                    assert!(self.open_gestures.insert(id), "the gesture of {id:x} began twice");
                }
                CLAP_EVENT_PARAM_GESTURE_END => {
                    let id = (*pointer.cast::<clap_event_param_gesture>()).param_id;
                    assert!(self.open_gestures.remove(&id), "the gesture of {id:x} ended without a beginning");
                }
                CLAP_EVENT_MIDI => {
                    let data = (*pointer.cast::<clap_event_midi>()).data;
                    let is_control_change = data[0] & 0xf0 == 0xb0 && data[1] < 128 && data[2] < 128;
                    assert!(is_control_change, "not a control change: {data:?}");
                }
                other => panic!("an unexpected event of type {other}"),
            }
        }
        true
    }
}

unsafe extern "C" fn push(queue: *const clap_output_events, event: *const clap_event_header) -> bool {
    // SAFETY: `ctx` points to the cell of the current call, which only its thread uses.
    unsafe { (*(*queue).ctx.cast::<RefCell<&mut ReceivedEvents>>()).borrow_mut().accept(&*event) }
}

/// The arguments of a process call.
pub(crate) struct Block {
    pub(crate) frames: u32,
    pub(crate) input: Vec<Vec<f32>>,
    pub(crate) output: Vec<Vec<f32>>,
    /// Whether input and output share their memory.
    pub(crate) is_in_place: bool,
    /// Whether the transport plays; `None` passes no transport.
    pub(crate) is_playing: Option<bool>,
    pub(crate) events: InputEvents,
    /// Modifies the C struct right before the call.
    pub(crate) corrupt: fn(&mut clap_process),
}

impl Block {
    /// A block with a signal in each channel, no events and a playing transport.
    pub(crate) fn new(channels: usize, frames: u32) -> Self {
        let input: Vec<Vec<f32>> = (0..channels)
            .map(|channel| (0..frames).map(|frame| ((frame * 31 + channel as u32) % 97) as f32 / 97.0 - 0.5).collect())
            .collect();
        let output = vec![vec![7.0; frames as usize]; channels];
        let events = InputEvents::default();
        Self { frames, input, output, is_in_place: false, is_playing: Some(true), events, corrupt: |_| () }
    }
}

/// An instance, destroyed when dropped.
pub(crate) struct Plugin {
    clap: *const clap_plugin,
    pub(crate) requests: Box<HostRequests>,
    _host: Box<clap_host>,
}

// SAFETY: the tests follow CLAP's threading rules, except where they test a violation.
unsafe impl Sync for Plugin {}

// Each call below passes the test's arguments to the plugin's own function. CLAP's contract holds,
// except where a test violates it on purpose.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Plugin {
    /// Creates an instance without initialising it. A host named "Bare" has no extensions.
    pub(crate) fn create(name: &'static CStr) -> Self {
        unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
            std::ptr::null()
        }
        unsafe extern "C" fn restart(host: *const clap_host) {
            unsafe { requests(host) }.restart.store(true, Relaxed);
        }
        unsafe extern "C" fn process(_: *const clap_host) {}
        unsafe extern "C" fn callback(host: *const clap_host) {
            unsafe { requests(host) }.callback.store(true, Relaxed);
        }
        let requests = Box::<HostRequests>::default();
        let host = Box::new(clap_host {
            clap_version: CLAP_VERSION,
            host_data: std::ptr::from_ref(&*requests).cast_mut().cast(),
            name: name.as_ptr(),
            vendor: c"Tagvane".as_ptr(),
            url: c"".as_ptr(),
            version: c"1".as_ptr(),
            get_extension: Some(if name == c"Bare" { no_extension } else { host_extension }),
            request_restart: Some(restart),
            request_process: Some(process),
            request_callback: Some(callback),
        });
        let clap =
            unsafe { factory().create_plugin.unwrap()(factory(), &raw const *host, c"org.tagvane.tagvane".as_ptr()) };
        assert!(!clap.is_null(), "the factory created no instance");
        Self { clap, requests, _host: host }
    }

    /// Creates and initialises an instance.
    pub(crate) fn new() -> Self {
        Self::in_host(c"Lifecycle")
    }

    /// Creates and initialises an instance in a host of this name.
    pub(crate) fn in_host(name: &'static CStr) -> Self {
        let plugin = Self::create(name);
        assert!(unsafe { (*plugin.clap).init.unwrap()(plugin.clap) });
        plugin
    }

    pub(crate) fn activate(&self, rate: f64, frames: u32) -> bool {
        unsafe { (*self.clap).activate.unwrap()(self.clap, rate, 1, frames) }
    }

    pub(crate) fn deactivate(&self) {
        unsafe { (*self.clap).deactivate.unwrap()(self.clap) }
    }

    pub(crate) fn start(&self) -> bool {
        unsafe { (*self.clap).start_processing.unwrap()(self.clap) }
    }

    pub(crate) fn stop(&self) {
        unsafe { (*self.clap).stop_processing.unwrap()(self.clap) }
    }

    pub(crate) fn reset(&self) {
        unsafe { (*self.clap).reset.unwrap()(self.clap) }
    }

    /// Calls the plugin on the main thread if it requested that.
    pub(crate) fn idle(&self) {
        if self.requests.callback.swap(false, Relaxed) {
            unsafe { (*self.clap).on_main_thread.unwrap()(self.clap) }
        }
    }

    pub(crate) fn process(&self, block: &mut Block, received: &mut ReceivedEvents) -> clap_process_status {
        let port = |channels: &mut [*mut f32]| clap_audio_buffer {
            data32: channels.as_mut_ptr(),
            data64: std::ptr::null_mut(),
            channel_count: channels.len() as u32,
            latency: 0,
            constant_mask: 0,
        };
        let mut inputs: Vec<*mut f32> = block.input.iter_mut().map(|channel| channel.as_mut_ptr()).collect();
        let mut outputs: Vec<*mut f32> = block.output.iter_mut().map(|channel| channel.as_mut_ptr()).collect();
        let input = port(&mut inputs);
        let mut output = if block.is_in_place { input } else { port(&mut outputs) };
        (received.frames, received.last_time) = (block.frames, 0);
        let (in_events, received) = (block.events.queue(), RefCell::new(received));
        let out_events = clap_output_events { ctx: (&raw const received).cast_mut().cast(), try_push: Some(push) };
        let transport = block.is_playing.map(|playing| transport(0, playing));
        let mut call = clap_process {
            steady_time: -1,
            frames_count: block.frames,
            transport: transport.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            audio_inputs: &raw const input,
            audio_outputs: &raw mut output,
            audio_inputs_count: 1,
            audio_outputs_count: 1,
            in_events: &raw const in_events,
            out_events: &raw const out_events,
        };
        (block.corrupt)(&mut call);
        unsafe { (*self.clap).process.unwrap()(self.clap, &raw const call) }
    }

    /// Calls process with a null pointer.
    pub(crate) fn process_null(&self) -> clap_process_status {
        unsafe { (*self.clap).process.unwrap()(self.clap, std::ptr::null()) }
    }

    pub(crate) fn flush(&self, events: &InputEvents, received: &mut ReceivedEvents) {
        (received.frames, received.last_time) = (0, 0);
        let (in_events, received) = (events.queue(), RefCell::new(received));
        let out_events = clap_output_events { ctx: (&raw const received).cast_mut().cast(), try_push: Some(push) };
        unsafe { self.params().flush.unwrap()(self.clap, &raw const in_events, &raw const out_events) }
    }

    /// Calls flush with null pointers.
    pub(crate) fn flush_null(&self) {
        unsafe { self.params().flush.unwrap()(self.clap, std::ptr::null(), std::ptr::null()) }
    }

    /// The function table of an extension; null if the plugin does not have it.
    pub(crate) fn extension<T>(&self, id: &CStr) -> *const T {
        unsafe { (*self.clap).get_extension.unwrap()(self.clap, id.as_ptr()).cast() }
    }

    /// The plugin's C struct, for calls of extension functions.
    pub(crate) fn clap(&self) -> *const clap_plugin {
        self.clap
    }

    fn params(&self) -> &clap_plugin_params {
        unsafe { &*self.extension::<clap_plugin_params>(CLAP_EXT_PARAMS) }
    }

    pub(crate) fn count(&self) -> u32 {
        unsafe { self.params().count.unwrap()(self.clap) }
    }

    pub(crate) fn info(&self, index: u32) -> Option<clap_param_info> {
        let mut info = unsafe { std::mem::zeroed() };
        unsafe { self.params().get_info.unwrap()(self.clap, index, &mut info) }.then_some(info)
    }

    pub(crate) fn value(&self, id: u32) -> Option<f64> {
        let mut value = f64::NAN;
        unsafe { self.params().get_value.unwrap()(self.clap, id, &mut value) }.then_some(value)
    }

    /// Formats a value into a buffer of `size` bytes.
    pub(crate) fn text(&self, id: u32, value: f64, size: u32) -> Option<String> {
        let mut text = vec![1; size as usize];
        let is_formatted =
            unsafe { self.params().value_to_text.unwrap()(self.clap, id, value, text.as_mut_ptr(), size) };
        is_formatted.then(|| unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    pub(crate) fn parse(&self, id: u32, text: &CStr) -> Option<f64> {
        let mut value = f64::NAN;
        unsafe { self.params().text_to_value.unwrap()(self.clap, id, text.as_ptr(), &mut value) }.then_some(value)
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        unsafe extern "C" fn write(stream: *const clap_ostream, bytes: *const c_void, size: u64) -> i64 {
            // CLAP allows partial writes.
            let size = size.min(100);
            let saved = unsafe { &mut *(*stream).ctx.cast::<Vec<u8>>() };
            saved.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes.cast(), size as usize) });
            size as i64
        }
        let mut bytes = Vec::<u8>::new();
        let stream = clap_ostream { ctx: (&raw mut bytes).cast(), write: Some(write) };
        let state = unsafe { &*self.extension::<clap_plugin_state>(CLAP_EXT_STATE) };
        assert!(unsafe { state.save.unwrap()(self.clap, &raw const stream) });
        bytes
    }

    pub(crate) fn load(&self, bytes: &[u8]) -> bool {
        unsafe extern "C" fn read(stream: *const clap_istream, bytes: *mut c_void, size: u64) -> i64 {
            // CLAP allows partial reads.
            let unread = unsafe { &mut *(*stream).ctx.cast::<&[u8]>() };
            let (part, rest) = unread.split_at(unread.len().min(size.min(100) as usize));
            unsafe { std::ptr::copy_nonoverlapping(part.as_ptr(), bytes.cast(), part.len()) };
            *unread = rest;
            part.len() as i64
        }
        let mut unread = bytes;
        let stream = clap_istream { ctx: (&raw mut unread).cast(), read: Some(read) };
        let state = unsafe { &*self.extension::<clap_plugin_state>(CLAP_EXT_STATE) };
        unsafe { state.load.unwrap()(self.clap, &raw const stream) }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: this is the last call.
        unsafe { (*self.clap).destroy.unwrap()(self.clap) }
    }
}
