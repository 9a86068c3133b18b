//! A slot over the last seconds: its source, its output, and its threshold, which can be dragged.

use super::theme;
use crate::instance::Instance;
use egui::{Align2, CornerRadius, CursorIcon, FontId, Pos2, Rect, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo};
use nice_plug::context::gui::ParamSetter;
use nice_plug::prelude::Param as _;
use std::collections::VecDeque;
use tagvane_outputs::SLOTS;

/// The length of a trace, in seconds.
const TRACE_SECONDS: f64 = 12.0;

/// The height of the plot, in points.
const HEIGHT: f32 = 96.0;

/// The distance from the threshold's line at which the pointer takes it, in points.
const GRAB_DISTANCE: f32 = 7.0;

/// A point of a trace.
struct TracePoint {
    /// Seconds on egui's clock.
    time: f64,
    source: f32,
    output: f32,
}

/// The traces of all slots since the window was opened.
#[derive(Default)]
pub(crate) struct SlotTraces {
    slots: [VecDeque<TracePoint>; SLOTS],
}

impl SlotTraces {
    /// Records the values of the slots at `time`, in seconds on egui's clock.
    pub(crate) fn record(&mut self, instance: &Instance, time: f64) {
        for (slot, trace) in self.slots.iter_mut().enumerate() {
            // The clock starts anew with each window, and the window before may have been open for longer.
            if trace.back().is_some_and(|last| last.time > time) {
                trace.clear();
            }
            let (source, output) = (instance.outputs.source_value(slot), instance.outputs.live_value(slot));
            trace.push_back(TracePoint { time, source, output });
            while trace.front().is_some_and(|first| time - first.time > TRACE_SECONDS) {
                trace.pop_front();
            }
        }
    }

    /// Draws the trace of a slot; dragging moves its threshold.
    pub(crate) fn show(&self, ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, slot: usize) {
        let palette = theme::palette(ui);
        let shape = &instance.params.slots[slot];
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
        let now = trace.back().map_or(0.0, |last| last.time);
        let x = |time: f64| area.right() - ((now - time) / TRACE_SECONDS) as f32 * area.width();
        let line = |value: fn(&TracePoint) -> f32| {
            trace.iter().map(|point| Pos2::new(x(point.time), y(value(point)))).collect::<Vec<_>>()
        };
        painter.add(Shape::line(line(|point| point.source), Stroke::new(1.5, palette.faint)));
        let output_color = palette.bar(0.65);
        painter.add(Shape::line(line(|point| point.output), Stroke::new(2.0, output_color)));
        let mut corner = area.left_top() + Vec2::new(6.0, 4.0);
        let legend = [("source", palette.faint), ("output", output_color), ("threshold (drag it)", palette.warning)];
        for (text, color) in legend {
            let drawn = painter.text(corner, Align2::LEFT_TOP, text, FontId::proportional(10.0), color);
            corner.x = drawn.right() + 10.0;
        }

        let is_near = response.hover_pos().is_some_and(|pointer| (pointer.y - y(threshold)).abs() < GRAB_DISTANCE);
        if is_near || response.dragged() {
            ui.ctx().set_cursor_icon(CursorIcon::ResizeVertical);
        }
        let parameter = &shape.threshold;
        if response.drag_started() {
            setter.begin_set_parameter(parameter);
        }
        if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.dragged()) {
            let value = (area.bottom() - 3.0 - pointer.y) / (area.height() - 6.0);
            setter
                .set_parameter(parameter, parameter.preview_plain(parameter.preview_normalized(value.clamp(0.0, 1.0))));
        }
        if response.drag_stopped() {
            setter.end_set_parameter(parameter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of the window before, with later times, once stayed and were drawn as a false line.
    #[test]
    fn a_trace_starts_anew_when_the_window_is_opened_again() {
        let instance = Instance::new();
        let mut traces = SlotTraces::default();
        for time in [40.0, 41.0, 0.0, 0.5] {
            traces.record(&instance, time);
        }
        for trace in &traces.slots {
            assert_eq!(trace.iter().map(|point| point.time).collect::<Vec<_>>(), [0.0, 0.5]);
        }
    }
}
