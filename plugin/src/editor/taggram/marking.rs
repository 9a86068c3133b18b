//! Marking a span of the taggram as a tag of the user's own.

use super::geometry::TimeRange;
use crate::editor::theme::{self, Palette};
use crate::instance::Instance;
use egui::{Button, ComboBox, Pos2, Rect, Response, RichText, TextEdit, Ui};

/// The shortest span that a drag marks, in seconds; a shorter one is a click, which marks nothing.
const MIN_SECONDS: f64 = 0.2;

/// What is being marked.
#[derive(Default)]
pub(super) struct Marking {
    /// Whether dragging marks.
    pub(super) is_on: bool,
    /// The two ends of the span on the timeline's clock, in the order of the drag.
    span: Option<(f64, f64)>,
    /// The name of the tag.
    name: String,
    /// What came of the last mark.
    message: Option<Result<String, String>>,
}

impl Marking {
    /// Draws the button that switches marking on and off.
    pub(super) fn button(&mut self, ui: &mut Ui) {
        let hint = "Drag over a span of time, then say what it is: a tag of your own learns it";
        if ui.selectable_label(self.is_on, "Mark").on_hover_text(hint).clicked() {
            self.is_on = !self.is_on;
            (self.span, self.message) = (None, None);
        }
    }

    /// Takes a drag over the map.
    pub(super) fn drag(&mut self, response: &Response, map: Rect, range: TimeRange) {
        let Some(pointer) = response.interact_pointer_pos().filter(|_| self.is_on) else { return };
        let clock = range.clock(map, pointer.x.clamp(map.left(), map.right()));
        if response.drag_started() {
            // The pointer has moved some points before a press counts as a drag.
            let origin = response.ctx.input(|input| input.pointer.press_origin()).unwrap_or(pointer);
            self.span = Some((range.clock(map, origin.x.clamp(map.left(), map.right())), clock));
            self.message = None;
        } else if let Some((_, end)) = self.span.as_mut().filter(|_| response.dragged()) {
            *end = clock;
        }
        if response.drag_stopped() {
            self.span = self.span.filter(|(start, end)| (end - start).abs() >= MIN_SECONDS);
        }
    }

    /// Draws the span on the map.
    pub(super) fn draw(&self, ui: &Ui, palette: &Palette, map: Rect, range: TimeRange) {
        let Some((start, end)) = self.span.filter(|_| self.is_on) else { return };
        let [left, right] = [start.min(end), start.max(end)].map(|clock| range.x(map, clock));
        let band = Rect::from_min_max(Pos2::new(left, map.top()), Pos2::new(right, map.bottom()));
        let painter = ui.painter().with_clip_rect(map.intersect(ui.clip_rect()));
        painter.rect_filled(band, egui::CornerRadius::ZERO, palette.text.gamma_multiply(0.18));
        for edge in [left, right] {
            painter.vline(edge, map.y_range(), (1.5, palette.text));
        }
    }

    /// Draws the line on which the user says what the span is.
    pub(super) fn show_line(&mut self, ui: &mut Ui, instance: &Instance) {
        if !self.is_on {
            return;
        }
        let palette = theme::palette(ui);
        let mine = instance.mine.get();
        if self.name.is_empty() {
            self.name = mine.selected().unwrap_or_default().to_owned();
        }
        ui.horizontal_wrapped(|ui| {
            let Some((start, end)) = self.span else {
                match &self.message {
                    Some(Ok(text)) => ui.label(RichText::new(text).size(13.0)),
                    Some(Err(why)) => ui.label(RichText::new(why).size(13.0).color(palette.warning)),
                    None => {
                        ui.label(RichText::new("Drag over a span of time on the map").size(13.0).color(palette.faint))
                    }
                };
                return;
            };
            ui.label(RichText::new(format!("These {:.1} s:", (end - start).abs())).size(13.0));
            let field = TextEdit::singleline(&mut self.name).hint_text("name of your tag").desired_width(120.0);
            ui.add(field).on_hover_text("The tag of your own that this is about");
            if !mine.lessons().is_empty() {
                ComboBox::from_id_salt("tags of your own").selected_text("").width(0.0).show_ui(ui, |ui| {
                    for lesson in mine.lessons() {
                        if ui.selectable_label(lesson.name == self.name, &lesson.name).clicked() {
                            self.name.clone_from(&lesson.name);
                        }
                    }
                });
            }
            for (text, is_example) in [("is", true), ("is not", false)] {
                let button = Button::new(RichText::new(text).size(13.0));
                if ui.add_enabled(!self.name.trim().is_empty(), button).clicked() {
                    self.mark(instance, is_example, start, end);
                }
            }
        });
        ui.add_space(4.0);
    }

    fn mark(&mut self, instance: &Instance, is_example: bool, start: f64, end: f64) {
        let name = self.name.trim().to_owned();
        let done = instance.mine.mark(&name, is_example, start, end);
        self.message = Some(match done {
            Ok(()) if is_example => Ok(format!("Marked as {name}. Mark another span, or one that it is not")),
            Ok(()) => Ok(format!("Marked as not {name}")),
            Err(why) => Err(format!("Nothing was marked: {why}")),
        });
        self.span = None;
    }
}
