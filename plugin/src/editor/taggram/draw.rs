//! Draws the parts of a taggram around and above its picture.

use super::cells::TaggramCells;
use super::geometry::{NAMES_WIDTH, TimeRange};
use crate::editor::tag_rows::TagRow;
use crate::editor::theme::Palette;
use egui::{Align2, FontId, Pos2, Rect, Shape, Stroke, Ui, Vec2};

/// The shortest distance between two bar numbers.
const BAR_NUMBER_SPACING: f32 = 44.0;

/// Draws the names of the rows in front of the map; `corner` is the upper left one.
pub(super) fn names(ui: &Ui, palette: &Palette, rows: &[&TagRow], corner: Pos2, row_height: f32) {
    let clip = Rect::from_min_size(corner, Vec2::new(NAMES_WIDTH - 6.0, row_height * rows.len() as f32));
    let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
    let size = (row_height - 1.0).clamp(9.0, 13.0).max(row_height * 0.4);
    for (index, row) in rows.iter().enumerate() {
        let left = corner + Vec2::new(2.0, (index as f32 + 0.5) * row_height);
        let color = palette.tag_text(row.value);
        painter.text(left, Align2::LEFT_CENTER, row.label(), FontId::proportional(size), color);
    }
}

/// Half the width of the mark above the beginning of a section, and its height.
const SECTION_MARK: Vec2 = Vec2::new(4.5, 6.0);

/// Draws the lines of beats, bars, sections and discontinuities on the map.
pub(super) fn lines(ui: &Ui, palette: &Palette, cells: &TaggramCells, map: Rect, range: TimeRange) {
    let painter = ui.painter().with_clip_rect(map.intersect(ui.clip_rect()));
    let beats_per_pixel = cells.beats.len() as f32 / map.width().max(1.0);
    for (clock, bar) in &cells.beats {
        let strength = if bar.is_some() { 0.55 } else { 0.2 };
        // Only bars are drawn where the lines of beats would touch, and nothing where those of bars would.
        if bar.is_some() && beats_per_pixel < 0.5 || beats_per_pixel < 0.1 {
            painter.vline(range.x(map, *clock), map.y_range(), (1.0, palette.faint.gamma_multiply(strength)));
        }
    }
    for start in &cells.section_starts {
        let x = range.x(map, *start);
        painter.vline(x, map.y_range(), (1.5, palette.text.gamma_multiply(0.8)));
    }
    for discontinuity in &cells.discontinuities {
        painter.vline(range.x(map, *discontinuity), map.y_range(), (2.0, palette.warning));
    }
}

/// Draws the numbers of the bars above the map, or the times in seconds if there are no bars.
pub(super) fn times(ui: &Ui, palette: &Palette, cells: &TaggramCells, line: Rect, range: TimeRange, is_frozen: bool) {
    let font = FontId::proportional(11.0);
    let text = |x: f32, text: String, align: Align2| {
        ui.painter().text(Pos2::new(x, line.center().y), align, text, font.clone(), palette.faint);
    };
    let mut bars: Vec<(f64, i32)> = cells.beats.iter().filter_map(|(clock, bar)| Some((*clock, (*bar)?))).collect();
    bars.reverse();
    if bars.is_empty() {
        for quarter in 0..=4 {
            let ago = range.seconds * f64::from(4 - quarter) / 4.0;
            let align = match quarter {
                0 => Align2::LEFT_CENTER,
                4 => Align2::RIGHT_CENTER,
                _ => Align2::CENTER_CENTER,
            };
            let label = if quarter == 4 && !is_frozen { "now".into() } else { format!("-{ago:.0} s") };
            text(range.x(line, range.right - ago), label, align);
        }
        return;
    }
    let mut free_from = f32::NEG_INFINITY;
    for (clock, bar) in bars {
        let x = range.x(line, clock);
        if x > free_from && line.x_range().contains(x) {
            text(x + 2.0, (bar.saturating_add(1)).to_string(), Align2::LEFT_CENTER);
            free_from = x + BAR_NUMBER_SPACING;
        }
    }
}

/// Draws the marks above the beginnings of sections; `line` is that of the times.
pub(super) fn section_marks(ui: &Ui, palette: &Palette, cells: &TaggramCells, line: Rect, range: TimeRange) {
    for start in &cells.section_starts {
        let tip = Pos2::new(range.x(line, *start), line.bottom());
        let corners = [-SECTION_MARK.x, SECTION_MARK.x].map(|x| tip + Vec2::new(x, -SECTION_MARK.y));
        ui.painter().add(Shape::convex_polygon(vec![tip, corners[0], corners[1]], palette.text, Stroke::NONE));
    }
}

/// Draws the line under the pointer.
pub(super) fn pointer_line(ui: &Ui, palette: &Palette, map: Rect, x: f32) {
    ui.painter().vline(x, map.y_range(), (1.0, palette.text.gamma_multiply(0.5)));
}
