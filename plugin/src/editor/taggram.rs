//! The taggram: what was judged of late as a heat map, tags by time.

use super::rows::{Row, Rows};
use super::theme::{self, Palette};
use crate::params::View;
use crate::parts::Parts;
use egui::{
    Align2, Color32, ColorImage, FontId, Pos2, Rect, RichText, Role, ScrollArea, Sense, Slider, TextureHandle,
    TextureOptions, Ui, Vec2, WidgetInfo,
};
use tagvane_outputs::{Song, Timeline};

/// How wide the names before the map are, and how high the line of times above it.
const NAMES: f32 = 104.0;
const TIMES: f32 = 18.0;

/// How high a tag is at least and at most.
const LOWEST: f32 = 11.0;
const HIGHEST: f32 = 56.0;

/// The most columns of the picture.
const COLUMNS: usize = 1_024;

/// The map and the moment it is held at.
#[derive(Default)]
pub(crate) struct Taggram {
    picture: Option<(TextureHandle, Shape)>,
    /// The cells of the picture, column by column.
    cells: Cells,
    /// The clock at the right end, while it is frozen.
    frozen: Option<f64>,
}

/// What a picture is of: while that is the same, so is the picture.
#[derive(Clone, PartialEq)]
struct Shape {
    newest: u64,
    right: f64,
    seconds: f64,
    columns: usize,
    names: Vec<String>,
    light: bool,
}

/// A stretch of a timeline on a grid.
#[derive(Default, Clone, PartialEq, Debug)]
pub(crate) struct Cells {
    /// The highest probability in each cell; `[columns][tags]`.
    pub(crate) values: Vec<f32>,
    /// The clock where something begins that does not go on from what was before.
    pub(crate) cuts: Vec<f64>,
    /// The clock of each beat; at the beginning of a bar with its number.
    pub(crate) beats: Vec<(f64, Option<i32>)>,
}

impl Cells {
    /// `seconds` of a timeline until `right` on its clock, in so many columns, the tags behind
    /// each of `rows` as one.
    pub(crate) fn of(timeline: &Timeline, rows: &[&[usize]], right: f64, seconds: f64, columns: usize) -> Self {
        let mut cells = Self { values: vec![0.0; columns * rows.len()], ..Self::default() };
        let (left, half) = (right - seconds, timeline.hop() / 2.0);
        let column = |clock: f64| ((clock - left) / seconds * columns as f64).floor();
        let mut later: Option<&tagvane_outputs::Row> = None;
        for row in timeline.rows().rev() {
            if row.clock + half < left {
                break;
            }
            let follows = later.replace(row).filter(|later| later.clock - row.clock < 3.0 * half);
            if let Some(later) = follows.filter(|later| !later.cut) {
                cells.beats_between(row, later);
            }
            if row.clock - half > right {
                continue;
            }
            if row.cut {
                cells.cuts.push(row.clock - half);
            }
            // A row ends where the next one begins: neither over it nor before it.
            let end = follows.map_or(row.clock + half, |later| later.clock - half);
            let first = column(row.clock - half).max(0.0) as usize;
            let last = (column(end) - 1.0).max(first as f64) as usize;
            for column in first..=last.min(columns.saturating_sub(1)) {
                for (place, tags) in rows.iter().enumerate() {
                    let value = tags.iter().map(|tag| row.probability(*tag)).fold(0.0, f32::max);
                    let cell = &mut cells.values[column * rows.len() + place];
                    *cell = cell.max(value);
                }
            }
        }
        cells
    }

    /// The beats that fall between two rows that follow one another.
    fn beats_between(&mut self, from: &tagvane_outputs::Row, to: &tagvane_outputs::Row) {
        let beats = |song: Option<Song>| song.and_then(|song| song.beats);
        let (Some(first), Some(last)) = (beats(from.song), beats(to.song)) else { return };
        // A tempo that is none would be beats without end.
        if !(first < last && last - first < 64.0) {
            return;
        }
        let bar = to.song.and_then(|song| song.bar);
        let mut beat = first.floor() + 1.0;
        while beat <= last {
            let clock = from.clock + (beat - first) / (last - first) * (to.clock - from.clock);
            let begins = bar.filter(|bar| (beat - bar.start).abs() < 1e-3).map(|bar| bar.number);
            self.beats.push((clock, begins));
            beat += 1.0;
        }
    }
}

impl Taggram {
    /// Whether it stands still.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The line above: how much is shown, and freezing.
    pub(crate) fn tools(&mut self, ui: &mut Ui, parts: &Parts, view: &mut View) {
        let frozen = self.is_frozen();
        let text = if frozen { "Frozen" } else { "Freeze" };
        let meaning = "Stands still, to study a moment; drag to look at what was before. Judging goes on";
        if ui.selectable_label(frozen, text).on_hover_text(meaning).clicked() {
            self.frozen = if frozen { None } else { parts.outputs.timeline().rows().next_back().map(|row| row.clock) };
        }
        ui.add(
            Slider::new(&mut view.seconds, View::SECONDS)
                .logarithmic(true)
                .fixed_decimals(0)
                .suffix(" s")
                .text("shown"),
        );
    }

    /// The map.
    pub(crate) fn show(&mut self, ui: &mut Ui, parts: &Parts, rows: &Rows, view: &mut View) {
        let palette = theme::palette(ui);
        let order = rows.resting();
        if order.is_empty() {
            return;
        }
        let whole = ui.available_rect_before_wrap();
        let height = ((whole.height() - TIMES) / order.len() as f32).clamp(LOWEST, HIGHEST);
        let width = (whole.width() - NAMES - 4.0).max(40.0);
        let times = Rect::from_min_size(whole.min + Vec2::new(NAMES, 0.0), Vec2::new(width, TIMES));
        ui.add_space(TIMES);
        let right = self.update(ui, parts, &order, view, width);
        let seconds = view.seconds;
        let mut grid = Rect::NOTHING;
        ScrollArea::vertical().id_salt("taggram").auto_shrink([false, false]).show(ui, |ui| {
            let size = Vec2::new(ui.available_width(), height * order.len() as f32);
            let (area, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Tags over time"));
            grid = Rect::from_min_size(area.min + Vec2::new(NAMES, 0.0), Vec2::new(width, size.y));
            names(ui, palette, &order, area.min, height);
            if let Some((picture, _)) = &self.picture {
                let uv = Rect::from_min_max(Pos2::ZERO, Pos2::new(1.0, 1.0));
                ui.painter().image(picture.id(), grid, uv, Color32::WHITE);
            }
            self.lines(ui, palette, grid, right, seconds);
            self.pan(ui, parts, &response, width, view);
            if let Some(at) = response.hover_pos().filter(|at| grid.contains(*at)) {
                let text = self.read(ui, parts, &order, grid, height, right, seconds, at);
                response.on_hover_text_at_pointer(text);
            }
        });
        self.times(ui, palette, times, right, seconds);
    }

    /// Brings the picture up to date, where something is new; gives the clock at its right end.
    fn update(&mut self, ui: &Ui, parts: &Parts, order: &[&Row], view: &View, width: f32) -> f64 {
        let timeline = parts.outputs.timeline();
        let newest = timeline.rows().next_back().map_or(0.0, |row| row.clock);
        let right = self.frozen.unwrap_or(newest);
        let shape = Shape {
            newest: if self.is_frozen() { 0 } else { timeline.numbers().end },
            right,
            seconds: view.seconds,
            columns: (width as usize).clamp(1, COLUMNS),
            names: order.iter().map(|row| row.name.clone()).collect(),
            light: view.light,
        };
        if self.picture.as_ref().is_some_and(|(_, drawn)| *drawn == shape) {
            return right;
        }
        let tags: Vec<&[usize]> = order.iter().map(|row| row.tags.as_slice()).collect();
        self.cells = Cells::of(&timeline, &tags, right, view.seconds, shape.columns);
        drop(timeline);
        let (palette, columns, values) = (Palette::of(view.light), shape.columns, &self.cells.values);
        let color = |place: usize| palette.cell(values[place % columns * order.len() + place / columns]);
        let pixels = (0..columns * order.len()).map(color).collect();
        let image = ColorImage::new([columns, order.len()], pixels);
        match &mut self.picture {
            Some((texture, drawn)) => {
                texture.set(image, TextureOptions::NEAREST);
                *drawn = shape;
            }
            None => {
                let texture = ui.ctx().load_texture("taggram", image, TextureOptions::NEAREST);
                self.picture = Some((texture, shape));
            }
        }
        right
    }

    /// Cuts, bars and beats.
    fn lines(&self, ui: &Ui, palette: &Palette, grid: Rect, right: f64, seconds: f64) {
        let painter = ui.painter().with_clip_rect(grid.intersect(ui.clip_rect()));
        let x = |clock: f64| grid.right() - ((right - clock) / seconds) as f32 * grid.width();
        let spacing = self.cells.beats.len() as f32 / grid.width().max(1.0);
        for (clock, bar) in &self.cells.beats {
            let strength = if bar.is_some() { 0.55 } else { 0.2 };
            // Where beats would be a haze, only bars are drawn.
            if bar.is_some() && spacing < 0.5 || spacing < 0.1 {
                painter.vline(x(*clock), grid.y_range(), (1.0, palette.faint.gamma_multiply(strength)));
            }
        }
        for cut in &self.cells.cuts {
            painter.vline(x(*cut), grid.y_range(), (2.0, palette.warning));
        }
    }

    /// Bar numbers, or how long ago, above the map.
    fn times(&self, ui: &Ui, palette: &Palette, line: Rect, right: f64, seconds: f64) {
        let x = |clock: f64| line.right() - ((right - clock) / seconds) as f32 * line.width();
        let font = FontId::proportional(11.0);
        let write = |x: f32, text: String, align: Align2| {
            ui.painter().text(Pos2::new(x, line.center().y), align, text, font.clone(), palette.faint);
        };
        let mut bars: Vec<(f64, i32)> = self.cells.beats.iter().filter_map(|(at, bar)| Some((*at, (*bar)?))).collect();
        bars.reverse();
        if bars.is_empty() {
            for part in 0..=4 {
                let ago = seconds * f64::from(4 - part) / 4.0;
                let align = match part {
                    0 => Align2::LEFT_CENTER,
                    4 => Align2::RIGHT_CENTER,
                    _ => Align2::CENTER_CENTER,
                };
                let text = if part == 4 && !self.is_frozen() { "now".into() } else { format!("-{ago:.0} s") };
                write(x(right - ago), text, align);
            }
            return;
        }
        let mut free = f32::NEG_INFINITY;
        for (clock, bar) in bars {
            if x(clock) > free && line.x_range().contains(x(clock)) {
                write(x(clock) + 2.0, (bar.saturating_add(1)).to_string(), Align2::LEFT_CENTER);
                free = x(clock) + 44.0;
            }
        }
    }

    /// Drags a frozen map, and lets the wheel show more or less.
    fn pan(&mut self, ui: &Ui, parts: &Parts, response: &egui::Response, width: f32, view: &mut View) {
        if response.hovered() {
            let zoom = f64::from(ui.input(egui::InputState::zoom_delta));
            view.seconds = (view.seconds / zoom).clamp(*View::SECONDS.start(), *View::SECONDS.end());
        }
        let Some(right) = &mut self.frozen else { return };
        if response.dragged() {
            let timeline = parts.outputs.timeline();
            let ends = (timeline.rows().next(), timeline.rows().next_back());
            if let (Some(first), Some(last)) = ends {
                *right -= f64::from(response.drag_delta().x / width) * view.seconds;
                *right = right.clamp(first.clock, last.clock);
            }
        }
    }

    /// What the map says under the pointer, which it marks.
    #[expect(clippy::too_many_arguments, reason = "one picture's geometry")]
    fn read(
        &self,
        ui: &Ui,
        parts: &Parts,
        order: &[&Row],
        grid: Rect,
        height: f32,
        right: f64,
        seconds: f64,
        at: Pos2,
    ) -> String {
        let palette = theme::palette(ui);
        ui.painter().vline(at.x, grid.y_range(), (1.0, palette.text.gamma_multiply(0.5)));
        let place = (((at.y - grid.top()) / height) as usize).min(order.len() - 1);
        let clock = right - f64::from((grid.right() - at.x) / grid.width()) * seconds;
        let timeline = parts.outputs.timeline();
        let half = timeline.hop().max(0.01);
        let row = timeline.rows().rev().find(|row| row.clock <= clock + half / 2.0);
        let Some(row) = row.filter(|row| clock - row.clock < half) else {
            return format!("{}: nothing was judged here", order[place].name);
        };
        let value = order[place].tags.iter().map(|tag| row.probability(*tag)).fold(0.0, f32::max);
        let newest = timeline.rows().next_back().map_or(row.clock, |newest| newest.clock);
        format!("{}: {:.0} %\n{}", order[place].name, value * 100.0, when(row.song, newest - row.clock))
    }
}

/// Where a moment was in the song, or how long ago.
fn when(song: Option<Song>, ago: f64) -> String {
    let Some(song) = song else { return format!("{ago:.1} s before the newest") };
    let (minutes, seconds) = ((song.seconds / 60.0).floor(), song.seconds.rem_euclid(60.0));
    let time = format!("{minutes:.0}:{seconds:04.1}");
    match (song.bar, song.beats) {
        (Some(bar), Some(beats)) => {
            format!("bar {}, beat {:.1}, at {time}", bar.number.saturating_add(1), beats - bar.start + 1.0)
        }
        _ => format!("at {time}"),
    }
}

/// The tags before the map.
fn names(ui: &Ui, palette: &Palette, order: &[&Row], corner: Pos2, height: f32) {
    let clip = Rect::from_min_size(corner, Vec2::new(NAMES - 6.0, height * order.len() as f32));
    let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
    let size = (height - 1.0).clamp(9.0, 13.0).max(height * 0.4);
    for (place, row) in order.iter().enumerate() {
        let at = corner + Vec2::new(2.0, (place as f32 + 0.5) * height);
        let color = palette.faint.lerp_to_gamma(palette.text, (row.shown * 4.0).min(1.0));
        painter.text(at, Align2::LEFT_CENTER, &row.name, FontId::proportional(size), color);
    }
}

/// What stands where nothing was judged yet.
pub(crate) fn empty(ui: &mut Ui) {
    let palette = theme::palette(ui);
    ui.add_space(24.0);
    ui.label(RichText::new("Play something: what is heard is drawn here.").size(14.0).color(palette.faint));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tagvane_engine::{Inference, Moment, Observer as _, Status};
    use tagvane_outputs::Outputs;

    /// Outputs of a model with two tags, judged ten times a second.
    fn outputs() -> Outputs {
        let outputs = Outputs::new();
        outputs.changed(&Status::Ready {
            tags: vec!["a".into(), "b".into()],
            weak: vec![false; 2],
            name: "a model".into(),
            window: Duration::from_secs(2),
            hop: Duration::from_millis(100),
            inference: Inference::Sliding,
            sample_rate: 22_050,
            is_sample_rate_assumed: false,
        });
        outputs
    }

    #[test]
    fn cells_have_no_holes_at_any_width_and_silence_is_one() {
        let outputs = outputs();
        for number in 0..200 {
            // Two seconds of silence, in which nothing is judged.
            let pause = if number < 100 { 0.0 } else { 2.0 };
            outputs.judged(Moment { start: 1, seconds: f64::from(number) * 0.1 + pause }, &[0.5, 0.0]);
        }
        let timeline = outputs.timeline();
        for columns in [7, 50, 333, 1_000] {
            let right = timeline.rows().next_back().unwrap().clock + 0.05;
            let cells = Cells::of(&timeline, &[&[0], &[1]], right, 21.0, columns);
            let heard: Vec<bool> = cells.values.chunks(2).map(|cell| cell[0] > 0.0).collect();
            let runs = heard.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
            assert!(runs == 2 || columns == 7 && runs <= 2, "{columns} columns: {runs} stretches");
            assert!(cells.values.chunks(2).all(|cell| cell[1] == 0.0));
        }
    }

    #[test]
    fn cuts_are_where_starts_are() {
        let outputs = outputs();
        for start in 1..=3 {
            for number in 0..10 {
                outputs.judged(Moment { start, seconds: 2.0 + f64::from(number) * 0.1 }, &[0.5, 0.5]);
            }
        }
        let timeline = outputs.timeline();
        let cells = Cells::of(&timeline, &[&[0, 1]], 3.0, 3.0, 100);
        let cuts: Vec<i32> = cells.cuts.iter().rev().map(|clock| (clock * 100.0).round() as i32).collect();
        assert_eq!(cuts, [5, 105, 205]);
        assert!(cells.beats.is_empty());
    }
}
