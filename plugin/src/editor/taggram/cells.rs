//! The cells of a taggram: a part of a timeline on a grid of columns and rows.

use crate::editor::tag_rows::max_value;
use tagvane_outputs::{Timeline, TimelineEntry, TransportPosition};

/// The most beats between two entries that follow each other; more would come from an invalid tempo.
const MAX_BEATS_BETWEEN: f64 = 64.0;

/// A part of a timeline on a grid. All times are in seconds on the timeline's clock.
#[derive(Default, Clone, PartialEq, Debug)]
pub(crate) struct TaggramCells {
    /// The number of rows.
    rows: usize,
    /// The highest probability in each cell; `[columns][rows]`.
    values: Vec<f32>,
    /// The times of discontinuities.
    pub(super) discontinuities: Vec<f64>,
    /// The time of each beat, with the number of the bar if one begins there.
    pub(super) beats: Vec<(f64, Option<i32>)>,
    /// The times at which new sections begin.
    pub(super) section_starts: Vec<f64>,
}

impl TaggramCells {
    /// The last `seconds` of a timeline before the time `right`, in this number of columns. Each of `rows`
    /// has the indices of its tags, of which the highest probability counts.
    pub(crate) fn new(timeline: &Timeline, rows: &[&[usize]], right: f64, seconds: f64, columns: usize) -> Self {
        let values = vec![0.0; columns * rows.len()];
        let mut cells = Self { rows: rows.len(), values, ..Self::default() };
        let (left, half_hop) = (right - seconds, timeline.hop() / 2.0);
        cells.section_starts = timeline.section_starts(left, right);
        let column = |clock: f64| ((clock - left) / seconds * columns as f64).floor();
        let mut later: Option<TimelineEntry<'_>> = None;
        for entry in timeline.entries().rev() {
            if entry.clock + half_hop < left {
                break;
            }
            let next = later.replace(entry).filter(|later| later.clock - entry.clock < 3.0 * half_hop);
            if let Some(next) = next.filter(|next| !next.is_discontinuity) {
                cells.add_beats(&entry, &next);
            }
            if entry.clock - half_hop > right {
                continue;
            }
            if entry.is_discontinuity {
                cells.discontinuities.push(entry.clock - half_hop);
            }
            // An entry ends where the next one begins, without a gap and without an overlap.
            let end = next.map_or(entry.clock + half_hop, |next| next.clock - half_hop);
            let first = column(entry.clock - half_hop).max(0.0) as usize;
            let last = (column(end) - 1.0).max(first as f64) as usize;
            for column in first..=last.min(columns.saturating_sub(1)) {
                for (row, tags) in rows.iter().enumerate() {
                    let value = max_value(tags, |tag| entry.probability(tag));
                    let index = cells.index(column, row);
                    cells.values[index] = cells.values[index].max(value);
                }
            }
        }
        cells
    }

    /// The highest probability in a cell.
    pub(crate) fn value(&self, column: usize, row: usize) -> f32 {
        self.values[self.index(column, row)]
    }

    fn index(&self, column: usize, row: usize) -> usize {
        column * self.rows + row
    }

    /// Adds the beats between two entries that follow each other.
    fn add_beats(&mut self, from: &TimelineEntry<'_>, to: &TimelineEntry<'_>) {
        let beats = |position: Option<TransportPosition>| position.and_then(|position| position.beats);
        let (Some(first), Some(last)) = (beats(from.position), beats(to.position)) else { return };
        if !(first < last && last - first < MAX_BEATS_BETWEEN) {
            return;
        }
        let bar = to.position.and_then(|position| position.bar);
        let mut beat = first.floor() + 1.0;
        while beat <= last {
            let clock = from.clock + (beat - first) / (last - first) * (to.clock - from.clock);
            let bar_number = bar.filter(|bar| (beat - bar.start).abs() < 1e-3).map(|bar| bar.number);
            self.beats.push((clock, bar_number));
            beat += 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tagvane_engine::{EngineObserver as _, InferenceMode, Status, StreamTime};
    use tagvane_outputs::Outputs;

    /// Outputs of a model with two tags and ten predictions per second.
    fn outputs() -> Outputs {
        let outputs = Outputs::new();
        outputs.on_status(&Status::Ready {
            tags: vec!["a".into(), "b".into()],
            vocabularies: Vec::new(),
            weak: vec![false; 2],
            name: "a model".into(),
            window: Duration::from_secs(2),
            hop: Duration::from_millis(100),
            inference: InferenceMode::Sliding,
            taught: Arc::default(),
            section_tag: None,
            hash: String::new(),
            embedding_size: 0,
            sample_rate: 22_050,
            is_sample_rate_assumed: false,
            is_window_assumed: false,
        });
        outputs
    }

    #[test]
    fn only_a_pause_leaves_a_gap_between_cells_at_any_width() {
        let outputs = outputs();
        for number in 0..200 {
            // Two seconds without predictions.
            let pause = if number < 100 { 0.0 } else { 2.0 };
            outputs.on_prediction(
                StreamTime { segment: 1, seconds: f64::from(number) * 0.1 + pause },
                &[0.5, 0.0],
                &[],
            );
        }
        let timeline = outputs.timeline();
        for columns in [7, 50, 333, 1_000] {
            let right = timeline.entries().next_back().unwrap().clock + 0.05;
            let cells = TaggramCells::new(&timeline, &[&[0], &[1]], right, 21.0, columns);
            let is_filled: Vec<bool> = cells.values.chunks(2).map(|cell| cell[0] > 0.0).collect();
            let runs = is_filled.chunk_by(|a, b| a == b).filter(|run| run[0]).count();
            assert!(runs == 2 || columns == 7 && runs <= 2, "{columns} columns: {runs} runs");
            assert!(cells.values.chunks(2).all(|cell| cell[1] == 0.0));
        }
    }

    #[test]
    fn discontinuities_are_where_segments_begin() {
        let outputs = outputs();
        for segment in 1..=3 {
            for number in 0..10 {
                outputs.on_prediction(StreamTime { segment, seconds: 2.0 + f64::from(number) * 0.1 }, &[0.5, 0.5], &[]);
            }
        }
        let timeline = outputs.timeline();
        let cells = TaggramCells::new(&timeline, &[&[0, 1]], 3.0, 3.0, 100);
        let discontinuities: Vec<i32> =
            cells.discontinuities.iter().rev().map(|clock| (clock * 100.0).round() as i32).collect();
        assert_eq!(discontinuities, [5, 105, 205]);
        assert!(cells.beats.is_empty());
    }
}
