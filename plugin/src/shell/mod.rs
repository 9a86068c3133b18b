//! What the host sees: nice-plug's CLAP with what nice-plug cannot express added, the
//! tags as read-only parameters and the slots as parameters that Tagvane moves itself.
//!
//! The host is handed a `clap_plugin` of ours that stands in front of nice-plug's. Some
//! of its functions and extensions pass through here; everything else is nice-plug's own.
//! That is sound because nice-plug's callbacks read nothing of the `clap_plugin` they are
//! given but `plugin_data`, which is the same in ours: hence the pinned version.
//!
//! This module is the only unsafe code of the plugin. All of it rests on the CLAP
//! contract, called **the contract** below: a host passes the pointers that CLAP 1.2
//! says it passes, valid while the call lasts, calls the plugin's functions only
//! between a successful `create_plugin` and `destroy`, and main-thread functions on one
//! thread only. A host that runs `process` and `flush` of an instance at once, which it
//! must not, gets nothing from the second.
//!
//! Here is the instance; `params` is its `clap.params`, `block` one call of the audio
//! thread, `events` what goes in and out of it, `state` what a project saves,
//! `extensions` the rest, `entry` the library's way in; `vst3` stands in front of the VST3
//! that clap-wrapper makes of all that.

mod block;
mod entry;
mod events;
mod extensions;
mod params;
mod state;
#[cfg(test)]
mod test_host;
mod vst3;

pub(crate) use entry::{entry, export_shelled};
#[cfg(test)]
pub(crate) use test_host::{Done, TestHost};

use crate::parts::Parts;
use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_plugin_gui};
use clap_sys::ext::note_ports::CLAP_EXT_NOTE_PORTS;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, CLAP_PARAM_RESCAN_INFO, clap_host_params, clap_plugin_params};
use clap_sys::ext::remote_controls::{
    CLAP_EXT_REMOTE_CONTROLS, CLAP_EXT_REMOTE_CONTROLS_COMPAT, clap_plugin_remote_controls,
};
use clap_sys::ext::render::CLAP_EXT_RENDER;
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state, clap_plugin_state};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use nice_plug::wrapper::clap::{ClapPlugin, Wrapper};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

/// A nice-plug plugin that this shell can stand in front of.
pub(crate) trait Shelled: ClapPlugin {
    /// The VST3 class; must never change.
    const VST3_CLASS_ID: &'static [u8; 16];
    /// VST3 subcategories, separated by `|`.
    const VST3_SUBCATEGORIES: &'static CStr;
    /// The vendor's address in the VST3 factory.
    const VST3_EMAIL: &'static CStr;

    /// The task that makes the executor send the plugin's parts back.
    fn handover(sender: Sender<Parts>) -> Self::BackgroundTask;
}

/// One instance as the host holds it.
#[repr(C)]
struct Shell {
    /// First, so that the host's pointer to it is also a pointer to the shell.
    clap: clap_plugin,
    inner: *const clap_plugin,
    inner_params: *const clap_plugin_params,
    inner_pages: *const clap_plugin_remote_controls,
    inner_gui: *const clap_plugin_gui,
    inner_state: *const clap_plugin_state,
    gui: clap_plugin_gui,
    host: *const clap_host,
    parts: Parts,
    /// Whether clap-wrapper is the host, which makes a VST3 of this.
    vst3: bool,
    /// The names the host knows. Written on the main thread, and compared in
    /// `process`, where an old value costs one callback more.
    known_names: AtomicU64,
    /// A block or an exchange of parameters is under way.
    taken: AtomicBool,
    /// A gesture's end waits, and the host does not process: it is to be asked to flush.
    wants_flush: AtomicBool,
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
        let Ok(parts) = receiver.try_recv() else { return ptr::null() };
        // From here on the wrapper belongs to its own `destroy`, which takes this
        // reference back.
        let wrapper = Arc::into_raw(wrapper);
        // SAFETY: `wrapper` came from `into_raw` just now; its `clap_plugin` lives in
        // the same allocation and every function of it is set.
        let (inner, inner_clap) = unsafe {
            let inner: *const clap_plugin = (*wrapper).clap_plugin.as_ptr();
            (inner, *inner)
        };
        let extension = |id: &CStr| match inner_clap.get_extension {
            // SAFETY: nice-plug answers this with static tables, also before `init`.
            Some(get_extension) => unsafe { get_extension(inner, id.as_ptr()) },
            None => ptr::null(),
        };
        let inner_params: *const clap_plugin_params = extension(CLAP_EXT_PARAMS).cast();
        let inner_gui: *const clap_plugin_gui = extension(CLAP_EXT_GUI).cast();
        let inner_pages: *const clap_plugin_remote_controls = extension(CLAP_EXT_REMOTE_CONTROLS).cast();
        let inner_state: *const clap_plugin_state = extension(CLAP_EXT_STATE).cast();
        let all = !(inner_params.is_null() || inner_pages.is_null() || inner_state.is_null());
        // SAFETY: null, or one of nice-plug's tables.
        let Some(gui) = (unsafe { inner_gui.as_ref() }).filter(|_| all) else {
            // SAFETY: as above; nothing refers to nice-plug's half any more.
            unsafe { inner_clap.destroy.map(|destroy| destroy(inner)) };
            return ptr::null();
        };
        // SAFETY: a C string or null, by the contract.
        let name = unsafe { (*host).name.as_ref() }.map(|name| unsafe { CStr::from_ptr(name) }.to_string_lossy());
        parts.controls.meet(name.as_deref().unwrap_or_default());
        let shell = Box::new(Self {
            clap: clap_plugin {
                activate: Some(activate),
                deactivate: Some(deactivate),
                stop_processing: Some(stop_processing),
                process: Some(process),
                destroy: Some(destroy),
                get_extension: Some(get_extension),
                on_main_thread: Some(on_main_thread),
                ..inner_clap
            },
            inner,
            inner_params,
            inner_pages,
            inner_gui,
            inner_state,
            gui: extensions::gui(gui),
            host,
            known_names: parts.outputs.names_version().into(),
            taken: AtomicBool::new(false),
            vst3: parts.controls.host().vst3,
            parts,
            wants_flush: AtomicBool::new(false),
        });
        shell.editor_is_open(false);
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

    /// One of the host's extensions, on the main thread only.
    ///
    /// # Safety
    /// `T` is the table of this extension.
    unsafe fn host_extension<T>(&self, id: &CStr) -> Option<&T> {
        // SAFETY: the host lives as long as the plugin, and its extension tables are static.
        unsafe { (*self.host).get_extension?(self.host, id.as_ptr()).cast::<T>().as_ref() }
    }

    /// The host's parameters extension; on the main thread only.
    fn host_params(&self) -> Option<&clap_host_params> {
        // SAFETY: this is its table.
        unsafe { self.host_extension(CLAP_EXT_PARAMS) }
    }

    /// Tells the host of names that are others and of a project that is to be saved; on the
    /// main thread only.
    fn tell_changes(&self) {
        // SAFETY: the host's functions, called as CLAP says.
        unsafe {
            let names = self.parts.outputs.names_version();
            if self.known_names.swap(names, Ordering::Relaxed) != names
                && let Some(rescan) = self.host_params().and_then(|params| params.rescan)
            {
                rescan(self.host, CLAP_PARAM_RESCAN_INFO);
            }
            let host_state = self.host_extension::<clap_host_state>(CLAP_EXT_STATE);
            if self.parts.edited.swap(false, Ordering::Acquire)
                && let Some(mark_dirty) = host_state.and_then(|state| state.mark_dirty)
            {
                mark_dirty(self.host);
            }
        }
    }

    /// The editor was opened or closed, which decides how gestures reach some hosts.
    fn editor_is_open(&self, open: bool) {
        self.parts.outputs.set_gestures(self.parts.controls.host().gestures(open));
    }
}

// The plugin's functions.

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the pointer came from `Box::leak` in `create`, and by the contract no
    // call comes after this one. nice-plug's half goes first, so that nothing of it
    // outlives what it works with.
    guarded((), || unsafe {
        let shell = Box::from_raw(plugin.cast_mut().cast::<Shell>());
        if let Some(destroy) = (*shell.inner).destroy {
            destroy(shell.inner);
        }
    });
}

unsafe extern "C" fn activate(plugin: *const clap_plugin, rate: f64, least: u32, most: u32) -> bool {
    // SAFETY: by the contract; forwarded as it came.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        // On Linux clap-wrapper calls a VST3's main thread while the editor is open only.
        shell.tell_changes();
        shell.inner().0.activate.is_some_and(|activate| activate(shell.inner, rate, least, most))
    })
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: by the contract; forwarded as it came.
    guarded((), || unsafe {
        let shell = shell(plugin);
        if let Some(deactivate) = shell.inner().0.deactivate {
            deactivate(shell.inner);
        }
        // Tags are at zero now and gestures ended: the host is asked to hear of it.
        if let Some(request) = shell.host_params().and_then(|params| params.request_flush) {
            request(shell.host);
        }
    });
}

unsafe extern "C" fn stop_processing(plugin: *const clap_plugin) {
    // SAFETY: by the contract; forwarded as it came. `request_callback` may be called
    // from any thread.
    guarded((), || unsafe {
        let shell = shell(plugin);
        if let Some(stop) = shell.inner().0.stop_processing {
            stop(shell.inner);
        }
        if shell.parts.stage.try_lock().is_ok_and(|stage| stage.has_open_gestures())
            && let Some(request) = (*shell.host).request_callback
        {
            shell.wants_flush.store(true, Ordering::Release);
            request(shell.host);
        }
    });
}

unsafe extern "C" fn process(plugin: *const clap_plugin, block: *const clap_process) -> clap_process_status {
    // SAFETY: by the contract; `request_callback` may be called from any thread.
    guarded(CLAP_PROCESS_ERROR, || unsafe {
        let shell = shell(plugin);
        let status = shell.process_block(block);
        let renamed = shell.parts.outputs.names_version() != shell.known_names.load(Ordering::Relaxed);
        if (renamed || shell.parts.edited.load(Ordering::Relaxed))
            && let Some(request) = (*shell.host).request_callback
        {
            request(shell.host);
        }
        status
    })
}

unsafe extern "C" fn on_main_thread(plugin: *const clap_plugin) {
    // SAFETY: by the contract.
    guarded((), || unsafe {
        let shell = shell(plugin);
        shell.tell_changes();
        if shell.wants_flush.swap(false, Ordering::Acquire)
            && let Some(request) = shell.host_params().and_then(|params| params.request_flush)
        {
            request(shell.host);
        }
        if let Some(on_main_thread) = shell.inner().0.on_main_thread {
            on_main_thread(shell.inner);
        }
    });
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: by the contract; `id` is a C string or null.
    guarded(ptr::null(), || unsafe {
        if id.is_null() {
            return ptr::null();
        }
        let shell = shell(plugin);
        match CStr::from_ptr(id) {
            name if name == CLAP_EXT_PARAMS => ptr::from_ref(&params::TABLE).cast(),
            name if name == CLAP_EXT_REMOTE_CONTROLS || name == CLAP_EXT_REMOTE_CONTROLS_COMPAT => {
                ptr::from_ref(&extensions::PAGES).cast()
            }
            name if name == CLAP_EXT_RENDER => ptr::from_ref(&extensions::RENDER).cast(),
            name if name == CLAP_EXT_STATE => ptr::from_ref(&state::STATE).cast(),
            name if name == CLAP_EXT_GUI => ptr::from_ref(&shell.gui).cast(),
            // clap-wrapper sends no MIDI out of a VST3: a port would promise it.
            name if name == CLAP_EXT_NOTE_PORTS && shell.vst3 => ptr::null(),
            _ => shell.inner().0.get_extension.map_or(ptr::null(), |get_extension| get_extension(shell.inner, id)),
        }
    })
}
