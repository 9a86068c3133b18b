//! The ground truth of rendered pieces: the tags of their General MIDI programs.

use super::compose::{DRUM_CHANNEL, Piece};

/// The tags of a General MIDI program, counted from 0.
fn program_tags(program: u8) -> &'static [&'static str] {
    match program {
        0..=5 => &["piano"],
        6 => &["harpsichord"],
        24..=31 => &["guitar"],
        40 | 41 => &["violin", "strings"],
        42 => &["cello", "strings"],
        46 => &["harp"],
        48..=51 => &["strings"],
        52..=54 => &["choir", "choral"],
        72..=75 => &["flute"],
        62 | 63 | 80..=95 => &["synth"],
        104 => &["sitar"],
        _ => &[],
    }
}

/// The tags of the instruments that play in a piece, without duplicates. Whether other tags apply is unknown.
pub fn tags(piece: &Piece) -> Vec<&'static str> {
    let plays = |channel: u8| piece.notes.iter().any(|note| note.channel == channel);
    let mut tags: Vec<&str> = Vec::new();
    for (channel, program) in &piece.programs {
        if plays(*channel) {
            tags.extend(program_tags(*program).iter().filter(|tag| !tags.contains(*tag)).collect::<Vec<_>>());
        }
    }
    if plays(DRUM_CHANNEL) {
        tags.push("drums");
    }
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
    fn a_harp_piece_is_tagged_harp_and_all_tags_are_in_the_vocabulary() {
        let piece = compose(&mut ChaCha12Rng::seed_from_u64(1), 10.0, Some(46));
        assert!(tags(&piece).contains(&"harp"));
        for program in 0..128 {
            assert!(program_tags(program).iter().all(|tag| MAGNATAGATUNE.contains(tag)), "program {program}");
        }
        let silent = Piece { notes: Vec::new(), ..piece };
        assert_eq!(tags(&silent), [""; 0]);
    }
}
