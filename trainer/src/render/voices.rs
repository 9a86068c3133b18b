//! Synthesized voices: random words spoken by espeak-ng or sung by festival, both of which are Debian packages.
//!
//! Free music has little singing, so voices are mixed into it. The teachers label the mix.

use crate::audio::decode_mono;
use crate::error::{Result, TrainerError};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha12Rng;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tagvane_engine::SAMPLE_RATE;

/// The words that are spoken and sung.
const WORDS: [&str; 32] = [
    "light", "river", "home", "again", "shine", "morning", "wind", "away", "tonight", "stone", "silver", "always",
    "fall", "open", "water", "remember", "fire", "lonely", "hold", "summer", "over", "road", "never", "slow", "moon",
    "believe", "dancing", "shadow", "wake", "garden", "far", "rain",
];

/// Languages of espeak-ng, which determine the pronunciation.
const LANGUAGES: [&str; 8] = ["en-us", "en-gb", "it", "de", "fr", "es", "la", "fi"];

/// Voice variants of espeak-ng: female, male, whisper.
const SPEAKERS: [&str; 14] = ["f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "whisper"];

/// Voices of festival that sing.
const SINGERS: [&str; 2] = ["kal_diphone", "ked_diphone"];

/// A pentatonic scale, in festival's note names.
const NOTES: [&str; 5] = ["C", "D", "E", "G", "A"];

/// The speech synthesizers, which are known to be installed.
pub struct Voices {
    _private: (),
}

impl Voices {
    /// Checks that the programs are installed.
    ///
    /// # Errors
    /// [`TrainerError::Request`] with the packages to install.
    pub fn find() -> Result<Self> {
        for (program, package) in
            [("espeak-ng", "espeak-ng"), ("text2wave", "festival festvox-kallpc16k festvox-kdlpc16k")]
        {
            let found = Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if let Err(error) = found {
                let what = format!("voices need the program {program} ({error}); on Debian: apt install {package}");
                return Err(TrainerError::Request(what));
            }
        }
        Ok(Self { _private: () })
    }

    /// Synthesizes a random voice, which speaks or sings with equal probability: mono, at 22050 Hz.
    ///
    /// # Errors
    /// A message where the program fails.
    pub fn synthesize(&self, random: &mut ChaCha12Rng) -> std::result::Result<Vec<f32>, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let sound = folder.path().join("voice.wav");
        let command = if random.random() { sing(random, folder.path())? } else { speak(random) };
        run(command, &sound)?;
        decode_mono(&sound, SAMPLE_RATE).map_err(|error| error.to_string())
    }
}

fn words(random: &mut ChaCha12Rng, count: usize) -> Vec<&'static str> {
    (0..count).map(|_| *WORDS.choose(random).unwrap_or(&WORDS[0])).collect()
}

/// The command that speaks, without the output file.
fn speak(random: &mut ChaCha12Rng) -> Command {
    let (language, speaker) = (LANGUAGES.choose(random).unwrap_or(&"en-us"), SPEAKERS.choose(random).unwrap_or(&"f1"));
    let mut command = Command::new("espeak-ng");
    command.args(["-v", &format!("{language}+{speaker}")]);
    command.args(["-s", &random.random_range(90..190).to_string()]);
    command.args(["-p", &random.random_range(15..85).to_string()]);
    command.arg(words(random, 60).join(" "));
    command.arg("-w");
    command
}

/// The command that sings, without the output file. Writes a score for the singing mode of festival into `folder`.
fn sing(random: &mut ChaCha12Rng, folder: &Path) -> std::result::Result<Command, String> {
    let mut score = String::from(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE SINGING PUBLIC \"-//SINGING//DTD SINGING mark up//EN\" \"Singing.v0_1.dtd\" []>\n",
    );
    let low = random.random_range(2..=4);
    let _ = writeln!(score, "<SINGING BPM=\"{}\">", random.random_range(60..140));
    for word in words(random, 40) {
        let (note, octave) = (NOTES.choose(random).unwrap_or(&"C"), low + random.random_range(0..=1));
        let beats = [0.5, 1.0, 1.0, 2.0, 3.0].choose(random).unwrap_or(&1.0);
        let _ = writeln!(score, "<DURATION BEATS=\"{beats}\"><PITCH NOTE=\"{note}{octave}\">{word}</PITCH></DURATION>");
    }
    score.push_str("</SINGING>\n");
    let path = folder.join("score.xml");
    std::fs::write(&path, score).map_err(|error| error.to_string())?;
    let mut command = Command::new("text2wave");
    let singer = SINGERS.choose(random).unwrap_or(&SINGERS[0]);
    command.args(["-mode", "singing", "-eval", &format!("(voice_{singer})")]).arg(path).arg("-o");
    Ok(command)
}

/// Runs `command` with the output file `sound` as the last argument.
fn run(mut command: Command, sound: &Path) -> std::result::Result<(), String> {
    let output = command.arg(sound).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() && sound.exists() {
        return Ok(());
    }
    let message = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed: {}", command.get_program().to_string_lossy(), message.trim()))
}
