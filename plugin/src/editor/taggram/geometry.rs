//! Where rows and times are on the screen.

use egui::{Pos2, Rect, Vec2};

/// The width of the names in front of the map.
pub(super) const NAMES_WIDTH: f32 = 104.0;

/// The height of the line of times above the map.
pub(super) const TIMES_HEIGHT: f32 = 18.0;

/// The lowest height of a row.
const MIN_ROW_HEIGHT: f32 = 11.0;

/// The greatest height of a row.
const MAX_ROW_HEIGHT: f32 = 56.0;

/// The sizes of a taggram in its part of the window.
#[derive(Clone, Copy)]
pub(super) struct TaggramLayout {
    /// The line of times above the map.
    pub(super) times: Rect,
    pub(super) row_height: f32,
    /// The width of the map without the names.
    pub(super) map_width: f32,
}

impl TaggramLayout {
    /// Fits this number of rows into `available`, as far as the limits of the row height allow.
    pub(super) fn new(available: Rect, rows: usize) -> Self {
        let row_height = ((available.height() - TIMES_HEIGHT) / rows as f32).clamp(MIN_ROW_HEIGHT, MAX_ROW_HEIGHT);
        let map_width = (available.width() - NAMES_WIDTH - 4.0).max(40.0);
        let corner = available.min + Vec2::new(NAMES_WIDTH, 0.0);
        Self { times: Rect::from_min_size(corner, Vec2::new(map_width, TIMES_HEIGHT)), row_height, map_width }
    }

    /// The rectangle of the cells; `corner` is the upper left one of the names.
    pub(super) fn map(&self, corner: Pos2, height: f32) -> Rect {
        Rect::from_min_size(corner + Vec2::new(NAMES_WIDTH, 0.0), Vec2::new(self.map_width, height))
    }

    /// The index of the row at `position`, of this number of rows.
    pub(super) fn row_at(&self, map: Rect, position: Pos2, rows: usize) -> usize {
        (((position.y - map.top()) / self.row_height) as usize).min(rows - 1)
    }
}

/// The times that a map shows, in seconds on the timeline's clock.
#[derive(Clone, Copy)]
pub(super) struct TimeRange {
    /// The time at the right edge.
    pub(super) right: f64,
    /// The length.
    pub(super) seconds: f64,
}

impl TimeRange {
    /// The x coordinate of a time in a rectangle that shows this range.
    pub(super) fn x(&self, rect: Rect, clock: f64) -> f32 {
        rect.right() - ((self.right - clock) / self.seconds) as f32 * rect.width()
    }

    /// The time at an x coordinate of a rectangle that shows this range.
    pub(super) fn clock(&self, rect: Rect, x: f32) -> f64 {
        self.right - f64::from((rect.right() - x) / rect.width()) * self.seconds
    }
}
