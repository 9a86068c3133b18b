//! The window: what is listening, and three pages, the tags, the slots, the outputs.

mod controls;
mod outputs;
mod rows;
mod slots;
mod tags;
mod theme;

use crate::params::{Choice, SHIPPED};
use crate::parts::Parts;

use egui::{Button, Color32, ComboBox, Frame, Margin, RichText, Ui};
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::ResizeHint;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame as Window, NiceEguiApp, RepaintNotifier, baseview,
    create_egui_editor,
};

use rows::Rows;
use std::time::Duration;
use tagvane_engine::{Inference, Status};
use tagvane_outputs::{DELAY, OscSettings};

/// Frames while something moves, and looks at the board while nothing does.
const MOVING: Duration = Duration::from_millis(16);
const RESTING: Duration = Duration::from_millis(50);

/// The window's content; lives as long as the instance, opened or not.
pub(crate) struct Editor {
    parts: Parts,
    rows: Rows,
    page: Page,
    /// The slot whose controls are shown.
    slot: usize,
    /// What is being typed of the OSC settings.
    draft: Option<OscSettings>,
    /// The host's end, while the window is open.
    host: Option<GuiContext>,
}

#[derive(Clone, Copy, PartialEq)]
enum Page {
    Tags,
    Slots,
    Outputs,
}

/// Makes the editor of an instance.
pub(crate) fn create(parts: &Parts) -> Option<EguiEditor<Editor>> {
    let (width, height) = theme::SIZE;
    let state = EguiEditorState::from_size(LogicalSize::new(width, height), 1.0);
    let settings = EguiNiceSettings::new()
        .with_tile("Tagvane")
        .with_resize_hint(ResizeHint { can_resize: true, ..Default::default() });
    let (parts, rows) = (parts.clone(), Rows::default());
    let editor = Editor { parts, rows, page: Page::Tags, slot: 0, draft: None, host: None };
    create_egui_editor(state, RepaintNotifier::default(), settings, editor)
}

impl NiceEguiApp for Editor {
    fn build(
        &mut self,
        context: egui::Context,
        host: GuiContext,
        _window: &mut Window,
    ) -> Result<(), baseview::HandlerError> {
        theme::apply(&context);
        self.host = Some(host);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _window: &mut Window) {
        let Self { parts, rows, page, slot, draft, host } = self;
        let Some(host) = host else { return };
        let setter = host.param_setter();
        let Parts { engine, outputs, .. } = &*parts;
        let board = engine.board();
        let status = board.status();
        rows.set_names(status.tags());
        let seconds = ui.input(|input| input.stable_dt);
        let moves = rows.step(seconds, |tag| outputs.tag(tag)) | outputs.moves();

        Frame::new().fill(theme::BACKGROUND).inner_margin(Margin::same(theme::MARGIN as i8)).show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            header(ui, parts, &status);
            ui.add_space(6.0);
            pages(ui, parts, page);
            ui.add_space(8.0);
            match (&*page, &status) {
                (Page::Slots, _) => slots::show(ui, parts, &setter, status.tags(), slot),
                (Page::Outputs, _) => outputs::show(ui, parts, &setter, status.tags(), draft),
                (Page::Tags, Status::Failed(why)) => message(ui, "No model is listening", why, theme::WARNING),
                (Page::Tags, Status::Loading { .. }) => message(ui, "Loading the model…", "", theme::FAINT),
                (Page::Tags, Status::Ready { .. }) => {
                    tags::show(ui, rows, |tag| board.tag(tag), |tag| status.is_weak(tag));
                }
            }
        });
        ui.ctx().request_repaint_after(if moves { MOVING } else { RESTING });
    }
}

/// The choice of a page, and Write, which is seen on each.
fn pages(ui: &mut Ui, parts: &Parts, page: &mut Page) {
    ui.horizontal(|ui| {
        for (this, name) in [(Page::Tags, "Tags"), (Page::Slots, "Slots"), (Page::Outputs, "Outputs")] {
            ui.selectable_value(page, this, RichText::new(name).size(14.0));
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let armed = parts.outputs.armed();
            let text = RichText::new(if armed { "Write armed" } else { "Write" }).size(14.0);
            let button = Button::new(text).fill(if armed { theme::ARMED } else { theme::TRACK });
            if ui.add(button).on_hover_text("Lets the host record the slots").clicked() {
                parts.outputs.arm(!armed);
            }
        });
    });
}

/// The name, the model, and how old what is shown is.
fn header(ui: &mut Ui, parts: &Parts, status: &Status) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Tagvane").size(22.0).strong());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| models(ui, parts, status));
    });
    let Status::Ready { window, hop, inference, .. } = status else { return };
    let board = parts.engine.board();
    let listening = match board.age() {
        None => format!("Waiting for the first {:.1} s of music", window.as_secs_f32()),
        Some(age) => {
            // What was heard is spread over the window: its middle is half of it ago. And
            // what shows waits until its time has come.
            let middle = age.max(Duration::from_secs_f64(DELAY)) + *window / 2;
            let seconds = middle.as_secs_f32();
            let ago = if seconds < 60.0 { format!("{seconds:.1} s") } else { "over a minute".into() };
            format!("What sounded {ago} ago (the middle of {:.1} s)", window.as_secs_f32())
        }
    };
    let way = match inference {
        Inference::Sliding => format!(", {:.0} times a second", 1.0 / hop.as_secs_f32()),
        Inference::FullWindows => ", by full windows".into(),
    };
    let gaps = match board.gaps() {
        0 => String::new(),
        1 => ", 1 gap".into(),
        gaps => format!(", {gaps} gaps"),
    };
    ui.label(RichText::new(listening + &way + &gaps).size(12.0).color(theme::FAINT));
}

/// The choice of a model.
fn models(ui: &mut Ui, parts: &Parts, status: &Status) {
    let current = match status {
        Status::Ready { name, .. } => name.as_str(),
        Status::Loading { .. } => "Loading…",
        Status::Failed(_) => "No model",
    };
    let text = |name: &str| RichText::new(name).size(13.0);
    // The name of a file may be any length.
    ComboBox::from_id_salt("model").selected_text(text(current)).width(150.0).truncate().show_ui(ui, |ui| {
        for model in &SHIPPED {
            if ui.selectable_label(current == model.name, text(model.name)).clicked() {
                parts.choose_model(Choice::Shipped { shipped: model.name.into() });
            }
        }
    });
}

fn message(ui: &mut Ui, title: &str, text: &str, color: Color32) {
    ui.add_space(20.0);
    ui.label(RichText::new(title).size(16.0).color(color));
    ui.add_space(4.0);
    ui.label(RichText::new(text).size(13.0));
}
