//! The window.
//!
//! `window` is all of it, and knows nothing of who shows it; here is the glue to nice-plug,
//! which gives it a place on the screen. Each page and each part has a file of its own.

mod controls;
mod export;
mod extent;
mod files;
mod groups;
mod models;
mod outputs;
mod repaint;
mod rows;
mod slots;
mod status;
mod taggram;
mod tags;
#[cfg(test)]
mod tests;
mod theme;
mod threads;
mod trace;
mod window;

use crate::parts::Parts;
use egui::Ui;
pub(crate) use extent::Extent;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::editor::{ResizeHint, SizeConstraints};
use nice_plug_egui::{EguiEditor, EguiNiceSettings, Frame, NiceEguiApp, baseview, create_egui_editor};
pub(crate) use repaint::Repaint;
pub(crate) use threads::Threads;
use window::Window;

/// The window's content; lives as long as the instance, opened or not.
pub(crate) struct Editor {
    parts: Parts,
    window: Window,
    /// The host's end, while the window is open.
    host: Option<GuiContext>,
}

/// Makes the editor of an instance.
pub(crate) fn create(parts: &Parts) -> Option<EguiEditor<Editor>> {
    let logical = |(width, height)| LogicalSize::new(width, height);
    let limits =
        SizeConstraints::Logical { min_size: Some(logical(theme::SMALLEST)), max_size: Some(logical(theme::LARGEST)) };
    let resize = ResizeHint {
        can_resize: true,
        can_resize_horizontally: true,
        can_resize_vertically: true,
        size_constraints: limits,
        ..Default::default()
    };
    let settings = EguiNiceSettings::new().with_tile("Tagvane").with_resize_hint(resize);
    let editor = Editor { parts: parts.clone(), window: Window::default(), host: None };
    create_egui_editor(parts.extent.state(), parts.repaint.notifier(), settings, editor)
}

/// How large the window of a new instance is.
pub(crate) fn extent() -> Extent {
    Extent::new(theme::SIZE)
}

impl NiceEguiApp for Editor {
    fn build(
        &mut self,
        _context: egui::Context,
        host: GuiContext,
        frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        self.parts.extent.note_scale(frame.baseview_window().size().scale_factor);
        if cfg!(target_os = "linux") {
            // Elsewhere this is the host's main thread, which does not end with the window.
            self.parts.drawing.enter();
        }
        // A window that is opened anew has another context.
        self.window.forget_pictures();
        self.host = Some(host);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        // Hidden, it has nothing to show, and does not ask to be drawn again.
        if let Some(host) = self.host.as_ref().filter(|_| !self.parts.repaint.is_hidden()) {
            self.window.show(ui, &self.parts, &host.param_setter());
        }
    }

    fn resized(&mut self, size: baseview::WindowSize) {
        self.parts.extent.note_scale(size.scale_factor);
    }
}
