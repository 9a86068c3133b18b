//! Labels of synthesized recordings, of which it is known what plays: mixed with what teachers predict, or alone.

use super::LabelOutcome;
use crate::data::{Labels, vocabularies};
use crate::render::instrument_tags::{denies_voice, is_excluded_by, is_named_by};
use crate::render::truth::Truth;
use std::collections::BTreeSet;

/// An instrument is known to be in a segment if it sounds in this fraction of it.
const MIN_FRACTION: f64 = 0.2;

/// Moves the labels of segments by `share`, 0 to 1: towards 1 in the tags that name an instrument that sounds in a fifth of
/// the segment, and towards 0 in the tags that deny a voice where one does. Where all that sounds is known, the tags of
/// instruments that do not sound in the segment go towards 0, too. All other labels stay as they are, since the teachers
/// may be right in what else they predict.
pub fn mix(tags: &[String], outcome: LabelOutcome, truth: &Truth, share: f32) -> LabelOutcome {
    let LabelOutcome::Labelled(Labels::Segments(mut segments)) = outcome else { return outcome };
    for segment in &mut segments {
        let min_samples = (MIN_FRACTION * segment.length as f64) as usize;
        let instruments = truth.instruments_within(segment.start, segment.length, min_samples);
        let audible = truth.instruments_within(segment.start, segment.length, 0);
        let has_voice = instruments.iter().any(|instrument| is_named_by(instrument, "voice"));
        for (probability, tag) in segment.probabilities.iter_mut().zip(own_names(tags)) {
            let is_absent = (has_voice && denies_voice(&tag))
                || (truth.is_complete && is_excluded_by(audible.iter().copied(), &tag));
            if is_named_by_any(&instruments, &tag) {
                *probability += share * (1.0 - *probability);
            } else if is_absent {
                *probability *= 1.0 - share;
            }
        }
    }
    LabelOutcome::Labelled(Labels::Segments(segments))
}

/// The label of the whole recording: 1 for the tags that name an instrument that sounds in it, 0 for all others, also
/// for those of which it is unknown whether they apply.
pub fn of_clip(tags: &[String], truth: &Truth) -> Labels {
    let instruments = truth.instruments();
    Labels::Clip(own_names(tags).map(|tag| f32::from(u8::from(is_named_by_any(&instruments, &tag)))).collect())
}

/// The names of `tags`, which may join several vocabularies, in their vocabulary.
fn own_names(tags: &[String]) -> impl Iterator<Item = String> {
    vocabularies::split(tags).into_iter().flat_map(|(_, tags)| tags)
}

fn is_named_by_any(instruments: &BTreeSet<&str>, tag: &str) -> bool {
    instruments.iter().any(|instrument| is_named_by(instrument, tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Segment;
    use crate::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
    use crate::render::truth::Sounding;

    fn truth() -> Truth {
        let sounding = |name: &str, from, to| Sounding { instruments: vec![name.to_owned()], from, to };
        let soundings =
            vec![sounding("cello", 0, 1_000), sounding("female voice", 1_150, 1_400), sounding("koto", 0, 9_000)];
        Truth { soundings, is_complete: false }
    }

    #[test]
    fn the_known_share_moves_only_the_tags_of_instruments_that_sound_in_the_segment() {
        let lists = [MAGNATAGATUNE, MILLION_SONG].map(|tags| tags.map(str::to_owned).to_vec());
        let tags = vocabularies::join(&[&lists[0], &lists[1]]);
        let segment = |start| Segment { start, length: 1_000, probabilities: vec![0.2; tags.len()] };
        // The first has the cello, the second too little of it and the voice, the third neither.
        let before = LabelOutcome::Labelled(Labels::Segments(vec![segment(0), segment(900), segment(5_000)]));
        assert_eq!(mix(&tags, before.clone(), &truth(), 0.0), before);
        let LabelOutcome::Labelled(Labels::Segments(after)) = mix(&tags, before, &truth(), 0.5) else {
            panic!("no segments");
        };
        let moved = |index: usize| -> Vec<&str> {
            let probabilities = &after[index].probabilities;
            let is_expected = |value: &f32| [0.1, 0.2, 0.6].iter().any(|expected| (value - expected).abs() < 1e-6);
            assert!(probabilities.iter().all(is_expected), "{probabilities:?}");
            let lowered = ["no vocals", "no vocal", "no voice", "instrumental"];
            for (tag, value) in MAGNATAGATUNE.into_iter().chain(MILLION_SONG).zip(probabilities) {
                assert_eq!(index == 1 && lowered.contains(&tag), (value - 0.1).abs() < 1e-6, "{tag}");
            }
            let is_moved = |(tag, value): (&'static str, &f32)| (*value > 0.2).then_some(tag);
            MAGNATAGATUNE.into_iter().chain(MILLION_SONG).zip(probabilities).filter_map(is_moved).collect()
        };
        assert_eq!(moved(0), ["strings", "cello"]);
        let voice = ["vocal", "female", "vocals", "woman", "voice", "female vocal", "female voice"];
        assert_eq!(moved(1), [&voice[..], &["female vocalists", "female vocalist"]].concat());
        assert_eq!(moved(2), [""; 0]);

        let skipped = LabelOutcome::Skipped("silent".into());
        assert_eq!(mix(&tags, skipped.clone(), &truth(), 1.0), skipped);
    }

    #[test]
    fn where_all_is_known_the_tags_of_other_instruments_are_lowered() {
        let tags = MAGNATAGATUNE.map(str::to_owned);
        let segment = |start| Segment { start, length: 1_000, probabilities: vec![0.2; tags.len()] };
        let before = LabelOutcome::Labelled(Labels::Segments(vec![segment(0), segment(900)]));
        let complete = Truth { is_complete: true, ..truth() };
        let LabelOutcome::Labelled(Labels::Segments(after)) = mix(&tags, before, &complete, 0.5) else {
            panic!("no segments");
        };
        let value = |segment: usize, tag: &str| {
            let index = tags.iter().position(|other| other == tag).unwrap();
            (after[segment].probabilities[index] * 10.0).round() as i32
        };
        assert_eq!(
            ["cello", "strings", "violin", "guitar", "female", "rock"].map(|tag| value(0, tag)),
            [6, 6, 1, 1, 1, 2]
        );
        // There is a little of the cello, and any voice may be heard as another.
        assert_eq!(
            ["cello", "strings", "violin", "female", "male", "sitar"].map(|tag| value(1, tag)),
            [2, 2, 1, 6, 2, 1]
        );
    }

    #[test]
    fn the_label_of_a_clip_has_exactly_the_tags_of_its_instruments() {
        let tags = MAGNATAGATUNE.map(str::to_owned);
        let Labels::Clip(label) = of_clip(&tags, &truth()) else { panic!("no label of the clip") };
        let positives: Vec<&str> =
            MAGNATAGATUNE.into_iter().zip(&label).filter(|(_, value)| **value == 1.0).map(|(tag, _)| tag).collect();
        let all = ["strings", "vocal", "female", "vocals", "woman", "voice", "female vocal", "cello", "female voice"];
        assert_eq!(positives, all);
        assert_eq!(label.iter().filter(|value| **value == 0.0).count(), 50 - all.len());
    }
}
