//! What a rendered piece is known to hold: the tags that its programs stand for.

use super::compose::{DRUMS, Piece};

/// The tags of a General MIDI program.
fn of_program(program: u8) -> &'static [&'static str] {
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

/// The tags that are true of a piece, each once. Of any other tag nothing is known.
pub fn tags(piece: &Piece) -> Vec<&'static str> {
    let plays = |channel: u8| piece.notes.iter().any(|note| note.channel == channel);
    let mut tags: Vec<&str> = Vec::new();
    for (channel, program) in &piece.programs {
        if plays(*channel) {
            tags.extend(of_program(*program).iter().filter(|tag| !tags.contains(*tag)).collect::<Vec<_>>());
        }
    }
    if plays(DRUMS) {
        tags.push("drums");
    }
    tags
}

/// A program of each kind of instrument that free recordings lack, or that has to be told from
/// its neighbours: what pieces are led by in turn.
pub const LEADS: [u8; 16] = [46, 104, 6, 42, 52, 73, 40, 0, 24, 48, 80, 30, 53, 26, 41, 105];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::vocabularies::MAGNATAGATUNE;
    use crate::render::compose::compose;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    #[test]
    fn a_harp_is_a_harp_and_every_tag_is_the_vocabularys() {
        let piece = compose(&mut StdRng::seed_from_u64(1), 10.0, Some(46));
        assert!(tags(&piece).contains(&"harp"));
        for program in 0..128 {
            assert!(of_program(program).iter().all(|tag| MAGNATAGATUNE.contains(tag)), "program {program}");
        }
        let silent = Piece { notes: Vec::new(), ..piece };
        assert_eq!(tags(&silent), [""; 0]);
    }
}
