//! What the host sees: nice-plug's CLAP with the tags added as read-only
//! parameters, which nice-plug cannot express.
//!
//! The host is handed a `clap_plugin` of ours that stands in front of nice-plug's.
//! `activate`, `deactivate`, `process`, `destroy`, `on_main_thread` and `clap.params` pass through
//! here; everything else is nice-plug's own. That is sound because nice-plug's
//! callbacks read nothing of the `clap_plugin` they are given but `plugin_data`,
//! which is the same in ours: hence the pinned version.
//!
//! This module is the only unsafe code of the plugin. All of it rests on the CLAP
//! contract, called **the contract** below: a host passes the pointers that CLAP 1.2
//! says it passes, valid while the call lasts, calls the plugin's functions only
//! between a successful `create_plugin` and `destroy`, main-thread functions on one
//! thread only, and never two of `process` and `flush` of one instance at once.
//!
//! Here is the instance; `params` is its `clap.params`, `entry` the library's way in.

mod entry;
mod params;

pub(crate) use entry::{entry, export_shelled};

use crate::announce::Announcer;
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_param_value, clap_output_events,
};
use clap_sys::ext::params::{CLAP_EXT_PARAMS, CLAP_PARAM_RESCAN_INFO, clap_host_params, clap_plugin_params};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use nice_plug::wrapper::clap::{ClapPlugin, Wrapper};
use params::FIRST_TAG;
use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use tagvane_engine::{Engine, TagBoard};

/// A nice-plug plugin that this shell can stand in front of.
pub(crate) trait Shelled: ClapPlugin {
    /// The VST3 class; must never change.
    const VST3_CLASS_ID: &'static [u8; 16];
    /// VST3 subcategories, separated by `|`.
    const VST3_SUBCATEGORIES: &'static CStr;
    /// The vendor's address in the VST3 factory.
    const VST3_EMAIL: &'static CStr;

    /// The task that makes the executor send the plugin's engine back.
    fn handover(sender: Sender<Arc<Engine>>) -> Self::BackgroundTask;
}

/// One instance as the host holds it.
#[repr(C)]
struct Shell {
    /// First, so that the host's pointer to it is also a pointer to the shell.
    clap: clap_plugin,
    inner: *const clap_plugin,
    inner_params: *const clap_plugin_params,
    host: *const clap_host,
    board: Arc<TagBoard>,
    /// Touched by `activate`, `deactivate`, `process` and `flush` only, which never overlap.
    rate: Cell<f64>,
    announcer: Cell<Announcer>,
    /// The names the host knows. Written on the main thread, and compared in
    /// `process`, where an old value costs one callback more.
    known_names: AtomicU64,
}

/// Runs `work`; a panic in it gives `otherwise` and does not reach the host.
fn guarded<T>(otherwise: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(otherwise)
}

/// The shell behind the host's pointer.
unsafe fn shell<'a>(plugin: *const clap_plugin) -> &'a Shell {
    // SAFETY: by the contract this is the pointer that `create` gave out, which
    // points to the first field of a live `Shell`.
    unsafe { &*plugin.cast::<Shell>() }
}

impl Shell {
    /// Makes an instance; null where nice-plug gives none.
    unsafe fn create<P: Shelled>(host: *const clap_host) -> *const clap_plugin {
        // SAFETY: `host` is the host's, valid for the plugin's life by the contract.
        let wrapper = unsafe { Wrapper::<P>::new(host) };
        let (sender, receiver) = channel();
        (wrapper.task_executor.lock())(P::handover(sender));
        let Ok(engine) = receiver.try_recv() else { return ptr::null() };
        let board = Arc::clone(engine.board());
        // From here on the wrapper belongs to its own `destroy`, which takes this
        // reference back.
        let wrapper = Arc::into_raw(wrapper);
        // SAFETY: `wrapper` came from `into_raw` just now; its `clap_plugin` lives in
        // the same allocation and every function of it is set.
        let (inner, inner_clap) = unsafe {
            let inner: *const clap_plugin = (*wrapper).clap_plugin.as_ptr();
            (inner, *inner)
        };
        let inner_params: *const clap_plugin_params = match inner_clap.get_extension {
            // SAFETY: nice-plug answers this with a static table, also before `init`.
            Some(get_extension) => unsafe { get_extension(inner, CLAP_EXT_PARAMS.as_ptr()) }.cast(),
            None => ptr::null(),
        };
        if inner_params.is_null() {
            // SAFETY: as above; nothing refers to nice-plug's half any more.
            unsafe { inner_clap.destroy.map(|destroy| destroy(inner)) };
            return ptr::null();
        }
        let shell = Box::new(Self {
            clap: clap_plugin {
                activate: Some(activate),
                deactivate: Some(deactivate),
                process: Some(process),
                destroy: Some(destroy),
                get_extension: Some(get_extension),
                on_main_thread: Some(on_main_thread),
                ..inner_clap
            },
            inner,
            inner_params,
            host,
            known_names: board.names_version().into(),
            board,
            rate: Cell::new(48_000.0),
            announcer: Cell::new(Announcer::new()),
        });
        ptr::from_ref(&Box::leak(shell).clap)
    }

    /// nice-plug's own table and parameters.
    fn inner(&self) -> (&clap_plugin, &clap_plugin_params) {
        // SAFETY: both were non-null when the factory handed the shell out, and live
        // until `destroy`.
        unsafe { (&*self.inner, &*self.inner_params) }
    }

    fn inner_count(&self) -> u32 {
        // SAFETY: forwarded on the thread the host called us on, by the contract.
        self.inner().1.count.map_or(0, |count| unsafe { count(self.inner) })
    }

    /// The next announcement need not wait for the last one's time to pass.
    fn forget_time(&self) {
        let mut announcer = self.announcer.replace(Announcer::new());
        announcer.forget_time();
        self.announcer.set(announcer);
    }

    /// Lets a block pass and tells the host of the tags that moved.
    ///
    /// Safe to call from `process` and `flush` only, with the host's own queue or
    /// null.
    unsafe fn announce(&self, frames: u32, events: *const clap_output_events) {
        // SAFETY: null or the host's queue, valid while this call lasts.
        let Some(queue) = (unsafe { events.as_ref() }) else { return };
        let Some(push) = queue.try_push else { return };
        let mut announcer = self.announcer.replace(Announcer::new());
        announcer.pass(&self.board, frames, self.rate.get(), |tag, probability| {
            let event = clap_event_param_value {
                header: clap_event_header {
                    size: size_of::<clap_event_param_value>() as u32,
                    time: frames.saturating_sub(1),
                    space_id: CLAP_CORE_EVENT_SPACE_ID,
                    type_: CLAP_EVENT_PARAM_VALUE,
                    flags: 0,
                },
                param_id: FIRST_TAG + tag as u32,
                cookie: ptr::null_mut(),
                note_id: -1,
                port_index: -1,
                channel: -1,
                key: -1,
                value: f64::from(probability),
            };
            // SAFETY: the queue is valid and copies the event before it returns.
            unsafe { push(queue, &event.header) }
        });
        self.announcer.set(announcer);
    }
}

// The plugin's functions.

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the pointer came from `Box::leak` in `create`, and by the contract no
    // call comes after this one. nice-plug's half goes first, so that nothing of it
    // outlives the board it writes to.
    guarded((), || unsafe {
        let shell = Box::from_raw(plugin.cast_mut().cast::<Shell>());
        if let Some(destroy) = (*shell.inner).destroy {
            destroy(shell.inner);
        }
    });
}

unsafe extern "C" fn activate(plugin: *const clap_plugin, rate: f64, shortest: u32, longest: u32) -> bool {
    // SAFETY: by the contract; forwarded as it came.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        shell.rate.set(rate);
        shell.forget_time();
        shell.inner().0.activate.is_some_and(|activate| activate(shell.inner, rate, shortest, longest))
    })
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: by the contract.
    guarded((), || unsafe {
        let shell = shell(plugin);
        if let Some(deactivate) = shell.inner().0.deactivate {
            deactivate(shell.inner);
        }
        // The tags are at zero now; the host may ask for that by a flush.
        shell.forget_time();
    });
}

unsafe extern "C" fn process(plugin: *const clap_plugin, block: *const clap_process) -> clap_process_status {
    // SAFETY: by the contract; `block` is valid or null while this call lasts.
    guarded(CLAP_PROCESS_ERROR, || unsafe {
        let shell = shell(plugin);
        let status = shell.inner().0.process.map_or(CLAP_PROCESS_ERROR, |process| process(shell.inner, block));
        if let Some(block) = block.as_ref() {
            shell.announce(block.frames_count, block.out_events);
        }
        let known = shell.known_names.load(Ordering::Relaxed);
        if shell.board.names_version() != known
            && let Some(request) = (*shell.host).request_callback
        {
            request(shell.host);
        }
        status
    })
}

unsafe extern "C" fn on_main_thread(plugin: *const clap_plugin) {
    // SAFETY: by the contract; the host's extension table is static.
    guarded((), || unsafe {
        let shell = shell(plugin);
        let names = shell.board.names_version();
        if shell.known_names.swap(names, Ordering::Relaxed) != names
            && let Some(get_extension) = (*shell.host).get_extension
        {
            let params: *const clap_host_params = get_extension(shell.host, CLAP_EXT_PARAMS.as_ptr()).cast();
            if let Some(rescan) = params.as_ref().and_then(|params| params.rescan) {
                rescan(shell.host, CLAP_PARAM_RESCAN_INFO);
            }
        }
        if let Some(on_main_thread) = shell.inner().0.on_main_thread {
            on_main_thread(shell.inner);
        }
    });
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: by the contract; `id` is a C string or null.
    guarded(ptr::null(), || unsafe {
        if !id.is_null() && CStr::from_ptr(id) == CLAP_EXT_PARAMS {
            return ptr::from_ref(&params::TABLE).cast();
        }
        let shell = shell(plugin);
        shell.inner().0.get_extension.map_or(ptr::null(), |get_extension| get_extension(shell.inner, id))
    })
}
