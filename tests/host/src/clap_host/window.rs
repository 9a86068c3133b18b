//! The editor window of a CLAP, embedded in a window of the host's.

use crate::session::{ParentWindow, Size};
use clack_extensions::gui::{GuiApiType, GuiConfiguration, GuiSize, PluginGui, Window};
use clack_host::prelude::PluginMainThreadHandle;
use std::ptr;

fn gui(plugin: &PluginMainThreadHandle<'_>) -> Result<PluginGui, String> {
    plugin.get_extension().ok_or_else(|| "the plugin has no editor window".into())
}

pub(super) fn open(plugin: &PluginMainThreadHandle<'_>, parent: ParentWindow, scale: f64) -> Result<Size, String> {
    let gui = gui(plugin)?;
    let api_type =
        GuiApiType::default_for_current_platform().ok_or("this system has no windows that can be embedded")?;
    let configuration = GuiConfiguration { api_type, is_floating: false };
    gui.create(plugin, configuration).map_err(|error| error.to_string())?;
    // CLAP allows a plugin that finds the scale by itself to refuse it.
    let _ = gui.set_scale(plugin, scale);
    let Some(size) = gui.get_size(plugin) else {
        gui.destroy(plugin);
        return Err("the editor window has no size".into());
    };
    let parent = if api_type == GuiApiType::X11 {
        Window::from_x11_handle(parent.0 as _)
    } else {
        Window::from_generic_ptr(api_type, ptr::without_provenance_mut(parent.0))
    };
    // SAFETY: the caller keeps the parent open longer than the plugin's window.
    let placed = unsafe { gui.set_parent(plugin, parent) };
    if let Err(error) = placed.and_then(|()| gui.show(plugin)) {
        gui.destroy(plugin);
        return Err(error.to_string());
    }
    Ok((size.width, size.height))
}

pub(super) fn resize(plugin: &PluginMainThreadHandle<'_>, (width, height): Size) -> Result<Size, String> {
    let gui = gui(plugin)?;
    let requested = GuiSize { width, height };
    let size = gui.adjust_size(plugin, requested).ok_or("the editor window cannot be resized")?;
    gui.set_size(plugin, size).map_err(|error| error.to_string())?;
    Ok((size.width, size.height))
}

pub(super) fn hide(plugin: &PluginMainThreadHandle<'_>, is_hidden: bool) -> Result<(), String> {
    let gui = gui(plugin)?;
    let result = if is_hidden { gui.hide(plugin) } else { gui.show(plugin) };
    result.map_err(|error| error.to_string())
}

pub(super) fn close(plugin: &PluginMainThreadHandle<'_>) {
    if let Ok(gui) = gui(plugin) {
        gui.destroy(plugin);
    }
}
