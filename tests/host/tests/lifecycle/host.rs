//! A host at the level of CLAP's C structs, which can do what a host must not.

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

/// The library, which stays loaded, and the address of its plugin factory.
static LIBRARY: OnceLock<(libloading::Library, usize)> = OnceLock::new();

/// The library's plugin factory.
fn factory() -> &'static clap_plugin_factory {
    let (_, address) = LIBRARY.get_or_init(|| {
        let folder = std::env::var_os("TAGVANE_BUNDLES")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../bundles"), PathBuf::from);
        let path = folder.join("Tagvane.clap");
        assert!(path.exists(), "run `cargo xtask test`, or `cargo xtask bundle` first");
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the library under test, whose one symbol has this type.
        unsafe {
            let library = libloading::Library::new(&path).expect("it loads");
            let entry: &clap_plugin_entry = &**library.get::<*const clap_plugin_entry>(b"clap_entry\0").unwrap();
            assert!(entry.init.unwrap()(name.as_ptr()));
            let factory = entry.get_factory.unwrap()(CLAP_PLUGIN_FACTORY_ID.as_ptr()) as usize;
            (library, factory)
        }
    });
    // SAFETY: what the entry gave; it lives as long as the library.
    unsafe { &*(*address as *const clap_plugin_factory) }
}

/// What the plugin asked for.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) callback: AtomicBool,
    pub(crate) flush: AtomicBool,
    pub(crate) restart: AtomicBool,
}

unsafe fn asked<'a>(host: *const clap_host) -> &'a Asked {
    // SAFETY: `host_data` is the `Asked` of a live `Plugin`.
    unsafe { &*(*host).host_data.cast::<Asked>() }
}

unsafe extern "C" fn host_extension(_: *const clap_host, id: *const c_char) -> *const c_void {
    unsafe extern "C" fn rescan(_: *const clap_host, _: u32) {}
    unsafe extern "C" fn clear(_: *const clap_host, _: u32, _: u32) {}
    unsafe extern "C" fn flush(host: *const clap_host) {
        // SAFETY: the host's own.
        unsafe { asked(host) }.flush.store(true, Relaxed);
    }
    unsafe extern "C" fn dirty(_: *const clap_host) {}
    static PARAMS: clap_host_params =
        clap_host_params { rescan: Some(rescan), clear: Some(clear), request_flush: Some(flush) };
    static STATE: clap_host_state = clap_host_state { mark_dirty: Some(dirty) };
    // SAFETY: a C string, as the plugin has to give.
    match unsafe { CStr::from_ptr(id) } {
        id if id == CLAP_EXT_PARAMS => (&raw const PARAMS).cast(),
        id if id == CLAP_EXT_STATE => (&raw const STATE).cast(),
        _ => std::ptr::null(),
    }
}

/// The events of a call, each in memory of its own that is just as long as it says, so
/// that AddressSanitizer sees a byte read too far.
#[derive(Default)]
pub(crate) struct Sent(pub(crate) Vec<Option<Box<[u8]>>>);

impl Sent {
    /// Sends the first `size` bytes of an event, whose header says as much.
    pub(crate) fn push<T: Copy>(&mut self, event: T, size: usize) {
        let mut bytes = vec![0_u8; size].into_boxed_slice();
        assert_eq!(bytes.as_ptr().align_offset(align_of::<T>()), 0, "allocations are aligned");
        // SAFETY: `size` bytes of an event are copied to as many.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const event).cast(), bytes.as_mut_ptr(), size);
            (*bytes.as_mut_ptr().cast::<clap_event_header>()).size = size as u32;
        }
        self.0.push(Some(bytes));
    }

    pub(crate) fn set(&mut self, time: u32, param_id: u32, value: f64) {
        let size = size_of::<clap_event_param_value>();
        self.push(parameter(time, param_id, value), size);
    }

    fn queue(&self) -> clap_input_events {
        unsafe extern "C" fn size(queue: *const clap_input_events) -> u32 {
            // SAFETY: `ctx` is the `Sent` this queue was made of.
            unsafe { &*(*queue).ctx.cast::<Sent>() }.0.len() as u32
        }
        unsafe extern "C" fn get(queue: *const clap_input_events, index: u32) -> *const clap_event_header {
            // SAFETY: likewise.
            let sent = unsafe { &*(*queue).ctx.cast::<Sent>() };
            let event = sent.0.get(index as usize).and_then(Option::as_ref);
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

pub(crate) fn transport(time: u32, playing: bool) -> clap_event_transport {
    // SAFETY: all zeros are a value of this plain C struct.
    let mut transport: clap_event_transport = unsafe { std::mem::zeroed() };
    transport.header = header(time, CLAP_EVENT_TRANSPORT);
    transport.header.size = size_of::<clap_event_transport>() as u32;
    transport.flags = if playing { CLAP_TRANSPORT_IS_PLAYING } else { 0 };
    transport
}

/// What the plugin tells, checked as it comes.
#[derive(Default)]
pub(crate) struct Heard {
    /// The slots in a gesture.
    pub(crate) open: BTreeSet<u32>,
    /// Events taken in all.
    pub(crate) taken: u64,
    /// Every so many events, one is not taken; 0 for never.
    pub(crate) refuse: u64,
    pushed: u64,
    frames: u32,
    last: u32,
}

impl Heard {
    fn take(&mut self, event: &clap_event_header) -> bool {
        self.pushed += 1;
        if self.refuse > 0 && self.pushed.is_multiple_of(self.refuse) {
            return false;
        }
        self.taken += 1;
        assert!(event.time < self.frames.max(1) && event.time >= self.last, "{event:?} of {}", self.frames);
        self.last = event.time;
        let of = std::ptr::from_ref(event);
        // SAFETY: the plugin's event is of the type that its header tells.
        unsafe {
            match event.type_ {
                CLAP_EVENT_PARAM_VALUE => {
                    let event = &*of.cast::<clap_event_param_value>();
                    assert!((0.0..=1.0).contains(&event.value), "{event:?}");
                    assert!(!super::is_slot(event.param_id) || self.open.contains(&event.param_id), "{event:?}");
                }
                CLAP_EVENT_PARAM_GESTURE_BEGIN => {
                    assert!(self.open.insert((*of.cast::<clap_event_param_gesture>()).param_id), "begun twice");
                }
                CLAP_EVENT_PARAM_GESTURE_END => {
                    assert!(self.open.remove(&(*of.cast::<clap_event_param_gesture>()).param_id), "ended twice");
                }
                CLAP_EVENT_MIDI => {
                    let data = (*of.cast::<clap_event_midi>()).data;
                    assert!(data[0] & 0xf0 == 0xb0 && data[1] < 128 && data[2] < 128, "{data:?}");
                }
                other => panic!("an event of type {other}"),
            }
        }
        true
    }
}

unsafe extern "C" fn push(queue: *const clap_output_events, event: *const clap_event_header) -> bool {
    // SAFETY: `ctx` is the cell of the call under way, which is on one thread.
    unsafe { (*(*queue).ctx.cast::<RefCell<&mut Heard>>()).borrow_mut().take(&*event) }
}

/// A block as a host hands it over.
pub(crate) struct Block {
    pub(crate) frames: u32,
    pub(crate) input: Vec<Vec<f32>>,
    pub(crate) output: Vec<Vec<f32>>,
    /// The output's memory is the input's.
    pub(crate) in_place: bool,
    /// Whether the transport plays, if the host tells.
    pub(crate) playing: Option<bool>,
    pub(crate) sent: Sent,
    /// Changes what is handed over at the last moment.
    pub(crate) spoil: fn(&mut clap_process),
}

impl Block {
    pub(crate) fn new(channels: usize, frames: u32) -> Self {
        let input: Vec<Vec<f32>> = (0..channels)
            .map(|channel| (0..frames).map(|frame| ((frame * 31 + channel as u32) % 97) as f32 / 97.0 - 0.5).collect())
            .collect();
        let output = vec![vec![7.0; frames as usize]; channels];
        Self { frames, input, output, in_place: false, playing: Some(true), sent: Sent::default(), spoil: |_| () }
    }
}

/// An instance, destroyed when dropped.
pub(crate) struct Plugin {
    clap: *const clap_plugin,
    pub(crate) asked: Box<Asked>,
    _host: Box<clap_host>,
}

// SAFETY: it is called as CLAP's thread rules say, or the test is about something else.
unsafe impl Sync for Plugin {}

// Each call below is the plugin's own function with what the test hands over; CLAP's
// contract holds but for what a test breaks by intent.
#[allow(clippy::undocumented_unsafe_blocks)]
impl Plugin {
    /// Made, but not initialised. A host that is called "Bare" has no extensions.
    pub(crate) fn create(name: &'static CStr) -> Self {
        unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
            std::ptr::null()
        }
        unsafe extern "C" fn restart(host: *const clap_host) {
            unsafe { asked(host) }.restart.store(true, Relaxed);
        }
        unsafe extern "C" fn process(_: *const clap_host) {}
        unsafe extern "C" fn callback(host: *const clap_host) {
            unsafe { asked(host) }.callback.store(true, Relaxed);
        }
        let asked = Box::<Asked>::default();
        let host = Box::new(clap_host {
            clap_version: CLAP_VERSION,
            host_data: std::ptr::from_ref(&*asked).cast_mut().cast(),
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
        assert!(!clap.is_null(), "no instance");
        Self { clap, asked, _host: host }
    }

    /// Made and initialised.
    pub(crate) fn new() -> Self {
        Self::in_host(c"Lifecycle")
    }

    /// Made and initialised in a host of this name.
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

    /// What it was asked to do on the main thread, if anything.
    pub(crate) fn idle(&self) {
        if self.asked.callback.swap(false, Relaxed) {
            unsafe { (*self.clap).on_main_thread.unwrap()(self.clap) }
        }
    }

    pub(crate) fn process(&self, block: &mut Block, heard: &mut Heard) -> clap_process_status {
        let port = |channels: &mut [*mut f32]| clap_audio_buffer {
            data32: channels.as_mut_ptr(),
            data64: std::ptr::null_mut(),
            channel_count: channels.len() as u32,
            latency: 0,
            constant_mask: 0,
        };
        let mut from: Vec<*mut f32> = block.input.iter_mut().map(|channel| channel.as_mut_ptr()).collect();
        let mut to: Vec<*mut f32> = block.output.iter_mut().map(|channel| channel.as_mut_ptr()).collect();
        let input = port(&mut from);
        let mut output = if block.in_place { input } else { port(&mut to) };
        (heard.frames, heard.last) = (block.frames, 0);
        let (sent, heard) = (block.sent.queue(), RefCell::new(heard));
        let told = clap_output_events { ctx: (&raw const heard).cast_mut().cast(), try_push: Some(push) };
        let transport = block.playing.map(|playing| transport(0, playing));
        let mut call = clap_process {
            steady_time: -1,
            frames_count: block.frames,
            transport: transport.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            audio_inputs: &raw const input,
            audio_outputs: &raw mut output,
            audio_inputs_count: 1,
            audio_outputs_count: 1,
            in_events: &raw const sent,
            out_events: &raw const told,
        };
        (block.spoil)(&mut call);
        unsafe { (*self.clap).process.unwrap()(self.clap, &raw const call) }
    }

    /// Processes no block at all.
    pub(crate) fn process_nothing(&self) -> clap_process_status {
        unsafe { (*self.clap).process.unwrap()(self.clap, std::ptr::null()) }
    }

    pub(crate) fn flush(&self, sent: &Sent, heard: &mut Heard) {
        (heard.frames, heard.last) = (0, 0);
        let (sent, heard) = (sent.queue(), RefCell::new(heard));
        let told = clap_output_events { ctx: (&raw const heard).cast_mut().cast(), try_push: Some(push) };
        unsafe { self.params().flush.unwrap()(self.clap, &raw const sent, &raw const told) }
    }

    /// Flushes without queues.
    pub(crate) fn flush_nothing(&self) {
        unsafe { self.params().flush.unwrap()(self.clap, std::ptr::null(), std::ptr::null()) }
    }

    /// A table of the plugin's; null where it has none.
    pub(crate) fn extension<T>(&self, id: &CStr) -> *const T {
        unsafe { (*self.clap).get_extension.unwrap()(self.clap, id.as_ptr()).cast() }
    }

    /// The plugin's C struct, for calls of its tables.
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

    /// A value's text in `size` bytes.
    pub(crate) fn text(&self, id: u32, value: f64, size: u32) -> Option<String> {
        let mut text = vec![1; size as usize];
        let given = unsafe { self.params().value_to_text.unwrap()(self.clap, id, value, text.as_mut_ptr(), size) };
        given.then(|| unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().into_owned())
    }

    pub(crate) fn parsed(&self, id: u32, text: &CStr) -> Option<f64> {
        let mut value = f64::NAN;
        unsafe { self.params().text_to_value.unwrap()(self.clap, id, text.as_ptr(), &mut value) }.then_some(value)
    }

    pub(crate) fn save(&self) -> Vec<u8> {
        unsafe extern "C" fn write(stream: *const clap_ostream, bytes: *const c_void, size: u64) -> i64 {
            // A host may take less than it is given.
            let size = size.min(100);
            let to = unsafe { &mut *(*stream).ctx.cast::<Vec<u8>>() };
            to.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes.cast(), size as usize) });
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
            let from = unsafe { &mut *(*stream).ctx.cast::<&[u8]>() };
            let (now, rest) = from.split_at(from.len().min(size.min(100) as usize));
            unsafe { std::ptr::copy_nonoverlapping(now.as_ptr(), bytes.cast(), now.len()) };
            *from = rest;
            now.len() as i64
        }
        let mut from = bytes;
        let stream = clap_istream { ctx: (&raw mut from).cast(), read: Some(read) };
        let state = unsafe { &*self.extension::<clap_plugin_state>(CLAP_EXT_STATE) };
        unsafe { state.load.unwrap()(self.clap, &raw const stream) }
    }
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: no call comes after this one.
        unsafe { (*self.clap).destroy.unwrap()(self.clap) }
    }
}
