//! Randomly generated pieces, solo and for several instruments, with instruments that are rare in free recordings.

use rand::Rng;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;

/// The MIDI channel of the drums in General MIDI, counted from 0.
pub const DRUM_CHANNEL: u8 = 9;

/// A note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Note {
    /// In seconds from the start of the piece.
    pub onset: f64,
    /// In seconds.
    pub duration: f64,
    /// MIDI channel, 0..=15.
    pub channel: u8,
    /// MIDI note number of the pitch or the drum, 0..=127.
    pub key: u8,
    /// MIDI velocity, 1..=127.
    pub velocity: u8,
}

/// A piece of music.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The channels and their General MIDI programs, counted from 0.
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

/// General MIDI programs that suit a part, counted from 0. A program that stands twice is drawn twice as often.
pub(super) fn instruments(part: Part) -> &'static [u8] {
    match part {
        // Piano, harpsichord, vibraphone, harmonica, guitars, violin, viola, cello, trumpet, horn, saxophones, oboe,
        // clarinet, flute, pan flute, synth leads, sitar, banjo, koto, harp.
        Part::Melody => {
            &[0, 6, 11, 22, 24, 25, 26, 30, 40, 41, 42, 56, 60, 64, 65, 68, 71, 73, 75, 80, 81, 104, 105, 107, 46]
        }
        // Piano, electric piano, harpsichord, organs, accordion, guitars, harp, strings, synth brass.
        Part::Chords => &[0, 4, 6, 16, 19, 21, 24, 25, 27, 29, 30, 46, 48, 62],
        // Piano, harpsichord, celesta, vibraphone, guitars, harp, synth leads, sitar, banjo.
        Part::Arpeggio => &[0, 6, 8, 11, 24, 25, 46, 46, 80, 81, 104, 105],
        // Acoustic and electric basses, synth basses, cello, double bass.
        Part::Bass => &[32, 33, 34, 35, 38, 39, 42, 43],
        // Strings, synth strings, choirs, synth pads.
        Part::Pad => &[48, 49, 50, 52, 53, 54, 88, 89, 90, 91, 92, 95],
    }
}

/// Scales, as semitones above the root: major, minor, Dorian, Phrygian dominant, and two pentatonic ones.
const SCALES: [&[u8]; 6] = [
    &[0, 2, 4, 5, 7, 9, 11],
    &[0, 2, 3, 5, 7, 8, 10],
    &[0, 2, 3, 5, 7, 9, 10],
    &[0, 1, 4, 5, 7, 8, 10],
    &[0, 2, 4, 7, 9],
    &[0, 3, 5, 7, 10],
];

/// Chord progressions, as degrees of the scale, counted from 0; each chord lasts four beats.
const PROGRESSIONS: [[usize; 4]; 6] =
    [[0, 3, 4, 0], [0, 5, 3, 4], [0, 4, 5, 3], [0, 6, 5, 6], [0, 0, 3, 0], [0, 2, 3, 4]];

/// Tempo, key and harmony of a piece.
struct Style {
    seconds_per_beat: f64,
    /// The root of the scale, in semitones above C.
    tonic: u8,
    scale: &'static [u8],
    progression: [usize; 4],
    /// Length of the piece in seconds.
    seconds: f64,
}

impl Style {
    fn new(random: &mut ChaCha12Rng, seconds: f64) -> Self {
        Self {
            seconds_per_beat: 60.0 / random.random_range(52.0..176.0),
            tonic: random.random_range(0..12),
            scale: SCALES.choose(random).copied().unwrap_or(SCALES[0]),
            progression: *PROGRESSIONS.choose(random).unwrap_or(&PROGRESSIONS[0]),
            seconds,
        }
    }

    /// The MIDI note number of a scale degree, counted from the octave that begins at the key `lowest`, a C.
    fn pitch(&self, lowest: u8, degree: usize) -> u8 {
        let octave = degree / self.scale.len();
        (lowest + self.tonic + 12 * octave as u8 + self.scale[degree % self.scale.len()]).min(115)
    }

    /// The scale degree of the chord root at a beat.
    fn root(&self, beat: usize) -> usize {
        self.progression[beat / 4 % 4]
    }

    fn beats(&self) -> usize {
        (self.seconds / self.seconds_per_beat) as usize
    }
}

/// Generates a piece of `seconds` for one to five random instruments, sometimes with drums. If `lead` is given, this
/// General MIDI program, counted from 0, plays the first part.
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
    piece.notes.retain(|note| note.onset < seconds);
    piece.notes.sort_by(|a, b| a.onset.total_cmp(&b.onset));
    piece
}

/// Adds the notes of one part.
fn add_part(piece: &mut Piece, style: &Style, part: Part, channel: u8, velocity: u8, random: &mut ChaCha12Rng) {
    // Onsets and velocities are randomised slightly, as in a human performance.
    let mut note = |random: &mut ChaCha12Rng, beat: f64, beats: f64, key: u8| {
        let onset = (beat * style.seconds_per_beat + random.random_range(-0.012..0.012)).max(0.0);
        let velocity = (velocity as i32 + random.random_range(-12..12)).clamp(20, 124) as u8;
        piece.notes.push(Note { onset, duration: beats * style.seconds_per_beat, channel, key, velocity });
    };
    match part {
        Part::Melody => {
            let lowest = *[48, 60, 60, 72].choose(random).unwrap_or(&60);
            let rhythm: &[f64] = [&[1.0, 0.5, 0.5, 2.0][..], &[0.5, 0.5, 1.0], &[0.25, 0.25, 0.5, 1.0], &[2.0, 4.0]]
                .choose(random)
                .copied()
                .unwrap_or(&[1.0]);
            let (mut beat, mut degree) = (0.0, style.root(0) + 2);
            while beat < style.beats() as f64 {
                let beats = *rhythm.choose(random).unwrap_or(&1.0);
                degree = (degree as i32 + random.random_range(-2..=2)).clamp(0, 11) as usize;
                // The others are rests.
                if random.random_bool(0.9) {
                    note(random, beat, beats * 0.95, style.pitch(lowest, degree));
                }
                beat += beats;
            }
        }
        Part::Chords => {
            let beats = *[1, 2, 4].choose(random).unwrap_or(&2);
            for beat in (0..style.beats()).step_by(beats) {
                let root = style.root(beat);
                for interval in [0, 2, 4] {
                    note(random, beat as f64, beats as f64 * 0.9, style.pitch(48, root + interval));
                }
            }
        }
        Part::Arpeggio => {
            let beats = *[0.25, 0.5, 0.5].choose(random).unwrap_or(&0.5);
            let (mut beat, mut index) = (0.0, 0);
            while beat < style.beats() as f64 {
                let degree = style.root(beat as usize) + [0, 2, 4, 7, 4, 2][index % 6];
                note(random, beat, beats * 1.5, style.pitch(48, degree));
                (beat, index) = (beat + beats, index + 1);
            }
        }
        Part::Bass => {
            let beats = *[0.5, 1.0, 2.0].choose(random).unwrap_or(&1.0);
            let mut beat = 0.0;
            while beat < style.beats() as f64 {
                note(random, beat, beats * 0.9, style.pitch(28, style.root(beat as usize)));
                beat += beats;
            }
        }
        Part::Pad => {
            for beat in (0..style.beats()).step_by(4) {
                let root = style.root(beat);
                for interval in [0, 2, 4, 7] {
                    note(random, beat as f64, 4.0, style.pitch(48, root + interval));
                }
            }
        }
    }
}

/// Adds a drum pattern of bass drum, snare and hi-hat.
fn add_drums(piece: &mut Piece, style: &Style, random: &mut ChaCha12Rng) {
    // Keys of General MIDI's drum map.
    const BASS: u8 = 36;
    const SNARE: u8 = 38;
    const HAT: u8 = 42;
    // Four on the floor, or a rock pattern.
    let four_on_the_floor = random.random_bool(0.5);
    for beat in 0..style.beats() {
        let mut hit = |key: u8, offset: f64, velocity: u8| {
            let onset = (beat as f64 + offset) * style.seconds_per_beat;
            piece.notes.push(Note { onset, duration: 0.1, channel: DRUM_CHANNEL, key, velocity });
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
            assert!(piece.notes.windows(2).all(|pair| pair[0].onset <= pair[1].onset), "seed {seed}");
            for note in &piece.notes {
                assert!((0.0..20.0).contains(&note.onset) && note.duration > 0.0, "seed {seed}: {note:?}");
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
