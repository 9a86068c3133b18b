//! The other extensions that the shell replaces: `clap.gui`, `clap.latency`, `clap.remote-controls`, `clap.render` and
//! `clap.tail`.

use super::clap_params::write_text;
use super::object::{Shell, catch_panic, shell_of};
use super::shell_params::FIRST_SLOT_ID;
use clap_sys::ext::gui::clap_plugin_gui;
use clap_sys::ext::latency::clap_plugin_latency;
use clap_sys::ext::remote_controls::{
    CLAP_REMOTE_CONTROLS_COUNT, clap_plugin_remote_controls, clap_remote_controls_page,
};
use clap_sys::ext::render::{CLAP_RENDER_OFFLINE, clap_plugin_render, clap_plugin_render_mode};
use clap_sys::ext::tail::clap_plugin_tail;
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use std::ffi::c_char;
use std::mem;
use std::time::Duration;
use tagvane_engine::RenderMode;
use tagvane_outputs::SLOTS;

/// The id of the page with the eight slots.
const SLOTS_PAGE_ID: clap_id = 0x5041_4745;

/// The longest time that the host waits for the window's thread to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The table of `clap.gui`: nice-plug's, except that the shell notices when the window opens, closes or is
/// hidden, and reports the size for the screen's scale factor.
pub(super) fn gui(inner: &clap_plugin_gui) -> clap_plugin_gui {
    clap_plugin_gui {
        create: Some(create),
        get_size: Some(get_size),
        show: Some(show),
        hide: Some(hide),
        destroy: Some(destroy),
        ..*inner
    }
}

impl Shell {
    fn inner_gui(&self) -> &clap_plugin_gui {
        // SAFETY: the pointer was not null when the shell was made, and is valid until `destroy`.
        unsafe { &*self.inner_gui }
    }

    fn inner_remote_controls(&self) -> &clap_plugin_remote_controls {
        // SAFETY: the pointer was not null when the shell was made, and is valid until `destroy`.
        unsafe { &*self.inner_remote_controls }
    }
}

unsafe extern "C" fn create(plugin: *const clap_plugin, api: *const c_char, floating: bool) -> bool {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let window_size = &shell.instance.window_size;
        let logical = window_size.logical();
        let is_created = shell.inner_gui().create.is_some_and(|create| create(shell.inner, api, floating));
        if is_created {
            // The screen's scale factor is known only now.
            let (width, height) = window_size.to_physical(logical);
            shell.inner_gui().set_size.map(|set_size| set_size(shell.inner, width, height));
            shell.instance.repaint.set_hidden(false);
            shell.set_editor_open(true);
        }
        is_created
    })
}

unsafe extern "C" fn show(plugin: *const clap_plugin) -> bool {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        shell.instance.repaint.set_hidden(false);
        shell.inner_gui().show.is_some_and(|show| show(shell.inner))
    })
}

unsafe extern "C" fn hide(plugin: *const clap_plugin) -> bool {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        let is_hidden = shell.inner_gui().hide.is_some_and(|hide| hide(shell.inner));
        shell.instance.repaint.set_hidden(is_hidden);
        is_hidden
    })
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic((), || unsafe {
        let shell = shell_of(plugin);
        shell.set_editor_open(false);
        if let Some(destroy) = shell.inner_gui().destroy {
            destroy(shell.inner);
        }
        shell.instance.window_threads.wait(CLOSE_TIMEOUT);
    });
}

unsafe extern "C" fn get_size(plugin: *const clap_plugin, width: *mut u32, height: *mut u32) -> bool {
    // SAFETY: by the contract; `width` and `height` are null or may be written.
    catch_panic(false, || unsafe {
        if width.is_null() || height.is_null() {
            return false;
        }
        let window_size = &shell_of(plugin).instance.window_size;
        let (physical_width, physical_height) = window_size.to_physical(window_size.logical());
        width.write(physical_width);
        height.write(physical_height);
        true
    })
}

/// The table of `clap.remote-controls`: a page with the slots, then nice-plug's pages.
pub(super) static REMOTE_CONTROLS: clap_plugin_remote_controls =
    clap_plugin_remote_controls { count: Some(count), get: Some(get) };

unsafe extern "C" fn count(plugin: *const clap_plugin) -> u32 {
    // SAFETY: by the contract; the arguments are passed on unchanged.
    catch_panic(0, || unsafe {
        let shell = shell_of(plugin);
        shell.inner_remote_controls().count.map_or(0, |count| count(shell.inner)) + 1
    })
}

unsafe extern "C" fn get(plugin: *const clap_plugin, index: u32, page: *mut clap_remote_controls_page) -> bool {
    // SAFETY: by the contract; `page` is null or may be written. All zeros are a valid value of the plain C
    // struct `clap_remote_controls_page`.
    catch_panic(false, || unsafe {
        let shell = shell_of(plugin);
        if let Some(index) = index.checked_sub(1) {
            return shell.inner_remote_controls().get.is_some_and(|get| get(shell.inner, index, page));
        }
        if page.is_null() {
            return false;
        }
        let mut slots: clap_remote_controls_page = mem::zeroed();
        write_text(&mut slots.section_name, "Slots");
        write_text(&mut slots.page_name, "All slots");
        slots.page_id = SLOTS_PAGE_ID;
        slots.param_ids = std::array::from_fn(|slot| FIRST_SLOT_ID + slot as u32);
        page.write(slots);
        true
    })
}

const _: () = assert!(CLAP_REMOTE_CONTROLS_COUNT == SLOTS, "the slots fill one page");

/// The table of `clap.render`. A new mode takes effect at once, also on an active instance; nice-plug would
/// ask the host for a restart.
pub(super) static RENDER: clap_plugin_render =
    clap_plugin_render { has_hard_realtime_requirement: Some(has_hard_realtime_requirement), set: Some(set) };

unsafe extern "C" fn has_hard_realtime_requirement(_: *const clap_plugin) -> bool {
    false
}

unsafe extern "C" fn set(plugin: *const clap_plugin, mode: clap_plugin_render_mode) -> bool {
    // SAFETY: by the contract.
    catch_panic(false, || {
        let render_mode = if mode == CLAP_RENDER_OFFLINE { RenderMode::Offline } else { RenderMode::Realtime };
        unsafe { shell_of(plugin) }.instance.engine.set_render_mode(render_mode);
        true
    })
}

/// The table of `clap.latency`: each frame of the output is the frame of the input at the same place.
pub(super) static LATENCY: clap_plugin_latency = clap_plugin_latency { get: Some(zero_frames) };

/// The table of `clap.tail`: the output ends with the input. What keeps a host from putting the instance to sleep is the
/// status of a block. nice-plug would change the tail with that status.
pub(super) static TAIL: clap_plugin_tail = clap_plugin_tail { get: Some(zero_frames) };

unsafe extern "C" fn zero_frames(_: *const clap_plugin) -> u32 {
    0
}
