//! The tag vocabularies that the teachers and the datasets share, and several of them as one.

use std::ops::Range;

/// The fifty most used tags of MagnaTagATune, in the usual order of published
/// models, which is by how often they occur.
pub const MAGNATAGATUNE: [&str; 50] = [
    "guitar",
    "classical",
    "slow",
    "techno",
    "strings",
    "drums",
    "electronic",
    "rock",
    "fast",
    "piano",
    "ambient",
    "beat",
    "violin",
    "vocal",
    "synth",
    "female",
    "indian",
    "opera",
    "male",
    "singing",
    "vocals",
    "no vocals",
    "harpsichord",
    "loud",
    "quiet",
    "flute",
    "woman",
    "male vocal",
    "no vocal",
    "pop",
    "soft",
    "sitar",
    "solo",
    "man",
    "classic",
    "choir",
    "voice",
    "new age",
    "dance",
    "male voice",
    "female vocal",
    "beats",
    "harp",
    "cello",
    "no voice",
    "weird",
    "country",
    "metal",
    "female voice",
    "choral",
];

/// The fifty most used Last.fm tags of the Million Song Dataset, in the usual order of
/// published models, which is by how often they occur.
pub const MILLION_SONG: [&str; 50] = [
    "rock",
    "pop",
    "alternative",
    "indie",
    "electronic",
    "female vocalists",
    "dance",
    "00s",
    "alternative rock",
    "jazz",
    "beautiful",
    "metal",
    "chillout",
    "male vocalists",
    "classic rock",
    "soul",
    "indie rock",
    "Mellow",
    "electronica",
    "80s",
    "folk",
    "90s",
    "chill",
    "instrumental",
    "punk",
    "oldies",
    "blues",
    "hard rock",
    "ambient",
    "acoustic",
    "experimental",
    "female vocalist",
    "guitar",
    "Hip-Hop",
    "70s",
    "party",
    "country",
    "easy listening",
    "sexy",
    "catchy",
    "funk",
    "electro",
    "heavy metal",
    "Progressive rock",
    "60s",
    "rnb",
    "indie pop",
    "sad",
    "House",
    "happy",
];

/// What stands between a vocabulary's name and a tag, where several are joined.
const BETWEEN: &str = ": ";

/// The tags of all lists, one after another. Where there are several, each tag follows its
/// vocabulary's name, as in `MagnaTagATune: guitar`, for two may share a word.
pub fn joined(lists: &[&[String]]) -> Vec<String> {
    if let [only] = lists {
        return only.to_vec();
    }
    let mut tags = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let name = if list.iter().eq(&MAGNATAGATUNE) {
            "MagnaTagATune".to_owned()
        } else if list.iter().eq(&MILLION_SONG) {
            "Million Song Dataset".to_owned()
        } else {
            format!("vocabulary {}", index + 1)
        };
        tags.extend(list.iter().map(|tag| format!("{name}{BETWEEN}{tag}")));
    }
    tags
}

/// The places in `joined` of a vocabulary's tags, and these without its name; `None` where there is no
/// vocabulary of this name.
pub fn part(joined: &[String], name: &str) -> Option<(Range<usize>, Vec<String>)> {
    let own = |tag: &String| Some(tag.strip_prefix(name)?.strip_prefix(BETWEEN)?.to_owned());
    let first = joined.iter().position(|tag| own(tag).is_some())?;
    let tags: Vec<String> = joined[first..].iter().map_while(own).collect();
    Some((first..first + tags.len(), tags))
}

/// The places in `joined` of each vocabulary's tags, and these without its name; all of them where they
/// are of one.
pub fn parts(joined: &[String]) -> Vec<(Range<usize>, Vec<String>)> {
    let mut names: Vec<&str> = joined.iter().filter_map(|tag| Some(tag.split_once(BETWEEN)?.0)).collect();
    names.dedup();
    let parts: Vec<_> = names.iter().filter_map(|name| part(joined, name)).collect();
    let covered: usize = parts.iter().map(|(places, _)| places.len()).sum();
    if covered == joined.len() { parts } else { vec![(0..joined.len(), joined.to_vec())] }
}

/// The places in `all` of these tags, which are all of it or one of its vocabularies; `None` where
/// they are neither.
pub fn places(all: &[String], tags: &[String]) -> Option<Range<usize>> {
    if all == tags {
        return Some(0..all.len());
    }
    parts(all).into_iter().find_map(|(places, own)| (own == tags).then_some(places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_vocabularies_come_apart_again() {
        let [first, second] = [MAGNATAGATUNE, MILLION_SONG].map(|tags| tags.map(str::to_owned).to_vec());
        let third = vec!["rock".to_owned()];
        let all = joined(&[&first, &second, &third]);
        assert_eq!((all.len(), all[57].as_str()), (101, "Million Song Dataset: 00s"));
        assert_eq!(part(&all, "Million Song Dataset"), Some((50..100, second.clone())));
        assert_eq!(part(&all, "vocabulary 3"), Some((100..101, third.clone())));
        assert_eq!(part(&all, "Million"), None);
        assert_eq!(places(&all, &first), Some(0..50));
        assert_eq!(places(&all, &second), Some(50..100));
        assert_eq!(places(&all, &all), Some(0..101));
        assert_eq!(places(&all, &first[1..]), None);
        assert_eq!(joined(&[&first]), first);
        assert_eq!(parts(&all), [(0..50, first.clone()), (50..100, second), (100..101, third)]);
        // A colon alone makes no vocabulary.
        let colons = ["drums".to_owned(), "mood: calm".to_owned()];
        assert_eq!(parts(&colons), [(0..2, colons.to_vec())]);
    }
}
