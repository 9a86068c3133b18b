//! Groups of tags and synonyms, for the vocabularies of the trainer.

/// The subject of a tag, in the order of the window.
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

    /// The heading.
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

    /// The group of a tag by its name; `Other` for an unknown tag.
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
    "acoustic guitar",
    "electric guitar",
    "bass guitar",
    "bass",
    "banjo",
    "electric piano",
    "organ",
    "keyboard",
    "synthesizer",
    "computer",
    "drum kit",
    "drum machine",
    "tabla",
    "hi-hat",
    "marimba",
    "orchestra",
    "brass",
    "trumpet",
    "string section",
    "double bass",
    "saxophone",
    "clarinet",
    "harmonica",
    "accordion",
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
    "speech",
    "chant",
    "child singing",
    "rapping",
    "humming",
    "whistling",
    "beatboxing",
    "a cappella",
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
    "reggae",
    "disco",
    "drum and bass",
    "trance",
    "downtempo",
    "instrumental pop",
    "lounge",
    "orchestral",
    "pop folk",
    "pop rock",
    "soundtrack",
    "trip-hop",
    "world",
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
    "tender",
    "exciting",
    "angry",
    "scary",
    "emotional",
    "energetic",
    "film",
    "relaxing",
    "atmospheric",
];

const DECADES: &[&str] = &["60s", "70s", "80s", "90s", "00s", "oldies"];

/// Tags with the same meaning; the first is the name of all.
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

/// The names of the rows and the indices of the tags in each: one tag per row, or, if `fold` is set, all
/// synonyms in the row of the first of them.
pub(crate) fn fold_synonyms(tags: &[String], fold: bool) -> Vec<(String, Vec<usize>)> {
    let mut rows: Vec<(String, Vec<usize>)> = Vec::new();
    let mut is_in_row = vec![false; tags.len()];
    for (tag, name) in tags.iter().enumerate() {
        if std::mem::replace(&mut is_in_row[tag], true) {
            continue;
        }
        let mut members = vec![tag];
        let synonyms = SYNONYMS.iter().find(|synonyms| synonyms.contains(&name.as_str())).filter(|_| fold);
        for synonym in synonyms.into_iter().flat_map(|synonyms| synonyms.iter()) {
            for (other, _) in tags.iter().enumerate().filter(|(_, tag)| tag == synonym) {
                if !std::mem::replace(&mut is_in_row[other], true) {
                    members.push(other);
                }
            }
        }
        let name = match synonyms {
            Some(synonyms) if members.len() > 1 => {
                synonyms.iter().find(|synonym| tags.iter().any(|tag| tag == *synonym))
            }
            _ => None,
        }
        .map_or_else(|| name.clone(), |synonym| (*synonym).to_owned());
        rows.push((name, members));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::SHIPPED_MODELS;

    #[test]
    fn every_tag_of_the_shipped_models_has_a_group() {
        for model in &SHIPPED_MODELS {
            let vocabularies: Vec<String> =
                model.metadata().vocabularies.into_iter().map(|vocabulary| format!(" ({})", vocabulary.name)).collect();
            for tag in model.metadata().display_tags() {
                let suffix = vocabularies.iter().find(|suffix| tag.ends_with(*suffix));
                let tag = suffix.and_then(|suffix| tag.strip_suffix(suffix.as_str())).unwrap_or(&tag);
                assert_ne!(Group::of(tag), Group::Other, "{}: {tag}", model.name);
            }
        }
    }

    #[test]
    fn every_tag_of_the_other_vocabularies_has_a_group() {
        let audioset = include_str!("../../../trainer/src/data/vocabularies/audioset_music.csv");
        let lists = include_str!("../../../trainer/src/data/vocabularies/lists.rs");
        let (_, jamendo) = lists.split_once("JAMENDO_READABLE").unwrap();
        let audioset = audioset.lines().skip(1).filter_map(|line| line.rsplit(',').next());
        let tags: Vec<&str> = audioset.chain(jamendo.split('"').skip(1).step_by(2)).collect();
        assert_eq!(tags.len(), 114);
        for tag in tags {
            assert_ne!(Group::of(tag), Group::Other, "{tag}");
        }
    }

    #[test]
    fn folding_keeps_every_tag_exactly_once() {
        for model in &SHIPPED_MODELS {
            let tags = model.metadata().display_tags();
            for fold in [false, true] {
                let rows = fold_synonyms(&tags, fold);
                let mut members: Vec<usize> = rows.into_iter().flat_map(|(_, tags)| tags).collect();
                members.sort_unstable();
                assert_eq!(members, (0..tags.len()).collect::<Vec<_>>(), "{}", model.name);
            }
            assert_eq!(fold_synonyms(&tags, false).len(), tags.len());
            assert!(fold_synonyms(&tags, true).len() < tags.len());
        }
        let tags = ["rock", "no voice", "no vocal"].map(str::to_owned);
        let folded = fold_synonyms(&tags, true);
        assert_eq!(folded, [("rock".to_owned(), vec![0]), ("no vocal".to_owned(), vec![1, 2])]);
    }
}
