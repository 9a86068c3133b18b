//! The tags as live bars, strongest first.

use super::rows::{Row, Rows};
use super::theme;
use egui::{Align2, CornerRadius, FontId, Pos2, Rect, ScrollArea, Sense, Ui, Vec2};

/// All bars; those outside the view are not drawn. `raw` tells what a tag was judged last, `weak`
/// whether the model is weak in it.
pub(crate) fn show(ui: &mut Ui, rows: &Rows, raw: impl Fn(usize) -> f32, weak: impl Fn(usize) -> bool) {
    ScrollArea::vertical().auto_shrink([false, false]).show_viewport(ui, |ui, view| {
        let size = Vec2::new(ui.available_width(), rows.len() as f32 * theme::ROW);
        let (area, _) = ui.allocate_exact_size(size, Sense::hover());
        for row in rows.iter() {
            let top = row.place * theme::ROW;
            if top + theme::ROW > view.min.y && top < view.max.y {
                let corner = area.min + Vec2::new(0.0, top);
                draw(ui, row, raw(row.tag), weak(row.tag), corner, area.width());
                if weak(row.tag) {
                    let place = Rect::from_min_size(corner, Vec2::new(area.width(), theme::ROW));
                    ui.interact(place, ui.scope_id().with(row.tag), Sense::hover()).on_hover_text(WEAK);
                }
            }
        }
    });
}

/// What a weak tag's mark means.
const WEAK: &str = "The model met too little of this when it learnt, or tells it badly: doubt it";

/// One row: the name, with a mark where the model is weak in it; the bar with a mark where the
/// tag was judged last; the percentage.
fn draw(ui: &Ui, row: &Row, raw: f32, weak: bool, corner: Pos2, width: f32) {
    const NAME: f32 = 128.0;
    const PERCENT: f32 = 44.0;
    let painter = ui.painter();
    let middle = corner.y + theme::ROW / 2.0;
    // Weak tags step back, so that the strong ones can be read across a room.
    let color = theme::FAINT.lerp_to_gamma(theme::TEXT, (row.shown * 4.0).min(1.0));
    let name = if weak { format!("{} ?", row.name) } else { row.name.clone() };
    painter.text(Pos2::new(corner.x, middle), Align2::LEFT_CENTER, name, FontId::proportional(14.0), color);
    let track = Rect::from_min_size(
        Pos2::new(corner.x + NAME, middle - theme::BAR / 2.0),
        Vec2::new((width - NAME - PERCENT).max(10.0), theme::BAR),
    );
    bar(ui, track, row.shown);
    if raw >= 0.01 {
        mark(ui, track, raw, theme::FAINT);
    }
    let percent = format!("{:.0} %", row.shown * 100.0);
    let right = Pos2::new(corner.x + width - 8.0, middle);
    painter.text(right, Align2::RIGHT_CENTER, percent, FontId::proportional(13.0), color);
}

/// A bar of a value, 0..=1, in its track.
pub(crate) fn bar(ui: &Ui, track: Rect, value: f32) {
    let round = CornerRadius::same(4);
    ui.painter().rect_filled(track, round, theme::TRACK);
    let mut filled = track;
    filled.set_width(track.width() * value.clamp(0.0, 1.0));
    if filled.width() >= 1.0 {
        ui.painter().rect_filled(filled, round, theme::bar(value));
    }
}

/// A thin line across a track at a value.
pub(crate) fn mark(ui: &Ui, track: Rect, value: f32, color: egui::Color32) {
    let x = track.left() + track.width() * value.clamp(0.0, 1.0);
    ui.painter().vline(x, track.y_range().shrink(2.0), (1.5, color));
}
