//! What belongs together: the tags of the two shipped vocabularies by what they are about, and
//! words that say the same.

/// What a tag is about; the order is that on screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Instruments,
    Voices,
    Style,
    Mood,
    Decades,
    Other,
}

impl Group {
    pub(crate) const ALL: [Self; 6] =
        [Self::Instruments, Self::Voices, Self::Style, Self::Mood, Self::Decades, Self::Other];

    /// Its heading.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instruments => "Instruments",
            Self::Voices => "Voices",
            Self::Style => "Style",
            Self::Mood => "Mood and tempo",
            Self::Decades => "Decades",
            Self::Other => "Other",
        }
    }

    /// The group of a tag, by its name; tags of other vocabularies are in `Other`.
    pub(crate) fn of(tag: &str) -> Self {
        let tag = tag.to_lowercase();
        let groups = [
            (Self::Instruments, INSTRUMENTS),
            (Self::Voices, VOICES),
            (Self::Style, STYLES),
            (Self::Mood, MOODS),
            (Self::Decades, DECADES),
        ];
        groups.into_iter().find(|(_, tags)| tags.contains(&tag.as_str())).map_or(Self::Other, |(group, _)| group)
    }
}

const INSTRUMENTS: &[&str] = &[
    "guitar",
    "strings",
    "drums",
    "piano",
    "violin",
    "synth",
    "harpsichord",
    "flute",
    "sitar",
    "solo",
    "harp",
    "cello",
    "instrumental",
    "acoustic",
];

const VOICES: &[&str] = &[
    "vocal",
    "vocals",
    "voice",
    "singing",
    "female",
    "woman",
    "female vocal",
    "female voice",
    "female vocalist",
    "female vocalists",
    "male",
    "man",
    "male vocal",
    "male voice",
    "male vocalists",
    "no vocal",
    "no vocals",
    "no voice",
    "choir",
    "choral",
    "opera",
];

const STYLES: &[&str] = &[
    "classical",
    "classic",
    "techno",
    "electronic",
    "electronica",
    "electro",
    "house",
    "rock",
    "indian",
    "pop",
    "new age",
    "dance",
    "country",
    "metal",
    "heavy metal",
    "alternative",
    "alternative rock",
    "indie",
    "indie rock",
    "indie pop",
    "jazz",
    "soul",
    "classic rock",
    "hard rock",
    "progressive rock",
    "folk",
    "punk",
    "blues",
    "experimental",
    "hip-hop",
    "funk",
    "rnb",
    "ambient",
];

const MOODS: &[&str] = &[
    "slow",
    "fast",
    "beat",
    "beats",
    "loud",
    "quiet",
    "soft",
    "weird",
    "beautiful",
    "chillout",
    "chill",
    "mellow",
    "party",
    "easy listening",
    "sexy",
    "catchy",
    "sad",
    "happy",
];

const DECADES: &[&str] = &["60s", "70s", "80s", "90s", "00s", "oldies"];

/// Words that say the same; the first stands for all.
const SYNONYMS: [&[&str]; 9] = [
    &["no vocals", "no vocal", "no voice"],
    &["vocals", "vocal", "voice", "singing"],
    &["female voice", "female vocal", "female", "woman"],
    &["male voice", "male vocal", "male", "man"],
    &["female vocalists", "female vocalist"],
    &["choir", "choral"],
    &["classical", "classic"],
    &["beat", "beats"],
    &["chillout", "chill"],
];

/// The tags of a model as they are shown: each by itself, or those that say the same folded into
/// the first of them. Gives a name and the tags behind it.
pub(crate) fn items(tags: &[String], fold: bool) -> Vec<(String, Vec<usize>)> {
    let mut items: Vec<(String, Vec<usize>)> = Vec::new();
    let mut taken = vec![false; tags.len()];
    for (tag, name) in tags.iter().enumerate() {
        if std::mem::replace(&mut taken[tag], true) {
            continue;
        }
        let mut members = vec![tag];
        let set = SYNONYMS.iter().find(|set| set.contains(&name.as_str())).filter(|_| fold);
        for word in set.into_iter().flat_map(|set| set.iter()) {
            for (other, _) in tags.iter().enumerate().filter(|(_, tag)| tag == word) {
                if !std::mem::replace(&mut taken[other], true) {
                    members.push(other);
                }
            }
        }
        let name = match set {
            Some(set) if members.len() > 1 => set.iter().find(|word| tags.iter().any(|tag| tag == *word)),
            _ => None,
        }
        .map_or_else(|| name.clone(), |word| (*word).to_owned());
        items.push((name, members));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::SHIPPED;

    #[test]
    fn every_tag_that_ships_has_a_group() {
        for model in &SHIPPED {
            for tag in model.metadata().tags {
                assert_ne!(Group::of(&tag), Group::Other, "{}: {tag}", model.name);
            }
        }
    }

    #[test]
    fn folding_loses_no_tag_and_takes_none_twice() {
        for model in &SHIPPED {
            let tags = model.metadata().tags;
            for fold in [false, true] {
                let mut behind: Vec<usize> = items(&tags, fold).into_iter().flat_map(|(_, tags)| tags).collect();
                behind.sort_unstable();
                assert_eq!(behind, (0..tags.len()).collect::<Vec<_>>(), "{}", model.name);
            }
            assert_eq!(items(&tags, false).len(), tags.len());
            assert!(items(&tags, true).len() < tags.len());
        }
        let tags = ["rock", "no voice", "no vocal"].map(str::to_owned);
        let folded = items(&tags, true);
        assert_eq!(folded, [("rock".to_owned(), vec![0]), ("no vocal".to_owned(), vec![1, 2])]);
    }
}
