//! Plays notes of a score with the samples of one instrument.

use super::compose::Note;
use super::notes::{NoteSample, Playing};
use super::performance::Performance;
use super::truth::Sounding;
use rand::Rng as _;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand_chacha::ChaCha12Rng;
use tagvane_engine::SAMPLE_RATE;
use tagvane_engine::resample::Resampler;

/// A sample is transposed by at most a fourth, in semitones.
const MAX_TRANSPOSITION: i32 = 5;

/// Duration of the fade at the start of a note, 3 ms.
const ATTACK: usize = 3 * SAMPLE_RATE as usize / 1_000;

/// Notes that begin within this time are a chord, in seconds.
const CHORD: f64 = 0.03;

/// A sample as it is to be played.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PlannedSound {
    /// Which sample.
    sample: usize,
    /// In samples from the start.
    onset: usize,
    /// Length in samples before the release; `usize::MAX` for all of the sample.
    length: usize,
    /// How far it is transposed.
    semitones: f64,
    gain: f32,
}

/// What an instrument plays.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Mono, at the sample rate of the engine.
    pub samples: Vec<f32>,
    /// What sounds in it when.
    pub soundings: Vec<Sounding>,
}

/// Plays `notes`, sorted by onset, with the samples of an instrument, `frames` long. Notes of which no octave is within a
/// fourth of a sample are left out; without any the track is silent.
///
/// # Errors
/// A message where a sample cannot be transposed.
pub fn play(
    notes: &[Note],
    playing: Playing,
    samples: &[NoteSample],
    performance: &Performance,
    frames: usize,
    random: &mut ChaCha12Rng,
) -> Result<Track, String> {
    let sounds = match playing {
        Playing::Notes { is_monophonic, rings } => {
            let line = if is_monophonic { highest_line(notes) } else { notes.to_vec() };
            let lets_ring = rings && !is_monophonic && performance.lets_ring;
            plan_notes(&line, samples, performance, lets_ring, random)
        }
        Playing::Hits => plan_hits(notes, samples, performance, random),
        Playing::Whole => plan_whole(samples, performance, frames, random),
    };
    let release = frame(performance.release);
    let mut track = Track { samples: vec![0.0; frames], soundings: Vec::new() };
    for sound in sounds.iter().filter(|sound| sound.onset < frames) {
        let sample = &samples[sound.sample];
        let (played, audible) = transpose(sample, sound, release)?;
        for (output, sample) in track.samples[sound.onset..].iter_mut().zip(&played) {
            *output += sound.gain * sample;
        }
        let to = (sound.onset + audible).min(frames);
        track.soundings.push(Sounding { instruments: sample.words.clone(), from: sound.onset, to });
    }
    Ok(track)
}

/// A time in samples.
fn frame(seconds: f64) -> usize {
    (seconds * f64::from(SAMPLE_RATE)) as usize
}

/// The highest note of each chord, each until the next one at most.
fn highest_line(notes: &[Note]) -> Vec<Note> {
    let mut line: Vec<Note> = Vec::new();
    for note in notes {
        match line.last_mut() {
            Some(last) if note.onset - last.onset < CHORD => {
                if note.key > last.key {
                    *last = Note { onset: last.onset, ..*note };
                }
            }
            Some(last) => {
                last.duration = last.duration.min(note.onset - last.onset);
                line.push(*note);
            }
            None => line.push(*note),
        }
    }
    line
}

/// Notes with the nearest samples, in the octave that suits the instrument best.
fn plan_notes(
    notes: &[Note],
    samples: &[NoteSample],
    performance: &Performance,
    lets_ring: bool,
    random: &mut ChaCha12Rng,
) -> Vec<PlannedSound> {
    let mean = |keys: &mut dyn Iterator<Item = u8>| {
        let (sum, count) = keys.fold((0.0, 0.0), |(sum, count), key| (sum + f64::from(key), count + 1.0));
        sum / f64::max(count, 1.0)
    };
    let range = mean(&mut samples.iter().filter_map(|sample| sample.pitch));
    let octaves = ((range - mean(&mut notes.iter().map(|note| note.key))) / 12.0).round() as i32;
    let mut sounds = Vec::with_capacity(notes.len());
    for note in notes {
        let Some((sample, transposition)) = nearest(samples, i32::from(note.key) + 12 * octaves, random) else {
            continue;
        };
        let (start, end) = (performance.time(note.onset), performance.time(note.onset + note.duration));
        sounds.push(PlannedSound {
            sample,
            onset: frame(start),
            length: if lets_ring { usize::MAX } else { frame((end - start) * performance.articulation) },
            semitones: f64::from(transposition) + performance.tuning(random),
            gain: performance.gain(start, note.velocity),
        });
    }
    sounds
}

/// A sample whose pitch is nearest to `key` or, if none is within a fourth of it, to one of the octaves beside it; and
/// the transposition in semitones.
fn nearest(samples: &[NoteSample], key: i32, random: &mut ChaCha12Rng) -> Option<(usize, i32)> {
    for octave in [0, -12, 12, -24, 24] {
        let distance = |sample: &NoteSample| Some(key + octave - i32::from(sample.pitch?));
        let least = samples.iter().filter_map(distance).map(i32::abs).min()?;
        if least <= MAX_TRANSPOSITION {
            let near: Vec<(usize, i32)> = samples
                .iter()
                .enumerate()
                .filter_map(|(index, sample)| Some((index, distance(sample)?)))
                .filter(|(_, distance)| distance.abs() == least)
                .collect();
            return near.choose(random).copied();
        }
    }
    None
}

/// A drum for each key: dark sounds for low ones, and for each hit one of three similar sounds.
fn plan_hits(
    notes: &[Note],
    samples: &[NoteSample],
    performance: &Performance,
    random: &mut ChaCha12Rng,
) -> Vec<PlannedSound> {
    let mut keys: Vec<u8> = notes.iter().map(|note| note.key).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut by_brightness: Vec<usize> = (0..samples.len()).collect();
    by_brightness.sort_by(|a, b| samples[*a].brightness.total_cmp(&samples[*b].brightness));
    let hit = |note: &Note| {
        let rank = keys.binary_search(&note.key).unwrap_or(0);
        let middle = (2 * rank + 1) * samples.len() / (2 * keys.len());
        let drawn = (middle + random.random_range(0..3)).saturating_sub(1).min(samples.len() - 1);
        let start = performance.time(note.onset);
        PlannedSound {
            sample: by_brightness[drawn],
            onset: frame(start),
            length: usize::MAX,
            semitones: performance.tuning(random),
            gain: performance.gain(start, note.velocity),
        }
    };
    notes.iter().map(hit).collect()
}

/// The samples in random order, one after the other with short rests, transposed by up to three semitones.
fn plan_whole(
    samples: &[NoteSample],
    performance: &Performance,
    frames: usize,
    random: &mut ChaCha12Rng,
) -> Vec<PlannedSound> {
    let transposition = random.random_range(-3.0..3.0);
    let (mut sounds, mut at, mut order) = (Vec::new(), 0, Vec::new());
    while at < frames {
        if order.is_empty() {
            order = (0..samples.len()).collect();
            order.shuffle(random);
        }
        let Some(sample) = order.pop() else { break };
        let semitones = transposition + performance.tuning(random);
        let gain = performance.gain(at as f64 / f64::from(SAMPLE_RATE), 100);
        sounds.push(PlannedSound { sample, onset: at, length: usize::MAX, semitones, gain });
        let sounding = samples[sample].audible as f64 / 2_f64.powf(semitones / 12.0);
        at += sounding as usize + frame(random.random_range(0.05..0.8));
    }
    sounds
}

/// A sample as it is played, faded in and out, and the number of its samples that are audible.
fn transpose(sample: &NoteSample, sound: &PlannedSound, release: usize) -> Result<(Vec<f32>, usize), String> {
    /// What the resampler needs behind the end.
    const MARGIN: usize = 256;
    let factor = 2_f64.powf(sound.semitones / 12.0);
    let length = sound.length.saturating_add(release);
    let needed = (length as f64 * factor) as usize;
    let needed = needed.saturating_add(MARGIN).min(sample.samples.len());
    let rate = f64::from(SAMPLE_RATE);
    let resampler = Resampler::new(rate * factor, rate).map_err(|error| error.to_string())?;
    let mut played = resampler.resample_all(&sample.samples[..needed]);
    played.truncate(length);
    let end = played.len();
    fade(&mut played[..ATTACK.min(end)]);
    let fade_out = release.max(ATTACK).min(end);
    played.reverse();
    fade(&mut played[..fade_out]);
    played.reverse();
    let audible = ((sample.audible as f64 / factor) as usize).min(end);
    Ok((played, audible))
}

/// Fades in by a raised cosine, from zero.
fn fade(samples: &mut [f32]) {
    let length = samples.len() as f32;
    for (index, sample) in samples.iter_mut().enumerate() {
        *sample *= 0.5 - 0.5 * (std::f32::consts::PI * index as f32 / length).cos();
    }
}

#[cfg(test)]
mod tests;
