//! AudioSet Music: the classes of AudioSet that a musician would use.

use serde::Deserialize;

/// A class of AudioSet (Gemmeke et al. 2017).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AudioSetClass {
    /// Its index among YAMNet's outputs.
    pub index: usize,
    /// AudioSet's id, such as `/m/015lz1`.
    pub id: String,
    /// AudioSet's name, such as `Violin, fiddle`.
    pub class: String,
    /// The tag that it is here, such as `violin`.
    pub tag: String,
}

/// The 64 classes, in AudioSet's order: voices and ways to sing, instruments, genres, moods.
pub fn audioset_music() -> Vec<AudioSetClass> {
    let mut reader = csv::Reader::from_reader(include_bytes!("audioset_music.csv").as_slice());
    // The file is a part of the program, and a test reads it.
    reader.deserialize().filter_map(Result::ok).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_list_has_64_classes_in_order_with_different_ids_and_tags() {
        let classes = audioset_music();
        assert_eq!(classes.len(), 64);
        assert!(classes.is_sorted_by_key(|class| class.index) && classes.iter().all(|class| class.index < 521));
        let ids: HashSet<&str> = classes.iter().map(|class| class.id.as_str()).collect();
        let tags: HashSet<&str> = classes.iter().map(|class| class.tag.as_str()).collect();
        assert_eq!((ids.len(), tags.len()), (64, 64));
        assert!(ids.iter().all(|id| id.starts_with("/m/") || id.starts_with("/t/")));
    }
}
