//! Randomly generated pieces, solo and for several instruments, with instruments that are rare in free recordings.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;

/// The MIDI channel of the drums in General MIDI, counted from 0.
pub const DRUM_CHANNEL: u8 = 9;

/// A note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// Onset in seconds.
    pub start: f64,
    /// Duration in seconds.
    pub length: f64,
    /// MIDI channel.
    pub channel: u8,
    /// MIDI note number of the pitch or the drum.
    pub key: u8,
    /// MIDI velocity, 1..=127.
    pub velocity: u8,
}

/// A piece of music.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The channels and their General MIDI programs, 0..=127.
    pub programs: Vec<(u8, u8)>,
    /// The notes, sorted by onset.
    pub notes: Vec<Note>,
    /// Length in seconds.
    pub seconds: f64,
}

/// The musical part of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Melody,
    Chords,
    Arpeggio,
    Bass,
    Pad,
}

/// General MIDI programs that suit a part.
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

/// Scales, as semitones above the root.
const SCALES: [&[u8]; 6] = [
    &[0, 2, 4, 5, 7, 9, 11],
    &[0, 2, 3, 5, 7, 8, 10],
    &[0, 2, 3, 5, 7, 9, 10],
    &[0, 1, 4, 5, 7, 8, 10],
    &[0, 2, 4, 7, 9],
    &[0, 3, 5, 7, 10],
];

/// Chord progressions, as degrees of the scale.
const PROGRESSIONS: [[usize; 4]; 6] =
    [[0, 3, 4, 0], [0, 5, 3, 4], [0, 4, 5, 3], [0, 6, 5, 6], [0, 0, 3, 0], [0, 2, 3, 4]];

/// Tempo, key and harmony of a piece.
struct Style {
    /// Seconds per beat.
    beat: f64,
    key: u8,
    scale: &'static [u8],
    progression: [usize; 4],
    seconds: f64,
}

impl Style {
    fn new(random: &mut ChaCha12Rng, seconds: f64) -> Self {
        Self {
            beat: 60.0 / random.random_range(52.0..176.0),
            key: random.random_range(0..12),
            scale: SCALES.choose(random).copied().unwrap_or(SCALES[0]),
            progression: *PROGRESSIONS.choose(random).unwrap_or(&PROGRESSIONS[0]),
            seconds,
        }
    }

    /// The MIDI note number of a scale degree, counted from the octave that begins at `low`.
    fn pitch(&self, low: u8, degree: usize) -> u8 {
        let octave = degree / self.scale.len();
        (low + self.key + 12 * octave as u8 + self.scale[degree % self.scale.len()]).min(115)
    }

    /// The scale degree of the chord root at a beat.
    fn root(&self, beat: usize) -> usize {
        self.progression[beat / 4 % 4]
    }

    fn beats(&self) -> usize {
        (self.seconds / self.beat) as usize
    }
}

/// Generates a piece of `seconds` for one to five random instruments, sometimes with drums. If `lead` is given, this
/// General MIDI program plays the first part.
pub fn compose(random: &mut ChaCha12Rng, seconds: f64, lead: Option<u8>) -> Piece {
    let style = Style::new(random, seconds);
    let mut piece = Piece { programs: Vec::new(), notes: Vec::new(), seconds };
    let first = match lead {
        Some(program) if instruments(Part::Pad).contains(&program) => Part::Pad,
        Some(program) if !instruments(Part::Melody).contains(&program) => Part::Chords,
        _ => *[Part::Melody, Part::Melody, Part::Arpeggio, Part::Chords].choose(random).unwrap_or(&Part::Melody),
    };
    let mut parts = vec![first];
    // At least a third of the pieces are for a solo instrument.
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
        let velocity = if channel == 0 { random.random_range(80..118) } else { random.random_range(50..95) };
        add_part(&mut piece, &style, *part, channel, velocity, random);
    }
    if parts.len() > 1 && random.random_bool(0.45) {
        add_drums(&mut piece, &style, random);
    }
    piece.notes.retain(|note| note.start < seconds);
    piece.notes.sort_by(|a, b| a.start.total_cmp(&b.start));
    piece
}

/// Adds the notes of one part.
fn add_part(piece: &mut Piece, style: &Style, part: Part, channel: u8, velocity: u8, random: &mut ChaCha12Rng) {
    // Onsets and velocities are randomised slightly, as in a human performance.
    let mut note = |random: &mut ChaCha12Rng, beat: f64, beats: f64, key: u8| {
        let start = (beat * style.beat + random.random_range(-0.012..0.012)).max(0.0);
        let velocity = (velocity as i32 + random.random_range(-12..12)).clamp(20, 124) as u8;
        piece.notes.push(Note { start, length: beats * style.beat, channel, key, velocity });
    };
    match part {
        Part::Melody => {
            let low = *[48, 60, 60, 72].choose(random).unwrap_or(&60);
            let rhythm: &[f64] = [&[1.0, 0.5, 0.5, 2.0][..], &[0.5, 0.5, 1.0], &[0.25, 0.25, 0.5, 1.0], &[2.0, 4.0]]
                .choose(random)
                .copied()
                .unwrap_or(&[1.0]);
            let (mut beat, mut step) = (0.0, style.root(0) + 2);
            while beat < style.beats() as f64 {
                let length = *rhythm.choose(random).unwrap_or(&1.0);
                step = (step as i32 + random.random_range(-2..=2)).clamp(0, 11) as usize;
                if random.random_bool(0.9) {
                    note(random, beat, length * 0.95, style.pitch(low, step));
                }
                beat += length;
            }
        }
        Part::Chords => {
            let every = *[1, 2, 4].choose(random).unwrap_or(&2);
            for beat in (0..style.beats()).step_by(every) {
                let root = style.root(beat);
                for third in [0, 2, 4] {
                    note(random, beat as f64, every as f64 * 0.9, style.pitch(48, root + third));
                }
            }
        }
        Part::Arpeggio => {
            let each = *[0.25, 0.5, 0.5].choose(random).unwrap_or(&0.5);
            let (mut beat, mut turn) = (0.0, 0);
            while beat < style.beats() as f64 {
                let step = style.root(beat as usize) + [0, 2, 4, 7, 4, 2][turn % 6];
                note(random, beat, each * 1.5, style.pitch(48, step));
                (beat, turn) = (beat + each, turn + 1);
            }
        }
        Part::Bass => {
            let every = *[0.5, 1.0, 2.0].choose(random).unwrap_or(&1.0);
            let mut beat = 0.0;
            while beat < style.beats() as f64 {
                note(random, beat, every * 0.9, style.pitch(28, style.root(beat as usize)));
                beat += every;
            }
        }
        Part::Pad => {
            for beat in (0..style.beats()).step_by(4) {
                let root = style.root(beat);
                for third in [0, 2, 4, 7] {
                    note(random, beat as f64, 4.0, style.pitch(48, root + third));
                }
            }
        }
    }
}

/// Adds a drum pattern of bass drum, snare and hi-hat.
fn add_drums(piece: &mut Piece, style: &Style, random: &mut ChaCha12Rng) {
    const BASS: u8 = 36;
    const SNARE: u8 = 38;
    const HAT: u8 = 42;
    // Four on the floor, or a rock pattern.
    let four_on_the_floor = random.random_bool(0.5);
    for beat in 0..style.beats() {
        let mut hit = |key: u8, after: f64, velocity: u8| {
            let start = (beat as f64 + after) * style.beat;
            piece.notes.push(Note { start, length: 0.1, channel: DRUM_CHANNEL, key, velocity });
        };
        if four_on_the_floor || beat % 2 == 0 {
            hit(BASS, 0.0, 112);
        }
        if beat % 2 == 1 {
            hit(SNARE, 0.0, 104);
        }
        if !four_on_the_floor && beat % 4 == 2 && random.random_bool(0.5) {
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
    fn pieces_are_valid_diverse_and_reproducible() {
        let mut programs = std::collections::BTreeSet::new();
        for seed in 0..300 {
            let compose = |lead| compose(&mut ChaCha12Rng::seed_from_u64(seed), 20.0, lead);
            let piece = compose(None);
            assert_eq!(piece, compose(None), "seed {seed}");
            assert!(piece.notes.len() > 5, "seed {seed}: {} notes", piece.notes.len());
            assert!(piece.notes.windows(2).all(|pair| pair[0].start <= pair[1].start), "seed {seed}");
            for note in &piece.notes {
                assert!((0.0..20.0).contains(&note.start) && note.length > 0.0, "seed {seed}: {note:?}");
                assert!((1..=127).contains(&note.velocity) && note.key < 128, "seed {seed}: {note:?}");
                let has_program =
                    note.channel == DRUM_CHANNEL || piece.programs.iter().any(|(channel, _)| *channel == note.channel);
                assert!(has_program, "seed {seed}: {note:?}");
            }
            programs.extend(piece.programs.iter().map(|(_, program)| *program));
            assert_eq!(compose(Some(104)).programs[0], (0, 104), "seed {seed}");
        }
        assert!(programs.len() > 40, "{} instruments", programs.len());
    }
}
