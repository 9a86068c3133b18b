//! The window: the tags as live bars, strongest first, and what is listening.

mod rows;
mod theme;

use crate::shell::Parts;

use egui::{Align2, Color32, CornerRadius, FontId, Frame, Margin, Pos2, Rect, RichText, ScrollArea, Sense, Ui, Vec2};
use nice_plug::editor::ResizeHint;
use nice_plug::editor::dpi::LogicalSize;
use nice_plug_egui::{
    EguiEditor, EguiEditorState, EguiNiceSettings, Frame as Window, NiceEguiApp, RepaintNotifier, baseview,
    create_egui_editor,
};

use rows::{Row, Rows};
use std::time::Duration;
use tagvane_engine::{Inference, Status, TagBoard};

/// Frames while something moves, and looks at the board while nothing does.
const MOVING: Duration = Duration::from_millis(16);
const RESTING: Duration = Duration::from_millis(50);

/// The window's content; lives as long as the instance, opened or not.
pub(crate) struct Editor {
    parts: Parts,
    rows: Rows,
}

/// Makes the editor of an instance.
pub(crate) fn create(parts: &Parts) -> Option<EguiEditor<Editor>> {
    let (width, height) = theme::SIZE;
    let state = EguiEditorState::from_size(LogicalSize::new(width, height), 1.0);
    let settings = EguiNiceSettings::new()
        .with_tile("Tagvane")
        .with_resize_hint(ResizeHint { can_resize: true, ..Default::default() });
    create_egui_editor(
        state,
        RepaintNotifier::default(),
        settings,
        Editor { parts: parts.clone(), rows: Rows::default() },
    )
}

impl NiceEguiApp for Editor {
    fn build(
        &mut self,
        context: egui::Context,
        _host: nice_plug::context::gui::GuiContext,
        _window: &mut Window,
    ) -> Result<(), baseview::HandlerError> {
        theme::apply(&context);
        Ok(())
    }

    fn ui(&mut self, ui: &mut Ui, _window: &mut Window) {
        let Parts { engine, outputs, .. } = &self.parts;
        let board = engine.board();
        let status = board.status();
        self.rows.set_names(status.tags());
        let seconds = ui.input(|input| input.stable_dt);
        let moves = self.rows.step(seconds, |tag| outputs.tag(tag));

        Frame::new().fill(theme::BACKGROUND).inner_margin(Margin::same(theme::MARGIN as i8)).show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            header(ui, &status, board);
            ui.add_space(10.0);
            match &status {
                Status::Failed(why) => message(ui, "No model is listening", why, theme::WARNING),
                Status::Loading { .. } => message(ui, "Loading the model…", "", theme::FAINT),
                Status::Ready { .. } => list(ui, &self.rows),
            }
        });
        ui.ctx().request_repaint_after(if moves { MOVING } else { RESTING });
    }
}

/// The name, the model, and how old what is shown is.
fn header(ui: &mut Ui, status: &Status, board: &TagBoard) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Tagvane").size(22.0).strong());
        if let Status::Ready { name, hop, inference, .. } = status {
            let model = match inference {
                Inference::Sliding => format!("{name}, sliding, {:.0} a second", 1.0 / hop.as_secs_f32()),
                Inference::FullWindows => format!("{name}, full windows"),
            };
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                // The name of a file may be any length.
                ui.add(egui::Label::new(RichText::new(model).size(13.0).color(theme::FAINT)).truncate());
            });
        }
    });
    let Status::Ready { window, .. } = status else { return };
    let listening = match board.age() {
        None => format!("Waiting for the first {:.1} s of music", window.as_secs_f32()),
        Some(age) => {
            // What was heard is spread over the window: its middle is half of it ago.
            let middle = age + *window / 2;
            let seconds = middle.as_secs_f32();
            let ago = if seconds < 60.0 { format!("{seconds:.1} s") } else { "over a minute".into() };
            format!("What sounded {ago} ago (the middle of {:.1} s)", window.as_secs_f32())
        }
    };
    let gaps = match board.gaps() {
        0 => String::new(),
        1 => ", 1 gap".into(),
        gaps => format!(", {gaps} gaps"),
    };
    ui.label(RichText::new(listening + &gaps).size(12.0).color(theme::FAINT));
}

fn message(ui: &mut Ui, title: &str, text: &str, color: Color32) {
    ui.add_space(20.0);
    ui.label(RichText::new(title).size(16.0).color(color));
    ui.add_space(4.0);
    ui.label(RichText::new(text).size(13.0));
}

/// All bars; those outside the view are not drawn.
fn list(ui: &mut Ui, rows: &Rows) {
    ScrollArea::vertical().auto_shrink([false, false]).show_viewport(ui, |ui, view| {
        let size = Vec2::new(ui.available_width(), rows.len() as f32 * theme::ROW);
        let (area, _) = ui.allocate_exact_size(size, Sense::hover());
        for row in rows.iter() {
            let top = row.place * theme::ROW;
            if top + theme::ROW > view.min.y && top < view.max.y {
                draw(ui, row, area.min + Vec2::new(0.0, top), area.width());
            }
        }
    });
}

/// One row: the name, the bar, the percentage.
fn draw(ui: &Ui, row: &Row, corner: Pos2, width: f32) {
    const NAME: f32 = 104.0;
    const PERCENT: f32 = 44.0;
    let painter = ui.painter();
    let middle = corner.y + theme::ROW / 2.0;
    // Weak tags step back, so that the strong ones can be read across a room.
    let color = theme::FAINT.lerp_to_gamma(theme::TEXT, (row.shown * 4.0).min(1.0));
    painter.text(Pos2::new(corner.x, middle), Align2::LEFT_CENTER, &row.name, FontId::proportional(14.0), color);
    let track = Rect::from_min_size(
        Pos2::new(corner.x + NAME, middle - theme::BAR / 2.0),
        Vec2::new((width - NAME - PERCENT).max(10.0), theme::BAR),
    );
    let round = CornerRadius::same(4);
    painter.rect_filled(track, round, theme::TRACK);
    let mut filled = track;
    filled.set_width(track.width() * row.shown.clamp(0.0, 1.0));
    if filled.width() >= 1.0 {
        painter.rect_filled(filled, round, theme::bar(row.shown));
    }
    let percent = format!("{:.0} %", row.shown * 100.0);
    painter.text(
        Pos2::new(corner.x + width - 8.0, middle),
        Align2::RIGHT_CENTER,
        percent,
        FontId::proportional(13.0),
        color,
    );
}
