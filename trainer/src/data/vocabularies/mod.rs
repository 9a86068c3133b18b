//! The tag vocabularies of the data sets and teachers, and lists of tags that join several vocabularies.

mod audioset;
mod lists;

pub use audioset::{AudioSetClass, audioset_music};
pub use lists::{JAMENDO, JAMENDO_READABLE, MAGNATAGATUNE, MILLION_SONG};

use std::ops::Range;
use tagvane_engine::{VOCABULARY_SEPARATOR as SEPARATOR, Vocabulary};

/// The vocabularies that are known by their tags, with their names.
pub fn known() -> [(&'static str, Vec<String>); 4] {
    let owned = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    [
        ("MagnaTagATune 50", owned(&MAGNATAGATUNE)),
        ("Million Song 50", owned(&MILLION_SONG)),
        ("Jamendo 50", owned(&JAMENDO_READABLE)),
        ("AudioSet Music", audioset_music().into_iter().map(|class| class.tag).collect()),
    ]
}

/// The name of a vocabulary that is known by its tags.
fn known_name(tags: &[String]) -> Option<&'static str> {
    known().into_iter().find(|(_, known)| known == tags).map(|(name, _)| name)
}

/// The tags that a model's outputs are here.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownTags {
    /// The tags.
    pub tags: Vec<String>,
    /// The output of each tag; `None` where each output is a tag.
    pub outputs: Option<Vec<usize>>,
}

/// The tags of a model whose outputs have these names: [`JAMENDO`] is made readable, of AudioSet's classes those of
/// [`audioset_music`] are taken, and all others stay as they are.
pub fn known_tags(names: &[String]) -> KnownTags {
    if names.iter().eq(&JAMENDO) {
        return KnownTags { tags: JAMENDO_READABLE.map(str::to_owned).to_vec(), outputs: None };
    }
    let classes = audioset_music();
    if classes.iter().all(|class| names.get(class.index) == Some(&class.class)) {
        let outputs = classes.iter().map(|class| class.index).collect();
        return KnownTags { tags: classes.into_iter().map(|class| class.tag).collect(), outputs: Some(outputs) };
    }
    KnownTags { tags: names.to_vec(), outputs: None }
}

/// Concatenates vocabularies. Where there are several, each tag is prefixed with the name of its vocabulary, as in
/// `MagnaTagATune 50: guitar`, because vocabularies share tags.
pub fn join(lists: &[&[String]]) -> Vec<String> {
    if let [only] = lists {
        return only.to_vec();
    }
    let mut tags = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let name = joined_name(index, list);
        tags.extend(list.iter().map(|tag| format!("{name}{SEPARATOR}{tag}")));
    }
    tags
}

/// The vocabularies of `joined` as a model file has them; empty unless there are several that [`join`] has named. Those of a
/// data set whose own tags all have a colon, such as `mood: calm`, are one vocabulary, of which the window shows all.
pub fn parts(joined: &[String]) -> Vec<Vocabulary> {
    let parts = split(joined);
    let mut vocabularies = Vec::new();
    for (index, (range, own)) in parts.iter().enumerate() {
        let name = name(joined, range).unwrap_or_default();
        if name != joined_name(index, own) {
            return Vec::new();
        }
        vocabularies.push(Vocabulary { name: name.to_owned(), tag_count: range.len() });
    }
    if vocabularies.len() > 1 { vocabularies } else { Vec::new() }
}

/// What [`join`] calls the vocabulary at `index`.
fn joined_name(index: usize, tags: &[String]) -> String {
    known_name(tags).map_or_else(|| format!("vocabulary {}", index + 1), str::to_owned)
}

/// The range in `joined` of the vocabulary called `name`, and its tags without the prefix; `None` where there is no
/// such vocabulary. The tags of a vocabulary follow one another, as [`join`] writes them.
pub fn find(joined: &[String], name: &str) -> Option<(Range<usize>, Vec<String>)> {
    let own = |tag: &String| Some(tag.strip_prefix(name)?.strip_prefix(SEPARATOR)?.to_owned());
    let first = joined.iter().position(|tag| own(tag).is_some())?;
    let tags: Vec<String> = joined[first..].iter().map_while(own).collect();
    Some((first..first + tags.len(), tags))
}

/// Splits `joined` into its vocabularies: the range of each, and its tags without the prefix.
///
/// A prefix is the text before the first `: ` of a tag. Unless every tag has one, all tags are a single vocabulary, so
/// a tag such as `mood: calm` among tags without a prefix stays as it is. A data set in which every tag has a colon
/// looks the same as joined vocabularies and is split.
pub fn split(joined: &[String]) -> Vec<(Range<usize>, Vec<String>)> {
    let mut names: Vec<&str> = joined.iter().filter_map(|tag| Some(tag.split_once(SEPARATOR)?.0)).collect();
    names.dedup();
    let parts: Vec<_> = names.iter().filter_map(|name| find(joined, name)).collect();
    let covered: usize = parts.iter().map(|(range, _)| range.len()).sum();
    if covered == joined.len() { parts } else { vec![(0..joined.len(), joined.to_vec())] }
}

/// The name of the vocabulary at a range that [`split`] gave: the prefix of its tags; `None` where they have none.
pub fn name<'a>(joined: &'a [String], range: &Range<usize>) -> Option<&'a str> {
    let (name, _) = joined.get(range.start)?.split_once(SEPARATOR)?;
    joined[range.clone()]
        .iter()
        .all(|tag| tag.split_once(SEPARATOR).is_some_and(|(other, _)| other == name))
        .then_some(name)
}

/// The range of `tags` in `all`, where they are all of it or one of its vocabularies; `None` otherwise.
pub fn range_of(all: &[String], tags: &[String]) -> Option<Range<usize>> {
    if all == tags {
        return Some(0..all.len());
    }
    split(all).into_iter().find_map(|(range, own)| (own == tags).then_some(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_vocabularies_are_found_and_split_again() {
        let [first, second] = [MAGNATAGATUNE, MILLION_SONG].map(|tags| tags.map(str::to_owned).to_vec());
        let third = vec!["rock".to_owned()];
        let all = join(&[&first, &second, &third]);
        assert_eq!((all.len(), all[57].as_str()), (101, "Million Song 50: 00s"));
        assert_eq!(find(&all, "Million Song 50"), Some((50..100, second.clone())));
        assert_eq!(find(&all, "vocabulary 3"), Some((100..101, third.clone())));
        assert_eq!(find(&all, "Million"), None);
        assert_eq!(name(&all, &(50..100)), Some("Million Song 50"));
        assert_eq!((name(&first, &(0..50)), name(&[], &(0..0))), (None, None));
        assert_eq!(name(&["drums".to_owned(), "mood: calm".to_owned()], &(0..2)), None);
        assert_eq!(range_of(&all, &first), Some(0..50));
        assert_eq!(range_of(&all, &second), Some(50..100));
        assert_eq!(range_of(&all, &all), Some(0..101));
        assert_eq!(range_of(&all, &first[1..]), None);
        assert_eq!(join(&[&first]), first);
        let jamendo = JAMENDO_READABLE.map(str::to_owned).to_vec();
        let audioset: Vec<String> = audioset_music().into_iter().map(|class| class.tag).collect();
        let four = join(&[&first, &jamendo, &audioset]);
        assert_eq!((&*four[50], &*four[100]), ("Jamendo 50: alternative", "AudioSet Music: speech"));
        let names =
            |tags: &[String]| parts(tags).into_iter().map(|part| (part.name, part.tag_count)).collect::<Vec<_>>();
        let expected = [("MagnaTagATune 50", 50), ("Jamendo 50", 50), ("AudioSet Music", 64)];
        assert_eq!(names(&four), expected.map(|(name, count)| (name.to_owned(), count)));
        assert_eq!(names(&first), []);
        assert_eq!(names(&["genre: rock".to_owned(), "mood: sad".to_owned()]), []);
        assert_eq!(split(&all), [(0..50, first.clone()), (50..100, second), (100..101, third)]);
        // A colon in some of the tags does not make vocabularies.
        let colons = ["drums".to_owned(), "mood: calm".to_owned()];
        assert_eq!(split(&colons), [(0..2, colons.to_vec())]);
    }

    #[test]
    fn the_outputs_of_published_models_become_readable_tags() {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let known = known_tags(&owned(&JAMENDO));
        assert_eq!((known.tags, known.outputs), (owned(&JAMENDO_READABLE), None));
        let mut classes: Vec<String> = (0..521).map(|class| format!("class {class}")).collect();
        for AudioSetClass { index, class, .. } in audioset_music() {
            classes[index] = class;
        }
        let KnownTags { tags, outputs } = known_tags(&classes);
        let violin = tags.iter().position(|tag| tag == "violin").unwrap();
        assert_eq!((tags.len(), outputs.unwrap()[violin]), (64, 186));
        classes.swap(186, 187);
        assert_eq!(known_tags(&classes), KnownTags { tags: classes.clone(), outputs: None });
    }
}
