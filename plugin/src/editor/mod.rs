//! The window.
//!
//! `window` draws all of it and knows nothing of nice-plug's editor; this file connects the two. Each page
//! and each part of the window has a file of its own.

mod controls;
mod export;
mod file_dialogs;
mod model_page;
mod outputs_page;
mod slot_trace;
mod slots_page;
mod status;
mod tag_bars;
mod tag_groups;
mod tag_rows;
mod taggram;
#[cfg(test)]
mod tests;
mod theme;
mod window;

use crate::instance::Instance;
use crate::window::{MAX_SIZE, MIN_SIZE};
use egui::Ui;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::editor::{ResizeHint, SizeConstraints};
use nice_plug_egui::{EguiEditor, EguiNiceSettings, Frame, NiceEguiApp, baseview, create_egui_editor};
use window::Window;

/// The window's content; it exists as long as the instance, whether the window is open or not.
pub(crate) struct Editor {
    instance: Instance,
    window: Window,
    /// The connection to the host while the window is open.
    host: Option<GuiContext>,
}

/// Makes the editor of an instance.
pub(crate) fn create(instance: &Instance) -> Option<EguiEditor<Editor>> {
    let logical = |(width, height)| LogicalSize::new(width, height);
    let size_constraints =
        SizeConstraints::Logical { min_size: Some(logical(MIN_SIZE)), max_size: Some(logical(MAX_SIZE)) };
    let resize = ResizeHint {
        can_resize: true,
        can_resize_horizontally: true,
        can_resize_vertically: true,
        size_constraints,
        ..Default::default()
    };
    let settings = EguiNiceSettings::new().with_tile("Tagvane").with_resize_hint(resize);
    let editor = Editor { instance: instance.clone(), window: Window::default(), host: None };
    create_egui_editor(instance.window_size.editor_state(), instance.repaint.notifier(), settings, editor)
}

impl NiceEguiApp for Editor {
    fn build(
        &mut self,
        _context: egui::Context,
        host: GuiContext,
        frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        self.instance.window_size.set_scale_factor(frame.baseview_window().size().scale_factor);
        if cfg!(target_os = "linux") {
            // On other systems this is the host's main thread, which does not end with the window.
            self.instance.window_threads.count_current();
        }
        // Each opening has a new egui context.
        self.window.forget_textures();
        self.host = Some(host);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        // A hidden window draws nothing and asks for no further frame.
        if let Some(host) = self.host.as_ref().filter(|_| !self.instance.repaint.is_hidden()) {
            self.window.show(ui, &self.instance, &host.param_setter());
        }
    }

    fn resized(&mut self, size: baseview::WindowSize) {
        self.instance.window_size.set_scale_factor(size.scale_factor);
    }
}
