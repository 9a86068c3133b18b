//! Synthesized music: randomly generated pieces and excerpts of MIDI scores, played by a sound font or with single notes
//! of real instruments; and voices.

pub mod backings;
pub mod compose;
pub mod ground_truth;
pub mod instrument_tags;
pub mod notes;
pub mod performance;
pub mod phrases;
pub mod pieces;
pub mod scores;
pub mod sequencer;
mod sound_font;
pub mod truth;
pub mod voices;

use crate::audio::normalise_peak;
use crate::error::{Result, TrainerError};
use compose::{DRUM_CHANNEL, Piece};
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};
use std::path::Path;
use std::sync::Arc;

/// Renders pieces with the instruments of a sound font.
pub struct Renderer {
    font: Arc<SoundFont>,
}

impl Renderer {
    /// Loads a sound font, an SF2 file.
    ///
    /// # Errors
    /// [`TrainerError`] where it cannot be read or is invalid.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { font: Arc::new(sound_font::open(path)?) })
    }

    /// Renders a piece: mono, at the sample rate of the engine, normalised to the peak level `peak`.
    ///
    /// # Errors
    /// [`TrainerError::Request`] where the synthesizer does not support that sample rate, or the sound font is damaged.
    pub fn render(&self, piece: &Piece, peak: f32) -> Result<Vec<f32>> {
        sound_font::catch_panic(|| self.synthesize(piece, peak)).map_err(TrainerError::Request)?
    }

    fn synthesize(&self, piece: &Piece, peak: f32) -> Result<Vec<f32>> {
        let rate = tagvane_engine::SAMPLE_RATE;
        let settings = SynthesizerSettings::new(rate as i32);
        let refused = |error: rustysynth::SynthesizerError| TrainerError::Request(error.to_string());
        let mut synthesizer = Synthesizer::new(&self.font, &settings).map_err(refused)?;
        for (channel, program) in &piece.programs {
            synthesizer.process_midi_message(i32::from(*channel), 0xc0, i32::from(*program), 0);
        }
        let frame = |seconds: f64| (seconds * f64::from(rate)) as usize;
        // Frame, channel, key, and the velocity of a note on.
        let mut events: Vec<(usize, u8, u8, Option<u8>)> = Vec::with_capacity(2 * piece.notes.len());
        for note in &piece.notes {
            events.push((frame(note.onset), note.channel, note.key, Some(note.velocity)));
            events.push((frame(note.onset + note.duration), note.channel, note.key, None));
        }
        // At the same frame, a note off goes before a note on.
        events.sort_by_key(|(at, _, _, velocity)| (*at, velocity.is_some()));
        let frames = frame(piece.seconds);
        let (mut left, mut right) = (vec![0.0; frames], vec![0.0; frames]);
        let mut done = 0;
        for (at, channel, key, velocity) in events {
            let until = at.min(frames);
            synthesizer.render(&mut left[done..until], &mut right[done..until]);
            done = until;
            match velocity {
                Some(velocity) => synthesizer.note_on(i32::from(channel), i32::from(key), i32::from(velocity)),
                // Drums ignore note offs.
                None if channel == DRUM_CHANNEL => {}
                None => synthesizer.note_off(i32::from(channel), i32::from(key)),
            }
        }
        synthesizer.render(&mut left[done..], &mut right[done..]);
        let mut mono: Vec<f32> = left.iter().zip(&right).map(|(left, right)| (left + right) / 2.0).collect();
        normalise_peak(&mut mono, peak);
        Ok(mono)
    }
}
