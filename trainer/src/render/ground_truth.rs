//! What is known of a piece that a sound font plays: the instruments of its General MIDI programs.

use super::compose::{DRUM_CHANNEL, Piece};
use super::truth::{Sounding, Truth};

/// What the instrument of a General MIDI program, counted from 0, is called; empty where that says too little.
fn program_instruments(program: u8) -> &'static [&'static str] {
    match program {
        0..=3 => &["piano"],
        4 | 5 => &["piano", "electric piano"],
        6 => &["harpsichord"],
        8 | 9 => &["celesta"],
        11 => &["vibraphone"],
        12 => &["marimba"],
        13 => &["xylophone"],
        14 => &["bells"],
        16..=20 => &["organ"],
        21 | 23 => &["accordion"],
        22 => &["harmonica"],
        24 | 25 => &["acoustic guitar"],
        26..=31 => &["electric guitar"],
        32 | 43 => &["double bass"],
        33..=37 => &["electric bass"],
        38 | 39 => &["synth bass"],
        // No vocabulary has violas.
        40 | 41 => &["violin"],
        42 => &["cello"],
        46 => &["harp"],
        47 => &["timpani"],
        48 | 49 => &["string ensemble"],
        50 | 51 => &["synth strings"],
        52..=54 => &["choir"],
        56 | 59 => &["trumpet"],
        57 => &["trombone"],
        58 => &["tuba"],
        60 => &["french horn"],
        61 => &["brass"],
        62 | 63 | 80..=95 => &["synthesizer"],
        64..=67 => &["saxophone"],
        68 => &["oboe"],
        71 => &["clarinet"],
        72..=75 => &["flute"],
        104 => &["sitar"],
        105 => &["banjo"],
        107 => &["koto"],
        114 => &["steel drum"],
        _ => &[],
    }
}

/// What sounds in a piece, in samples at `rate` hertz. How long a note rings after its end is not counted.
pub fn truth(piece: &Piece, rate: u32) -> Truth {
    let frame = |seconds: f64| (seconds * f64::from(rate)) as usize;
    let mut truth = Truth { soundings: Vec::new(), is_complete: true };
    for note in &piece.notes {
        let program = piece.programs.iter().find(|(channel, _)| *channel == note.channel);
        let names = match (note.channel, program) {
            (DRUM_CHANNEL, _) => &["drums"],
            (_, Some((_, program))) => program_instruments(*program),
            (_, None) => &[],
        };
        truth.is_complete &= !names.is_empty();
        truth.soundings.push(Sounding {
            instruments: names.iter().map(|name| (*name).to_owned()).collect(),
            from: frame(note.onset),
            to: frame(note.onset + note.duration).min(frame(piece.seconds)),
        });
    }
    truth
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
    use crate::render::compose::{Note, Part, compose, instruments};
    use crate::render::instrument_tags::is_named_by;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha12Rng;
    use std::collections::BTreeSet;

    #[test]
    fn programs_have_tags_of_the_vocabulary() {
        let of = |program: u8| -> Vec<&str> {
            let names = program_instruments(program);
            MAGNATAGATUNE.into_iter().filter(|tag| names.iter().any(|name| is_named_by(name, tag))).collect()
        };
        for (program, tags) in [
            (0, &["piano"][..]),
            (5, &["piano"]),
            (6, &["harpsichord"]),
            (30, &["guitar"]),
            (38, &[]),
            (41, &["strings", "violin"]),
            (42, &["strings", "cello"]),
            (46, &["harp"]),
            (48, &["strings"]),
            (50, &["strings"]),
            (53, &["choir", "choral"]),
            (73, &["flute"]),
            (81, &["synth"]),
            (104, &["sitar"]),
            (60, &[]),
        ] {
            assert_eq!(of(program), tags, "program {program}");
        }
    }

    #[test]
    fn all_is_known_of_a_piece_whatever_programs_it_draws() {
        let parts = [Part::Melody, Part::Chords, Part::Arpeggio, Part::Bass, Part::Pad];
        for program in parts.into_iter().flat_map(instruments).chain(&LEAD_PROGRAMS) {
            assert!(!program_instruments(*program).is_empty(), "program {program}");
        }
        let piece = compose(&mut ChaCha12Rng::seed_from_u64(1), 10.0, Some(46));
        let known = truth(&piece, 100);
        assert!(known.is_complete && known.instruments().contains("harp"));
        assert!(known.soundings.iter().all(|sounding| sounding.to <= 1_000));
    }

    #[test]
    fn notes_sound_from_their_onset_to_their_end_or_that_of_the_piece() {
        let note = |channel, onset| Note { onset, duration: 0.5, channel, key: 60, velocity: 100 };
        let notes = vec![note(0, 0.0), note(DRUM_CHANNEL, 1.0), note(1, 1.8)];
        let mut piece = Piece { programs: vec![(0, 4), (1, 42)], notes, seconds: 2.0 };
        let known = truth(&piece, 1_000);
        let spans: Vec<(usize, usize)> = known.soundings.iter().map(|sounding| (sounding.from, sounding.to)).collect();
        assert_eq!(spans, [(0, 500), (1_000, 1_500), (1_800, 2_000)]);
        assert_eq!(known.instruments(), BTreeSet::from(["cello", "drums", "electric piano", "piano"]));
        assert!(known.is_complete);
        // Applause.
        piece.programs[0].1 = 126;
        assert!(!truth(&piece, 1_000).is_complete);
    }
}
