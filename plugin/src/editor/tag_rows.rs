//! The order of the tags in the window: pinned tags first, then by strength or by group.
//!
//! The bars show the smoothed values at once. The order follows with a long time constant, and rows slide
//! to their new positions, so that a flickering tag does not make the list jump.

use super::tag_groups::{self, Group};
use crate::params::{ViewSettings, VocabularyChoice};
use std::collections::HashMap;
use tagvane_engine::Vocabulary;

/// The time constant of the strength that decides the order, in seconds.
const ORDER_SECONDS: f32 = 0.9;

/// The time constant of a row's movement, in seconds.
const SLIDE_SECONDS: f32 = 0.18;

/// A distance in rows that is longer than any screen.
const MAX_SLIDE: f32 = 60.0;

/// The time that a peak is held, in seconds.
const PEAK_HOLD_SECONDS: f32 = 1.5;

/// The rate at which a peak falls after that, per second.
const PEAK_FALL: f32 = 0.4;

/// A row overtakes the one above it if it is stronger by more than this, so that tags with low values, which
/// differ less, keep their order.
const ORDER_HYSTERESIS: f32 = 0.03;

/// A row of the window: a tag, or several synonyms.
#[derive(Debug, Clone)]
pub(crate) struct TagRow {
    /// The indices of its tags on the board.
    pub(crate) tags: Vec<usize>,
    /// Its name, which no other row has.
    pub(crate) name: String,
    /// Its name without the vocabulary.
    plain: String,
    /// What the window calls it: `plain` where that is enough to tell it from the other visible rows.
    label: String,
    /// The index of its vocabulary.
    vocabulary: usize,
    /// Whether its vocabulary is the one that is shown.
    is_of_shown: bool,
    /// Whether the user has chosen to see it, apart from hiding and searching.
    pub(crate) is_chosen: bool,
    /// Whether the model is weak in all of its tags, as its file says.
    pub(crate) is_weak: bool,
    pub(crate) is_pinned: bool,
    /// Whether it is neither hidden nor filtered out by the search.
    pub(crate) is_visible: bool,
    /// The length of its bar, 0..=1.
    pub(crate) value: f32,
    /// The recent maximum of `value`.
    pub(crate) peak: f32,
    /// The position of its top, in rows from the top of the list; fractional while it slides, NaN while it
    /// is not visible.
    pub(crate) position: f32,
    group: Group,
    /// Seconds since `value` was last at the peak.
    peak_age: f32,
    /// The slowly smoothed value that decides its rank.
    strength: f32,
}

impl TagRow {
    /// What the window calls it: its name, without the vocabulary while that is the one that is shown, unless another
    /// visible row would be called the same.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }
}

/// The highest value of some tags, at least 0.
pub(crate) fn max_value(tags: &[usize], value: impl Fn(usize) -> f32) -> f32 {
    tags.iter().map(|tag| value(*tag)).fold(0.0, f32::max)
}

/// Rows under a common heading.
#[derive(Clone, Copy)]
enum Section {
    Pinned,
    /// The rows of a group that are not pinned.
    Group(Group),
    /// All rows that are not pinned.
    Unpinned,
}

impl Section {
    fn contains(self, row: &TagRow) -> bool {
        match self {
            Self::Pinned => row.is_pinned,
            Self::Group(group) => !row.is_pinned && row.group == group,
            Self::Unpinned => !row.is_pinned,
        }
    }

    fn heading(self) -> Option<&'static str> {
        match self {
            Self::Pinned => Some("Pinned"),
            Self::Group(group) => Some(group.name()),
            Self::Unpinned => None,
        }
    }
}

/// The rows of all tags of the current model.
#[derive(Debug, Default)]
pub(crate) struct TagRows {
    /// In the order of the board.
    rows: Vec<TagRow>,
    /// Indices into `rows`, the strongest first.
    ranked: Vec<usize>,
    /// Headings and their positions, in rows from the top.
    headings: Vec<(f32, &'static str)>,
    /// The number of visible rows and headings.
    height: f32,
    names: Vec<String>,
    weak: Vec<bool>,
    vocabularies: Vec<Vocabulary>,
    is_folded: bool,
}

impl TagRows {
    /// Sets the model's tags and the vocabularies that they are divided into, with the synonyms of a vocabulary in one
    /// row if `is_folded`; does nothing if they are the same.
    pub(crate) fn set_tags(
        &mut self,
        names: &[String],
        vocabularies: &[Vocabulary],
        is_folded: bool,
        is_weak: impl Fn(usize) -> bool,
    ) {
        let weak: Vec<bool> = (0..names.len()).map(is_weak).collect();
        let is_same = self.names == names && self.vocabularies == vocabularies && self.weak == weak;
        if is_same && self.is_folded == is_folded {
            return;
        }
        (self.names, self.vocabularies, self.is_folded) = (names.to_vec(), vocabularies.to_vec(), is_folded);
        let row = |vocabulary: usize, plain: &str, name: &str, tags: Vec<usize>| TagRow {
            group: Group::of(plain),
            is_weak: tags.iter().all(|tag| weak[*tag]),
            name: name.to_owned(),
            plain: plain.to_owned(),
            label: name.to_owned(),
            vocabulary,
            is_of_shown: false,
            is_chosen: false,
            tags,
            is_pinned: false,
            is_visible: false,
            value: 0.0,
            peak: 0.0,
            position: f32::NAN,
            peak_age: 0.0,
            strength: 0.0,
        };
        let whole = [Vocabulary { name: String::new(), tag_count: names.len() }];
        let vocabularies = if vocabularies.is_empty() { &whole } else { vocabularies };
        self.rows.clear();
        for (index, (vocabulary, range)) in Vocabulary::ranges(vocabularies).enumerate() {
            let first = range.start;
            let own = names.get(range).unwrap_or_default();
            let suffix = format!(" ({vocabulary})");
            let plain: Vec<String> =
                own.iter().map(|name| name.strip_suffix(&suffix).unwrap_or(name).to_owned()).collect();
            for (name, members) in tag_groups::fold_synonyms(&plain, is_folded) {
                let named = members.iter().find(|member| plain[**member] == name).unwrap_or(&members[0]);
                let tags = members.iter().map(|member| first + member).collect();
                self.rows.push(row(index, &plain[*named], &own[*named], tags));
            }
        }
        self.ranked = (0..self.rows.len()).collect();
        self.weak = weak;
    }

    /// Advances the animation by `seconds`: to the values that `value` returns for each tag, in the order
    /// of `view`, with the rows whose name contains `search`. Returns whether anything still moves visibly.
    pub(crate) fn step(
        &mut self,
        seconds: f32,
        view: &ViewSettings,
        search: &str,
        value: impl Fn(usize) -> f32,
    ) -> bool {
        let seconds = seconds.clamp(0.0, 1.0);
        let fraction = |time_constant: f32| 1.0 - (-seconds / time_constant).exp();
        let mut is_moving = false;
        for row in &mut self.rows {
            let target = max_value(&row.tags, &value);
            is_moving |= (target - row.value).abs() > 1e-3 || (target - row.strength).abs() > 1e-3;
            row.value = target;
            row.strength += (target - row.strength) * fraction(ORDER_SECONDS);
            row.peak_age += seconds;
            if target >= row.peak {
                (row.peak, row.peak_age) = (target, 0.0);
            } else if row.peak_age > PEAK_HOLD_SECONDS {
                row.peak = (row.peak - PEAK_FALL * seconds).max(target);
            }
            is_moving |= row.peak > target + 1e-3;
        }
        // An insertion sort that swaps two rows only if they differ by more than `ORDER_HYSTERESIS`.
        for end in 1..self.ranked.len() {
            for rank in (1..=end).rev() {
                let (upper, lower) = (self.ranked[rank - 1], self.ranked[rank]);
                if self.rows[lower].strength <= self.rows[upper].strength + ORDER_HYSTERESIS {
                    break;
                }
                self.ranked.swap(rank - 1, rank);
            }
        }
        is_moving | self.arrange(view, search, fraction(SLIDE_SECONDS))
    }

    /// Moves each row by `fraction` of the way to its position. Returns whether a row has not arrived.
    fn arrange(&mut self, view: &ViewSettings, search: &str, fraction: f32) -> bool {
        let search = search.trim().to_lowercase();
        let position = |name| self.vocabularies.iter().position(|vocabulary| vocabulary.name == name);
        let shown = match &view.vocabulary {
            _ if self.vocabularies.is_empty() => Some(0),
            VocabularyChoice::First => Some(0),
            VocabularyChoice::Named(name) => Some(position(name.as_str()).unwrap_or(0)),
            VocabularyChoice::All | VocabularyChoice::Pinned => None,
        };
        let shows_all = view.vocabulary == VocabularyChoice::All;
        for row in &mut self.rows {
            row.is_pinned = view.pinned.contains(&row.name);
            row.is_of_shown = shown == Some(row.vocabulary);
            row.is_chosen = row.is_of_shown || row.is_pinned || shows_all;
            let is_found = row.name.to_lowercase().contains(&search);
            // A search finds hidden rows and those of other vocabularies, too.
            row.is_visible = is_found && (!search.is_empty() || row.is_chosen && !view.hidden.contains(&row.name));
            if !row.is_visible {
                row.position = f32::NAN;
            }
        }
        self.label_rows();
        self.headings.clear();
        let mut sections = vec![Section::Pinned];
        if view.grouped {
            sections.extend(Group::ALL.map(Section::Group))
        } else {
            sections.push(Section::Unpinned)
        }
        let (mut top, mut is_moving) = (0.0, false);
        for section in sections {
            let members: Vec<usize> =
                self.ranked.iter().copied().filter(|index| section.contains(&self.rows[*index])).collect();
            let mut members = members.into_iter().filter(|index| self.rows[*index].is_visible).peekable();
            if members.peek().is_none() {
                continue;
            }
            if let Some(heading) = section.heading() {
                self.headings.push((top, heading));
                top += 1.0;
            }
            for index in members.collect::<Vec<_>>() {
                let row = &mut self.rows[index];
                let distance = top - row.position;
                // A row that was not visible or is far away appears at its position at once.
                let is_sliding = (0.01..MAX_SLIDE).contains(&distance.abs());
                row.position = if is_sliding { row.position + distance * fraction } else { top };
                is_moving |= row.position != top;
                top += 1.0;
            }
        }
        self.height = top;
        is_moving
    }

    /// Names the visible rows so that no two are called the same.
    fn label_rows(&mut self) {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for row in self.rows.iter().filter(|row| row.is_visible) {
            *counts.entry(row.plain.to_lowercase()).or_default() += 1;
        }
        for row in &mut self.rows {
            let is_ambiguous = counts.get(&row.plain.to_lowercase()).is_some_and(|count| *count > 1);
            let label = match self.vocabularies.get(row.vocabulary) {
                // In the first vocabulary that has the tag, the name is without it.
                Some(vocabulary) if is_ambiguous && row.name == row.plain => {
                    format!("{} ({})", row.plain, vocabulary.name)
                }
                Some(_) if row.is_of_shown && !is_ambiguous => row.plain.clone(),
                _ => row.name.clone(),
            };
            if row.label != label {
                row.label = label;
            }
        }
    }

    /// The rows, in the order of the board.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TagRow> {
        self.rows.iter()
    }

    /// The visible rows in an order that does not depend on their strength: pinned rows, then by group.
    pub(crate) fn in_fixed_order(&self) -> Vec<&TagRow> {
        let mut rows: Vec<&TagRow> = self.rows.iter().filter(|row| row.is_visible).collect();
        rows.sort_by_key(|row| (!row.is_pinned, row.group));
        rows
    }

    /// The headings and their positions, in rows from the top.
    pub(crate) fn headings(&self) -> &[(f32, &'static str)] {
        &self.headings
    }

    /// The height of the list, in rows.
    pub(crate) fn height(&self) -> f32 {
        self.height
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: f32 = 1.0 / 60.0;

    fn rows(names: &[&str]) -> TagRows {
        let mut rows = TagRows::default();
        rows.set_tags(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>(), &[], true, |_| false);
        rows
    }

    fn names_by_position(rows: &TagRows) -> Vec<&str> {
        let mut sorted: Vec<&TagRow> = rows.iter().filter(|row| row.is_visible).collect();
        sorted.sort_by(|a, b| a.position.total_cmp(&b.position));
        sorted.iter().map(|row| row.name.as_str()).collect()
    }

    fn step_until_rest(rows: &mut TagRows, view: &ViewSettings, search: &str, values: &[f32]) {
        let steps = (0..2_000).position(|_| !rows.step(FRAME, view, search, |tag| values[tag]));
        assert!(steps.is_some(), "the list never comes to rest");
    }

    #[test]
    fn rows_come_to_rest_in_the_order_of_their_strength() {
        let mut rows = rows(&["a", "b", "c", "d"]);
        step_until_rest(&mut rows, &ViewSettings::default(), "", &[0.1, 0.0, 0.9, 0.4]);
        assert_eq!(names_by_position(&rows), ["c", "d", "a", "b"]);
        assert!(rows.iter().all(|row| row.position.fract() == 0.0));
    }

    #[test]
    fn new_rows_appear_at_their_positions_without_sliding() {
        let mut rows = rows(&["a", "b", "c"]);
        rows.step(FRAME, &ViewSettings::default(), "", |_| 0.0);
        assert_eq!(rows.iter().map(|row| row.position).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    }

    #[test]
    fn a_flickering_tag_does_not_change_the_order() {
        let mut rows = rows(&["a", "b"]);
        let view = ViewSettings::default();
        step_until_rest(&mut rows, &view, "", &[0.6, 0.3]);
        for frame in 0..600 {
            // The second tag flashes for a tenth of every second.
            let is_flash = frame % 60 < 6;
            rows.step(FRAME, &view, "", |tag| if tag == 1 && is_flash { 0.9 } else { [0.6, 0.3][tag] });
            assert_eq!(names_by_position(&rows), ["a", "b"], "frame {frame}");
        }
    }

    #[test]
    fn pinned_rows_are_first_groups_have_headings_and_a_search_finds_hidden_rows() {
        let mut rows = rows(&["guitar", "rock", "slow", "piano"]);
        let mut view = ViewSettings { grouped: true, ..ViewSettings::default() };
        let values = [0.1, 0.5, 0.9, 0.6];
        step_until_rest(&mut rows, &view, "", &values);
        assert_eq!(names_by_position(&rows), ["piano", "guitar", "rock", "slow"]);
        assert_eq!(rows.headings(), [(0.0, "Instruments"), (3.0, "Style"), (5.0, "Mood and tempo")]);
        assert_eq!(rows.height(), 7.0);
        view.toggle_pinned("slow");
        view.toggle_hidden("piano");
        step_until_rest(&mut rows, &view, "", &values);
        assert_eq!(names_by_position(&rows), ["slow", "guitar", "rock"]);
        let fixed_order: Vec<&str> = rows.in_fixed_order().iter().map(|row| row.name.as_str()).collect();
        assert_eq!(fixed_order, ["slow", "guitar", "rock"]);
        step_until_rest(&mut rows, &view, " PIA", &values);
        assert_eq!(names_by_position(&rows), ["piano"]);
    }

    #[test]
    fn a_vocabulary_a_mix_of_pinned_tags_or_all_are_shown() {
        let names = ["guitar", "no vocal", "no voice", "guitar (Two)", "jazz", "no voice (Two)"].map(str::to_owned);
        let vocabulary = |name: &str| Vocabulary { name: name.into(), tag_count: 3 };
        let mut rows = TagRows::default();
        rows.set_tags(&names, &[vocabulary("One"), vocabulary("Two")], true, |_| false);
        let mut view = ViewSettings::default();
        let mut shown = |view: &ViewSettings, search: &str| {
            step_until_rest(&mut rows, view, search, &[0.9, 0.1, 0.2, 0.8, 0.7, 0.3]);
            let mut visible: Vec<&TagRow> = rows.iter().filter(|row| row.is_visible).collect();
            visible.sort_by(|a, b| a.position.total_cmp(&b.position));
            visible.iter().map(|row| row.label().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(&view, ""), ["guitar", "no vocal"]);
        view.vocabulary = VocabularyChoice::Named("Two".into());
        assert_eq!(shown(&view, ""), ["guitar", "jazz", "no voice"]);
        view.toggle_pinned("no vocal");
        assert_eq!(shown(&view, ""), ["no vocal", "guitar", "jazz", "no voice"]);
        view.toggle_pinned("guitar (Two)");
        view.vocabulary = VocabularyChoice::Pinned;
        assert_eq!(shown(&view, ""), ["guitar (Two)", "no vocal"]);
        assert_eq!(shown(&view, "jaz"), ["jazz"]);
        view.vocabulary = VocabularyChoice::All;
        assert_eq!(shown(&view, ""), ["guitar (Two)", "no vocal", "guitar (One)", "jazz", "no voice (Two)"]);
        view.vocabulary = VocabularyChoice::Named("of another model".into());
        assert_eq!(shown(&view, ""), ["guitar (Two)", "no vocal", "guitar (One)"]);
    }

    #[test]
    fn a_row_of_synonyms_shows_the_strongest() {
        let mut rows = rows(&["no vocal", "rock", "no voice"]);
        step_until_rest(&mut rows, &ViewSettings::default(), "", &[0.2, 0.5, 0.7]);
        assert_eq!(names_by_position(&rows), ["no vocal", "rock"]);
        let row = rows.iter().next().unwrap();
        assert_eq!((row.value, row.tags.as_slice()), (0.7, &[0, 2][..]));
    }

    #[test]
    fn a_peak_is_held_before_it_falls() {
        let mut rows = rows(&["a"]);
        let view = ViewSettings::default();
        rows.step(FRAME, &view, "", |_| 0.8);
        let peak_after = |rows: &mut TagRows, seconds: f32| {
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
