//! Which outputs of a model are for which tags of a cache: by name.

use crate::data::vocabularies;
use crate::error::{Result, TrainerError};
use std::collections::HashMap;

/// The tags that a model and a cache have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMatch {
    /// Index in the cache's tags of each tag that is evaluated.
    pub columns: Vec<usize>,
    /// The model's output for each of these.
    pub outputs: Vec<usize>,
    /// Whether the model names no tags, so that its outputs are the cache's tags by position.
    pub is_by_position: bool,
    /// The tags of the model that the cache does not have.
    pub only_in_model: Vec<String>,
    /// The tags of the cache, or of the vocabulary that fits best, that the model does not predict.
    pub only_in_cache: Vec<String>,
}

impl TagMatch {
    /// Matches the tags of a model with all tags of a cache or with those of one of its vocabularies, whichever has more
    /// of them, by name and in any order. A model without names has to have as many outputs as the cache has tags.
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
        let mut outputs: HashMap<&str, usize> = HashMap::new();
        for (index, tag) in model.iter().enumerate() {
            if outputs.insert(tag, index).is_some() {
                return Err(TrainerError::Request(format!(
                    "the model predicts the tag \"{tag}\" twice, so its outputs cannot be told apart by name; rename \
                     one of them in the model's metadata"
                )));
            }
        }
        let whole = (0..cache.len(), cache.to_vec());
        let candidates = std::iter::once(whole).chain(vocabularies::split(cache));
        let matched = candidates.map(|(range, names)| {
            let (found, missing): (Vec<_>, Vec<_>) =
                range.zip(names).partition(|(_, name)| outputs.contains_key(name.as_str()));
            let only_in_model = model.iter().filter(|tag| !found.iter().any(|(_, name)| name == *tag));
            Self {
                columns: found.iter().map(|(column, _)| *column).collect(),
                outputs: found.iter().map(|(_, name)| outputs[name.as_str()]).collect(),
                is_by_position: false,
                only_in_model: only_in_model.cloned().collect(),
                only_in_cache: missing.into_iter().map(|(_, name)| name).collect(),
            }
        });
        // Of vocabularies with as many of the model's tags, the one that has fewest others.
        let best =
            matched.max_by_key(|matched| (matched.columns.len(), std::cmp::Reverse(matched.only_in_cache.len())));
        best.filter(|best| !best.columns.is_empty()).ok_or_else(|| {
            TrainerError::Request(format!(
                "the model and the cache have no tag in common: the model predicts {}, and the cache has {}; evaluate it \
                 on a cache with its tags",
                list(model),
                list(cache)
            ))
        })
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

/// The first tags of a list.
fn list(tags: &[String]) -> String {
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
