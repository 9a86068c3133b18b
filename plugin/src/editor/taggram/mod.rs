//! The taggram: the predictions of the last minutes as a heat map, with tags by time.

mod cells;
mod draw;
mod geometry;
mod marking;
mod readout;

pub(crate) use cells::TaggramCells;
pub(crate) use readout::format_time;

use super::tag_rows::{TagRow, TagRows};
use super::theme::{self, Palette};
use crate::instance::Instance;
use crate::params::ViewSettings;
use egui::{
    Color32, ColorImage, Pos2, Rect, RichText, Role, ScrollArea, Sense, Slider, TextureHandle, TextureOptions, Ui,
    Vec2, WidgetInfo,
};
use geometry::{TIMES_HEIGHT, TaggramLayout, TimeRange};
use marking::Marking;

/// The most columns of the picture.
const MAX_COLUMNS: usize = 1_024;

/// How far from the line of a new section the pointer still says so, in points.
const SECTION_REACH: f32 = 6.0;

/// The taggram of a window.
#[derive(Default)]
pub(crate) struct Taggram {
    picture: Option<(TextureHandle, PictureKey)>,
    /// The cells of the picture.
    cells: TaggramCells,
    /// The time at the right edge while the taggram is frozen, in seconds on the timeline's clock.
    frozen: Option<f64>,
    marking: Marking,
}

/// All that a picture depends on: it is drawn again when this changes.
#[derive(Clone, PartialEq)]
struct PictureKey {
    /// The end of the timeline; 0 while the taggram is frozen.
    newest: u64,
    right: f64,
    seconds: f64,
    columns: usize,
    names: Vec<String>,
    is_light: bool,
}

impl Taggram {
    fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Draws the line above the map: freezing and the length.
    pub(crate) fn toolbar(&mut self, ui: &mut Ui, instance: &Instance, view: &mut ViewSettings) {
        let is_frozen = self.is_frozen();
        let text = if is_frozen { "Frozen" } else { "Freeze" };
        let hint = "Stops the display; drag to look at earlier times. Predictions continue";
        if ui.selectable_label(is_frozen, text).on_hover_text(hint).clicked() {
            self.frozen = if is_frozen {
                None
            } else {
                instance.outputs.timeline().entries().next_back().map(|entry| entry.clock)
            };
        }
        self.marking.button(ui);
        ui.add(
            Slider::new(&mut view.taggram_seconds, ViewSettings::TAGGRAM_SECONDS_RANGE)
                .logarithmic(true)
                .fixed_decimals(0)
                .suffix(" s")
                .text("shown"),
        );
    }

    /// Draws the line on which the user says what a marked span is, while marking is on.
    pub(crate) fn marking_line(&mut self, ui: &mut Ui, instance: &Instance) {
        self.marking.show_line(ui, instance);
    }

    /// Draws the map.
    pub(crate) fn show(&mut self, ui: &mut Ui, instance: &Instance, rows: &TagRows, view: &mut ViewSettings) {
        let palette = theme::palette(ui);
        let rows = rows.in_fixed_order();
        if rows.is_empty() {
            return;
        }
        let layout = TaggramLayout::new(ui.available_rect_before_wrap(), rows.len());
        ui.add_space(TIMES_HEIGHT);
        let right = self.update_picture(ui, instance, &rows, view, layout.map_width);
        let range = TimeRange { right, seconds: view.taggram_seconds };
        ScrollArea::vertical().id_salt("taggram").auto_shrink([false, false]).show(ui, |ui| {
            let size = Vec2::new(ui.available_width(), layout.row_height * rows.len() as f32);
            let (area, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Tags over time"));
            let map = layout.map(area.min, size.y);
            draw::names(ui, palette, &rows, area.min, layout.row_height);
            if let Some((picture, _)) = &self.picture {
                let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
                ui.painter().image(picture.id(), map, uv, Color32::WHITE);
            }
            draw::lines(ui, palette, &self.cells, map, range);
            self.zoom_and_pan(ui, instance, &response, layout.map_width, view);
            self.marking.drag(&response, map, range);
            self.marking.draw(ui, palette, map, range);
            if let Some(pointer) = response.hover_pos().filter(|pointer| map.contains(*pointer)) {
                draw::pointer_line(ui, palette, map, pointer.x);
                let row = rows[layout.row_at(map, pointer, rows.len())];
                let mut text = readout::text(&instance.outputs.timeline(), row, range.clock(map, pointer.x));
                let is_under_pointer = |start: &f64| (range.x(map, *start) - pointer.x).abs() < SECTION_REACH;
                if self.cells.section_starts.iter().any(is_under_pointer) {
                    text.push_str("\na new section begins");
                }
                response.on_hover_text_at_pointer(text);
            }
        });
        draw::times(ui, palette, &self.cells, layout.times, range, self.is_frozen());
        draw::section_marks(ui, palette, &self.cells, layout.times, range);
    }

    /// Draws the picture again if it has changed. Returns the time at its right edge.
    fn update_picture(
        &mut self,
        ui: &Ui,
        instance: &Instance,
        rows: &[&TagRow],
        view: &ViewSettings,
        width: f32,
    ) -> f64 {
        let timeline = instance.outputs.timeline();
        let newest = timeline.entries().next_back().map_or(0.0, |entry| entry.clock);
        let right = self.frozen.unwrap_or(newest);
        let key = PictureKey {
            newest: if self.is_frozen() { 0 } else { timeline.numbers().end },
            right,
            seconds: view.taggram_seconds,
            columns: (width as usize).clamp(1, MAX_COLUMNS),
            names: rows.iter().map(|row| row.name.clone()).collect(),
            is_light: view.light,
        };
        if self.picture.as_ref().is_some_and(|(_, drawn)| *drawn == key) {
            return right;
        }
        let tags: Vec<&[usize]> = rows.iter().map(|row| row.tags.as_slice()).collect();
        self.cells = TaggramCells::new(&timeline, &tags, right, view.taggram_seconds, key.columns);
        drop(timeline);
        let (palette, columns, cells) = (Palette::of(view.light), key.columns, &self.cells);
        let color = |pixel: usize| palette.cell(cells.value(pixel % columns, pixel / columns));
        let pixels = (0..columns * rows.len()).map(color).collect();
        let image = ColorImage::new([columns, rows.len()], pixels);
        match &mut self.picture {
            Some((texture, drawn)) => {
                texture.set(image, TextureOptions::NEAREST);
                *drawn = key;
            }
            None => {
                let texture = ui.ctx().load_texture("taggram", image, TextureOptions::NEAREST);
                self.picture = Some((texture, key));
            }
        }
        right
    }

    /// Zooms with the wheel and moves a frozen map by dragging.
    fn zoom_and_pan(
        &mut self,
        ui: &Ui,
        instance: &Instance,
        response: &egui::Response,
        width: f32,
        view: &mut ViewSettings,
    ) {
        if response.hovered() {
            let zoom = f64::from(ui.input(egui::InputState::zoom_delta));
            view.taggram_seconds = (view.taggram_seconds / zoom)
                .clamp(*ViewSettings::TAGGRAM_SECONDS_RANGE.start(), *ViewSettings::TAGGRAM_SECONDS_RANGE.end());
        }
        let Some(right) = &mut self.frozen else { return };
        if response.dragged() && !self.marking.is_on {
            let timeline = instance.outputs.timeline();
            let (first, last) = (timeline.entries().next(), timeline.entries().next_back());
            if let (Some(first), Some(last)) = (first, last) {
                *right -= f64::from(response.drag_delta().x / width) * view.taggram_seconds;
                *right = right.clamp(first.clock, last.clock);
            }
        }
    }
}

/// Draws the hint in place of the map while there are no predictions.
pub(crate) fn show_empty(ui: &mut Ui) {
    let palette = theme::palette(ui);
    ui.add_space(24.0);
    ui.label(RichText::new("Play something: its tags appear here over time.").size(14.0).color(palette.faint));
}
