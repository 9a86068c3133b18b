//! A data set of phrases, played with single notes of real instruments and voices, alone and over other recordings. They
//! are not stored: a phrase depends on its name, the seed, its length, the notes, scores and recordings, and can be
//! played again.

use super::backings::Backings;
use super::compose::{DRUM_CHANNEL, Note, Piece, compose};
use super::notes::{self, NoteFile, NoteInstrument, Playing};
use super::performance::Performance;
use super::pieces::check_seconds;
use super::scores::Score;
use super::sequencer::play;
use super::truth::Truth;
use crate::audio::normalise_peak;
use crate::data::Source;
use crate::error::{Result, TrainerError};
use crate::mixing::{active_rms, add_backing};
use crate::reproducible;
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;
use std::cmp::Reverse;
use std::path::PathBuf;
use tagvane_engine::SAMPLE_RATE;

/// The group of all phrases in a cache.
pub const GROUP: &str = "phrases";

/// The General MIDI program, counted from 0, whose part is composed for the lead: a flute's, which is a melody more often
/// than anything else.
const LEAD_PROGRAM: u8 = 73;

/// The phrases and what they are played with.
pub struct Phrases {
    /// Sorted by name; at least one.
    instruments: Vec<NoteInstrument>,
    scores: Vec<Score>,
    backings: Backings,
    count: usize,
    /// Length of a phrase.
    seconds: f64,
    seed: u64,
}

/// A phrase.
#[derive(Debug, Clone, PartialEq)]
pub struct Phrase {
    /// Mono, at the sample rate of the engine.
    pub samples: Vec<f32>,
    /// The instruments that play. What a backing has is unknown.
    pub truth: Truth,
}

impl Phrases {
    /// `count` phrases of `seconds`, 3 to 600. Each instrument leads in turn, in one round alone or with one or two
    /// others, in the next also over a backing, if there are any. If there are scores, half of the phrases are excerpts
    /// of them.
    ///
    /// # Errors
    /// [`TrainerError`] where there are no notes, a score is invalid, or `seconds` is out of range.
    pub fn open(
        notes: Vec<NoteFile>,
        scores: &[PathBuf],
        backings: Backings,
        count: usize,
        seconds: f64,
        seed: u64,
    ) -> Result<Self> {
        check_seconds(seconds)?;
        let instruments = notes::instruments(notes);
        if instruments.is_empty() {
            let what = "there are no single notes to play phrases with; give a folder that has copies of them";
            return Err(TrainerError::Request(what.into()));
        }
        let scores = scores.iter().map(|path| Score::open(path)).collect::<Result<_>>()?;
        Ok(Self { instruments, scores, backings, count, seconds, seed })
    }

    /// The sources of all phrases, named `phrases/instrument/seed/number`.
    pub fn sources(&self) -> Vec<Source> {
        let source = |number: usize| {
            let lead = &self.instruments[number % self.instruments.len()];
            let name = format!("{GROUP}/{}/{}/{number}", lead.name, self.seed);
            Source { name, path: None, group: GROUP.into(), labels: None }
        };
        (0..self.count).map(source).collect()
    }

    /// Plays the phrase called `name`.
    ///
    /// # Errors
    /// A message where there is no such phrase, its notes cannot be decoded, or none of them is playable.
    pub fn phrase(&self, name: &str) -> std::result::Result<Phrase, String> {
        let unknown = || format!("there is no phrase {name}");
        let mut parts = name.rsplit('/');
        let number: usize = parts.next().and_then(|number| number.parse().ok()).ok_or_else(unknown)?;
        let lead_name = parts.nth(1).ok_or_else(unknown)?;
        let lead = self.instruments.iter().find(|instrument| instrument.name == lead_name).ok_or_else(unknown)?;

        let mut random = reproducible::generator(self.seed, name);
        let frames = (self.seconds * f64::from(SAMPLE_RATE)) as usize;
        let (piece, channels) = self.score(&mut random);
        let performance = Performance::draw(&mut random);
        let size = *[1, 1, 1, 2, 2, 2, 3, 3].choose(&mut random).unwrap_or(&1);
        let others: Vec<&NoteInstrument> = self.instruments.iter().filter(|other| other.name != lead.name).collect();
        let (mut samples, mut truth) = (vec![0.0; frames], Truth { soundings: Vec::new(), is_complete: true });
        for (index, channel) in channels.iter().take(size).enumerate() {
            let instrument = if index == 0 { Some(lead) } else { others.choose(&mut random).copied() };
            let Some(instrument) = instrument else { break };
            let notes = notes_for(instrument, &piece, *channel);
            let track = play(&notes, instrument.playing, &instrument.load()?, &performance, frames, &mut random)?;
            let level = active_rms(&track.samples);
            if level > 0.0 {
                let gain = if index == 0 { 1.0 } else { random.random_range(0.3..0.9) } / level;
                samples.iter_mut().zip(&track.samples).for_each(|(sample, other)| *sample += gain * other);
                truth.soundings.extend(track.soundings);
            } else if index == 0 {
                return Err(format!("no note of its score is within a fourth of a note of {lead_name}"));
            }
        }
        performance.place(&mut samples, &mut random)?;
        if number / self.instruments.len() % 2 == 1 && !self.backings.is_empty() {
            let backing = self.backings.excerpt(frames, &mut random)?;
            add_backing(&mut samples, &backing, random.random_range(-6.0..=6.0));
            truth.is_complete = false;
        }
        normalise_peak(&mut samples, random.random_range(0.2..0.95));
        Ok(Phrase { samples, truth })
    }

    /// A piece, and its channels without drums, the lead first.
    fn score(&self, random: &mut ChaCha12Rng) -> (Piece, Vec<u8>) {
        let channels = |piece: &Piece| piece.programs.iter().map(|(channel, _)| *channel).collect::<Vec<u8>>();
        if let Some(score) = self.scores.choose(random).filter(|_| random.random_bool(0.5)) {
            let piece = score.excerpt(random, self.seconds, None);
            let mut channels = channels(&piece);
            channels.sort_by_key(|channel| Reverse(piece.notes.iter().filter(|note| note.channel == *channel).count()));
            if !channels.is_empty() {
                return (piece, channels);
            }
        }
        let piece = compose(random, self.seconds, Some(LEAD_PROGRAM));
        let channels = channels(&piece);
        (piece, channels)
    }
}

/// The notes of a channel, or of the drums for an instrument that is struck, if there are any.
fn notes_for(instrument: &NoteInstrument, piece: &Piece, channel: u8) -> Vec<Note> {
    let of = |channel: u8| piece.notes.iter().filter(|note| note.channel == channel).copied().collect::<Vec<Note>>();
    let drums = if instrument.playing == Playing::Hits { of(DRUM_CHANNEL) } else { Vec::new() };
    if drums.is_empty() { of(channel) } else { drums }
}
