//! The window.
//!
//! `ui` draws all of it and knows nothing of nice-plug's editor; this file connects the two. Each page
//! and each part of the window has a file of its own.

mod export;
mod file_dialogs;
mod library_list;
mod metadata_form;
mod mine_page;
mod model_page;
mod outputs_page;
mod presets_menu;
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
mod ui;
mod widgets;

use crate::instance::Instance;
use crate::window::{MAX_SIZE, MIN_SIZE};
use egui::Ui;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug::editor::{ResizeHint, SizeConstraints};
use nice_plug_egui::{EguiEditor, EguiNiceSettings, Frame, NiceEguiApp, baseview, create_egui_editor};
use ui::EditorUi;

/// The window's content; it exists as long as the instance, whether the window is open or not.
pub(crate) struct Editor {
    instance: Instance,
    ui: EditorUi,
    /// The connection to the host, from the first opening of the window on.
    context: Option<GuiContext>,
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
    let editor = Editor { instance: instance.clone(), ui: EditorUi::default(), context: None };
    create_egui_editor(instance.window_size.editor_state(), instance.repaint.notifier(), settings, editor)
}

impl NiceEguiApp for Editor {
    #[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "`egui` is used on X11"))]
    fn build(
        &mut self,
        egui: egui::Context,
        context: GuiContext,
        frame: &mut Frame,
    ) -> Result<(), baseview::HandlerError> {
        self.instance.window_size.set_scale_factor(frame.baseview_window().size().scale_factor);
        if cfg!(target_os = "linux") {
            // On other systems this is the host's main thread, which does not end with the window.
            self.instance.window_threads.count_current();
        }
        #[cfg(target_os = "linux")]
        if let Some(keyboard) = crate::window::X11Keyboard::connect(frame.baseview_window()) {
            egui.add_plugin(keyboard);
        }
        // Each opening has a new egui context.
        self.ui.forget_textures();
        self.context = Some(context);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut Frame) {
        // A hidden window draws nothing and asks for no further frame.
        if let Some(context) = self.context.as_ref().filter(|_| !self.instance.repaint.is_hidden()) {
            self.ui.show(ui, &self.instance, &context.param_setter());
        }
    }

    fn resized(&mut self, size: baseview::WindowSize) {
        self.instance.window_size.set_scale_factor(size.scale_factor);
    }
}
