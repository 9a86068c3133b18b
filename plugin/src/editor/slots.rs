//! The eight slots: what each hears and makes of it, and the controls of one.

use super::tags::{self, Dragged};
use super::trace::Traces;
use super::{controls, theme};
use crate::parts::Parts;
use egui::{
    Align2, ComboBox, CornerRadius, FontId, PopupCloseBehavior, Rect, Response, RichText, Role, ScrollArea, Sense,
    Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
};
use nice_plug::context::gui::ParamSetter;
use tagvane_outputs::{How, MOST_IN_SOURCE, SLOTS, Source};

/// The page of the slots, of which `selected` has its controls shown.
pub(crate) fn show(
    ui: &mut Ui,
    parts: &Parts,
    setter: &ParamSetter<'_>,
    names: &[String],
    selected: &mut usize,
    traces: &Traces,
) {
    let sources = parts.outputs.wiring().sources;
    let slot = (*selected).min(SLOTS - 1);
    ScrollArea::vertical().id_salt("slots").auto_shrink([false, false]).show(ui, |ui| {
        for (slot, source) in sources.iter().enumerate() {
            if row(ui, parts, slot, source, slot == *selected) {
                *selected = slot;
            }
        }
        ui.add_space(8.0);
        about_writing(ui, parts);
        traces.show(ui, parts, setter, slot);
        ui.add_space(6.0);
        details(ui, parts, setter, names, slot, &sources[slot]);
    });
}

/// The slots in one line, to see them on every page and to drop tags onto; gives the one that was
/// clicked.
pub(crate) fn strip(ui: &mut Ui, parts: &Parts) -> Option<usize> {
    let palette = theme::palette(ui);
    let sources = parts.outputs.wiring().sources;
    let mut clicked = None;
    let space = 4.0;
    let width = (ui.available_width() - space * (SLOTS - 1) as f32) / SLOTS as f32;
    let (line, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), STRIP), Sense::hover());
    for (slot, source) in sources.iter().enumerate() {
        let corner = line.min + Vec2::new(slot as f32 * (width + space), 0.0);
        let cell = Rect::from_min_size(corner, Vec2::new(width, STRIP));
        let response = ui.interact(cell, ui.scope_id().with(("strip", slot)), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Slot {}", slot + 1)));
        ui.painter().rect_filled(cell, CornerRadius::same(3), palette.track);
        let live = parts.outputs.live(slot).clamp(0.0, 1.0);
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
        take_drop(ui, parts, slot, cell, &response);
        if response.on_hover_text(format!("Slot {}: drop a tag here, click for its controls", slot + 1)).clicked() {
            clicked = Some(slot);
        }
    }
    clicked
}

/// How high the strip is.
pub(crate) const STRIP: f32 = 24.0;

fn outline(ui: &Ui, place: Rect, color: egui::Color32) {
    ui.painter().rect_stroke(place, CornerRadius::same(3), Stroke::new(1.5, color), StrokeKind::Inside);
}

/// A slot takes the tags that are dropped on it.
fn take_drop(ui: &Ui, parts: &Parts, slot: usize, place: Rect, response: &Response) {
    if response.dnd_hover_payload::<Dragged>().is_some() {
        outline(ui, place, theme::palette(ui).accent);
    }
    if let Some(dragged) = response.dnd_release_payload::<Dragged>() {
        tags::map(parts, slot, dragged.0.clone());
    }
}

/// One slot in a line; gives whether it was clicked.
fn row(ui: &mut Ui, parts: &Parts, slot: usize, source: &Source, selected: bool) -> bool {
    const NUMBER: f32 = 26.0;
    const NAME: f32 = 150.0;
    const PERCENT: f32 = 44.0;
    let palette = theme::palette(ui);
    let (area, response) = ui.allocate_exact_size(Vec2::new(ui.available_width(), theme::ROW), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, format!("Controls of slot {}", slot + 1)));
    take_drop(ui, parts, slot, area, &response);
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
    let clip = Rect::from_min_size(area.min + Vec2::new(NUMBER, 0.0), Vec2::new(NAME - 6.0, area.height()));
    let text = painter.layout_no_wrap(name, FontId::proportional(14.0), color);
    let at = clip.left_center() - Vec2::new(0.0, text.size().y / 2.0);
    painter.with_clip_rect(clip).galley(at, text, color);
    let from = area.min + Vec2::new(NUMBER + NAME, (theme::ROW - theme::BAR) / 2.0);
    let track = Rect::from_min_size(from, Vec2::new((area.width() - NUMBER - NAME - PERCENT).max(10.0), theme::BAR));
    let threshold = parts.controls.slots[slot].threshold.value();
    let live = parts.outputs.live(slot);
    tags::bar(ui, track, live);
    if !source.tags.is_empty() {
        tags::mark(ui, track, parts.outputs.heard(slot), palette.faint);
        if threshold > 0.0 {
            tags::mark(ui, track, threshold, palette.warning);
        }
    }
    let parameter = parts.outputs.slot(slot);
    if (parameter - live).abs() > 0.01 {
        tags::mark(ui, track, parameter, palette.text);
    }
    let right = area.right_center() - Vec2::new(8.0, 0.0);
    ui.painter().text(right, Align2::RIGHT_CENTER, format!("{:.0} %", live * 100.0), FontId::proportional(13.0), color);
    let meaning = "Bar: what the slot gives. Lines: grey what it hears, yellow its threshold, \
                   white where its parameter stands";
    response.on_hover_text(meaning).clicked()
}

/// What Write does now, and where it does not do all.
fn about_writing(ui: &mut Ui, parts: &Parts) {
    let (armed, palette) = (parts.outputs.armed(), theme::palette(ui));
    let text = match armed {
        false => "Write is off: the slots stand still, or follow the lanes that were recorded.",
        true if parts.controls.host().vst3 && cfg!(target_os = "linux") => {
            "Write is armed. In a VST3 on Linux the host records the slots only while this window is open; \
             the CLAP has no such limit."
        }
        true => "Write is armed: while the transport plays, the host records the slots.",
    };
    ui.label(RichText::new(text).size(12.0).color(if armed { palette.armed } else { palette.faint }));
    ui.add_space(6.0);
}

/// The controls of one slot.
fn details(ui: &mut Ui, parts: &Parts, setter: &ParamSetter<'_>, names: &[String], slot: usize, source: &Source) {
    let shape = &parts.controls.slots[slot];
    controls::line(ui, &format!("Slot {} hears", slot + 1), |ui| {
        if let Some(source) = choose_source(ui, names, slot, source) {
            parts.rewire(|wiring| wiring.sources[slot] = source);
        }
    });
    if source.tags.len() > 1 {
        controls::line(ui, "Of several", |ui| {
            for (how, name) in [(How::Maximum, "the strongest"), (How::Mean, "their mean")] {
                if ui.selectable_label(source.how == how, name).clicked() {
                    parts.rewire(|wiring| wiring.sources[slot].how = how);
                }
            }
        });
    }
    controls::line(ui, "Gives", |ui| {
        controls::choice(ui, setter, &shape.mode);
        ui.add_space(10.0);
        controls::switch(ui, setter, "upside down", &shape.invert);
    });
    controls::slider(ui, setter, "Threshold", &shape.threshold);
    controls::slider(ui, setter, "Hysteresis", &shape.hysteresis);
    controls::slider(ui, setter, "Attack", &shape.attack);
    controls::slider(ui, setter, "Release", &shape.release);
    controls::slider(ui, setter, "Low", &shape.low);
    controls::slider(ui, setter, "High", &shape.high);
}

/// The list of tags, any number of which can be ticked; gives the source that was chosen.
fn choose_source(ui: &mut Ui, names: &[String], slot: usize, source: &Source) -> Option<Source> {
    let mut chosen = source.clone();
    let shown = source.name().unwrap_or_else(|| "choose tags…".into());
    // A tag of another model stays in the list: it can be taken away.
    let absent = source.tags.iter().filter(|tag| !names.contains(tag));
    let mut all: Vec<(&String, bool)> =
        names.iter().map(|tag| (tag, true)).chain(absent.map(|tag| (tag, false))).collect();
    all.sort();
    let choice = ComboBox::from_id_salt(("source", slot))
        .selected_text(shown)
        .width(ui.available_width() - 8.0)
        .height(320.0)
        .truncate()
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .show_ui(ui, |ui| {
            for (tag, present) in all {
                let mut on = source.tags.contains(tag);
                let text = if present { tag.clone() } else { format!("{tag} (not in this model)") };
                let room = on || source.tags.len() < MOST_IN_SOURCE;
                if ui.add_enabled(room, egui::Checkbox::new(&mut on, text)).changed() {
                    if on { chosen.tags.push(tag.clone()) } else { chosen.tags.retain(|other| other != tag) }
                }
            }
        });
    choice.response.on_hover_text("The tags that this slot hears");
    (chosen != *source).then_some(chosen)
}
