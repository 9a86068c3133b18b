//! The window.
//!
//! `window` is all of it, and knows nothing of who shows it; here is the glue to nice-plug,
//! which gives it a place on the screen. Each page and each part has a file of its own.

mod controls;
mod export;
mod files;
mod groups;
mod models;
mod outputs;
mod rows;
mod slots;
mod status;
mod taggram;
mod tags;
#[cfg(test)]
mod tests;
mod theme;
mod trace;
mod window;

use crate::parts::Parts;
use egui::Ui;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::editor::{ResizeHint, SizeConstraints};
use nice_plug_egui::{EguiEditor, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, baseview, create_egui_editor};
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
    let state = EguiEditorState::from_size(logical(theme::SIZE), 1.0);
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
    create_egui_editor(state, parts.repaint.clone(), settings, editor)
}

impl NiceEguiApp for Editor {
    fn build(
        &mut self,
        _context: egui::Context,
        host: GuiContext,
        _frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        // A window that is opened anew has another context.
        self.window.forget_pictures();
        self.host = Some(host);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        if let Some(host) = &self.host {
            self.window.show(ui, &self.parts, &host.param_setter());
        }
    }

    fn editor_closed(&mut self) {
        self.window.forget_pictures();
        self.host = None;
    }
}
