//! One slot over the last seconds: what it heard, what it made of that, and its threshold, which
//! can be dragged.

use super::theme;
use crate::parts::Parts;
use egui::{Align2, CornerRadius, CursorIcon, FontId, Pos2, Rect, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo};
use nice_plug::context::gui::ParamSetter;
use nice_plug::prelude::Param as _;
use std::collections::VecDeque;
use tagvane_outputs::SLOTS;

/// How much is shown, in seconds.
const SHOWN: f64 = 12.0;

/// How high the picture is, and how near the pointer has to be to a line to take it.
const HEIGHT: f32 = 96.0;
const NEAR: f32 = 7.0;

/// What the slots heard and gave since the window was opened: the time, in seconds, and both values.
#[derive(Default)]
pub(crate) struct Traces {
    slots: [VecDeque<(f64, f32, f32)>; SLOTS],
}

impl Traces {
    /// Notes where the slots stand at a time.
    pub(crate) fn note(&mut self, parts: &Parts, time: f64) {
        for (slot, trace) in self.slots.iter_mut().enumerate() {
            trace.push_back((time, parts.outputs.heard(slot), parts.outputs.live(slot)));
            while trace.front().is_some_and(|(first, ..)| time - first > SHOWN) {
                trace.pop_front();
            }
        }
    }

    /// The picture of a slot; its threshold is moved by dragging.
    pub(crate) fn show(&self, ui: &mut Ui, parts: &Parts, setter: &ParamSetter<'_>, slot: usize) {
        let palette = theme::palette(ui);
        let shape = &parts.controls.slots[slot];
        let (area, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), HEIGHT), Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::slider(true, f64::from(shape.threshold.value()), "Threshold line"));
        let painter = ui.painter().with_clip_rect(area.intersect(ui.clip_rect()));
        painter.rect_filled(area, CornerRadius::same(4), palette.track);
        let y = |value: f32| area.bottom() - 3.0 - value.clamp(0.0, 1.0) * (area.height() - 6.0);
        let threshold = shape.threshold.value();
        let release = (threshold - shape.hysteresis.value()).max(0.0);
        if threshold > 0.0 {
            let band = Rect::from_min_max(Pos2::new(area.left(), y(threshold)), Pos2::new(area.right(), y(release)));
            painter.rect_filled(band, CornerRadius::ZERO, palette.warning.gamma_multiply(0.15));
            painter.hline(area.x_range(), y(release), (1.0, palette.warning.gamma_multiply(0.5)));
        }
        painter.hline(area.x_range(), y(threshold), (1.5, palette.warning));
        let trace = &self.slots[slot];
        let now = trace.back().map_or(0.0, |(time, ..)| *time);
        let x = |time: f64| area.right() - ((now - time) / SHOWN) as f32 * area.width();
        let line = |pick: fn(&(f64, f32, f32)) -> f32| {
            trace.iter().map(|point| Pos2::new(x(point.0), y(pick(point)))).collect::<Vec<_>>()
        };
        painter.add(Shape::line(line(|point| point.1), Stroke::new(1.5, palette.faint)));
        painter.add(Shape::line(line(|point| point.2), Stroke::new(2.0, palette.bar(0.65))));
        let corner = area.left_top() + Vec2::new(6.0, 4.0);
        let legend = "grey: what it hears   green: what it gives   yellow: threshold, to be dragged";
        painter.text(corner, Align2::LEFT_TOP, legend, FontId::proportional(10.0), palette.faint);

        let near = response.hover_pos().is_some_and(|at| (at.y - y(threshold)).abs() < NEAR);
        if near || response.dragged() {
            ui.ctx().set_cursor_icon(CursorIcon::ResizeVertical);
        }
        let parameter = &shape.threshold;
        if response.drag_started() {
            setter.begin_set_parameter(parameter);
        }
        if let Some(at) = response.interact_pointer_pos().filter(|_| response.dragged()) {
            let value = (area.bottom() - 3.0 - at.y) / (area.height() - 6.0);
            setter
                .set_parameter(parameter, parameter.preview_plain(parameter.preview_normalized(value.clamp(0.0, 1.0))));
        }
        if response.drag_stopped() {
            setter.end_set_parameter(parameter);
        }
    }
}
