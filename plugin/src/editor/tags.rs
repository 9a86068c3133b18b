//! The tags as live bars.

use super::rows::{Row, Rows};
use super::theme::{self, Palette};
use crate::params::View;
use crate::parts::Parts;
use egui::{
    Align2, CornerRadius, FontId, Key, Pos2, Rect, RichText, Role, ScrollArea, Sense, TextEdit, Ui, Vec2, WidgetInfo,
};
use tagvane_outputs::{How, SLOTS, Source};

/// What is dragged from a row: the names of the tags behind it.
#[derive(Clone)]
pub(crate) struct Dragged(pub(crate) Vec<String>);

/// What a weak tag's mark means.
const WEAK: &str = "?: the model met too little of this when it learnt, or tells it badly: doubt it.\n";

/// What can be done with a row.
const HELP: &str =
    "Drag onto a slot to drive automation. Right-click, or with the keyboard: P pins, H hides, 1 to 8 map.";

/// The line above the bars: search, order, what is folded and hidden.
pub(crate) fn tools(ui: &mut Ui, view: &mut View, search: &mut String) {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 190.0).max(60.0);
        ui.add(TextEdit::singleline(search).hint_text("Search tags").desired_width(width))
            .on_hover_text("Shows the tags whose name holds this, hidden ones too");
        ui.toggle_value(&mut view.grouped, "Groups").on_hover_text("In groups instead of the strongest first");
        ui.toggle_value(&mut view.folded, "Fold")
            .on_hover_text("Words that say the same, such as no vocal and no voice, are one");
        let hidden = view.hidden.len();
        if hidden > 0 {
            let show = ui.button(format!("{hidden} hidden")).on_hover_text("Shows the hidden tags again");
            if show.clicked() {
                view.hidden.clear();
            }
        }
    });
}

/// All bars; those outside the view are not drawn.
pub(crate) fn show(ui: &mut Ui, parts: &Parts, rows: &Rows, view: &mut View) {
    let palette = theme::palette(ui);
    let names = parts.engine.board().status();
    let names = names.tags();
    // Where there is room for all and more, they are read from further away; a search, which leaves
    // a few, changes nothing about that.
    let all = rows.iter().count() + rows.headings().len();
    let height = (ui.available_height() / all.max(1) as f32).clamp(theme::ROW, theme::HIGHEST_ROW);
    ScrollArea::vertical().id_salt("tags").auto_shrink([false, false]).show_viewport(ui, |ui, visible| {
        let size = Vec2::new(ui.available_width(), rows.height() * height);
        let (area, _) = ui.allocate_exact_size(size, Sense::hover());
        let in_sight = |place: f32| {
            let top = place * height;
            top + height > visible.min.y && top < visible.max.y
        };
        for (place, heading) in rows.headings().iter().filter(|(place, _)| in_sight(*place)) {
            let at = area.min + Vec2::new(0.0, (place + 0.62) * height);
            let font = FontId::proportional(12.0 * height / theme::ROW);
            ui.painter().text(at, Align2::LEFT_CENTER, heading, font, palette.faint);
        }
        for row in rows.iter().filter(|row| row.visible && in_sight(row.place)) {
            let corner = area.min + Vec2::new(0.0, row.place * height);
            let place = Rect::from_min_size(corner, Vec2::new(area.width(), height));
            let behind: Vec<String> = row.tags.iter().filter_map(|tag| names.get(*tag)).cloned().collect();
            let raw = row.tags.iter().map(|tag| parts.engine.board().tag(*tag)).fold(0.0, f32::max);
            interact(ui, parts, row, place, behind, view);
            draw(ui, palette, row, raw, place);
        }
    });
    if rows.height() == 0.0 {
        ui.label(RichText::new("No tag has such a name.").size(13.0).color(palette.faint));
    }
}

/// What the pointer and the keys do with a row.
fn interact(ui: &Ui, parts: &Parts, row: &Row, place: Rect, behind: Vec<String>, view: &mut View) {
    let response = ui.interact(place, ui.scope_id().with(("tag", &row.name)), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &row.name));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(place, CornerRadius::same(4), theme::palette(ui).raised.gamma_multiply(0.5));
    }
    response.dnd_set_drag_payload(Dragged(behind.clone()));
    if response.has_focus() {
        let slot = |key| {
            [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8]
                .iter()
                .position(|number| *number == key)
        };
        let pressed: Vec<Key> = ui.input(|input| {
            let keys = input.events.iter().filter_map(|event| match event {
                egui::Event::Key { key, pressed: true, modifiers, .. } if modifiers.is_none() => Some(*key),
                _ => None,
            });
            keys.collect()
        });
        for key in pressed {
            match key {
                Key::P => view.pin(&row.name),
                Key::H => view.hide(&row.name),
                key => drop(slot(key).map(|slot| map(parts, slot, behind.clone()))),
            }
        }
    }
    response.context_menu(|ui| {
        ui.label(RichText::new(&row.name).strong());
        if ui.button(if row.pinned { "Unpin" } else { "Pin" }).clicked() {
            view.pin(&row.name);
            ui.close();
        }
        if ui.button("Hide").clicked() {
            view.hide(&row.name);
            ui.close();
        }
        ui.separator();
        for slot in 0..SLOTS {
            if ui.button(format!("To slot {}", slot + 1)).clicked() {
                map(parts, slot, behind.clone());
                ui.close();
            }
        }
    });
    let several = if row.tags.len() > 1 { format!("The strongest of {}.\n", behind.join(", ")) } else { String::new() };
    response.on_hover_text(format!("{several}{}{HELP}", if row.weak { WEAK } else { "" }));
}

/// Has a slot hear these tags.
pub(crate) fn map(parts: &Parts, slot: usize, tags: Vec<String>) {
    parts.rewire(|wiring| wiring.sources[slot] = Source { tags, how: How::Maximum });
}

/// One row: the name, with a mark where the model is weak in it; the bar with its peak and a mark
/// where the tag was judged last; the percentage.
fn draw(ui: &Ui, palette: &Palette, row: &Row, raw: f32, place: Rect) {
    let scale = place.height() / theme::ROW;
    let percent_width = 42.0 * scale;
    let name_width = (place.width() * 0.34).clamp(70.0, 132.0 * scale);
    let painter = ui.painter();
    let middle = place.center().y;
    // Weak tags step back, so that the strong ones can be read across a room.
    let color = palette.faint.lerp_to_gamma(palette.text, (row.shown * 4.0).min(1.0));
    let mut name = row.name.clone();
    if row.weak {
        name.push_str(" ?");
    }
    let left = place.left() + 4.0;
    let clip = Rect::from_min_max(place.min, Pos2::new(left + name_width - 4.0, place.bottom()));
    let font = FontId::proportional(14.0 * scale);
    painter.with_clip_rect(clip.intersect(ui.clip_rect())).text(
        Pos2::new(left, middle),
        Align2::LEFT_CENTER,
        name,
        font,
        color,
    );
    if row.pinned {
        painter.rect_filled(
            Rect::from_min_size(place.min + Vec2::new(0.0, 5.0), Vec2::new(2.0, place.height() - 10.0)),
            CornerRadius::ZERO,
            palette.accent,
        );
    }
    let track = Rect::from_min_size(
        Pos2::new(left + name_width, middle - theme::BAR * scale / 2.0),
        Vec2::new((place.width() - name_width - percent_width - 8.0).max(10.0), theme::BAR * scale),
    );
    bar(ui, track, row.shown);
    if raw >= 0.01 {
        mark(ui, track, raw, palette.faint);
    }
    if row.peak >= 0.01 && row.peak > row.shown + 0.005 {
        mark(ui, track, row.peak, palette.text);
    }
    let percent = format!("{:.0} %", row.shown * 100.0);
    let right = Pos2::new(place.right() - 4.0, middle);
    painter.text(right, Align2::RIGHT_CENTER, percent, FontId::proportional(13.0 * scale), color);
}

/// A bar of a value, 0..=1, in its track.
pub(crate) fn bar(ui: &Ui, track: Rect, value: f32) {
    let (round, palette) = (CornerRadius::same(4), theme::palette(ui));
    ui.painter().rect_filled(track, round, palette.track);
    let mut filled = track;
    filled.set_width(track.width() * value.clamp(0.0, 1.0));
    if filled.width() >= 1.0 {
        ui.painter().rect_filled(filled, round, palette.bar(value));
    }
}

/// A thin line across a track at a value.
pub(crate) fn mark(ui: &Ui, track: Rect, value: f32, color: egui::Color32) {
    let x = track.left() + track.width() * value.clamp(0.0, 1.0);
    ui.painter().vline(x, track.y_range().shrink(2.0), (1.5, color));
}
