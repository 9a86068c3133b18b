//! The tags as live bars.

use super::tag_rows::{TagRow, TagRows, max_value};
use super::theme::{self, Palette};
use crate::instance::Instance;
use crate::params::{ViewSettings, VocabularyChoice};
use egui::{
    Align2, CornerRadius, FontId, Key, Pos2, Rect, RichText, Role, ScrollArea, Sense, TextEdit, Ui, Vec2, WidgetInfo,
};
use tagvane_engine::Vocabulary;
use tagvane_outputs::{Combine, SLOTS, SlotSource};

/// The payload of dragging a row: the names of its tags.
#[derive(Clone)]
pub(crate) struct DraggedTags(pub(crate) Vec<String>);

/// The hint for the mark of a weak tag.
const WEAK_HINT: &str = "?: the model is weak in this tag.\n";

/// The hint for a row.
const ROW_HINT: &str =
    "Drag onto a slot to drive automation. Right-click for more. Keys: P pins, H hides, 1 to 8 map to a slot.";

/// The lines above the bars: search, grouping, folding and hidden tags; the vocabulary, if there are several.
pub(crate) fn toolbar(ui: &mut Ui, vocabularies: &[Vocabulary], view: &mut ViewSettings, search: &mut String) {
    ui.horizontal(|ui| {
        let width = (ui.available_width() - 190.0).max(60.0);
        ui.add(TextEdit::singleline(search).hint_text("Search tags").desired_width(width))
            .on_hover_text("Shows the tags whose name contains this, hidden ones too");
        ui.toggle_value(&mut view.grouped, "Groups").on_hover_text("Sorts by group instead of by strength");
        ui.toggle_value(&mut view.folded, "Fold")
            .on_hover_text("Shows synonyms, such as no vocal and no voice, as one tag");
        let hidden = view.hidden.len();
        if hidden > 0 {
            let button = ui.button(format!("{hidden} hidden")).on_hover_text("Shows the hidden tags again");
            if button.clicked() {
                view.hidden.clear();
            }
        }
    });
    if !vocabularies.is_empty() {
        vocabulary_line(ui, vocabularies, view);
    }
}

/// Draws a button for each vocabulary, for all tags and for the pinned ones.
fn vocabulary_line(ui: &mut Ui, vocabularies: &[Vocabulary], view: &mut ViewSettings) {
    ui.horizontal_wrapped(|ui| {
        let named = |name: &str| vocabularies.iter().any(|vocabulary| vocabulary.name == name);
        for (index, Vocabulary { name, .. }) in vocabularies.iter().enumerate() {
            let is_shown = match &view.vocabulary {
                VocabularyChoice::Named(shown) if named(shown) => shown == name,
                VocabularyChoice::First | VocabularyChoice::Named(_) => index == 0,
                VocabularyChoice::All | VocabularyChoice::Pinned => false,
            };
            if ui.selectable_label(is_shown, RichText::new(name).size(13.0)).clicked() {
                view.vocabulary = VocabularyChoice::Named(name.clone());
            }
        }
        for (choice, name, hint) in [
            (VocabularyChoice::Pinned, "Pinned", "Shows the pinned tags of all vocabularies only"),
            (VocabularyChoice::All, "All", "Shows the tags of all vocabularies"),
        ] {
            let label = ui.selectable_label(view.vocabulary == choice, RichText::new(name).size(13.0));
            if label.on_hover_text(hint).clicked() {
                view.vocabulary = choice;
            }
        }
    });
}

/// Draws the bars of the rows that `search` leaves; those outside of the viewport are left out.
pub(crate) fn show(ui: &mut Ui, instance: &Instance, rows: &TagRows, view: &mut ViewSettings, search: &str) {
    let palette = theme::palette(ui);
    let status = instance.engine.board().status();
    let names = status.tags();
    // The rows grow with the window. All rows count, so that a search does not change the height.
    let row_count = rows.iter().filter(|row| row.is_chosen).count() + rows.headings().len();
    let height =
        (ui.available_height() / row_count.max(1) as f32).clamp(theme::TAG_ROW_HEIGHT, theme::MAX_TAG_ROW_HEIGHT);
    ScrollArea::vertical().id_salt("tags").auto_shrink([false, false]).show_viewport(ui, |ui, visible| {
        let size = Vec2::new(ui.available_width(), rows.height() * height);
        let (area, _) = ui.allocate_exact_size(size, Sense::hover());
        let is_in_viewport = |position: f32| {
            let top = position * height;
            top + height > visible.min.y && top < visible.max.y
        };
        for (position, heading) in rows.headings().iter().filter(|(position, _)| is_in_viewport(*position)) {
            let left = area.min + Vec2::new(0.0, (position + 0.62) * height);
            let font = FontId::proportional(12.0 * height / theme::TAG_ROW_HEIGHT);
            ui.painter().text(left, Align2::LEFT_CENTER, heading, font, palette.faint);
        }
        for row in rows.iter().filter(|row| row.is_visible && is_in_viewport(row.position)) {
            let corner = area.min + Vec2::new(0.0, row.position * height);
            let rect = Rect::from_min_size(corner, Vec2::new(area.width(), height));
            let tags: Vec<String> = row.tags.iter().filter_map(|tag| names.get(*tag)).cloned().collect();
            let raw = max_value(&row.tags, |tag| instance.engine.board().probability(tag));
            interact(ui, instance, row, rect, tags, view);
            draw(ui, palette, row, raw, rect);
        }
    });
    if rows.height() == 0.0 {
        let text = if !search.trim().is_empty() {
            "No tag matches the search."
        } else if rows.iter().any(|row| row.is_chosen) {
            "All tags are hidden."
        } else {
            "No tag is pinned. Right-click a tag to pin it."
        };
        ui.label(RichText::new(text).size(13.0).color(palette.faint));
    }
}

/// Handles the pointer and the keys for a row of these tags.
fn interact(ui: &Ui, instance: &Instance, row: &TagRow, rect: Rect, tags: Vec<String>, view: &mut ViewSettings) {
    let response = ui.interact(rect, ui.scope_id().with(("tag", &row.name)), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &row.name));
    if response.hovered() || response.has_focus() {
        ui.painter().rect_filled(rect, CornerRadius::same(4), theme::palette(ui).raised.gamma_multiply(0.5));
    }
    response.dnd_set_drag_payload(DraggedTags(tags.clone()));
    if response.has_focus() {
        let slot = |key| {
            [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8]
                .iter()
                .position(|number| *number == key)
        };
        let pressed_keys: Vec<Key> = ui.input(|input| {
            let keys = input.events.iter().filter_map(|event| match event {
                egui::Event::Key { key, pressed: true, modifiers, .. } if modifiers.is_none() => Some(*key),
                _ => None,
            });
            keys.collect()
        });
        for key in pressed_keys {
            match key {
                Key::P => view.toggle_pinned(&row.name),
                Key::H => view.toggle_hidden(&row.name),
                key => drop(slot(key).map(|slot| map_to_slot(instance, slot, tags.clone()))),
            }
        }
    }
    response.context_menu(|ui| {
        ui.label(RichText::new(&row.name).strong());
        if ui.button(if row.is_pinned { "Unpin" } else { "Pin" }).clicked() {
            view.toggle_pinned(&row.name);
            ui.close();
        }
        if ui.button("Hide").clicked() {
            view.toggle_hidden(&row.name);
            ui.close();
        }
        ui.separator();
        for slot in 0..SLOTS {
            if ui.button(format!("To slot {}", slot + 1)).clicked() {
                map_to_slot(instance, slot, tags.clone());
                ui.close();
            }
        }
    });
    let synonyms = if row.tags.len() > 1 { format!("The strongest of {}.\n", tags.join(", ")) } else { String::new() };
    let name = format!("{}\n", row.name);
    response.on_hover_text(format!("{name}{synonyms}{}{ROW_HINT}", if row.is_weak { WEAK_HINT } else { "" }));
}

/// Makes the maximum of these tags the source of a slot.
pub(crate) fn map_to_slot(instance: &Instance, slot: usize, tags: Vec<String>) {
    instance.edit_outputs(|config| config.routing.sources[slot] = SlotSource { tags, combine: Combine::Maximum });
}

/// Draws a row: the name, marked if the model is weak in it; the bar with marks at its peak and at `raw`,
/// the latest prediction; the percentage.
fn draw(ui: &Ui, palette: &Palette, row: &TagRow, raw: f32, rect: Rect) {
    let scale = rect.height() / theme::TAG_ROW_HEIGHT;
    let percent_width = 42.0 * scale;
    let name_width = (rect.width() * 0.34).clamp(70.0, 132.0 * scale);
    let painter = ui.painter();
    let middle = rect.center().y;
    let color = palette.tag_text(row.value);
    let mut name = row.label().to_owned();
    if row.is_weak {
        name.push_str(" ?");
    }
    let left = rect.left() + 4.0;
    let clip = Rect::from_min_max(rect.min, Pos2::new(left + name_width - 4.0, rect.bottom()));
    let font = FontId::proportional(14.0 * scale);
    painter.with_clip_rect(clip.intersect(ui.clip_rect())).text(
        Pos2::new(left, middle),
        Align2::LEFT_CENTER,
        name,
        font,
        color,
    );
    if row.is_pinned {
        painter.rect_filled(
            Rect::from_min_size(rect.min + Vec2::new(0.0, 5.0), Vec2::new(2.0, rect.height() - 10.0)),
            CornerRadius::ZERO,
            palette.accent,
        );
    }
    let track = Rect::from_min_size(
        Pos2::new(left + name_width, middle - theme::BAR_HEIGHT * scale / 2.0),
        Vec2::new((rect.width() - name_width - percent_width - 8.0).max(10.0), theme::BAR_HEIGHT * scale),
    );
    bar(ui, track, row.value);
    if raw >= 0.01 {
        mark(ui, track, raw, palette.faint);
    }
    if row.peak >= 0.01 && row.peak > row.value + 0.005 {
        mark(ui, track, row.peak, palette.text);
    }
    let percent = format!("{:.0} %", row.value * 100.0);
    let right = Pos2::new(rect.right() - 4.0, middle);
    painter.text(right, Align2::RIGHT_CENTER, percent, FontId::proportional(13.0 * scale), color);
}

/// Draws a bar of this value, 0..=1, in its track.
pub(crate) fn bar(ui: &Ui, track: Rect, value: f32) {
    let (radius, palette) = (CornerRadius::same(4), theme::palette(ui));
    ui.painter().rect_filled(track, radius, palette.track);
    let mut filled = track;
    filled.set_width(track.width() * value.clamp(0.0, 1.0));
    if filled.width() >= 1.0 {
        ui.painter().rect_filled(filled, radius, palette.bar(value));
    }
}

/// Draws a thin line across a track at this value, 0..=1.
pub(crate) fn mark(ui: &Ui, track: Rect, value: f32, color: egui::Color32) {
    let x = track.left() + track.width() * value.clamp(0.0, 1.0);
    ui.painter().vline(x, track.y_range().shrink(2.0), (1.5, color));
}
