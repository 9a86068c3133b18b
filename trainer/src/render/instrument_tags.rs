//! Which tags name an instrument, in the vocabularies of MagnaTagATune, the Million Song Dataset, MTG-Jamendo and
//! AudioSet.

/// What a list of recordings, or a program of General MIDI, calls an instrument or a voice, and what that says about tags.
struct Instrument {
    names: &'static [&'static str],
    /// The tags that name it, in lower case. A tag that it may suggest, such as `classical`, is none of them.
    tags: &'static [&'static str],
    /// Tags that may name it or a part of it, too. All other tags of instruments do not apply where it plays alone.
    family: &'static [&'static str],
}

const fn instrument(
    names: &'static [&'static str],
    tags: &'static [&'static str],
    family: &'static [&'static str],
) -> Instrument {
    Instrument { names, tags, family }
}

const PIANOS: &[&str] = &["piano", "instrument---piano", "electric piano", "instrument---electricpiano"];
const GUITARS: &[&str] = &[
    "guitar",
    "instrument---guitar",
    "acoustic guitar",
    "instrument---acousticguitar",
    "electric guitar",
    "instrument---electricguitar",
];
const BASSES: &[&str] = &["bass", "instrument---bass", "bass guitar", "double bass"];
const STRINGS: &[&str] = &[
    "strings",
    "instrument---strings",
    "string section",
    "bowed string instrument",
    "violin",
    "instrument---violin",
    "violin, fiddle",
    "cello",
    "double bass",
];
const BRASS: &[&str] = &["brass", "brass instrument", "trumpet", "trombone", "french horn"];
const MALLETS: &[&str] = &["vibraphone", "marimba", "marimba, xylophone", "percussion"];
const DRUMS: &[&str] =
    &["drums", "instrument---drums", "drum", "drum kit", "percussion", "timpani", "steelpan", "marimba, xylophone"];
const SYNTHESIZERS: &[&str] = &["synth", "synthesizer", "instrument---synthesizer"];
const VOICES: &[&str] = &[
    "vocal",
    "vocals",
    "voice",
    "instrument---voice",
    "choir",
    "choral",
    "singing",
    "rapping",
    "female",
    "woman",
    "female voice",
    "female vocal",
    "female vocalist",
    "female vocalists",
    "female singing",
    "male",
    "man",
    "male voice",
    "male vocal",
    "male vocalists",
    "male singing",
];

/// Each name stands once.
const INSTRUMENTS: &[Instrument] = &[
    instrument(
        &["piano", "grand piano", "upright piano", "old upright piano", "prepared piano"],
        &["piano", "instrument---piano"],
        PIANOS,
    ),
    instrument(&["electric piano"], &["electric piano", "instrument---electricpiano"], PIANOS),
    instrument(&["harpsichord"], &["harpsichord"], &[]),
    instrument(&["organ", "harmonium", "reed organ"], &["organ"], &["accordion"]),
    instrument(&["accordion"], &["accordion"], &["organ", "harmonica"]),
    instrument(&["harmonica"], &["harmonica"], &["accordion"]),
    instrument(&["guitar"], &["guitar", "instrument---guitar"], GUITARS),
    instrument(
        &["acoustic guitar", "classical guitar", "nylon guitar", "steel string guitar"],
        &["guitar", "instrument---guitar", "acoustic guitar", "instrument---acousticguitar"],
        &[],
    ),
    instrument(
        &["electric guitar", "jazz guitar", "distortion guitar"],
        &["guitar", "instrument---guitar", "electric guitar", "instrument---electricguitar"],
        &[],
    ),
    instrument(&["archtop guitar"], &["guitar", "instrument---guitar"], GUITARS),
    instrument(
        &["electric bass", "bass guitar", "fretless bass"],
        &["bass guitar", "bass", "instrument---bass"],
        GUITARS,
    ),
    instrument(&["double bass", "contrabass", "upright bass"], &["double bass", "bass", "instrument---bass"], STRINGS),
    instrument(
        &["synth bass"],
        &[],
        &["synth", "synthesizer", "instrument---synthesizer", "bass", "instrument---bass"],
    ),
    instrument(&["banjo"], &["banjo"], &[]),
    instrument(&["mandolin"], &["mandolin"], &[]),
    instrument(&["ukulele"], &["ukulele"], &[]),
    instrument(&["sitar"], &["sitar"], &[]),
    instrument(&["harp"], &["harp"], &[]),
    instrument(
        &["violin", "solo violin"],
        &[
            "violin",
            "strings",
            "instrument---violin",
            "instrument---strings",
            "violin, fiddle",
            "bowed string instrument",
        ],
        &["string section"],
    ),
    instrument(
        &["cello", "solo cello"],
        &["cello", "strings", "instrument---strings", "bowed string instrument"],
        &["string section", "double bass"],
    ),
    instrument(&["viola"], &["strings", "instrument---strings", "bowed string instrument"], STRINGS),
    instrument(
        &["string ensemble", "strings"],
        &["strings", "instrument---strings", "string section", "bowed string instrument"],
        STRINGS,
    ),
    instrument(
        &["synth strings"],
        &["strings", "instrument---strings"],
        &["string section", "bowed string instrument", "synth", "synthesizer", "instrument---synthesizer"],
    ),
    instrument(&["flute", "shakuhachi"], &["flute"], &[]),
    instrument(&["clarinet"], &["clarinet"], &[]),
    instrument(
        &["saxophone", "alto saxophone", "baritone saxophone", "soprano saxophone", "tenor saxophone"],
        &["saxophone"],
        &["brass instrument", "brass"],
    ),
    instrument(&["trumpet"], &["trumpet", "brass", "brass instrument"], &[]),
    instrument(&["trombone"], &["trombone", "brass", "brass instrument"], &[]),
    instrument(&["french horn"], &["french horn", "brass", "brass instrument"], &[]),
    instrument(&["tuba", "flugelhorn", "brass"], &["brass", "brass instrument"], BRASS),
    instrument(&["vibraphone"], &["vibraphone"], MALLETS),
    instrument(&["marimba"], &["marimba", "marimba, xylophone"], MALLETS),
    instrument(&["xylophone"], &["marimba, xylophone"], MALLETS),
    instrument(&["celesta", "glockenspiel", "tubular bells", "bells"], &[], MALLETS),
    instrument(&["steel drum", "steelpan"], &["steelpan"], DRUMS),
    instrument(&["timpani"], &["timpani"], DRUMS),
    instrument(&["didgeridoo"], &["didgeridoo"], &[]),
    instrument(&["theremin"], &["theremin"], SYNTHESIZERS),
    instrument(&["synthesizer"], SYNTHESIZERS, BASSES),
    instrument(&["drums", "drum kit", "acoustic drums"], &["drums", "instrument---drums", "drum", "drum kit"], DRUMS),
    instrument(
        &["hand drum", "djembe", "darbuka", "madal", "mridangam", "taiko"],
        &["drums", "instrument---drums", "drum"],
        DRUMS,
    ),
    instrument(&["percussion"], &["percussion"], DRUMS),
    instrument(&["choir"], &["choir", "choral"], VOICES),
    instrument(&["voice", "vocal"], VOICE, VOICES),
    instrument(&["singing"], &["singing"], VOICES),
    instrument(&["rapping"], &["rapping"], VOICES),
    instrument(
        &["female voice"],
        &["female", "woman", "female voice", "female vocal", "female vocalist", "female vocalists", "female singing"],
        VOICES,
    ),
    instrument(&["male voice"], &["male", "man", "male voice", "male vocal", "male vocalists", "male singing"], VOICES),
];

/// Whether a tag says that there is no voice.
pub fn denies_voice(tag: &str) -> bool {
    ["no vocals", "no vocal", "no voice", "instrumental"].contains(&tag.to_lowercase().as_str())
}

/// The tags of any voice.
const VOICE: &[&str] = &["vocal", "vocals", "voice", "instrument---voice"];

/// Whether a tag of a vocabulary names an instrument, ignoring case.
pub fn is_named_by(name: &str, tag: &str) -> bool {
    let tag = tag.to_lowercase();
    let is_sex_known = name == "female voice" || name == "male voice";
    let tags = find(name).map_or(&[][..], |instrument| instrument.tags);
    tags.contains(&&*tag) || (is_sex_known && VOICE.contains(&&*tag))
}

/// Whether a tag of a vocabulary, ignoring case, names an instrument or a voice that is none of `names`, where nothing else
/// plays.
pub fn is_excluded_by<'a>(names: impl IntoIterator<Item = &'a str>, tag: &str) -> bool {
    let tag = tag.to_lowercase();
    let names_any = INSTRUMENTS.iter().any(|instrument| instrument.tags.contains(&&*tag));
    let allows =
        |name| is_named_by(name, &tag) || find(name).is_some_and(|instrument| instrument.family.contains(&&*tag));
    names_any && !names.into_iter().any(allows)
}

fn find(name: &str) -> Option<&'static Instrument> {
    INSTRUMENTS.iter().find(|instrument| instrument.names.contains(&name))
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
    fn an_instrument_excludes_the_tags_of_others_but_not_those_of_its_family() {
        let excluded = |names: &[&str]| -> Vec<&'static str> {
            MAGNATAGATUNE.into_iter().filter(|tag| is_excluded_by(names.iter().copied(), tag)).collect()
        };
        let all = excluded(&[]);
        assert_eq!(all.len(), 25, "{all:?}");
        assert_eq!(excluded(&["koto"]), all);
        let without = |tags: &[&str]| all.iter().copied().filter(|tag| !tags.contains(tag)).collect::<Vec<_>>();
        assert_eq!(excluded(&["harp"]), without(&["harp"]));
        assert_eq!(excluded(&["viola", "drums"]), without(&["strings", "violin", "cello", "drums"]));
        assert_eq!(excluded(&["violin"]), without(&["strings", "violin"]));
        assert_eq!(excluded(&["synth strings"]), without(&["strings", "synth"]));
        let voices = ["vocal", "vocals", "voice", "singing", "choir", "choral", "female", "woman", "female voice"];
        let voices = [&voices[..], &["female vocal", "male", "man", "male voice", "male vocal"]].concat();
        assert_eq!(excluded(&["female voice"]), without(&voices));
        assert!(
            !is_excluded_by(["guitar"], "Acoustic guitar") && is_excluded_by(["acoustic guitar"], "Electric guitar")
        );
        assert!(!is_excluded_by(["piano"], "classical"));
    }

    #[test]
    fn each_name_is_in_the_table_once_and_all_instrument_tags_are_reached() {
        let mut names = HashSet::new();
        assert!(INSTRUMENTS.iter().flat_map(|instrument| instrument.names).all(|name| names.insert(*name)));
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
