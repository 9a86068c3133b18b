//! The names of taught tags beside those of a model.

use super::tag::TaughtTag;
use crate::model::{Metadata, Vocabulary};
use std::collections::HashSet;

/// The vocabulary of the taught tags.
const MINE: &str = "Mine";

/// The names of a model's tags, and then those of the taught ones, each of them once: a taught one that the model has, in
/// upper or lower case, is followed by its vocabulary.
pub(crate) fn with_taught_names(model_tags: Vec<String>, taught: &[TaughtTag]) -> Vec<String> {
    let mut taken: HashSet<String> = model_tags.iter().map(|tag| tag.to_lowercase()).collect();
    let mut tags = model_tags;
    for TaughtTag { name, .. } in taught {
        let mut unique = name.clone();
        let mut number = 1;
        while !taken.insert(unique.to_lowercase()) {
            unique = if number == 1 { format!("{name} ({MINE})") } else { format!("{name} ({MINE} {number})") };
            number += 1;
        }
        tags.push(unique);
    }
    tags
}

/// The vocabularies of a model with taught tags. All tags of a model with one vocabulary have the name of the model there.
pub(crate) fn taught_vocabularies(
    metadata: &Metadata,
    model_name: &str,
    model_tags: usize,
    taught: usize,
) -> Vec<Vocabulary> {
    let mut vocabularies = metadata.vocabularies.clone();
    if taught == 0 {
        return vocabularies;
    }
    if vocabularies.is_empty() {
        vocabularies.push(Vocabulary { name: model_name.to_owned(), tag_count: model_tags });
    }
    let is_taken = vocabularies.iter().any(|vocabulary| vocabulary.name == MINE);
    let name = if is_taken { format!("{MINE} 2") } else { MINE.to_owned() };
    vocabularies.push(Vocabulary { name, tag_count: taught });
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
        let names =
            |taught: &[TaughtTag]| with_taught_names(vec!["Rock".into(), "x (Mine)".into()], taught)[2..].to_vec();
        let tags = [taught("chorus"), taught("rock"), taught("x"), taught("X"), taught("CHORUS")];
        assert_eq!(names(&tags), ["chorus", "rock (Mine)", "x", "X (Mine 2)", "CHORUS (Mine)"]);
    }

    #[test]
    fn taught_tags_are_a_vocabulary_of_their_own() {
        let names = |metadata: &Metadata, taught| -> Vec<(String, usize)> {
            let vocabularies = taught_vocabularies(metadata, "model", 50, taught);
            vocabularies.into_iter().map(|vocabulary| (vocabulary.name, vocabulary.tag_count)).collect()
        };
        let vocabulary = |name: &str, tag_count| Vocabulary { name: name.into(), tag_count };
        let single = Metadata::default();
        let several =
            Metadata { vocabularies: vec![vocabulary("a", 20), vocabulary("Mine", 30)], ..Metadata::default() };
        assert_eq!(names(&single, 0), []);
        assert_eq!(names(&single, 2), [("model".into(), 50), ("Mine".into(), 2)]);
        assert_eq!(names(&several, 1), [("a".into(), 20), ("Mine".into(), 30), ("Mine 2".into(), 1)]);
    }
}
