//! The order of the tags on screen: strongest first, and calm.
//!
//! The bars stand where the host is told they do; the order follows with a long time
//! constant, and a row slides to its new place: a tag that flickers does not make the
//! list jump.

/// Time constants, in seconds.
const ORDER: f32 = 0.9;
const SLIDE: f32 = 0.18;

/// A tag passes the one above it once it is stronger by this: weak tags, which are
/// within it of each other, stay where they are.
const LEAD: f32 = 0.03;

/// One tag on screen.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The tag's index on the board.
    pub(crate) tag: usize,
    /// Its name.
    pub(crate) name: String,
    /// The length of its bar, 0..=1.
    pub(crate) shown: f32,
    /// Where it is drawn, in rows from the top; whole once it has arrived.
    pub(crate) place: f32,
    /// What decides its rank.
    strength: f32,
}

/// All tags of the current model, in the order of the board.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// In the order of the board.
    rows: Vec<Row>,
    /// Indices into `rows`, from the top of the list.
    ranked: Vec<usize>,
}

impl Rows {
    /// Takes over the model's tags; nothing moves if they are the same.
    pub(crate) fn set_names(&mut self, names: &[String]) {
        if self.rows.iter().map(|row| &row.name).ne(names) {
            let row = |(tag, name): (usize, &String)| Row {
                tag,
                name: name.clone(),
                shown: 0.0,
                place: tag as f32,
                strength: 0.0,
            };
            self.rows = names.iter().enumerate().map(row).collect();
            self.ranked = (0..names.len()).collect();
        }
    }

    /// Moves everything on by `seconds` towards the probabilities that `now` tells.
    /// Gives whether anything still moves visibly.
    pub(crate) fn step(&mut self, seconds: f32, now: impl Fn(usize) -> f32) -> bool {
        let part = |time: f32| 1.0 - (-seconds.clamp(0.0, 1.0) / time).exp();
        let mut moves = false;
        for row in &mut self.rows {
            let target = now(row.tag);
            moves |= (target - row.shown).abs() > 1e-3 || (target - row.strength).abs() > 1e-3;
            row.shown = target;
            row.strength += (target - row.strength) * part(ORDER);
        }
        // An insertion sort with a lead: nothing moves but what is clearly out of place.
        for end in 1..self.ranked.len() {
            for place in (1..=end).rev() {
                let (upper, lower) = (self.ranked[place - 1], self.ranked[place]);
                if self.rows[lower].strength <= self.rows[upper].strength + LEAD {
                    break;
                }
                self.ranked.swap(place - 1, place);
            }
        }
        for (place, &index) in self.ranked.iter().enumerate() {
            let row = &mut self.rows[index];
            let way = place as f32 - row.place;
            row.place = if way.abs() < 0.01 { place as f32 } else { row.place + way * part(SLIDE) };
            moves |= way != 0.0;
        }
        moves
    }

    /// The rows, in the order of the board.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: usize) -> Rows {
        let mut rows = Rows::default();
        rows.set_names(&(0..count).map(|tag| format!("tag {tag}")).collect::<Vec<_>>());
        rows
    }

    fn by_place(rows: &Rows) -> Vec<usize> {
        let mut sorted: Vec<&Row> = rows.iter().collect();
        sorted.sort_by(|a, b| a.place.total_cmp(&b.place));
        sorted.iter().map(|row| row.tag).collect()
    }

    #[test]
    fn the_strongest_comes_to_the_top_and_rest_comes() {
        let mut rows = rows(4);
        let values = [0.1, 0.0, 0.9, 0.4];
        let steps = (0..2_000).position(|_| !rows.step(1.0 / 60.0, |tag| values[tag]));
        assert!(steps.is_some(), "the list never came to rest");
        assert_eq!(by_place(&rows), [2, 3, 0, 1]);
        assert!(rows.iter().all(|row| row.place.fract() == 0.0));
    }

    #[test]
    fn a_flicker_moves_the_bar_and_not_the_order() {
        let mut rows = rows(2);
        while rows.step(1.0 / 60.0, |tag| [0.6, 0.3][tag]) {}
        for frame in 0..600 {
            // A tenth of a second in every second the second tag flashes.
            let flash = frame % 60 < 6;
            rows.step(1.0 / 60.0, |tag| if tag == 1 && flash { 0.9 } else { [0.6, 0.3][tag] });
            assert_eq!(by_place(&rows), [0, 1], "frame {frame}");
        }
    }

    #[test]
    fn the_same_names_keep_their_places() {
        let mut rows = rows(3);
        while rows.step(1.0 / 60.0, |tag| [0.0, 0.5, 0.0][tag]) {}
        let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
        rows.set_names(&names);
        assert_eq!(by_place(&rows), [1, 0, 2]);
    }
}
