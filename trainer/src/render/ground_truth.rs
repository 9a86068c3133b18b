//! The ground truth of rendered pieces: the tags of their General MIDI programs.

use super::compose::{DRUM_CHANNEL, Piece};
use super::instrument_tags::tags_naming;
use std::collections::HashSet;

/// The instrument of a General MIDI program, counted from 0, by a name that tags have; `None` where no tag has it.
fn program_instrument(program: u8) -> Option<&'static str> {
    match program {
        0..=5 => Some("piano"),
        6 => Some("harpsichord"),
        24..=31 => Some("guitar"),
        40 | 41 => Some("violin"),
        42 => Some("cello"),
        46 => Some("harp"),
        48..=51 => Some("strings"),
        52..=54 => Some("choir"),
        72..=75 => Some("flute"),
        62 | 63 | 80..=95 => Some("synthesizer"),
        104 => Some("sitar"),
        _ => None,
    }
}

/// The tags that name the instruments that play in a piece, of all vocabularies, in lower case and without duplicates.
/// Whether other tags apply is unknown.
pub fn tags(piece: &Piece) -> Vec<&'static str> {
    let plays = |channel: u8| piece.notes.iter().any(|note| note.channel == channel);
    let mut tags: Vec<&str> = Vec::new();
    for (channel, program) in &piece.programs {
        if plays(*channel) {
            tags.extend(program_instrument(*program).into_iter().flat_map(tags_naming));
        }
    }
    if plays(DRUM_CHANNEL) {
        tags.extend(tags_naming("drums"));
    }
    let mut seen = HashSet::new();
    tags.retain(|tag| seen.insert(*tag));
    tags
}

/// The General MIDI programs, counted from 0, that lead pieces in turn: instruments that are rare in free recordings,
/// and similar ones that a model has to distinguish from them.
///
/// They are harp, sitar, harpsichord, cello, choir, flute, violin, piano, nylon-string guitar, strings, synth lead,
/// distortion guitar, voice, jazz guitar, viola and banjo.
pub const LEAD_PROGRAMS: [u8; 16] = [46, 104, 6, 42, 52, 73, 40, 0, 24, 48, 80, 30, 53, 26, 41, 105];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::vocabularies::MAGNATAGATUNE;
    use crate::render::compose::compose;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha12Rng;

    #[test]
    fn a_harp_piece_is_tagged_harp_and_programs_have_tags_of_the_vocabulary() {
        let piece = compose(&mut ChaCha12Rng::seed_from_u64(1), 10.0, Some(46));
        assert!(tags(&piece).contains(&"harp"));
        let of = |program: u8| -> Vec<&str> {
            let tags = program_instrument(program).into_iter().flat_map(tags_naming);
            tags.filter(|tag| MAGNATAGATUNE.contains(tag)).collect()
        };
        for (program, tags) in [
            (0, &["piano"][..]),
            (5, &["piano"]),
            (6, &["harpsichord"]),
            (30, &["guitar"]),
            (41, &["violin", "strings"]),
            (42, &["cello", "strings"]),
            (46, &["harp"]),
            (48, &["strings"]),
            (53, &["choir", "choral"]),
            (73, &["flute"]),
            (81, &["synth"]),
            (104, &["sitar"]),
            (60, &[]),
        ] {
            assert_eq!(of(program), tags, "program {program}");
        }
        let silent = Piece { notes: Vec::new(), ..piece };
        assert_eq!(tags(&silent), [""; 0]);
    }
}
