//! The eight slots: the page with their controls, and the strip at the bottom of the window.

use super::slot_trace::SlotTraces;
use super::tag_bars::{self, DraggedTags};
use super::{theme, widgets};
use crate::instance::Instance;
use egui::{
    Align2, ComboBox, CornerRadius, FontId, PopupCloseBehavior, Rect, Response, RichText, Role, ScrollArea, Sense,
    Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
};
use nice_plug::context::gui::ParamSetter;
use tagvane_outputs::{Combine, MAX_SOURCE_TAGS, SLOTS, SlotSource};

/// The height of the strip, in points.
pub(crate) const STRIP_HEIGHT: f32 = 24.0;

/// The state of the page.
#[derive(Default)]
pub(crate) struct SlotsPage {
    /// The slot whose controls are shown.
    slot: usize,
    traces: SlotTraces,
}

impl SlotsPage {
    /// Shows the controls of a slot.
    pub(crate) fn select(&mut self, slot: usize) {
        self.slot = slot.min(SLOTS - 1);
    }

    /// Records the values of the slots at `time`, in seconds on egui's clock.
    pub(crate) fn record(&mut self, instance: &Instance, time: f64) {
        self.traces.record(instance, time);
    }

    /// Draws the page; `names` are the tags of the model.
    pub(crate) fn show(&mut self, ui: &mut Ui, instance: &Instance, setter: &ParamSetter<'_>, names: &[String]) {
        let sources = instance.outputs.config().routing.sources;
        let shown = self.slot;
        ScrollArea::vertical().id_salt("slots").auto_shrink([false, false]).show(ui, |ui| {
            for (slot, source) in sources.iter().enumerate() {
                if row(ui, instance, slot, source, slot == shown) {
                    self.select(slot);
                }
            }
            ui.add_space(8.0);
            write_hint(ui, instance);
            self.traces.show(ui, instance, setter, shown);
            ui.add_space(6.0);
            slot_controls(ui, instance, setter, names, shown, &sources[shown]);
        });
    }
}

/// Draws all slots in one line, which is visible on every page and takes dragged tags. Returns the slot
/// that was clicked.
pub(crate) fn strip(ui: &mut Ui, instance: &Instance) -> Option<usize> {
    let palette = theme::palette(ui);
    let sources = instance.outputs.config().routing.sources;
    let mut clicked = None;
    let gap = 4.0;
    let width = (ui.available_width() - gap * (SLOTS - 1) as f32) / SLOTS as f32;
    let (line, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), STRIP_HEIGHT), Sense::hover());
    for (slot, source) in sources.iter().enumerate() {
        let corner = line.min + Vec2::new(slot as f32 * (width + gap), 0.0);
        let cell = Rect::from_min_size(corner, Vec2::new(width, STRIP_HEIGHT));
        let response = ui.interact(cell, ui.scope_id().with(("strip", slot)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Slot {}", slot + 1)));
        ui.painter().rect_filled(cell, CornerRadius::same(3), palette.track);
        let live = instance.outputs.live_value(slot).clamp(0.0, 1.0);
        let filled = Rect::from_min_size(cell.min, Vec2::new(cell.width() * live, cell.height()));
        ui.painter().rect_filled(filled, CornerRadius::same(3), palette.bar(live).gamma_multiply(0.55));
        if response.hovered() || response.has_focus() {
            outline(ui, cell, palette.faint);
        }
        let name = source.name();
        let color = if name.is_some() { palette.text } else { palette.faint };
        let text = name.unwrap_or_else(|| format!("{}", slot + 1));
        let painter = ui.painter().with_clip_rect(cell.shrink(3.0).intersect(ui.clip_rect()));
        painter.text(
            cell.left_center() + Vec2::new(6.0, 0.0),
            Align2::LEFT_CENTER,
            text,
            FontId::proportional(12.0),
            color,
        );
        accept_drop(ui, instance, slot, cell, &response);
        if response.on_hover_text(format!("Slot {}: drop a tag here, click for its controls", slot + 1)).clicked() {
            clicked = Some(slot);
        }
    }
    clicked
}

fn outline(ui: &Ui, rect: Rect, color: egui::Color32) {
    ui.painter().rect_stroke(rect, CornerRadius::same(3), Stroke::new(1.5, color), StrokeKind::Inside);
}

/// Maps tags that are dropped on a slot to it.
fn accept_drop(ui: &Ui, instance: &Instance, slot: usize, rect: Rect, response: &Response) {
    if response.dnd_hover_payload::<DraggedTags>().is_some() {
        outline(ui, rect, theme::palette(ui).accent);
    }
    if let Some(dragged) = response.dnd_release_payload::<DraggedTags>() {
        tag_bars::map_to_slot(instance, slot, dragged.0.clone());
    }
}

/// Draws a slot in a line. Returns whether it was clicked.
fn row(ui: &mut Ui, instance: &Instance, slot: usize, source: &SlotSource, selected: bool) -> bool {
    const NUMBER_WIDTH: f32 = 26.0;
    const NAME_WIDTH: f32 = 150.0;
    const PERCENT_WIDTH: f32 = 44.0;
    let palette = theme::palette(ui);
    let (area, response) =
        ui.allocate_exact_size(Vec2::new(ui.available_width(), theme::TAG_ROW_HEIGHT), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Controls of slot {}", slot + 1)));
    accept_drop(ui, instance, slot, area, &response);
    let painter = ui.painter();
    if selected || response.hovered() || response.has_focus() {
        painter.rect_filled(area, CornerRadius::same(4), if selected { palette.raised } else { palette.track });
    }
    let name = source.name();
    let color = if name.is_some() { palette.text } else { palette.faint };
    let left = area.left_center();
    let number = (slot + 1).to_string();
    painter.text(left + Vec2::new(8.0, 0.0), Align2::LEFT_CENTER, number, FontId::proportional(14.0), palette.faint);
    let name = name.unwrap_or_else(|| "not used".into());
    let clip = Rect::from_min_size(area.min + Vec2::new(NUMBER_WIDTH, 0.0), Vec2::new(NAME_WIDTH - 6.0, area.height()));
    let text = painter.layout_no_wrap(name, FontId::proportional(14.0), color);
    let corner = clip.left_center() - Vec2::new(0.0, text.size().y / 2.0);
    painter.with_clip_rect(clip).galley(corner, text, color);
    let corner = area.min + Vec2::new(NUMBER_WIDTH + NAME_WIDTH, (theme::TAG_ROW_HEIGHT - theme::BAR_HEIGHT) / 2.0);
    let width = (area.width() - NUMBER_WIDTH - NAME_WIDTH - PERCENT_WIDTH).max(10.0);
    let track = Rect::from_min_size(corner, Vec2::new(width, theme::BAR_HEIGHT));
    let threshold = instance.params.slots[slot].threshold.value();
    let live = instance.outputs.live_value(slot);
    tag_bars::bar(ui, track, live);
    if !source.tags.is_empty() {
        tag_bars::mark(ui, track, instance.outputs.source_value(slot), palette.faint);
        if threshold > 0.0 {
            tag_bars::mark(ui, track, threshold, palette.warning);
        }
    }
    let parameter = instance.outputs.slot_value(slot);
    if (parameter - live).abs() > 0.01 {
        tag_bars::mark(ui, track, parameter, palette.text);
    }
    let right = area.right_center() - Vec2::new(8.0, 0.0);
    ui.painter().text(right, Align2::RIGHT_CENTER, format!("{:.0} %", live * 100.0), FontId::proportional(13.0), color);
    let legend = [
        ("Bar: the slot's output", palette.text),
        ("Line: its source", palette.faint),
        ("Line: the threshold", palette.warning),
        ("Line: the parameter's value, where it differs from the output", palette.text),
    ];
    let hint = |ui: &mut Ui| {
        for (text, color) in legend {
            ui.label(RichText::new(text).color(color));
        }
    };
    response.on_hover_ui(hint).clicked()
}

/// Tells what Write does now.
fn write_hint(ui: &mut Ui, instance: &Instance) {
    let (armed, palette) = (instance.outputs.is_armed(), theme::palette(ui));
    let text = match armed {
        false => "Write is off: the slots keep their values or follow recorded automation.",
        true if instance.params.host_quirks().is_vst3 && cfg!(target_os = "linux") => {
            "Write is armed. In a VST3 on Linux the host records the slots only while this window is open; \
             the CLAP has no such limit."
        }
        true => "Write is armed: while the transport plays, the host records the slots.",
    };
    ui.label(RichText::new(text).size(12.0).color(if armed { palette.armed } else { palette.faint }));
    ui.add_space(6.0);
}

/// Draws the controls of a slot.
fn slot_controls(
    ui: &mut Ui,
    instance: &Instance,
    setter: &ParamSetter<'_>,
    names: &[String],
    slot: usize,
    source: &SlotSource,
) {
    let shape = &instance.params.slots[slot];
    widgets::line(ui, &format!("Slot {} source", slot + 1), |ui| {
        if let Some(source) = source_list(ui, names, slot, source) {
            instance.edit_outputs(|config| config.routing.sources[slot] = source);
        }
    });
    if source.tags.len() > 1 {
        widgets::line(ui, "Combine", |ui| {
            for (combine, name) in [(Combine::Maximum, "Maximum"), (Combine::Mean, "Mean")] {
                if ui.selectable_label(source.combine == combine, name).clicked() {
                    instance.edit_outputs(|config| config.routing.sources[slot].combine = combine);
                }
            }
        });
    }
    widgets::line(ui, "Mode", |ui| {
        widgets::choice(ui, setter, &shape.mode);
        ui.add_space(10.0);
        widgets::checkbox(ui, setter, "Invert", &shape.invert);
    });
    widgets::slider(ui, setter, "Threshold", &shape.threshold);
    widgets::slider(ui, setter, "Hysteresis", &shape.hysteresis);
    widgets::slider(ui, setter, "Attack", &shape.attack);
    widgets::slider(ui, setter, "Release", &shape.release);
    widgets::slider(ui, setter, "Low", &shape.low);
    widgets::slider(ui, setter, "High", &shape.high);
}

/// Draws a list of tags with checkboxes. Returns the new source if it has changed.
fn source_list(ui: &mut Ui, names: &[String], slot: usize, source: &SlotSource) -> Option<SlotSource> {
    let mut edited = source.clone();
    let text = source.name().unwrap_or_else(|| "choose tags…".into());
    // Tags that this model does not have are in the list, so that they can be removed.
    let absent = source.tags.iter().filter(|tag| !names.contains(tag));
    let mut all: Vec<(&String, bool)> =
        names.iter().map(|tag| (tag, true)).chain(absent.map(|tag| (tag, false))).collect();
    all.sort();
    let list = ComboBox::from_id_salt(("source", slot))
        .selected_text(text)
        .width(ui.available_width() - 8.0)
        .height(320.0)
        .truncate()
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show_ui(ui, |ui| {
            for (tag, is_present) in all {
                let mut is_selected = source.tags.contains(tag);
                let text = if is_present { tag.clone() } else { format!("{tag} (not in this model)") };
                let is_enabled = is_selected || source.tags.len() < MAX_SOURCE_TAGS;
                if ui.add_enabled(is_enabled, egui::Checkbox::new(&mut is_selected, text)).changed() {
                    if is_selected { edited.tags.push(tag.clone()) } else { edited.tags.retain(|other| other != tag) }
                }
            }
        });
    list.response.on_hover_text("The tags that drive this slot");
    (edited != *source).then_some(edited)
}
