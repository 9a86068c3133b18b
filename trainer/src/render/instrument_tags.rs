//! Which tags name an instrument, in the vocabularies of MagnaTagATune, the Million Song Dataset, MTG-Jamendo and
//! AudioSet.

/// The names of instruments and voices, as in lists of recordings, and the tags that name them, in lower case. A tag
/// that an instrument may suggest, such as `classical`, is not its name.
const TAGS: &[(&[&str], &[&str])] = &[
    (
        &["piano", "grand piano", "upright piano", "old upright piano", "prepared piano"],
        &["piano", "instrument---piano"],
    ),
    (&["electric piano"], &["electric piano", "instrument---electricpiano"]),
    (&["harpsichord"], &["harpsichord"]),
    (&["organ", "harmonium", "reed organ"], &["organ"]),
    (&["accordion"], &["accordion"]),
    (&["harmonica"], &["harmonica"]),
    (&["guitar"], &["guitar", "instrument---guitar"]),
    (
        &["acoustic guitar", "classical guitar", "nylon guitar", "steel string guitar"],
        &["guitar", "instrument---guitar", "acoustic guitar", "instrument---acousticguitar"],
    ),
    (
        &["electric guitar", "jazz guitar", "distortion guitar"],
        &["guitar", "instrument---guitar", "electric guitar", "instrument---electricguitar"],
    ),
    (&["archtop guitar"], &["guitar", "instrument---guitar"]),
    (&["electric bass", "bass guitar", "fretless bass"], &["bass guitar", "bass", "instrument---bass"]),
    (&["double bass", "contrabass", "upright bass"], &["double bass", "bass", "instrument---bass"]),
    (&["banjo"], &["banjo"]),
    (&["mandolin"], &["mandolin"]),
    (&["ukulele"], &["ukulele"]),
    (&["sitar"], &["sitar"]),
    (&["harp"], &["harp"]),
    (
        &["violin", "solo violin"],
        &[
            "violin",
            "strings",
            "instrument---violin",
            "instrument---strings",
            "violin, fiddle",
            "bowed string instrument",
        ],
    ),
    (&["cello", "solo cello"], &["cello", "strings", "instrument---strings", "bowed string instrument"]),
    (&["viola"], &["strings", "instrument---strings", "bowed string instrument"]),
    (
        &["string ensemble", "strings"],
        &["strings", "instrument---strings", "string section", "bowed string instrument"],
    ),
    (&["flute", "shakuhachi"], &["flute"]),
    (&["clarinet"], &["clarinet"]),
    (&["saxophone", "alto saxophone", "baritone saxophone", "soprano saxophone", "tenor saxophone"], &["saxophone"]),
    (&["trumpet"], &["trumpet", "brass", "brass instrument"]),
    (&["trombone"], &["trombone", "brass", "brass instrument"]),
    (&["french horn"], &["french horn", "brass", "brass instrument"]),
    (&["tuba", "flugelhorn", "brass"], &["brass", "brass instrument"]),
    (&["vibraphone"], &["vibraphone"]),
    (&["marimba"], &["marimba", "marimba, xylophone"]),
    (&["xylophone"], &["marimba, xylophone"]),
    (&["steel drum", "steelpan"], &["steelpan"]),
    (&["timpani"], &["timpani"]),
    (&["didgeridoo"], &["didgeridoo"]),
    (&["theremin"], &["theremin"]),
    (&["synthesizer"], &["synth", "synthesizer", "instrument---synthesizer"]),
    (&["drums", "drum kit", "acoustic drums"], &["drums", "instrument---drums", "drum", "drum kit"]),
    (&["hand drum", "djembe", "darbuka", "madal", "mridangam", "taiko"], &["drums", "instrument---drums", "drum"]),
    (&["percussion"], &["percussion"]),
    (&["choir"], &["choir", "choral"]),
    (&["voice", "vocal"], VOICE),
    (&["singing"], &["singing"]),
    (&["rapping"], &["rapping"]),
    (
        &["female voice"],
        &["female", "woman", "female voice", "female vocal", "female vocalist", "female vocalists", "female singing"],
    ),
    (&["male voice"], &["male", "man", "male voice", "male vocal", "male vocalists", "male singing"]),
];

/// Whether a tag says that there is no voice.
pub fn denies_voice(tag: &str) -> bool {
    ["no vocals", "no vocal", "no voice", "instrumental"].contains(&tag.to_lowercase().as_str())
}

/// The tags of any voice.
const VOICE: &[&str] = &["vocal", "vocals", "voice", "instrument---voice"];

/// The tags, in lower case, that name an instrument or a voice; none where no vocabulary has it.
pub fn tags_naming(instrument: &str) -> impl Iterator<Item = &'static str> {
    let own = TAGS.iter().filter(move |(names, _)| names.contains(&instrument)).flat_map(|(_, tags)| *tags);
    let is_sex_known = instrument == "female voice" || instrument == "male voice";
    own.chain(VOICE.iter().filter(move |_| is_sex_known)).copied()
}

/// Whether a tag of a vocabulary names an instrument, ignoring case.
pub fn is_named_by(instrument: &str, tag: &str) -> bool {
    tags_naming(instrument).any(|name| name == tag.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::vocabularies::{JAMENDO, MAGNATAGATUNE, MILLION_SONG};
    use std::collections::HashSet;

    #[test]
    fn instruments_have_the_tags_of_each_vocabulary_that_name_them() {
        let of = |instrument: &str, tags: &[&'static str]| -> Vec<&'static str> {
            tags.iter().copied().filter(|tag| is_named_by(instrument, tag)).collect()
        };
        assert_eq!(of("cello", &MAGNATAGATUNE), ["strings", "cello"]);
        assert_eq!(of("violin", &MAGNATAGATUNE), ["strings", "violin"]);
        assert_eq!(of("viola", &MAGNATAGATUNE), ["strings"]);
        assert_eq!(of("electric guitar", &MILLION_SONG), ["guitar"]);
        let women = ["vocal", "female", "vocals", "woman", "voice", "female vocal", "female voice"];
        assert_eq!(of("female voice", &MAGNATAGATUNE), women);
        assert_eq!(of("male voice", &MILLION_SONG), ["male vocalists"]);
        assert_eq!(of("acoustic guitar", &JAMENDO), ["instrument---acousticguitar", "instrument---guitar"]);
        assert_eq!(of("sitar", &["Sitar", "Guitar", "Violin, fiddle"]), ["Sitar"]);
        assert_eq!(of("koto", &MAGNATAGATUNE), [""; 0]);
    }

    #[test]
    fn each_name_is_in_the_table_once_and_all_instrument_tags_are_reached() {
        let mut names = HashSet::new();
        assert!(TAGS.iter().flat_map(|(instruments, _)| *instruments).all(|name| names.insert(*name)));
        for tag in [
            "guitar",
            "strings",
            "drums",
            "piano",
            "violin",
            "vocal",
            "synth",
            "female",
            "male",
            "singing",
            "vocals",
            "harpsichord",
            "flute",
            "woman",
            "male vocal",
            "sitar",
            "man",
            "choir",
            "voice",
            "male voice",
            "female vocal",
            "harp",
            "cello",
            "female voice",
            "choral",
        ] {
            assert!(MAGNATAGATUNE.contains(&tag) && names.iter().any(|name| is_named_by(name, tag)), "{tag}");
        }
    }
}
