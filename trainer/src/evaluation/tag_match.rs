//! Which outputs of a model are for which tags of a cache or of recordings with a known truth: by name.

use crate::data::vocabularies;
use crate::error::{Result, TrainerError};
use std::collections::HashMap;

/// The tags that a model and a cache, or a truth, have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMatch {
    /// Index in the cache's or the truth's tags of each tag that is evaluated.
    pub columns: Vec<usize>,
    /// The model's output for each of these.
    pub outputs: Vec<usize>,
    /// Whether the model names no tags, so that its outputs are the cache's tags by position.
    pub is_by_position: bool,
    /// The tags of the model that the cache or the truth does not have.
    pub only_in_model: Vec<String>,
    /// The tags of the cache, of its vocabulary that fits best, or of the truth, that the model does not predict.
    pub only_in_cache: Vec<String>,
}

impl TagMatch {
    /// Matches all tags of a model or those of one of its vocabularies with all tags of a cache or with those of one of its
    /// vocabularies, whichever have most in common, by name and in any order. A model without names has to have as many
    /// outputs as the cache has tags.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where a name occurs twice in the model, or no tag is in both.
    pub fn of(model: &[String], cache: &[String]) -> Result<Self> {
        let is_unnamed = model.iter().enumerate().all(|(index, tag)| *tag == tagvane_engine::unnamed_tag(index));
        if is_unnamed && model.len() == cache.len() && model != cache {
            let all: Vec<usize> = (0..cache.len()).collect();
            let (only_in_model, only_in_cache) = (Vec::new(), Vec::new());
            return Ok(Self { columns: all.clone(), outputs: all, is_by_position: true, only_in_model, only_in_cache });
        }
        let wholes_and_vocabularies =
            |tags: &[String]| std::iter::once((0..tags.len(), tags.to_vec())).chain(vocabularies::split(tags));
        let mut matched = Vec::new();
        for (outputs, names) in wholes_and_vocabularies(model) {
            let mut by_name: HashMap<&str, usize> = HashMap::new();
            for (output, tag) in outputs.zip(&names) {
                if by_name.insert(tag, output).is_some() {
                    return Err(TrainerError::Request(format!(
                        "the model predicts the tag \"{tag}\" twice, so its outputs cannot be told apart by name; rename \
                         one of them in the model's metadata"
                    )));
                }
            }
            for (columns, names) in wholes_and_vocabularies(cache) {
                let (found, missing): (Vec<_>, Vec<_>) =
                    columns.zip(names).partition(|(_, name)| by_name.contains_key(name.as_str()));
                let outputs: Vec<usize> = found.iter().map(|(_, name)| by_name[name.as_str()]).collect();
                let only_in_model = (0..model.len()).filter(|output| !outputs.contains(output));
                matched.push(Self {
                    columns: found.iter().map(|(column, _)| *column).collect(),
                    is_by_position: false,
                    only_in_model: only_in_model.map(|output| model[output].clone()).collect(),
                    only_in_cache: missing.into_iter().map(|(_, name)| name).collect(),
                    outputs,
                });
            }
        }
        // Of vocabularies with as much in common, the one that has fewest others.
        let best = matched
            .into_iter()
            .max_by_key(|matched| (matched.columns.len(), std::cmp::Reverse(matched.only_in_cache.len())));
        best.filter(|best| !best.columns.is_empty()).ok_or_else(|| {
            TrainerError::Request(format!(
                "the model and the cache have no tag in common: the model predicts {}, and the cache has {}; evaluate it \
                 on a cache with its tags",
                list(model),
                list(cache)
            ))
        })
    }

    /// Matches the tags of a model with those of a truth, whose lists are written by people: by name, or else by
    /// letters and digits alone, without the kind that MTG-Jamendo writes in front. The match is empty where no tag is in
    /// both.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where two tags of the model fit a tag equally well.
    pub fn ignoring_spelling(model: &[String], truth: &[String]) -> Result<Self> {
        let keys: Vec<String> = model.iter().map(|tag| spelling_key(tag)).collect();
        let (mut columns, mut outputs, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (column, tag) in truth.iter().enumerate() {
            let key = spelling_key(tag);
            let all_with =
                |is_equal: &dyn Fn(usize) -> bool| (0..model.len()).filter(|index| is_equal(*index)).collect();
            let exact: Vec<usize> = all_with(&|index| model[index] == *tag);
            let found = if exact.is_empty() { all_with(&|index| keys[index] == key) } else { exact };
            match found[..] {
                [] => missing.push(tag.clone()),
                [output] => {
                    columns.push(column);
                    outputs.push(output);
                }
                [one, other, ..] => {
                    return Err(TrainerError::Request(format!(
                        "the model predicts \"{}\" and \"{}\", and either may be the tag \"{tag}\"; rename one of them in \
                         the model's metadata",
                        model[one], model[other]
                    )));
                }
            }
        }
        let is_unmatched = |index: &usize| !outputs.contains(index);
        let only_in_model = (0..model.len()).filter(is_unmatched).map(|index| model[index].clone()).collect();
        Ok(Self { columns, outputs, is_by_position: false, only_in_model, only_in_cache: missing })
    }

    /// What does not match, in sentences.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.is_by_position {
            notes.push(format!(
                "the model names no tags: its {} outputs are taken for the cache's tags in their order",
                self.outputs.len()
            ));
        }
        let unmatched = [
            (&self.only_in_model, "only the model has, not the cache"),
            (&self.only_in_cache, "only the cache has, not the model"),
        ];
        for (tags, what) in unmatched.into_iter().filter(|(tags, _)| !tags.is_empty()) {
            notes.push(format!("tags that {what}, which are not evaluated ({}): {}", tags.len(), tags.join(", ")));
        }
        notes
    }
}

/// What a tag's spellings have in common: its letters and digits in lower case, without the kind that MTG-Jamendo writes
/// in front, as in `genre---hiphop`.
pub(super) fn spelling_key(tag: &str) -> String {
    let name = tag.rsplit("---").next().unwrap_or(tag);
    let key: String = name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if key.is_empty() { tag.to_lowercase() } else { key }
}

/// The first tags of a list.
pub(super) fn list(tags: &[String]) -> String {
    const NAMED: usize = 10;
    let more = if tags.len() > NAMED { format!(" and {} more", tags.len() - NAMED) } else { String::new() };
    format!("{}{more}", tags[..tags.len().min(NAMED)].join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn columns_and_outputs(model: &[&str], cache: &[String]) -> (Vec<usize>, Vec<usize>, bool) {
        let matched = TagMatch::of(&tags(model), cache).unwrap();
        (matched.columns, matched.outputs, matched.is_by_position)
    }

    /// Regression: a model with as many tags as the cache was scored by position, whatever its tags.
    #[test]
    fn tags_are_matched_by_name_and_by_position_only_where_the_model_has_no_names() {
        let all = tags(&["rock", "jazz", "soul"]);
        assert_eq!(columns_and_outputs(&["rock", "jazz", "soul"], &all), (vec![0, 1, 2], vec![0, 1, 2], false));
        assert_eq!(columns_and_outputs(&["soul", "rock", "jazz"], &all), (vec![0, 1, 2], vec![1, 2, 0], false));
        assert_eq!(columns_and_outputs(&["tag 1", "tag 2", "tag 3"], &all), (vec![0, 1, 2], vec![0, 1, 2], true));
        let joined = vocabularies::join(&[&tags(&["guitar", "rock"]), &all]);
        assert_eq!(columns_and_outputs(&["jazz", "soul", "rock"], &joined), (vec![2, 3, 4], vec![2, 0, 1], false));
        assert_eq!(columns_and_outputs(&["rock", "guitar"], &joined), (vec![0, 1], vec![1, 0], false));
        let all_names: Vec<&str> = joined.iter().map(String::as_str).collect();
        assert_eq!(columns_and_outputs(&all_names, &joined).0, [0, 1, 2, 3, 4]);
        // Regression: a model of several vocabularies had nothing in common with a cache of one of them.
        assert_eq!(columns_and_outputs(&all_names, &all), (vec![0, 1, 2], vec![2, 3, 4], false));
    }

    #[test]
    fn tags_of_a_truth_are_matched_in_any_spelling_and_exact_ones_first() {
        let truth = tags(&["Hip-Hop", "no vocal", "no vocals", "metal", "House", "electric guitar"]);
        let of = |model: &[&str]| TagMatch::ignoring_spelling(&tags(model), &truth);
        let matched = of(&["genre---hiphop", "house", "instrument---electricguitar", "genre---trance"]).unwrap();
        assert_eq!((&matched.columns[..], &matched.outputs[..]), (&[0, 4, 5][..], &[0, 1, 2][..]));
        assert_eq!((matched.only_in_model, matched.only_in_cache.len()), (tags(&["genre---trance"]), 3));
        let matched = of(&["Metal", "metal", "no vocals", "No Vocal"]).unwrap();
        assert_eq!((&matched.columns[..], &matched.outputs[..]), (&[1, 2, 3][..], &[3, 2, 1][..]));
        assert!(of(&["tag 1", "tag 2"]).unwrap().columns.is_empty());
        let message = of(&["Metal", "METAL"]).unwrap_err().to_string();
        assert!(message.contains("\"Metal\" and \"METAL\", and either may be the tag \"metal\""), "{message}");
        // Signs alone stay different tags.
        assert!(spelling_key("!!!") != spelling_key("???"));
    }

    #[test]
    fn unmatched_tags_of_both_sides_are_listed() {
        let all = tags(&["rock", "jazz", "soul"]);
        let matched = TagMatch::of(&tags(&["blues", "soul", "rock", "techno"]), &all).unwrap();
        assert_eq!((&matched.columns[..], &matched.outputs[..]), (&[0, 2][..], &[2, 1][..]));
        assert_eq!(
            matched.notes(),
            [
                "tags that only the model has, not the cache, which are not evaluated (2): blues, techno",
                "tags that only the cache has, not the model, which are not evaluated (1): jazz"
            ]
        );
        assert!(TagMatch::of(&all, &all).unwrap().notes().is_empty());
        let notes = TagMatch::of(&tags(&["tag 1", "tag 2", "tag 3"]), &all).unwrap().notes();
        assert!(matches!(&notes[..], [note] if note.contains("names no tags: its 3 outputs")), "{notes:?}");
        for (model, word) in [
            (
                &["tag 1", "tag 2"][..],
                "no tag in common: the model predicts tag 1, tag 2, and the cache has rock, jazz",
            ),
            (&["rock", "rock", "rock"], "\"rock\" twice"),
            (&["blues"], "no tag in common"),
        ] {
            let message = TagMatch::of(&tags(model), &all).unwrap_err().to_string();
            assert!(message.contains(word), "{message}");
        }
    }
}
