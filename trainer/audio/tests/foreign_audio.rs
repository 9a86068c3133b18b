//! Audio files that other programs wrote are decoded to the tones that are in them, or are refused in words.
//!
//! `tests/foreign` has the files and how they were made. `TAGVANE_FOREIGN_AUDIO` names another folder of such files,
//! each beside a `NAME.expected.json`.

use serde_json::Value;
use std::f64::consts::TAU;
use std::path::{Path, PathBuf};
use tagvane_audio::{AudioStream, Recording, read};

/// The amplitude of each tone.
const AMPLITUDE: f64 = 0.3;

fn files() -> Vec<PathBuf> {
    let folder = match std::env::var_os("TAGVANE_FOREIGN_AUDIO") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/foreign/audio"),
    };
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut expectations: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(".expected.json")).collect();
    expectations.sort();
    expectations
}

fn has_ffmpeg() -> bool {
    std::process::Command::new("ffmpeg").arg("-version").output().is_ok()
}

/// The amplitude of a tone in the middle half of a signal.
fn amplitude(samples: &[f32], rate: u32, hertz: f64) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let turn = |index: usize| TAU * hertz * index as f64 / f64::from(rate);
    let part = |wave: fn(f64) -> f64| -> f64 {
        middle.iter().enumerate().map(|(index, sample)| f64::from(*sample) * wave(turn(index))).sum()
    };
    2.0 * part(f64::sin).hypot(part(f64::cos)) / middle.len() as f64
}

fn check(recording: &Recording, expected: &Value) -> Result<(), String> {
    let (channels, rate) = (recording.channels.len() as u64, recording.sample_rate);
    if (Some(channels), Some(u64::from(rate))) != (expected["channels"].as_u64(), expected["rate"].as_u64()) {
        return Err(format!("{channels} channels at {rate} Hz"));
    }
    // Encoders add up to 0.06 s.
    let seconds = recording.seconds();
    if let Some(wanted) = expected["seconds"].as_f64()
        && !(wanted - 0.01..wanted + 0.12).contains(&seconds)
    {
        return Err(format!("{seconds:.3} s"));
    }
    let notice = recording.notice.as_deref().unwrap_or("");
    let words = expected["notice"].as_str().unwrap_or("");
    if notice.is_empty() != words.is_empty() || !notice.contains(words) {
        return Err(format!("its notice is \"{notice}\""));
    }
    if recording.is_by_ffmpeg != expected["without_ffmpeg"].is_string() {
        return Err("it was decoded by another program".into());
    }
    for (channel, hertz) in expected["tones"].as_array().into_iter().flatten().enumerate() {
        let found = amplitude(&recording.channels[channel], rate, hertz.as_f64().unwrap_or(0.0));
        if (found - AMPLITUDE).abs() > 0.05 {
            return Err(format!("channel {channel} has {hertz} Hz at {found:.3} instead of {AMPLITUDE}"));
        }
    }
    Ok(())
}

/// Files with the length of something else in their header; that of `alac.caf` counts the padding of its last packet.
const MISSTATED: [&str; 4] = ["chained", "_then_", "truncated", "alac.caf"];

#[test]
fn a_stated_length_is_near_the_true_one() {
    let mut failures = Vec::new();
    for path in files() {
        let audio = PathBuf::from(path.to_string_lossy().trim_end_matches(".expected.json"));
        let Ok(mut stream) = AudioStream::open(&audio) else { continue };
        while stream.next_block().is_some() {}
        let name = audio.file_name().unwrap().to_string_lossy().into_owned();
        let (stated, frames) = (stream.stated_frames(), stream.frames());
        if stated.is_some_and(|stated| (stated as f64 / frames as f64 - 1.0).abs() > 0.1)
            && !MISSTATED.iter().any(|part| name.contains(part))
        {
            failures.push(format!("{name}: {stated:?} frames instead of {frames}"));
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn files_of_other_programs_are_decoded_or_refused_in_words() {
    let (files, has_ffmpeg) = (files(), has_ffmpeg());
    assert!(!files.is_empty());
    let mut failures = Vec::new();
    for path in &files {
        let expected: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let audio = PathBuf::from(path.to_string_lossy().trim_end_matches(".expected.json"));
        let words = match &expected["without_ffmpeg"] {
            Value::String(words) if !has_ffmpeg => Some(words.as_str()),
            _ => expected["error"].as_str(),
        };
        let result = match (read(&audio), words) {
            (Ok(recording), None) => check(&recording, &expected),
            (Err(error), Some(words)) if error.to_string().contains(words) => Ok(()),
            (Ok(_), Some(words)) => Err(format!("decoded, instead of: {words}")),
            (Err(error), _) => Err(format!("refused: {error}")),
        };
        if let Err(what) = result {
            failures.push(format!("{}: {what}", audio.display()));
        }
    }
    assert!(failures.is_empty(), "{} of {} files:\n{}", failures.len(), files.len(), failures.join("\n"));
}
