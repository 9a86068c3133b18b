//! The vocabulary of a user's own, as projects and files keep it.

use super::lesson::{Lesson, LessonKind};
use super::span::MarkedSpan;
use super::tag::TaughtTag;
use crate::model::tag_name;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most tags.
pub const MAX_LESSONS: usize = 16;

/// The most spans of all tags: with them and 64 values of an embedding the vocabulary takes less than 56 KB in a project.
const MAX_SPANS: usize = 96;

/// The longest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// Tags of a user's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mine {
    /// The version of the format.
    #[serde(rename = "tagvane-mine")]
    version: u32,
    /// The name of the tag that the window's and the host's buttons mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    selected: Option<String>,
    /// The tags.
    lessons: Vec<Lesson>,
}

/// The version that is written.
const VERSION: u32 = 1;

impl Default for Mine {
    fn default() -> Self {
        Self { version: VERSION, selected: None, lessons: Vec::new() }
    }
}

impl Mine {
    /// The tags.
    pub fn lessons(&self) -> &[Lesson] {
        &self.lessons
    }

    /// The name of the tag that the buttons mark: the selected one, or else the first one; `None` without tags.
    pub fn selected(&self) -> Option<&str> {
        let is_there = |name: &&String| self.lessons.iter().any(|lesson| lesson.name == **name);
        let first = || self.lessons.first().map(|lesson| &lesson.name);
        self.selected.as_ref().filter(is_there).or_else(first).map(String::as_str)
    }

    /// Selects the tag that the buttons mark.
    pub fn select(&mut self, name: &str) {
        self.selected = Some(name.into());
    }

    /// What was learned, for [`Engine::set_taught`](crate::Engine::set_taught).
    pub fn taught(&self) -> Arc<[TaughtTag]> {
        self.lessons.iter().filter_map(Lesson::taught).collect()
    }

    /// Reads a file that [`to_file`](Self::to_file) wrote.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn from_file(bytes: &[u8]) -> Result<Self, String> {
        let advice = "choose a file that Tagvane exported";
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("the file is too large for taught tags; {advice}"));
        }
        let mine: Self = serde_json::from_slice(bytes).map_err(|_| format!("it has no taught tags; {advice}"))?;
        mine.checked()
    }

    /// The contents of a file.
    pub fn to_file(&self) -> Vec<u8> {
        let mine = Self { version: VERSION, selected: None, lessons: self.lessons.clone() };
        let mut text = serde_json::to_vec_pretty(&mine).expect("tags are plain data");
        text.push(b'\n');
        text
    }

    /// The same tags with what is out of range refused, and names cleaned.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn checked(mut self) -> Result<Self, String> {
        if self.version > VERSION {
            return Err("its tags were saved by a later version of Tagvane; update Tagvane".into());
        }
        if self.lessons.len() > MAX_LESSONS || self.span_count() > MAX_SPANS {
            return Err(format!("it has more than {MAX_LESSONS} tags or {MAX_SPANS} spans; export fewer"));
        }
        for index in 0..self.lessons.len() {
            let lesson = &self.lessons[index];
            let is_valid = lesson.spans.iter().all(MarkedSpan::is_valid)
                && lesson.function.as_ref().is_none_or(|function| function.size() > 0)
                && lesson.model.len() <= 64
                && lesson.model.chars().all(|digit| digit.is_ascii_hexdigit());
            let name = self.free_name(&lesson.name, Some(index));
            match name {
                Some(name) if is_valid => self.lessons[index].name = name,
                _ => return Err("its tags are damaged; export them again".into()),
            }
        }
        self.selected = self.selected.map(|name| tag_name(&name));
        self.version = VERSION;
        Ok(self)
    }

    /// Adds the tags of a file. One with a name that is there already gets a number.
    ///
    /// # Errors
    /// A sentence for the user, where there are too many; nothing is added then.
    pub fn add_all(&mut self, other: Self) -> Result<(), String> {
        let mut joined = self.clone();
        for lesson in other.lessons {
            let name = joined.free_name(&lesson.name, None).unwrap_or_default();
            joined.lessons.push(Lesson { name, ..lesson });
        }
        *self = joined.checked()?;
        Ok(())
    }

    /// Adds a span to the tag with this name, or to a new one. A span of the other kind that it overlaps is replaced, and so
    /// are all spans of another model. Returns the index of the tag, which has learned nothing new yet.
    ///
    /// # Errors
    /// A sentence for the user, where the name is empty or there are too many tags or spans.
    pub fn mark(&mut self, name: &str, model: &str, span: MarkedSpan) -> Result<usize, String> {
        let name = tag_name(name);
        if name.trim().is_empty() {
            return Err("a tag needs a name; type one".into());
        }
        let found = self.lessons.iter().position(|lesson| lesson.name == name);
        if found.is_none() && self.lessons.len() == MAX_LESSONS {
            return Err(format!("there are {MAX_LESSONS} tags already; remove one first"));
        }
        let index = found.unwrap_or(self.lessons.len());
        let mut lesson = found.map_or_else(|| Lesson::new(&name, model), |found| self.lessons[found].clone());
        if lesson.model != model {
            lesson.spans.clear();
            lesson.model = model.into();
            lesson.function = None;
        }
        lesson.spans.retain(|other| other.is_example == span.is_example || !other.overlaps(&span));
        let others = self.span_count() - found.map_or(0, |found| self.lessons[found].spans.len());
        if others + lesson.spans.len() == MAX_SPANS {
            return Err(format!("there are {MAX_SPANS} spans already; remove some, or a tag, first"));
        }
        lesson.spans.push(span);
        if found.is_some() {
            self.lessons[index] = lesson;
        } else {
            self.lessons.push(lesson);
        }
        Ok(index)
    }

    /// Keeps what was learned from a tag's spans, if it still has these spans and is computed so.
    pub fn set_learned(&mut self, learned: &Lesson) {
        let lesson = self.lessons.iter_mut().find(|lesson| {
            lesson.name == learned.name
                && lesson.kind == learned.kind
                && lesson.model == learned.model
                && lesson.spans == learned.spans
        });
        if let Some(lesson) = lesson {
            lesson.function = learned.function.clone();
        }
    }

    /// Removes a tag.
    pub fn remove(&mut self, index: usize) {
        if index < self.lessons.len() {
            self.lessons.remove(index);
        }
    }

    /// Removes a span of a tag.
    pub fn remove_span(&mut self, index: usize, span: usize) {
        if let Some(lesson) = self.lessons.get_mut(index).filter(|lesson| span < lesson.spans.len()) {
            lesson.spans.remove(span);
        }
    }

    /// Sets how a tag is computed.
    pub fn set_kind(&mut self, index: usize, kind: LessonKind) {
        if let Some(lesson) = self.lessons.get_mut(index) {
            lesson.kind = kind;
        }
    }

    /// Renames a tag; an empty name changes nothing.
    pub fn rename(&mut self, index: usize, name: &str) {
        if let (Some(name), true) = (self.free_name(name, Some(index)), index < self.lessons.len()) {
            self.lessons[index].name = name;
        }
    }

    /// The number of spans.
    fn span_count(&self) -> usize {
        self.lessons.iter().map(|lesson| lesson.spans.len()).sum()
    }

    /// A name, without control characters, that no other tag has; `None` for an empty one.
    fn free_name(&self, name: &str, except: Option<usize>) -> Option<String> {
        let name = tag_name(name);
        if name.trim().is_empty() {
            return None;
        }
        let is_taken = |name: &str| {
            self.lessons.iter().enumerate().any(|(index, lesson)| Some(index) != except && lesson.name == name)
        };
        std::iter::once(name.clone()).chain((2..).map(|number| format!("{name} {number}"))).find(|name| !is_taken(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::network::SeededRng;

    fn span(is_example: bool, start: f64) -> MarkedSpan {
        let row: Vec<i8> = (0..64).map(|value| (value * 3) as i8).collect();
        MarkedSpan::new(is_example, Some(start), 5.0, &[&row, &row, &row, &row]).unwrap()
    }

    fn full() -> Mine {
        let mut mine = Mine::default();
        for tag in 0..MAX_LESSONS {
            for number in 0..6 {
                mine.mark(&format!("tag {tag}"), &"ab".repeat(32), span(number % 2 == 0, f64::from(number) * 123.456))
                    .unwrap();
            }
        }
        mine
    }

    #[test]
    fn marks_add_tags_and_spans_up_to_their_limits() {
        let mut mine = full();
        assert!(mine.mark("one more", "", span(true, 0.0)).unwrap_err().contains("16 tags already"));
        assert!(mine.mark("tag 3", &"ab".repeat(32), span(true, 9e4)).unwrap_err().contains("96 spans already"));
        assert!(mine.mark(" \u{7} ", "", span(true, 0.0)).unwrap_err().contains("needs a name"));
        mine.remove_span(3, 0);
        assert_eq!(mine.mark("tag 3", &"ab".repeat(32), span(true, 9e4)), Ok(3));
        assert_eq!(mine.lessons()[3].spans.len(), 6);
        mine.remove(0);
        assert_eq!(mine.mark("new\u{1b}[1m one", "", span(true, 0.0)), Ok(MAX_LESSONS - 1));
        assert_eq!(mine.lessons().last().unwrap().name, "new[1m one");
    }

    #[test]
    fn the_last_mark_of_a_place_counts_and_another_model_begins_anew() {
        let mut mine = Mine::default();
        for (is_example, start) in [(true, 0.0), (true, 10.0), (false, 12.0)] {
            mine.mark("chorus", "aa", span(is_example, start)).unwrap();
        }
        let marks = |mine: &Mine| -> Vec<(bool, Option<f64>)> {
            mine.lessons()[0].spans.iter().map(|span| (span.is_example, span.start)).collect()
        };
        assert_eq!(marks(&mine), [(true, Some(0.0)), (false, Some(12.0))]);
        mine.mark("chorus", "bb", span(true, 3.0)).unwrap();
        assert_eq!((marks(&mine), mine.lessons()[0].model.as_str()), (vec![(true, Some(3.0))], "bb"));
    }

    #[test]
    fn names_stay_unique_and_the_selection_follows() {
        let mut mine = Mine::default();
        assert_eq!(mine.selected(), None);
        for name in ["a", "b"] {
            mine.mark(name, "", span(true, 0.0)).unwrap();
        }
        assert_eq!(mine.selected(), Some("a"));
        mine.select("b");
        mine.rename(0, "b");
        assert_eq!((mine.lessons()[0].name.as_str(), mine.selected()), ("b 2", Some("b")));
        mine.rename(0, "\n");
        assert_eq!(mine.lessons()[0].name, "b 2");
        mine.remove(1);
        assert_eq!(mine.selected(), Some("b 2"));
    }

    #[test]
    fn what_was_learned_from_other_spans_is_dropped() {
        let mut mine = Mine::default();
        mine.mark("a", "", span(true, 0.0)).unwrap();
        let function = crate::teaching::TagFunction::Similarity { direction: [1.0].into() };
        let learned = Lesson { function: Some(function), ..mine.lessons()[0].clone() };
        mine.mark("a", "", span(true, 9.0)).unwrap();
        mine.set_learned(&learned);
        assert_eq!(mine.taught().len(), 0);
        let learned = Lesson { function: learned.function, ..mine.lessons()[0].clone() };
        mine.set_learned(&learned);
        assert_eq!(mine.taught()[0].name, "a");
    }

    #[test]
    fn files_are_read_back_and_added() {
        let mine = full();
        let file = mine.to_file();
        let mut read = Mine::from_file(&file).unwrap();
        assert_eq!(read.lessons(), mine.lessons());
        assert!(read.add_all(mine.clone()).unwrap_err().contains("more than 16 tags"));
        assert_eq!(read.lessons(), mine.lessons());
        let mut few = Mine::default();
        few.mark("tag 2", "", span(true, 0.0)).unwrap();
        let file = few.to_file();
        few.add_all(Mine::from_file(&file).unwrap()).unwrap();
        let names: Vec<&str> = few.lessons().iter().map(|lesson| lesson.name.as_str()).collect();
        assert_eq!(names, ["tag 2", "tag 2 2"]);
    }

    #[test]
    fn a_full_vocabulary_takes_less_than_56_kb_of_a_project() {
        let mut mine = full();
        let function = crate::teaching::TagFunction::Logistic { weights: [0.123; 64].into(), bias: 0.5 };
        let learned: Vec<Lesson> =
            mine.lessons().iter().map(|lesson| Lesson { function: Some(function.clone()), ..lesson.clone() }).collect();
        learned.iter().for_each(|lesson| mine.set_learned(lesson));
        // A project has it as a text within its JSON.
        let text = serde_json::to_string(&serde_json::to_string(&mine).unwrap()).unwrap();
        assert!(text.len() < 56_000, "{} bytes", text.len());
    }

    #[test]
    fn two_thousand_damaged_files_are_refused_in_a_sentence_or_read() {
        let file = full().to_file();
        let mut rng = SeededRng(7);
        let mut random = |end: usize| rng.below(end);
        let mut refused = 0;
        for case in 0..2_000 {
            let mut bytes = file.clone();
            match case % 4 {
                0 => bytes.truncate(random(file.len())),
                1 => {
                    for _ in 0..1 + random(8) {
                        bytes[random(file.len())] = random(256) as u8;
                    }
                }
                2 => {
                    let (from, length) = (random(file.len() - 1_000), random(1_000));
                    bytes.drain(from..from + length);
                }
                _ => {
                    let (from, to) = (random(file.len() - 1_000), random(file.len() - 1_000));
                    bytes.copy_within(from..from + 400, to);
                }
            }
            match Mine::from_file(&bytes) {
                Ok(mine) => assert!(mine.clone().checked().is_ok()),
                Err(why) => {
                    refused += 1;
                    assert!(!why.contains(|c: char| c.is_control()) && why.len() < 200, "{why}");
                }
            }
        }
        assert!(refused > 1_000, "{refused}");
        for (bytes, words) in [
            (vec![b' '; MAX_FILE_BYTES as usize + 1], "too large"),
            (b"{\"tagvane-mine\": 9, \"lessons\": []}".to_vec(), "later version"),
            (b"[".repeat(100_000), "no taught tags"),
        ] {
            let why = Mine::from_file(&bytes).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
