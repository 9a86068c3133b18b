//! The extensions that pass through the shell, besides the parameters: the editor's
//! window, the pages of a hardware controller, and rendering offline.

use super::params::{FIRST_SLOT, write_text};
use super::{Shell, guarded, shell};
use clap_sys::ext::gui::clap_plugin_gui;
use clap_sys::ext::remote_controls::{
    CLAP_REMOTE_CONTROLS_COUNT, clap_plugin_remote_controls, clap_remote_controls_page,
};
use clap_sys::ext::render::{CLAP_RENDER_OFFLINE, clap_plugin_render, clap_plugin_render_mode};
use clap_sys::id::clap_id;
use clap_sys::plugin::clap_plugin;
use std::ffi::c_char;
use std::mem;
use std::time::Duration;
use tagvane_engine::Pace;
use tagvane_outputs::SLOTS;

/// The page of the eight slots.
const SLOTS_PAGE: clap_id = 0x5041_4745;

/// How long the host waits, at most, for the window to be gone.
const CLOSING: Duration = Duration::from_secs(2);

/// nice-plug's window, whose opening and closing the shell hears of, and whose size it knows
/// better.
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
        // SAFETY: it was non-null when the shell was made, and lives until `destroy`.
        unsafe { &*self.inner_gui }
    }

    fn inner_pages(&self) -> &clap_plugin_remote_controls {
        // SAFETY: likewise.
        unsafe { &*self.inner_pages }
    }
}

unsafe extern "C" fn create(plugin: *const clap_plugin, api: *const c_char, floating: bool) -> bool {
    // SAFETY: by the contract; forwarded as it came.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let extent = &shell.parts.extent;
        let size = extent.logical();
        let created = shell.inner_gui().create.is_some_and(|create| create(shell.inner, api, floating));
        if created {
            // Now the screen's scale is known.
            let (width, height) = extent.pixels(size);
            shell.inner_gui().set_size.map(|set_size| set_size(shell.inner, width, height));
            shell.parts.repaint.hide(false);
            shell.editor_is_open(true);
        }
        created
    })
}

unsafe extern "C" fn show(plugin: *const clap_plugin) -> bool {
    // SAFETY: by the contract; forwarded as it came.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        shell.parts.repaint.hide(false);
        shell.inner_gui().show.is_some_and(|show| show(shell.inner))
    })
}

unsafe extern "C" fn hide(plugin: *const clap_plugin) -> bool {
    // SAFETY: by the contract; forwarded as it came.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        let hidden = shell.inner_gui().hide.is_some_and(|hide| hide(shell.inner));
        shell.parts.repaint.hide(hidden);
        hidden
    })
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: by the contract; forwarded as it came.
    guarded((), || unsafe {
        let shell = shell(plugin);
        shell.editor_is_open(false);
        if let Some(destroy) = shell.inner_gui().destroy {
            destroy(shell.inner);
        }
        shell.parts.drawing.wait(CLOSING);
    });
}

unsafe extern "C" fn get_size(plugin: *const clap_plugin, width: *mut u32, height: *mut u32) -> bool {
    // SAFETY: by the contract; both are the host's to be written, or null.
    guarded(false, || unsafe {
        if width.is_null() || height.is_null() {
            return false;
        }
        let extent = &shell(plugin).parts.extent;
        let (across, down) = extent.pixels(extent.logical());
        width.write(across);
        height.write(down);
        true
    })
}

/// nice-plug's pages, and before them one of the slots, which nice-plug does not know.
pub(super) static PAGES: clap_plugin_remote_controls =
    clap_plugin_remote_controls { count: Some(count), get: Some(get) };

unsafe extern "C" fn count(plugin: *const clap_plugin) -> u32 {
    // SAFETY: by the contract; forwarded as it came.
    guarded(0, || unsafe {
        let shell = shell(plugin);
        shell.inner_pages().count.map_or(0, |count| count(shell.inner)) + 1
    })
}

unsafe extern "C" fn get(plugin: *const clap_plugin, index: u32, page: *mut clap_remote_controls_page) -> bool {
    // SAFETY: by the contract; `page` is the host's to be written, or null.
    guarded(false, || unsafe {
        let shell = shell(plugin);
        if let Some(index) = index.checked_sub(1) {
            return shell.inner_pages().get.is_some_and(|get| get(shell.inner, index, page));
        }
        if page.is_null() {
            return false;
        }
        // All zeros are a value of this plain C struct.
        let mut slots: clap_remote_controls_page = mem::zeroed();
        write_text(&mut slots.section_name, "Slots");
        write_text(&mut slots.page_name, "All slots");
        slots.page_id = SLOTS_PAGE;
        slots.param_ids = std::array::from_fn(|slot| FIRST_SLOT + slot as u32);
        page.write(slots);
        true
    })
}

const _: () = assert!(CLAP_REMOTE_CONTROLS_COUNT == SLOTS, "the slots fill one page");

/// Rendering offline. nice-plug would ask for a restart where a host says it late; here
/// it takes effect at once.
pub(super) static RENDER: clap_plugin_render =
    clap_plugin_render { has_hard_realtime_requirement: Some(has_hard_realtime_requirement), set: Some(set) };

unsafe extern "C" fn has_hard_realtime_requirement(_: *const clap_plugin) -> bool {
    false
}

unsafe extern "C" fn set(plugin: *const clap_plugin, mode: clap_plugin_render_mode) -> bool {
    // SAFETY: by the contract.
    guarded(false, || {
        let pace = if mode == CLAP_RENDER_OFFLINE { Pace::EveryHop } else { Pace::Live };
        unsafe { shell(plugin) }.parts.engine.set_pace(pace);
        true
    })
}
