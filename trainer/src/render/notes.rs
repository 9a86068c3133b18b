//! Single notes of real instruments and voices: which instruments there are, and the audio of their notes.

use crate::audio::decode_mono;
use crate::mixing::rms;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tagvane_engine::SAMPLE_RATE;

/// A file with a single note, or with a sound without pitch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteFile {
    /// The instrument to which it belongs.
    pub instrument: String,
    /// What sounds in it, such as `alto saxophone` and `saxophone`.
    pub words: Vec<String>,
    /// MIDI note number; `None` where it has no pitch or it is unknown.
    pub pitch: Option<u8>,
    /// The file.
    pub path: PathBuf,
}

/// How the sounds of an instrument make a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Playing {
    /// Notes with pitches.
    Notes {
        /// Whether it plays one note at a time, as winds, bowed strings and voices do.
        is_monophonic: bool,
        /// Whether a note may ring on after its end, as a plucked string does.
        rings: bool,
    },
    /// Drums: the sounds take the place of the keys, dark ones that of low keys.
    Hits,
    /// Longer sounds without a pitch, such as sung phrases, one after the other.
    Whole,
}

/// An instrument and its notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteInstrument {
    /// Its name, which is unique.
    pub name: String,
    /// How it is played.
    pub playing: Playing,
    notes: Vec<NoteFile>,
}

/// The audio of a note.
#[derive(Debug, Clone, PartialEq)]
pub struct NoteSample {
    /// What sounds in it.
    pub words: Vec<String>,
    /// MIDI note number; `None` where it has no pitch.
    pub pitch: Option<u8>,
    /// Mono, at the sample rate of the engine, without silence before the onset; its loudest 100 ms have the level 1.
    pub samples: Vec<f32>,
    /// The number of samples until it has decayed by 40 dB for good.
    pub audible: usize,
    /// Sign changes per sample: small in a dark sound, large in a bright one.
    pub brightness: f32,
}

/// The ends of the names of instruments that play one note at a time.
const MONOPHONIC: [&str; 22] = [
    "saxophone",
    "flute",
    "ocarina",
    "shakuhachi",
    "trumpet",
    "flugelhorn",
    "trombone",
    "tuba",
    "horn",
    "clarinet",
    "oboe",
    "bassoon",
    "shehnai",
    "didgeridoo",
    "violin",
    "viola",
    "cello",
    "sarangi",
    "bass",
    "contrabass",
    "voice",
    "vocal",
];

/// The ends of the names of instruments that several people play or sing.
const ENSEMBLES: [&str; 2] = ["choir", "ensemble"];

/// The ends of the names of instruments whose notes ring on.
const RINGING: [&str; 18] = [
    "guitar",
    "harp",
    "banjo",
    "sitar",
    "koto",
    "mandolin",
    "ukulele",
    "kalimba",
    "thumb piano",
    "marimba",
    "vibraphone",
    "xylophone",
    "mallets",
    "steel drum",
    "handpan",
    "timpani",
    "metallophone",
    "pizzicato",
];

/// The parts of the names of drums and other instruments that are struck.
const STRUCK: [&str; 7] = ["drum", "percussion", "taiko", "djembe", "darbuka", "madal", "mridangam"];

/// The instruments of a list of notes, sorted by name. The order of the files matters, their paths do not.
pub fn instruments(files: Vec<NoteFile>) -> Vec<NoteInstrument> {
    let mut groups: BTreeMap<String, Vec<NoteFile>> = BTreeMap::new();
    for file in files {
        groups.entry(file.instrument.clone()).or_default().push(file);
    }
    groups.into_iter().map(|(name, notes)| NoteInstrument::new(name, notes)).collect()
}

impl NoteInstrument {
    /// An instrument that plays notes with pitches if at least half of its files have one; the others are not used then.
    fn new(name: String, mut notes: Vec<NoteFile>) -> Self {
        let any =
            |is_of_kind: &dyn Fn(&str) -> bool| notes.iter().flat_map(|note| &note.words).any(|word| is_of_kind(word));
        let ends = |ends: &[&str]| any(&|word| ends.iter().any(|end| word.ends_with(end)));
        let pitched = notes.iter().filter(|note| note.pitch.is_some()).count();
        let playing = if 2 * pitched >= notes.len() {
            Playing::Notes { is_monophonic: ends(&MONOPHONIC) && !ends(&ENSEMBLES), rings: ends(&RINGING) }
        } else if any(&|word| STRUCK.iter().any(|part| word.contains(part))) {
            Playing::Hits
        } else {
            Playing::Whole
        };
        if matches!(playing, Playing::Notes { .. }) {
            notes.retain(|note| note.pitch.is_some());
        }
        Self { name, playing, notes }
    }

    /// Decodes its notes; a silent one is left out.
    ///
    /// # Errors
    /// A message where a file cannot be decoded or all are silent.
    pub fn load(&self) -> Result<Vec<NoteSample>, String> {
        let mut samples = Vec::with_capacity(self.notes.len());
        for note in &self.notes {
            let decoded = decode_mono(&note.path, SAMPLE_RATE).map_err(|error| error.to_string())?;
            samples.extend(NoteSample::new(note.words.clone(), note.pitch, decoded));
        }
        if samples.is_empty() {
            return Err(format!("the notes of {} are silent", self.name));
        }
        Ok(samples)
    }
}

/// The samples of 100 ms, over which levels are measured.
const LEVEL_SAMPLES: usize = SAMPLE_RATE as usize / 10;

/// The samples before the onset that are kept, 2 ms.
const BEFORE_ONSET: usize = SAMPLE_RATE as usize / 500;

/// A note begins with the first sample of this fraction of its peak, -46 dB.
const ONSET_LEVEL: f32 = 0.005;

/// A note has decayed where it is below this fraction of its peak, -40 dB.
const AUDIBLE_LEVEL: f32 = 0.01;

impl NoteSample {
    /// Cuts off the silence before a note, and normalises its level; `None` where it is silent or shorter than 50 ms.
    pub fn new(words: Vec<String>, pitch: Option<u8>, mut samples: Vec<f32>) -> Option<Self> {
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        let onset = samples.iter().position(|sample| peak > 1e-4 && sample.abs() >= ONSET_LEVEL * peak)?;
        samples.drain(..onset.saturating_sub(BEFORE_ONSET));
        if samples.len() < SAMPLE_RATE as usize / 20 {
            return None;
        }
        let audible = samples.iter().rposition(|sample| sample.abs() >= AUDIBLE_LEVEL * peak)? + 1;
        let level = samples.chunks(LEVEL_SAMPLES).map(rms).fold(0.0_f32, f32::max);
        samples.iter_mut().for_each(|sample| *sample /= level);
        let changes = samples.windows(2).filter(|pair| (pair[0] < 0.0) != (pair[1] < 0.0)).count();
        let brightness = changes as f32 / samples.len() as f32;
        Some(Self { words, pitch, samples, audible, brightness })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(instrument: &str, words: &[&str], pitch: Option<u8>) -> NoteFile {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        NoteFile { instrument: instrument.into(), words, pitch, path: PathBuf::from("unused") }
    }

    #[test]
    fn how_an_instrument_plays_follows_from_its_names_and_pitches() {
        let playing = |words: &[&str], pitch| instruments(vec![file("it", words, pitch)])[0].playing;
        let notes = |is_monophonic, rings| Playing::Notes { is_monophonic, rings };
        assert_eq!(playing(&["alto saxophone", "saxophone"], Some(60)), notes(true, false));
        assert_eq!(playing(&["harp", "celtic harp"], Some(60)), notes(false, true));
        assert_eq!(playing(&["harpsichord"], Some(60)), notes(false, false));
        assert_eq!(playing(&["female voice", "choir", "aah"], Some(60)), notes(false, false));
        assert_eq!(playing(&["double bass", "pizzicato"], Some(40)), notes(true, true));
        assert_eq!(playing(&["drums", "drum kit"], None), Playing::Hits);
        assert_eq!(playing(&["female voice", "vocal phrase"], None), Playing::Whole);
        let mixed = instruments(vec![
            file("flute", &["flute"], Some(60)),
            file("flute", &["flute"], None),
            file("cello", &["cello"], Some(40)),
        ]);
        assert_eq!(
            mixed.iter().map(|it| (it.name.as_str(), it.notes.len())).collect::<Vec<_>>(),
            [("cello", 1), ("flute", 1)]
        );
    }

    #[test]
    fn silence_before_a_note_is_cut_off_and_levels_are_equal() {
        let tone = |level: f32| {
            let mut samples = vec![0.0; 3_000];
            samples.extend((0..22_050).map(|at| level * (at as f32 * 0.1).sin()));
            samples.extend(vec![0.0; 5_000]);
            NoteSample::new(Vec::new(), Some(60), samples).unwrap()
        };
        let (soft, loud) = (tone(0.01), tone(0.9));
        assert!(soft.samples.len().abs_diff(22_050 + 5_000 + BEFORE_ONSET) < 3, "{}", soft.samples.len());
        assert!(soft.audible.abs_diff(22_050 + BEFORE_ONSET) < 40, "{}", soft.audible);
        assert!(soft.samples.iter().zip(&loud.samples).all(|(soft, loud)| (soft - loud).abs() < 1e-3));
        assert!((rms(&soft.samples[4_410..6_615]) - 1.0).abs() < 0.01);
        assert_eq!(NoteSample::new(Vec::new(), None, vec![0.0; 22_050]), None);
    }
}
