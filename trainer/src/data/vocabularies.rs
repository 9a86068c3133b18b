//! The tag vocabularies of the data sets and teachers, and lists of tags that join several vocabularies.

use std::ops::Range;

/// The fifty most frequent tags of MagnaTagATune, most frequent first, as in published models.
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

/// The fifty most frequent Last.fm tags of the Million Song Dataset, most frequent first, as in published models.
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

/// The fifty most frequent tags of MTG-Jamendo, alphabetically, with their kinds, as in published models.
pub const JAMENDO: [&str; 50] = [
    "genre---alternative",
    "genre---ambient",
    "genre---atmospheric",
    "genre---chillout",
    "genre---classical",
    "genre---dance",
    "genre---downtempo",
    "genre---easylistening",
    "genre---electronic",
    "genre---experimental",
    "genre---folk",
    "genre---funk",
    "genre---hiphop",
    "genre---house",
    "genre---indie",
    "genre---instrumentalpop",
    "genre---jazz",
    "genre---lounge",
    "genre---metal",
    "genre---newage",
    "genre---orchestral",
    "genre---pop",
    "genre---popfolk",
    "genre---poprock",
    "genre---reggae",
    "genre---rock",
    "genre---soundtrack",
    "genre---techno",
    "genre---trance",
    "genre---triphop",
    "genre---world",
    "instrument---acousticguitar",
    "instrument---bass",
    "instrument---computer",
    "instrument---drummachine",
    "instrument---drums",
    "instrument---electricguitar",
    "instrument---electricpiano",
    "instrument---guitar",
    "instrument---keyboard",
    "instrument---piano",
    "instrument---strings",
    "instrument---synthesizer",
    "instrument---violin",
    "instrument---voice",
    "mood/theme---emotional",
    "mood/theme---energetic",
    "mood/theme---film",
    "mood/theme---happy",
    "mood/theme---relaxing",
];

/// Separates the name of the vocabulary from the tag where several vocabularies are joined.
const SEPARATOR: &str = ": ";

/// Concatenates vocabularies. Where there are several, each tag is prefixed with the name of its vocabulary, as in
/// `MagnaTagATune: guitar`, because vocabularies share tags.
pub fn join(lists: &[&[String]]) -> Vec<String> {
    if let [only] = lists {
        return only.to_vec();
    }
    let mut tags = Vec::new();
    for (index, list) in lists.iter().enumerate() {
        let name = if list.iter().eq(&MAGNATAGATUNE) {
            "MagnaTagATune".to_owned()
        } else if list.iter().eq(&MILLION_SONG) {
            "Million Song Dataset".to_owned()
        } else if list.iter().eq(&JAMENDO) {
            "MTG-Jamendo".to_owned()
        } else {
            format!("vocabulary {}", index + 1)
        };
        tags.extend(list.iter().map(|tag| format!("{name}{SEPARATOR}{tag}")));
    }
    tags
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
        assert_eq!((all.len(), all[57].as_str()), (101, "Million Song Dataset: 00s"));
        assert_eq!(find(&all, "Million Song Dataset"), Some((50..100, second.clone())));
        assert_eq!(find(&all, "vocabulary 3"), Some((100..101, third.clone())));
        assert_eq!(find(&all, "Million"), None);
        assert_eq!(range_of(&all, &first), Some(0..50));
        assert_eq!(range_of(&all, &second), Some(50..100));
        assert_eq!(range_of(&all, &all), Some(0..101));
        assert_eq!(range_of(&all, &first[1..]), None);
        assert_eq!(join(&[&first]), first);
        let jamendo = JAMENDO.map(str::to_owned).to_vec();
        assert_eq!(join(&[&first, &jamendo])[50], "MTG-Jamendo: genre---alternative");
        assert_eq!(split(&all), [(0..50, first.clone()), (50..100, second), (100..101, third)]);
        // A colon in some of the tags does not make vocabularies.
        let colons = ["drums".to_owned(), "mood: calm".to_owned()];
        assert_eq!(split(&colons), [(0..2, colons.to_vec())]);
    }
}
