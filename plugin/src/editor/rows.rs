//! Where the tags stand on screen: pinned ones on top, then the strongest first or group by
//! group, and calm.
//!
//! The bars stand where the host is told they do; the order follows with a long time
//! constant, and a row slides to its new place: a tag that flickers does not make the
//! list jump.

use super::groups::{self, Group};
use crate::params::View;

/// Time constants, in seconds.
const ORDER: f32 = 0.9;
const SLIDE: f32 = 0.18;

/// So many rows are more than a screen shows.
const FAR: f32 = 60.0;

/// How long a peak stays, in seconds, and how fast it falls then, a second.
const HOLD: f32 = 1.5;
const FALL: f32 = 0.4;

/// A tag passes the one above it once it is stronger by this: weak tags, which are
/// within it of each other, stay where they are.
const LEAD: f32 = 0.03;

/// One line on screen: a tag, or several that say the same.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The tags behind it, by their index on the board.
    pub(crate) tags: Vec<usize>,
    /// Its name.
    pub(crate) name: String,
    /// Whether the model says that it is weak in all of them.
    pub(crate) weak: bool,
    pub(crate) pinned: bool,
    /// Whether it is shown at all.
    pub(crate) visible: bool,
    /// The length of its bar, 0..=1.
    pub(crate) shown: f32,
    /// The longest it was of late.
    pub(crate) peak: f32,
    /// Where it is drawn, in rows from the top; whole once it has arrived, no number before it is
    /// shown.
    pub(crate) place: f32,
    group: Group,
    held: f32,
    /// What decides its rank.
    strength: f32,
}

/// Rows that stand together.
#[derive(Clone, Copy)]
enum Section {
    Pinned,
    Of(Group),
    /// All that are not pinned.
    Others,
}

impl Section {
    fn holds(self, row: &Row) -> bool {
        match self {
            Self::Pinned => row.pinned,
            Self::Of(group) => !row.pinned && row.group == group,
            Self::Others => !row.pinned,
        }
    }

    fn heading(self) -> Option<&'static str> {
        match self {
            Self::Pinned => Some("Pinned"),
            Self::Of(group) => Some(group.name()),
            Self::Others => None,
        }
    }
}

/// All tags of the current model.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// In the order of the board.
    rows: Vec<Row>,
    /// Indices into `rows`, the strongest first.
    ranked: Vec<usize>,
    /// Headings and where they stand, in rows from the top.
    headings: Vec<(f32, &'static str)>,
    /// Rows and headings in all.
    height: f32,
    names: Vec<String>,
    folded: bool,
}

impl Rows {
    /// Takes over the model's tags; nothing moves if they are the same.
    pub(crate) fn set_tags(&mut self, names: &[String], folded: bool, weak: impl Fn(usize) -> bool) {
        if self.names == names && self.folded == folded {
            return;
        }
        (self.names, self.folded) = (names.to_vec(), folded);
        let row = |(name, tags): (String, Vec<usize>)| Row {
            group: Group::of(&name),
            weak: tags.iter().all(|tag| weak(*tag)),
            name,
            tags,
            pinned: false,
            visible: false,
            shown: 0.0,
            peak: 0.0,
            place: f32::NAN,
            held: 0.0,
            strength: 0.0,
        };
        self.rows = groups::items(names, folded).into_iter().map(row).collect();
        self.ranked = (0..self.rows.len()).collect();
    }

    /// Moves everything on by `seconds` towards the probabilities that `now` tells, in the order
    /// that `view` wants, of the rows whose name holds `search`.
    /// Gives whether anything still moves visibly.
    pub(crate) fn step(&mut self, seconds: f32, view: &View, search: &str, now: impl Fn(usize) -> f32) -> bool {
        let seconds = seconds.clamp(0.0, 1.0);
        let part = |time: f32| 1.0 - (-seconds / time).exp();
        let mut moves = false;
        for row in &mut self.rows {
            let target = row.tags.iter().map(|tag| now(*tag)).fold(0.0, f32::max);
            moves |= (target - row.shown).abs() > 1e-3 || (target - row.strength).abs() > 1e-3;
            row.shown = target;
            row.strength += (target - row.strength) * part(ORDER);
            row.held += seconds;
            if target >= row.peak {
                (row.peak, row.held) = (target, 0.0);
            } else if row.held > HOLD {
                row.peak = (row.peak - FALL * seconds).max(target);
            }
            moves |= row.peak > target + 1e-3;
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
        moves | self.arrange(view, search, part(SLIDE))
    }

    /// Sends each row a part of the way to its place.
    fn arrange(&mut self, view: &View, search: &str, part: f32) -> bool {
        let search = search.trim().to_lowercase();
        for row in &mut self.rows {
            row.pinned = view.pinned.contains(&row.name);
            let found = row.name.to_lowercase().contains(&search);
            // Who searches finds what is hidden as well.
            row.visible = found && (!search.is_empty() || !view.hidden.contains(&row.name));
            if !row.visible {
                row.place = f32::NAN;
            }
        }
        self.headings.clear();
        let mut sections = vec![Section::Pinned];
        if view.grouped {
            sections.extend(Group::ALL.map(Section::Of))
        } else {
            sections.push(Section::Others)
        }
        let (mut top, mut moves) = (0.0, false);
        for section in sections {
            let members: Vec<usize> = self.ranked.iter().copied().filter(|at| section.holds(&self.rows[*at])).collect();
            let mut members = members.into_iter().filter(|at| self.rows[*at].visible).peekable();
            if members.peek().is_none() {
                continue;
            }
            if let Some(heading) = section.heading() {
                self.headings.push((top, heading));
                top += 1.0;
            }
            for at in members.collect::<Vec<_>>() {
                let row = &mut self.rows[at];
                let way = top - row.place;
                // What was not there appears where it belongs, and so does what was out of sight.
                let slides = (0.01..FAR).contains(&way.abs());
                row.place = if slides { row.place + way * part } else { top };
                moves |= row.place != top;
                top += 1.0;
            }
        }
        self.height = top;
        moves
    }

    /// The rows, in the order of the board.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    /// The rows that are shown, from top to bottom, in an order that does not move: pinned ones,
    /// then group by group.
    pub(crate) fn resting(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().filter(|row| row.visible).collect();
        rows.sort_by_key(|row| (!row.pinned, row.group));
        rows
    }

    /// Headings and where they stand, in rows from the top.
    pub(crate) fn headings(&self) -> &[(f32, &'static str)] {
        &self.headings
    }

    /// How many rows high all is.
    pub(crate) fn height(&self) -> f32 {
        self.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: f32 = 1.0 / 60.0;

    fn rows(names: &[&str]) -> Rows {
        let mut rows = Rows::default();
        rows.set_tags(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), true, |_| false);
        rows
    }

    fn by_place(rows: &Rows) -> Vec<&str> {
        let mut sorted: Vec<&Row> = rows.iter().filter(|row| row.visible).collect();
        sorted.sort_by(|a, b| a.place.total_cmp(&b.place));
        sorted.iter().map(|row| row.name.as_str()).collect()
    }

    fn rest(rows: &mut Rows, view: &View, search: &str, values: &[f32]) {
        let steps = (0..2_000).position(|_| !rows.step(FRAME, view, search, |tag| values[tag]));
        assert!(steps.is_some(), "the list never came to rest");
    }

    #[test]
    fn the_strongest_comes_to_the_top_and_rest_comes() {
        let mut rows = rows(&["a", "b", "c", "d"]);
        rest(&mut rows, &View::default(), "", &[0.1, 0.0, 0.9, 0.4]);
        assert_eq!(by_place(&rows), ["c", "d", "a", "b"]);
        assert!(rows.iter().all(|row| row.place.fract() == 0.0));
    }

    #[test]
    fn rows_of_another_model_appear_where_they_belong() {
        let mut rows = rows(&["a", "b", "c"]);
        rows.step(FRAME, &View::default(), "", |_| 0.0);
        assert_eq!(rows.iter().map(|row| row.place).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn a_flicker_moves_the_bar_and_not_the_order() {
        let mut rows = rows(&["a", "b"]);
        let view = View::default();
        rest(&mut rows, &view, "", &[0.6, 0.3]);
        for frame in 0..600 {
            // A tenth of a second in every second the second tag flashes.
            let flash = frame % 60 < 6;
            rows.step(FRAME, &view, "", |tag| if tag == 1 && flash { 0.9 } else { [0.6, 0.3][tag] });
            assert_eq!(by_place(&rows), ["a", "b"], "frame {frame}");
        }
    }

    #[test]
    fn pins_stand_on_top_groups_have_headings_and_hidden_rows_are_found_by_search() {
        let mut rows = rows(&["guitar", "rock", "slow", "piano"]);
        let mut view = View { grouped: true, ..View::default() };
        let values = [0.1, 0.5, 0.9, 0.6];
        rest(&mut rows, &view, "", &values);
        assert_eq!(by_place(&rows), ["piano", "guitar", "rock", "slow"]);
        assert_eq!(rows.headings(), [(0.0, "Instruments"), (3.0, "Style"), (5.0, "Mood and tempo")]);
        assert_eq!(rows.height(), 7.0);
        view.pin("slow");
        view.hide("piano");
        rest(&mut rows, &view, "", &values);
        assert_eq!(by_place(&rows), ["slow", "guitar", "rock"]);
        assert_eq!(rows.resting().iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["slow", "guitar", "rock"]);
        rest(&mut rows, &view, " PIA", &values);
        assert_eq!(by_place(&rows), ["piano"]);
    }

    #[test]
    fn words_that_say_the_same_show_the_strongest() {
        let mut rows = rows(&["no vocal", "rock", "no voice"]);
        rest(&mut rows, &View::default(), "", &[0.2, 0.5, 0.7]);
        assert_eq!(by_place(&rows), ["no vocal", "rock"]);
        let row = rows.iter().next().unwrap();
        assert_eq!((row.shown, row.tags.as_slice()), (0.7, &[0, 2][..]));
    }

    #[test]
    fn a_peak_holds_and_falls() {
        let mut rows = rows(&["a"]);
        let view = View::default();
        rows.step(FRAME, &view, "", |_| 0.8);
        let peak_after = |rows: &mut Rows, seconds: f32| {
            (0..(seconds / FRAME) as usize).for_each(|_| {
                rows.step(FRAME, &view, "", |_| 0.1);
            });
            rows.iter().next().unwrap().peak
        };
        assert_eq!(peak_after(&mut rows, 1.0), 0.8);
        let falling = peak_after(&mut rows, 1.0);
        assert!((0.3..0.79).contains(&falling), "{falling}");
        assert!((peak_after(&mut rows, 3.0) - 0.1).abs() < 1e-3);
    }
}
