//! Excerpts of MIDI scores, played by randomly drawn instruments.

use super::compose::{DRUM_CHANNEL, Note, Part, Piece, instruments};
use crate::error::{self, Result, TrainerError};
use midly::{MetaMessage, MidiMessage, Smf, Timing, TrackEventKind};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// The notes of a MIDI file, sorted by onset.
#[derive(Debug, Clone, PartialEq)]
pub struct Score(Vec<Note>);

/// Minimum number of notes in a score.
const MIN_NOTES: usize = 8;

impl Score {
    /// Reads a MIDI file.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be read, is invalid, or has fewer than eight notes.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(TrainerError::file(path))?;
        let notes = parse_notes(&bytes).map_err(|what| TrainerError::content(path, what))?;
        if notes.len() < MIN_NOTES {
            return Err(TrainerError::content(
                path,
                format!("this score has only {} notes; give one with at least {MIN_NOTES}", notes.len()),
            ));
        }
        Ok(Self(notes))
    }

    /// A random excerpt of `seconds` with random instruments. If `lead` is given, this General MIDI program plays the
    /// channel with the most notes. A third of the excerpts have that channel only.
    pub fn excerpt(&self, random: &mut ChaCha12Rng, seconds: f64, lead: Option<u8>) -> Piece {
        // An excerpt starts early enough to have `MIN_NOTES` notes if they fit into its length.
        let starts = &self.0[..=self.0.len().saturating_sub(MIN_NOTES)];
        let begin = starts.choose(random).map_or(0.0, |note| note.onset);
        let within = |note: &&Note| (begin..begin + seconds).contains(&note.onset);
        let mut notes: Vec<Note> = self.0.iter().filter(within).copied().collect();
        notes.iter_mut().for_each(|note| note.onset -= begin);

        let mut keys: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for note in notes.iter().filter(|note| note.channel != DRUM_CHANNEL) {
            keys.entry(note.channel).or_default().push(note.key);
        }
        let first = keys.iter().max_by_key(|(_, keys)| keys.len()).map(|(channel, _)| *channel);
        if random.random_bool(1.0 / 3.0) {
            notes.retain(|note| Some(note.channel) == first);
            keys.retain(|channel, _| Some(*channel) == first);
        }
        let program = |(channel, keys): (&u8, &Vec<u8>)| {
            let mean = keys.iter().map(|key| f64::from(*key)).sum::<f64>() / keys.len() as f64;
            let parts: &[Part] =
                if mean < 46.0 { &[Part::Bass] } else { &[Part::Melody, Part::Melody, Part::Chords, Part::Pad] };
            let drawn = parts.choose(random).and_then(|part| instruments(*part).choose(random)).copied().unwrap_or(0);
            (*channel, lead.filter(|_| Some(*channel) == first).unwrap_or(drawn))
        };
        Piece { programs: keys.iter().map(program).collect(), notes, seconds }
    }
}

/// Parses the notes of a MIDI file.
///
/// # Errors
/// A message where the file is invalid.
fn parse_notes(bytes: &[u8]) -> std::result::Result<Vec<Note>, String> {
    let invalid = |reason: String| format!("this is not a valid MIDI file, give another one: {reason}");
    // midly panics on a timecode of 128 frames per second in builds with overflow checks.
    let file = error::catch_panic(|| Smf::parse(bytes)).ok_or_else(|| invalid("its header is invalid".into()))?;
    let file = file.map_err(|error| invalid(error.to_string()))?;
    let mut events = Vec::new();
    for track in &file.tracks {
        let mut tick = 0_u64;
        for event in track {
            tick += u64::from(event.delta.as_int());
            events.push((tick, event.kind));
        }
    }
    events.sort_by_key(|(tick, _)| *tick);
    // The default tempo of MIDI files is 120 beats per minute.
    let mut seconds_per_tick = match file.header.timing {
        Timing::Metrical(ticks) => 0.5 / f64::from(ticks.as_int().max(1)),
        Timing::Timecode(frames, parts) => 1.0 / (f64::from(frames.as_f32()) * f64::from(parts.max(1))),
    };
    let (mut seconds, mut last) = (0.0, 0);
    let mut sounding: HashMap<(u8, u8), (f64, u8)> = HashMap::new();
    let mut notes = Vec::new();
    for (tick, kind) in events {
        seconds += (tick - last) as f64 * seconds_per_tick;
        last = tick;
        match (kind, file.header.timing) {
            (TrackEventKind::Meta(MetaMessage::Tempo(beat)), Timing::Metrical(ticks)) => {
                seconds_per_tick = f64::from(beat.as_int()) / 1e6 / f64::from(ticks.as_int().max(1));
            }
            (TrackEventKind::Midi { channel, message }, _) => {
                let (key, velocity) = match message {
                    MidiMessage::NoteOn { key, vel } => (key.as_int(), vel.as_int()),
                    MidiMessage::NoteOff { key, .. } => (key.as_int(), 0),
                    _ => continue,
                };
                let channel = channel.as_int();
                if let Some((onset, velocity)) = sounding.remove(&(channel, key)) {
                    notes.push(Note { onset, duration: (seconds - onset).max(0.01), channel, key, velocity });
                }
                if velocity > 0 {
                    sounding.insert((channel, key), (seconds, velocity));
                }
            }
            _ => {}
        }
    }
    notes.sort_by(|a, b| a.onset.total_cmp(&b.onset).then(a.channel.cmp(&b.channel)).then(a.key.cmp(&b.key)));
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    /// A MIDI file with one track of 96 ticks per beat; events are (delta ticks, bytes).
    fn file(events: &[(u8, &[u8])]) -> Vec<u8> {
        let mut track = Vec::new();
        for (delta, bytes) in events.iter().chain(&[(0, &[0xff, 0x2f, 0][..])]) {
            track.push(*delta);
            track.extend_from_slice(bytes);
        }
        let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk".to_vec();
        bytes.extend((track.len() as u32).to_be_bytes());
        bytes.extend(track);
        bytes
    }

    #[test]
    fn note_times_follow_tempo_changes() {
        let bytes = file(&[
            (0, &[0x90, 60, 100]),
            (96, &[0x80, 60, 0]),
            // A tempo of one second per beat.
            (0, &[0xff, 0x51, 3, 0x0f, 0x42, 0x40]),
            (0, &[0x99, 36, 80]),
            (48, &[0x99, 36, 0]),
        ]);
        let note = |onset, duration, channel, key, velocity| Note { onset, duration, channel, key, velocity };
        assert_eq!(parse_notes(&bytes).unwrap(), [note(0.0, 0.5, 0, 60, 100), note(0.5, 0.5, DRUM_CHANNEL, 36, 80)]);
        assert!(parse_notes(b"RIFF").unwrap_err().contains("not a valid MIDI file"));
        for length in 0..bytes.len() {
            let _ = parse_notes(&bytes[..length]);
        }
    }

    #[test]
    fn the_lead_program_plays_the_channel_with_the_most_notes() {
        let note =
            |step: usize, channel, key| Note { onset: step as f64 * 0.25, duration: 0.2, channel, key, velocity: 90 };
        let notes = (0..400).flat_map(|step| [note(step, 2, 64), note(step, DRUM_CHANNEL, 36)]);
        let mut notes: Vec<Note> = notes.chain((0..100).map(|step| note(4 * step, 5, 38))).collect();
        notes.sort_by(|a, b| a.onset.total_cmp(&b.onset));
        let score = Score(notes);
        for seed in 0..100 {
            let excerpt = || score.excerpt(&mut ChaCha12Rng::seed_from_u64(seed), 10.0, Some(46));
            let piece = excerpt();
            assert_eq!(piece, excerpt(), "seed {seed}");
            assert_eq!(piece.programs.iter().find(|(channel, _)| *channel == 2), Some(&(2, 46)), "seed {seed}");
            assert!(piece.notes.iter().all(|note| (0.0..10.0).contains(&note.onset)), "seed {seed}");
            assert!(
                piece
                    .programs
                    .iter()
                    .all(|(channel, program)| *channel != 5 || instruments(Part::Bass).contains(program))
            );
        }
    }
}
