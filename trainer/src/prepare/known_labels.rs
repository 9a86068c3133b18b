//! Labels of synthesized recordings, of which it is known what plays: mixed with what teachers predict, or alone.

use super::LabelOutcome;
use crate::data::{Labels, vocabularies};
use crate::render::instrument_tags::{denies_voice, is_named_by};
use crate::render::truth::Truth;
use std::collections::BTreeSet;

/// An instrument is known to be in a segment if it sounds in this fraction of it.
const MIN_FRACTION: f64 = 0.2;

/// Moves the labels of segments towards 1 by `share`, 0 to 1, in the tags that name an instrument that sounds in a fifth
/// of the segment, and towards 0 in the tags that deny a voice where one does. All other labels stay as they are, since
/// the teachers may be right in what else they predict.
pub fn mix(tags: &[String], outcome: LabelOutcome, truth: &Truth, share: f32) -> LabelOutcome {
    let LabelOutcome::Labelled(Labels::Segments(mut segments)) = outcome else { return outcome };
    for segment in &mut segments {
        let min_samples = (MIN_FRACTION * segment.length as f64) as usize;
        let instruments = truth.instruments_within(segment.start, segment.length, min_samples);
        for (probability, is_named) in segment.probabilities.iter_mut().zip(named(tags, &instruments)) {
            if is_named {
                *probability += share * (1.0 - *probability);
            }
        }
        let has_voice = instruments.iter().any(|instrument| is_named_by(instrument, "voice"));
        let own_names = vocabularies::split(tags).into_iter().flat_map(|(_, tags)| tags);
        for (probability, _) in segment.probabilities.iter_mut().zip(own_names).filter(|(_, tag)| denies_voice(tag)) {
            *probability *= if has_voice { 1.0 - share } else { 1.0 };
        }
    }
    LabelOutcome::Labelled(Labels::Segments(segments))
}

/// The label of the whole recording: 1 for the tags that name an instrument that sounds in it, 0 for all others, also
/// for those of which it is unknown whether they apply.
pub fn of_clip(tags: &[String], truth: &Truth) -> Labels {
    Labels::Clip(named(tags, &truth.instruments()).into_iter().map(|is_named| f32::from(u8::from(is_named))).collect())
}

/// Whether each of `tags`, which may join several vocabularies, names one of the instruments.
fn named(tags: &[String], instruments: &BTreeSet<&str>) -> Vec<bool> {
    let own_names = vocabularies::split(tags).into_iter().flat_map(|(_, tags)| tags);
    own_names.map(|tag| instruments.iter().any(|instrument| is_named_by(instrument, &tag))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Segment;
    use crate::data::vocabularies::{MAGNATAGATUNE, MILLION_SONG};
    use crate::render::truth::Sounding;

    fn truth() -> Truth {
        let sounding = |name: &str, from, to| Sounding { instruments: vec![name.to_owned()], from, to };
        Truth(vec![sounding("cello", 0, 1_000), sounding("female voice", 1_150, 1_400), sounding("koto", 0, 9_000)])
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
