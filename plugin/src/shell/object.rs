//! The memory behind the `clap_plugin` that the host gets.

use super::vst3_midi::OutputEvents;
use crate::instance::Instance;
use clap_sys::ext::gui::clap_plugin_gui;
use clap_sys::ext::params::{CLAP_EXT_PARAMS, CLAP_PARAM_RESCAN_INFO, clap_host_params, clap_plugin_params};
use clap_sys::ext::remote_controls::clap_plugin_remote_controls;
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_host_state, clap_plugin_state};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin;
use nice_plug::wrapper::clap::ClapPlugin;
use std::cell::Cell;
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::Sender;

/// A nice-plug plugin that the shell can wrap.
pub(crate) trait ShellPlugin: ClapPlugin {
    /// The id of the VST3 class; must never change.
    const VST3_CLASS_ID: &'static [u8; 16];
    /// The VST3 subcategories, separated by `|`.
    const VST3_SUBCATEGORIES: &'static CStr;
    /// The e-mail address of the vendor in the VST3 factory.
    const VST3_EMAIL: &'static CStr;

    /// The task with which the plugin's executor sends its instance.
    fn send_instance(sender: Sender<Instance>) -> Self::BackgroundTask;
}

/// One instance as the host holds it.
#[repr(C)]
pub(super) struct Shell {
    /// The first field, so that the host's pointer to it is also a pointer to the shell.
    pub(super) clap: clap_plugin,
    pub(super) inner: *const clap_plugin,
    pub(super) inner_params: *const clap_plugin_params,
    pub(super) inner_remote_controls: *const clap_plugin_remote_controls,
    pub(super) inner_gui: *const clap_plugin_gui,
    pub(super) inner_state: *const clap_plugin_state,
    pub(super) gui: clap_plugin_gui,
    pub(super) host: *const clap_host,
    pub(super) instance: Instance,
    /// Whether the host is clap-wrapper, which makes a VST3 of this.
    pub(super) is_vst3: bool,
    /// The version of the names that the host knows. It is written on the main thread and compared in
    /// `process`, where an outdated value costs one more callback.
    pub(super) known_names_version: AtomicU64,
    /// Whether a block or a flush is being processed.
    pub(super) is_in_call: AtomicBool,
    /// Whether to ask the host for a flush, because the end of a gesture or of a note waits and the host does
    /// not process.
    pub(super) needs_flush: AtomicBool,
    /// The host's clock at the end of the last block, in frames, or [`UNKNOWN_TIME`].
    pub(super) clock_end: AtomicI64,
    /// What clap-wrapper does not tell of the next block.
    pub(super) vst3_block: Vst3Block,
}

/// A time that the host does not tell, as in CLAP's `steady_time`.
pub(super) const UNKNOWN_TIME: i64 = -1;

/// What a VST3 host tells of a block and clap-wrapper does not pass on.
pub(super) struct Vst3Block {
    /// Whether there is a transport.
    pub(super) has_transport: AtomicBool,
    /// The host's clock at the beginning of the block, in frames, or [`UNKNOWN_TIME`].
    pub(super) clock: AtomicI64,
    /// The host's list for control changes.
    pub(super) output_events: OutputEvents,
}

impl Default for Vst3Block {
    fn default() -> Self {
        Self {
            has_transport: AtomicBool::new(true),
            clock: AtomicI64::new(UNKNOWN_TIME),
            output_events: OutputEvents::default(),
        }
    }
}

thread_local! {
    /// The instance that clap-wrapper created last on this thread, until the VST3 takes it.
    pub(super) static LAST_VST3: Cell<*const clap_plugin> = const { Cell::new(ptr::null()) };
}

/// Calls `work`; returns `fallback` if it panics, because a panic must not reach the host.
pub(super) fn catch_panic<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(fallback)
}

/// The shell behind the host's pointer.
///
/// # Safety
/// `plugin` is the pointer that the host got from `create_plugin`, and was not destroyed.
pub(super) unsafe fn shell_of<'a>(plugin: *const clap_plugin) -> &'a Shell {
    // SAFETY: the pointer points to the first field of a live `Shell`, by the caller.
    unsafe { &*plugin.cast::<Shell>() }
}

impl Shell {
    /// The `clap_plugin` of nice-plug.
    pub(super) fn inner_plugin(&self) -> &clap_plugin {
        // SAFETY: the pointer was not null when the shell was made, and is valid until `destroy`.
        unsafe { &*self.inner }
    }

    /// The `clap.params` of nice-plug.
    pub(super) fn inner_params(&self) -> &clap_plugin_params {
        // SAFETY: the pointer was not null when the shell was made, and is valid until `destroy`.
        unsafe { &*self.inner_params }
    }

    /// The number of nice-plug's parameters.
    pub(super) fn inner_param_count(&self) -> u32 {
        // SAFETY: the call comes on the thread that the host called us on, by the contract.
        self.inner_params().count.map_or(0, |count| unsafe { count(self.inner) })
    }

    /// An extension of the host; on the main thread only.
    ///
    /// # Safety
    /// `T` is the table of the extension `id`.
    pub(super) unsafe fn host_extension<T>(&self, id: &CStr) -> Option<&T> {
        // SAFETY: the host outlives the plugin, its extension tables are static, and `T` is the type of
        // the table by the caller.
        unsafe { (*self.host).get_extension?(self.host, id.as_ptr()).cast::<T>().as_ref() }
    }

    /// The host's extension for parameters; on the main thread only.
    pub(super) fn host_params(&self) -> Option<&clap_host_params> {
        // SAFETY: `clap_host_params` is the table of this extension.
        unsafe { self.host_extension(CLAP_EXT_PARAMS) }
    }

    /// Asks the host to read changed names again and to mark a changed project as dirty; on the main
    /// thread only.
    pub(super) fn report_changes(&self) {
        // SAFETY: the functions belong to the host and are called on the main thread, and
        // `clap_host_state` is the table of its extension.
        unsafe {
            let names_version = self.instance.outputs.names_version();
            if self.known_names_version.swap(names_version, Ordering::Relaxed) != names_version
                && let Some(rescan) = self.host_params().and_then(|params| params.rescan)
            {
                rescan(self.host, CLAP_PARAM_RESCAN_INFO);
            }
            let host_state = self.host_extension::<clap_host_state>(CLAP_EXT_STATE);
            if self.instance.is_dirty.swap(false, Ordering::Acquire)
                && let Some(mark_dirty) = host_state.and_then(|state| state.mark_dirty)
            {
                mark_dirty(self.host);
            }
        }
    }

    /// Chooses how gestures are sent, which depends on the editor in some hosts.
    pub(super) fn set_editor_open(&self, is_open: bool) {
        self.instance.outputs.set_gesture_mode(self.instance.params.host_quirks().gesture_mode(is_open));
    }
}
