//! The functions of the `clap_plugin`, and how an instance is made.

use super::object::{LAST_VST3, Shell, ShellPlugin, UNKNOWN_TIME, Vst3Block, catch_panic, shell_of};
use super::{clap_params, clap_state, extensions, preset_load};
use clap_sys::ext::gui::{CLAP_EXT_GUI, clap_plugin_gui};
use clap_sys::ext::latency::CLAP_EXT_LATENCY;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, clap_plugin_params};
use clap_sys::ext::preset_load::{CLAP_EXT_PRESET_LOAD, CLAP_EXT_PRESET_LOAD_COMPAT};
use clap_sys::ext::remote_controls::{
    CLAP_EXT_REMOTE_CONTROLS, CLAP_EXT_REMOTE_CONTROLS_COMPAT, clap_plugin_remote_controls,
};
use clap_sys::ext::render::CLAP_EXT_RENDER;
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::ext::tail::CLAP_EXT_TAIL;
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use nice_plug::wrapper::clap::Wrapper;
use std::ffi::{CStr, c_char, c_void};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::channel;
use tagvane_outputs::OutputProcessor;

impl Shell {
    /// Makes an instance; returns null if nice-plug makes none or lacks an extension.
    ///
    /// # Safety
    /// `host` is the host's pointer and is valid until the plugin is destroyed.
    pub(super) unsafe fn create<P: ShellPlugin>(host: *const clap_host) -> *const clap_plugin {
        // SAFETY: `host` is valid for the plugin's life, by the caller.
        let wrapper = unsafe { Wrapper::<P>::new(host) };
        let (sender, receiver) = channel();
        (wrapper.task_executor.lock())(P::send_instance(sender));
        let Ok(instance) = receiver.try_recv() else { return ptr::null() };
        // From here on the wrapper's own `destroy` owns this reference.
        let wrapper = Arc::into_raw(wrapper);
        // SAFETY: `wrapper` comes from `into_raw`; its `clap_plugin` is in the same allocation.
        let (inner, inner_clap) = unsafe {
            let inner: *const clap_plugin = (*wrapper).clap_plugin.as_ptr();
            (inner, *inner)
        };
        let extension = |id: &CStr| match inner_clap.get_extension {
            // SAFETY: nice-plug returns static tables, also before `init`.
            Some(get_extension) => unsafe { get_extension(inner, id.as_ptr()) },
            None => ptr::null(),
        };
        let inner_params: *const clap_plugin_params = extension(CLAP_EXT_PARAMS).cast();
        let inner_gui: *const clap_plugin_gui = extension(CLAP_EXT_GUI).cast();
        let inner_remote_controls: *const clap_plugin_remote_controls = extension(CLAP_EXT_REMOTE_CONTROLS).cast();
        let inner_state: *const clap_plugin_state = extension(CLAP_EXT_STATE).cast();
        let has_all = !(inner_params.is_null() || inner_remote_controls.is_null() || inner_state.is_null());
        // SAFETY: the pointer is null or points to a static table of nice-plug.
        let Some(gui) = (unsafe { inner_gui.as_ref() }).filter(|_| has_all) else {
            // SAFETY: `inner` is a live `clap_plugin`, and nothing else refers to it.
            unsafe { inner_clap.destroy.map(|destroy| destroy(inner)) };
            return ptr::null();
        };
        // SAFETY: the name is a C string or null, by the contract.
        let name = unsafe { (*host).name.as_ref() }.map(|name| unsafe { CStr::from_ptr(name) }.to_string_lossy());
        instance.params.set_host_name(name.as_deref().unwrap_or_default());
        let shell = Box::new(Self {
            clap: clap_plugin {
                activate: Some(activate),
                deactivate: Some(deactivate),
                start_processing: Some(start_processing),
                stop_processing: Some(stop_processing),
                reset: Some(reset),
                process: Some(process),
                destroy: Some(destroy),
                get_extension: Some(get_extension),
                on_main_thread: Some(on_main_thread),
                ..inner_clap
            },
            inner,
            inner_params,
            inner_remote_controls,
            inner_gui,
            inner_state,
            gui: extensions::gui(gui),
            host,
            known_names_version: instance.outputs.names_version().into(),
            is_in_call: AtomicBool::new(false),
            is_vst3: instance.params.host_quirks().is_vst3,
            instance,
            needs_flush: AtomicBool::new(false),
            clock_end: AtomicI64::new(UNKNOWN_TIME),
            vst3_block: Vst3Block::default(),
        });
        shell.set_editor_open(false);
        let shell = Box::leak(shell);
        if shell.is_vst3 {
            LAST_VST3.set(&raw const shell.clap);
        }
        &raw const shell.clap
    }
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the pointer comes from `Box::leak` in `create`, and this is the last call, by the contract.
    // nice-plug's half is destroyed first, because it uses the shell's instance.
    catch_panic((), || unsafe {
        let shell = Box::from_raw(plugin.cast_mut().cast::<Shell>());
        if let Some(destroy) = (*shell.inner).destroy {
            destroy(shell.inner);
        }
    });
}

unsafe extern "C" fn activate(plugin: *const clap_plugin, rate: f64, min_frames: u32, max_frames: u32) -> bool {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        shell.clock_end.store(UNKNOWN_TIME, Ordering::Relaxed);
        // On Linux clap-wrapper calls `on_main_thread` only while the editor is open.
        shell.report_changes();
        shell.inner_plugin().activate.is_some_and(|activate| activate(shell.inner, rate, min_frames, max_frames))
    })
}

unsafe extern "C" fn deactivate(plugin: *const clap_plugin) {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic((), || unsafe {
        let shell = shell_of(plugin);
        if let Some(deactivate) = shell.inner_plugin().deactivate {
            deactivate(shell.inner);
        }
        // The tags are at zero now and gestures have ended; a flush sends that to the host.
        if let Some(request_flush) = shell.host_params().and_then(|params| params.request_flush) {
            request_flush(shell.host);
        }
    });
}

unsafe extern "C" fn start_processing(plugin: *const clap_plugin) -> bool {
    // SAFETY: by the contract.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        shell.instance.is_processing.store(true, Ordering::Release);
        shell.inner_plugin().start_processing.is_some_and(|start_processing| start_processing(shell.inner))
    })
}

/// Gestures and notes do not end here but with the next flush or deactivation: some hosts stop and start around every
/// block.
unsafe extern "C" fn stop_processing(plugin: *const clap_plugin) {
    // SAFETY: by the contract; `request_callback` may be called on any thread.
    catch_panic((), || unsafe {
        let shell = shell_of(plugin);
        shell.instance.is_processing.store(false, Ordering::Release);
        if let Some(stop_processing) = shell.inner_plugin().stop_processing {
            stop_processing(shell.inner);
        }
        let has_ends = |processor: &OutputProcessor| processor.has_open_gestures() || processor.has_sounding_notes();
        if shell.instance.processor.try_lock().is_ok_and(|processor| has_ends(&processor))
            && let Some(request_callback) = (*shell.host).request_callback
        {
            shell.needs_flush.store(true, Ordering::Release);
            request_callback(shell.host);
        }
    });
}

unsafe extern "C" fn reset(plugin: *const clap_plugin) {
    // SAFETY: by the contract.
    catch_panic((), || unsafe {
        let shell = shell_of(plugin);
        // clap-wrapper resets whenever its VST3 host stops processing; a VST3 host cannot ask for a reset.
        let is_stop = shell.is_vst3 && !shell.instance.is_processing.load(Ordering::Acquire);
        shell.instance.is_reset_requested.store(!is_stop, Ordering::Relaxed);
        if let Some(reset) = shell.inner_plugin().reset {
            reset(shell.inner);
        }
    })
}

unsafe extern "C" fn process(plugin: *const clap_plugin, block: *const clap_process) -> clap_process_status {
    // SAFETY: by the contract; `request_callback` may be called on any thread.
    catch_panic(CLAP_PROCESS_ERROR, || unsafe {
        let shell = shell_of(plugin);
        let status = shell.process_block(block);
        let known_names_version = shell.known_names_version.load(Ordering::Relaxed);
        let is_renamed = shell.instance.outputs.names_version() != known_names_version;
        if (is_renamed || shell.instance.is_dirty.load(Ordering::Relaxed))
            && let Some(request_callback) = (*shell.host).request_callback
        {
            request_callback(shell.host);
        }
        status
    })
}

unsafe extern "C" fn on_main_thread(plugin: *const clap_plugin) {
    // SAFETY: by the contract.
    catch_panic((), || unsafe {
        let shell = shell_of(plugin);
        shell.report_changes();
        if shell.needs_flush.swap(false, Ordering::Acquire)
            && !shell.instance.is_processing.load(Ordering::Acquire)
            && let Some(request_flush) = shell.host_params().and_then(|params| params.request_flush)
        {
            request_flush(shell.host);
        }
        if let Some(on_main_thread) = shell.inner_plugin().on_main_thread {
            on_main_thread(shell.inner);
        }
    });
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: by the contract; `id` is a C string or null.
    catch_panic(ptr::null(), || unsafe {
        if id.is_null() {
            return ptr::null();
        }
        let shell = shell_of(plugin);
        match CStr::from_ptr(id) {
            name if name == CLAP_EXT_PARAMS => ptr::from_ref(&clap_params::PARAMS).cast(),
            name if name == CLAP_EXT_REMOTE_CONTROLS || name == CLAP_EXT_REMOTE_CONTROLS_COMPAT => {
                ptr::from_ref(&extensions::REMOTE_CONTROLS).cast()
            }
            name if name == CLAP_EXT_RENDER => ptr::from_ref(&extensions::RENDER).cast(),
            name if name == CLAP_EXT_PRESET_LOAD || name == CLAP_EXT_PRESET_LOAD_COMPAT => {
                ptr::from_ref(&preset_load::PRESET_LOAD).cast()
            }
            name if name == CLAP_EXT_STATE => ptr::from_ref(&clap_state::STATE).cast(),
            name if name == CLAP_EXT_GUI => ptr::from_ref(&shell.gui).cast(),
            // clap-wrapper reports a changed latency at activation if the host has asked for it before.
            name if name == CLAP_EXT_LATENCY && shell.is_vst3 => ptr::null(),
            name if name == CLAP_EXT_LATENCY => ptr::from_ref(&extensions::LATENCY).cast(),
            name if name == CLAP_EXT_TAIL => ptr::from_ref(&extensions::TAIL).cast(),
            _ => shell.inner_plugin().get_extension.map_or(ptr::null(), |get_extension| get_extension(shell.inner, id)),
        }
    })
}
