//! A host at the level of CLAP's C structs, which can violate CLAP's contract.

use crate::events::{InputEvents, ReceivedEvents, push, transport};
use clap_sys::audio_buffer::clap_audio_buffer;
use clap_sys::entry::clap_plugin_entry;
use clap_sys::events::clap_output_events;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_host_params, clap_param_info, clap_plugin_params};
use clap_sys::ext::preset_load::{CLAP_EXT_PRESET_LOAD, clap_host_preset_load};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state, clap_plugin_state};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{clap_process, clap_process_status};
use clap_sys::stream::{clap_istream, clap_ostream};
use clap_sys::version::CLAP_VERSION;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_void};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use tagvane_host::testing::bundle;

/// The library, which is never unloaded, and the address of its entry.
static LIBRARY: OnceLock<(libloading::Library, usize)> = OnceLock::new();

/// A factory of the library; null if it does not have it.
pub(crate) fn entry_factory<T>(id: &CStr) -> *const T {
    let (_, address) = LIBRARY.get_or_init(|| {
        let path = bundle("clap");
        let name = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: this is the library under test; CLAP defines the symbol's type.
        unsafe {
            let library = libloading::Library::new(&path).expect("the library loads");
            let entry = *library.get::<*const clap_plugin_entry>(b"clap_entry\0").unwrap();
            assert!((*entry).init.unwrap()(name.as_ptr()));
            (library, entry as usize)
        }
    });
    // SAFETY: the entry lives as long as the library, and `T` is the type that CLAP defines for the id.
    unsafe { (*(*address as *const clap_plugin_entry)).get_factory.unwrap()(id.as_ptr()).cast() }
}

/// The library's plugin factory.
fn factory() -> &'static clap_plugin_factory {
    // SAFETY: the entry returned it; it lives as long as the library.
    unsafe { &*entry_factory(CLAP_PLUGIN_FACTORY_ID) }
}

/// The plugin's requests.
#[derive(Default)]
pub(crate) struct HostRequests {
    pub(crate) callback: AtomicBool,
    pub(crate) flush: AtomicBool,
    pub(crate) restart: AtomicBool,
    /// Each preset that was loaded, or why one was not.
    pub(crate) presets: Mutex<Vec<Result<(), String>>>,
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
    unsafe extern "C" fn error(
        host: *const clap_host,
        _: u32,
        _: *const c_char,
        _: *const c_char,
        _: i32,
        why: *const c_char,
    ) {
        // SAFETY: as above, with a C string.
        let (requests, why) = unsafe { (requests(host), CStr::from_ptr(why)) };
        requests.presets.lock().unwrap().push(Err(why.to_str().unwrap().to_owned()));
    }
    unsafe extern "C" fn loaded(host: *const clap_host, _: u32, _: *const c_char, _: *const c_char) {
        // SAFETY: as above.
        unsafe { requests(host) }.presets.lock().unwrap().push(Ok(()));
    }
    static PRESETS: clap_host_preset_load = clap_host_preset_load { on_error: Some(error), loaded: Some(loaded) };
    static STATE: clap_host_state = clap_host_state { mark_dirty: Some(dirty) };
    // SAFETY: CLAP requires a C string.
    match unsafe { CStr::from_ptr(id) } {
        id if id == CLAP_EXT_PARAMS => (&raw const PARAMS).cast(),
        id if id == CLAP_EXT_STATE => (&raw const STATE).cast(),
        id if id == CLAP_EXT_PRESET_LOAD => (&raw const PRESETS).cast(),
        _ => std::ptr::null(),
    }
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
        received.begin_call(block.frames);
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
        received.begin_call(0);
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
