//! The names of the tags that are added to those of a model.

use super::tag::TaughtTag;
use crate::model::{Metadata, Vocabulary};
use crate::structure::{SECTION_TAG, STRUCTURE};
use std::collections::HashSet;

/// The vocabulary of the taught tags.
const MINE: &str = "Mine";

/// The names of a model's tags, then that of the tag of new sections if it has one, and then those of the taught ones, each of
/// them once: one that is there already, in upper or lower case, is followed by its vocabulary.
pub(crate) fn with_added_names(model_tags: Vec<String>, has_section_tag: bool, taught: &[TaughtTag]) -> Vec<String> {
    let mut taken: HashSet<String> = model_tags.iter().map(|tag| tag.to_lowercase()).collect();
    let mut tags = model_tags;
    let section = has_section_tag.then_some((SECTION_TAG, STRUCTURE));
    for (name, vocabulary) in section.into_iter().chain(taught.iter().map(|tag| (tag.name.as_str(), MINE))) {
        let mut unique = name.to_owned();
        let mut number = 1;
        while !taken.insert(unique.to_lowercase()) {
            unique =
                if number == 1 { format!("{name} ({vocabulary})") } else { format!("{name} ({vocabulary} {number})") };
            number += 1;
        }
        tags.push(unique);
    }
    tags
}

/// The vocabularies of a model with the tags that are added. All tags of a model with one vocabulary have the name of the model
/// there.
pub(crate) fn with_added_vocabularies(
    metadata: &Metadata,
    model_name: &str,
    model_tags: usize,
    has_section_tag: bool,
    taught: usize,
) -> Vec<Vocabulary> {
    let mut vocabularies = metadata.vocabularies.clone();
    let added = [(STRUCTURE, usize::from(has_section_tag)), (MINE, taught)];
    for (name, tag_count) in added.into_iter().filter(|(_, tag_count)| *tag_count > 0) {
        if vocabularies.is_empty() {
            vocabularies.push(Vocabulary { name: model_name.to_owned(), tag_count: model_tags });
        }
        let is_taken = vocabularies.iter().any(|vocabulary| vocabulary.name == name);
        let name = if is_taken { format!("{name} 2") } else { name.to_owned() };
        vocabularies.push(Vocabulary { name, tag_count });
    }
    vocabularies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teaching::TagFunction;

    fn taught(name: &str) -> TaughtTag {
        TaughtTag {
            name: name.into(),
            model: String::new(),
            function: TagFunction::Logistic { weights: [0.0].into(), bias: 0.0 },
        }
    }

    #[test]
    fn each_name_is_there_once() {
        let names = |has_section_tag, taught: &[TaughtTag]| {
            with_added_names(vec!["Rock".into(), "x (Mine)".into()], has_section_tag, taught)[2..].to_vec()
        };
        let tags = [taught("chorus"), taught("rock"), taught("x"), taught("X"), taught("CHORUS")];
        assert_eq!(names(false, &tags), ["chorus", "rock (Mine)", "x", "X (Mine 2)", "CHORUS (Mine)"]);
        assert_eq!(names(true, &[taught("New section")]), ["new section", "New section (Mine)"]);
    }

    #[test]
    fn added_tags_are_vocabularies_of_their_own() {
        let names = |metadata: &Metadata, has_section_tag, taught| -> Vec<(String, usize)> {
            let vocabularies = with_added_vocabularies(metadata, "model", 50, has_section_tag, taught);
            vocabularies.into_iter().map(|vocabulary| (vocabulary.name, vocabulary.tag_count)).collect()
        };
        let vocabulary = |name: &str, tag_count| Vocabulary { name: name.into(), tag_count };
        let single = Metadata::default();
        let several =
            Metadata { vocabularies: vec![vocabulary("a", 20), vocabulary("Mine", 30)], ..Metadata::default() };
        assert_eq!(names(&single, false, 0), []);
        assert_eq!(names(&single, false, 2), [("model".into(), 50), ("Mine".into(), 2)]);
        assert_eq!(names(&single, true, 0), [("model".into(), 50), ("Structure".into(), 1)]);
        assert_eq!(names(&several, true, 1)[2..], [("Structure".into(), 1), ("Mine 2".into(), 1)]);
    }
}
