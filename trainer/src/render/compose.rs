//! Music by rule and chance: not to be listened to for pleasure, but to hear instruments play
//! together and alone that free recordings lack.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// The channel that General MIDI keeps for drums.
pub const DRUMS: u8 = 9;

/// A note, its times in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// When it begins.
    pub start: f64,
    /// How long it is held.
    pub length: f64,
    /// Who plays it.
    pub channel: u8,
    /// MIDI's number of its pitch, or of the drum.
    pub key: u8,
    /// How hard, 1..=127.
    pub velocity: u8,
}

/// A piece of music.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The General MIDI program of each channel that plays, 0..=127.
    pub programs: Vec<(u8, u8)>,
    /// The notes, by when they begin.
    pub notes: Vec<Note>,
    /// How long the piece is, in seconds.
    pub seconds: f64,
}

/// What a channel does in a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Melody,
    Chords,
    Arpeggio,
    Bass,
    Pad,
}

/// Instruments that a player of the part could hold, as General MIDI programs.
pub(super) fn instruments(part: Part) -> &'static [u8] {
    match part {
        Part::Melody => {
            &[0, 6, 11, 22, 24, 25, 26, 30, 40, 41, 42, 56, 60, 64, 65, 68, 71, 73, 75, 80, 81, 104, 105, 107, 46]
        }
        Part::Chords => &[0, 4, 6, 16, 19, 21, 24, 25, 27, 29, 30, 46, 48, 62],
        Part::Arpeggio => &[0, 6, 8, 11, 24, 25, 46, 46, 80, 81, 104, 105],
        Part::Bass => &[32, 33, 34, 35, 38, 39, 42, 43],
        Part::Pad => &[48, 49, 50, 52, 53, 54, 88, 89, 90, 91, 92, 95],
    }
}

/// Steps of a scale above its first note.
const SCALES: [&[u8]; 6] = [
    &[0, 2, 4, 5, 7, 9, 11],
    &[0, 2, 3, 5, 7, 8, 10],
    &[0, 2, 3, 5, 7, 9, 10],
    &[0, 1, 4, 5, 7, 8, 10],
    &[0, 2, 4, 7, 9],
    &[0, 3, 5, 7, 10],
];

/// Chords that follow each other, as steps of the scale.
const PROGRESSIONS: [[usize; 4]; 6] =
    [[0, 3, 4, 0], [0, 5, 3, 4], [0, 4, 5, 3], [0, 6, 5, 6], [0, 0, 3, 0], [0, 2, 3, 4]];

/// How a piece moves.
struct Frame {
    /// Seconds a beat.
    beat: f64,
    key: u8,
    scale: &'static [u8],
    progression: [usize; 4],
    seconds: f64,
}

impl Frame {
    fn new(random: &mut StdRng, seconds: f64) -> Self {
        Self {
            beat: 60.0 / random.random_range(52.0..176.0),
            key: random.random_range(0..12),
            scale: SCALES.choose(random).copied().unwrap_or(SCALES[0]),
            progression: *PROGRESSIONS.choose(random).unwrap_or(&PROGRESSIONS[0]),
            seconds,
        }
    }

    /// The pitch of a step of the scale, from the octave that begins at `low` on.
    fn pitch(&self, low: u8, step: usize) -> u8 {
        let octave = step / self.scale.len();
        (low + self.key + 12 * octave as u8 + self.scale[step % self.scale.len()]).min(115)
    }

    /// The step that the chord at a beat stands on.
    fn root(&self, beat: usize) -> usize {
        self.progression[beat / 4 % 4]
    }

    fn beats(&self) -> usize {
        (self.seconds / self.beat) as usize
    }
}

/// A piece of so many seconds for instruments that chance draws, one to five and sometimes
/// drums. Where `lead` is given, this General MIDI program plays the melody or the chords.
pub fn compose(random: &mut StdRng, seconds: f64, lead: Option<u8>) -> Piece {
    let frame = Frame::new(random, seconds);
    let mut piece = Piece { programs: Vec::new(), notes: Vec::new(), seconds };
    let first = match lead {
        Some(program) if instruments(Part::Pad).contains(&program) => Part::Pad,
        Some(program) if !instruments(Part::Melody).contains(&program) => Part::Chords,
        _ => *[Part::Melody, Part::Melody, Part::Arpeggio, Part::Chords].choose(random).unwrap_or(&Part::Melody),
    };
    let mut parts = vec![first];
    // A third of all pieces are for one instrument alone.
    if random.random_bool(0.67) {
        for part in [Part::Chords, Part::Bass, Part::Pad, Part::Arpeggio] {
            if random.random_bool(0.45) {
                parts.push(part);
            }
        }
    }
    for (channel, part) in parts.iter().enumerate() {
        let drawn = instruments(*part).choose(random).copied().unwrap_or(0);
        let program = lead.filter(|_| channel == 0).unwrap_or(drawn);
        let channel = channel as u8;
        piece.programs.push((channel, program));
        let loud = if channel == 0 { random.random_range(80..118) } else { random.random_range(50..95) };
        play(&mut piece, &frame, *part, channel, loud, random);
    }
    if parts.len() > 1 && random.random_bool(0.45) {
        drums(&mut piece, &frame, random);
    }
    piece.notes.retain(|note| note.start < seconds);
    piece.notes.sort_by(|a, b| a.start.total_cmp(&b.start));
    piece
}

fn play(piece: &mut Piece, frame: &Frame, part: Part, channel: u8, loud: u8, random: &mut StdRng) {
    // Nobody plays like a clock.
    let mut note = |random: &mut StdRng, beat: f64, beats: f64, key: u8| {
        let start = (beat * frame.beat + random.random_range(-0.012..0.012)).max(0.0);
        let velocity = (loud as i32 + random.random_range(-12..12)).clamp(20, 124) as u8;
        piece.notes.push(Note { start, length: beats * frame.beat, channel, key, velocity });
    };
    match part {
        Part::Melody => {
            let low = *[48, 60, 60, 72].choose(random).unwrap_or(&60);
            let rhythm: &[f64] = [&[1.0, 0.5, 0.5, 2.0][..], &[0.5, 0.5, 1.0], &[0.25, 0.25, 0.5, 1.0], &[2.0, 4.0]]
                .choose(random)
                .copied()
                .unwrap_or(&[1.0]);
            let (mut beat, mut step) = (0.0, frame.root(0) + 2);
            while beat < frame.beats() as f64 {
                let length = *rhythm.choose(random).unwrap_or(&1.0);
                step = (step as i32 + random.random_range(-2..=2)).clamp(0, 11) as usize;
                if random.random_bool(0.9) {
                    note(random, beat, length * 0.95, frame.pitch(low, step));
                }
                beat += length;
            }
        }
        Part::Chords => {
            let every = *[1, 2, 4].choose(random).unwrap_or(&2);
            for beat in (0..frame.beats()).step_by(every) {
                let root = frame.root(beat);
                for third in [0, 2, 4] {
                    note(random, beat as f64, every as f64 * 0.9, frame.pitch(48, root + third));
                }
            }
        }
        Part::Arpeggio => {
            let each = *[0.25, 0.5, 0.5].choose(random).unwrap_or(&0.5);
            let (mut beat, mut turn) = (0.0, 0);
            while beat < frame.beats() as f64 {
                let step = frame.root(beat as usize) + [0, 2, 4, 7, 4, 2][turn % 6];
                note(random, beat, each * 1.5, frame.pitch(48, step));
                (beat, turn) = (beat + each, turn + 1);
            }
        }
        Part::Bass => {
            let every = *[0.5, 1.0, 2.0].choose(random).unwrap_or(&1.0);
            let mut beat = 0.0;
            while beat < frame.beats() as f64 {
                note(random, beat, every * 0.9, frame.pitch(28, frame.root(beat as usize)));
                beat += every;
            }
        }
        Part::Pad => {
            for beat in (0..frame.beats()).step_by(4) {
                let root = frame.root(beat);
                for third in [0, 2, 4, 7] {
                    note(random, beat as f64, 4.0, frame.pitch(48, root + third));
                }
            }
        }
    }
}

/// A beat on bass drum, snare and hi-hat.
fn drums(piece: &mut Piece, frame: &Frame, random: &mut StdRng) {
    const BASS: u8 = 36;
    const SNARE: u8 = 38;
    const HAT: u8 = 42;
    // Four on the floor, or as in rock.
    let even = random.random_bool(0.5);
    for beat in 0..frame.beats() {
        let mut hit = |key: u8, after: f64, velocity: u8| {
            let start = (beat as f64 + after) * frame.beat;
            piece.notes.push(Note { start, length: 0.1, channel: DRUMS, key, velocity });
        };
        if even || beat % 2 == 0 {
            hit(BASS, 0.0, 112);
        }
        if beat % 2 == 1 {
            hit(SNARE, 0.0, 104);
        }
        if !even && beat % 4 == 2 && random.random_bool(0.5) {
            hit(BASS, 0.5, 96);
        }
        hit(HAT, 0.0, 70);
        hit(HAT, 0.5, 84);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn pieces_are_whole_varied_and_come_again() {
        let mut programs = std::collections::BTreeSet::new();
        for seed in 0..300 {
            let compose = |lead| compose(&mut StdRng::seed_from_u64(seed), 20.0, lead);
            let piece = compose(None);
            assert_eq!(piece, compose(None), "seed {seed}");
            assert!(piece.notes.len() > 5, "seed {seed}: {} notes", piece.notes.len());
            assert!(piece.notes.windows(2).all(|pair| pair[0].start <= pair[1].start), "seed {seed}");
            for note in &piece.notes {
                assert!((0.0..20.0).contains(&note.start) && note.length > 0.0, "seed {seed}: {note:?}");
                assert!((1..=127).contains(&note.velocity) && note.key < 128, "seed {seed}: {note:?}");
                let known = note.channel == DRUMS || piece.programs.iter().any(|(channel, _)| *channel == note.channel);
                assert!(known, "seed {seed}: {note:?}");
            }
            programs.extend(piece.programs.iter().map(|(_, program)| *program));
            assert_eq!(compose(Some(104)).programs[0], (0, 104), "seed {seed}");
        }
        assert!(programs.len() > 40, "{} instruments", programs.len());
    }
}
