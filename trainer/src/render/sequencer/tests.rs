use super::super::truth::Truth;
use super::*;
use rand::SeedableRng as _;
use std::collections::BTreeSet;

const RATE: f64 = SAMPLE_RATE as f64;

/// A tone with some harmonics, which begins and ends at its full level.
fn sample(name: &str, pitch: u8, seconds: f64) -> NoteSample {
    let hertz = frequency(f64::from(pitch));
    let wave = |at: usize| {
        let turns = at as f64 / RATE * hertz * std::f64::consts::TAU;
        (turns.cos() + 0.3 * (2.0 * turns).cos() + 0.2 * (3.0 * turns).cos()) as f32
    };
    let samples = (0..(seconds * RATE) as usize).map(wave).collect();
    NoteSample::new(vec![name.to_owned()], Some(pitch), samples).unwrap()
}

fn frequency(pitch: f64) -> f64 {
    440.0 * 2_f64.powf((pitch - 69.0) / 12.0)
}

fn note(onset: f64, duration: f64, key: u8) -> Note {
    Note { onset, duration, channel: 0, key, velocity: 100 }
}

/// A performance without chance in time and tuning.
fn plain() -> Performance {
    let drawn = Performance::draw(&mut ChaCha12Rng::seed_from_u64(1));
    let still = super::super::performance::Swing { depth: 0.0, ..drawn.dynamics };
    Performance {
        rubato: [still; 2],
        dynamics: still,
        tuning_cents: 0.0,
        note_cents: 0.0,
        articulation: 1.0,
        release: 0.05,
        lets_ring: false,
        room: None,
        noise_db: None,
    }
}

const FLUTE: Playing = Playing::Notes { is_monophonic: true, rings: false };
const PIANO: Playing = Playing::Notes { is_monophonic: false, rings: false };

fn played(notes: &[Note], playing: Playing, samples: &[NoteSample], performance: &Performance, seconds: f64) -> Track {
    let mut random = ChaCha12Rng::seed_from_u64(5);
    play(notes, playing, samples, performance, (seconds * RATE) as usize, &mut random).unwrap()
}

/// The pitch as a MIDI note number: from the lag of the highest peak of the autocorrelation, refined by a parabola.
fn measured_pitch(samples: &[f32]) -> f64 {
    let at = |lag: usize| -> f64 {
        let (left, right) = (&samples[..samples.len() - lag], &samples[lag..]);
        let product: f64 = left.iter().zip(right).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
        let energy = |part: &[f32]| part.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        product / (energy(left) * energy(right)).sqrt()
    };
    let correlations: Vec<f64> = (0..600).map(|lag| at(lag.max(1))).collect();
    // The first peak that is nearly as high as the highest one is the period and not a multiple of it.
    let is_peak = |lag: usize| correlations[lag] > correlations[lag - 1] && correlations[lag] >= correlations[lag + 1];
    let peaks: Vec<usize> = (2..599).filter(|lag| is_peak(*lag)).collect();
    let highest = peaks.iter().map(|lag| correlations[*lag]).fold(0.0, f64::max);
    let lag = *peaks.iter().find(|lag| correlations[**lag] > 0.97 * highest).unwrap();
    let (before, peak, after) = (correlations[lag - 1], correlations[lag], correlations[lag + 1]);
    let lag = lag as f64 + 0.5 * (before - after) / (before - 2.0 * peak + after);
    69.0 + 12.0 * (RATE / lag / 440.0).log2()
}

#[test]
fn notes_have_the_pitch_asked_for() {
    let samples = [sample("flute", 60, 3.0), sample("flute", 71, 3.0)];
    for key in 55..=76 {
        let track = played(&[note(0.1, 0.8, key)], FLUTE, &samples, &plain(), 1.0);
        let pitch = measured_pitch(&track.samples[5_000..15_000]);
        // A single note is played in the octave that is nearest to the samples.
        let octave = ((pitch - f64::from(key)) / 12.0).round() * 12.0;
        assert!((pitch - f64::from(key) - octave).abs() < 0.05, "{pitch} instead of {key}");
        assert!((55.0 - 0.05..76.05).contains(&pitch), "{pitch}");
    }
    // Tuning adds to it.
    let sharp = Performance { tuning_cents: 30.0, ..plain() };
    let pitch = measured_pitch(&played(&[note(0.1, 0.8, 66)], FLUTE, &samples, &sharp, 1.0).samples[5_000..15_000]);
    assert!((pitch - 66.3).abs() < 0.05, "{pitch}");
}

#[test]
fn a_melody_keeps_its_intervals_and_samples_are_transposed_by_a_fourth_at_most() {
    let samples: Vec<NoteSample> = [48, 57, 66].iter().map(|pitch| sample("cello", *pitch, 3.0)).collect();
    let keys = [72, 74, 76, 79, 84];
    let notes: Vec<Note> = keys.iter().enumerate().map(|(at, key)| note(at as f64, 0.9, *key)).collect();
    let track = played(&notes, FLUTE, &samples, &plain(), 5.0);
    let pitch = |at: usize| measured_pitch(&track.samples[at * 22_050 + 4_000..][..10_000]);
    for (at, key) in keys.iter().enumerate() {
        assert!((pitch(at) - (f64::from(*key) - 24.0)).abs() < 0.05, "{at}: {}", pitch(at));
    }
    // One sample alone reaches a fourth in both directions, and no octave of the tritone.
    let one = [sample("kalimba", 60, 3.0)];
    let mut random = ChaCha12Rng::seed_from_u64(1);
    assert_eq!(nearest(&one, 65, &mut random), Some((0, 5)));
    assert_eq!(nearest(&one, 43, &mut random), Some((0, -5)));
    assert_eq!(nearest(&one, 66, &mut random), None);
    let silent = played(&[note(0.0, 1.0, 66)], PIANO, &one, &plain(), 1.0);
    assert!(silent.samples.iter().all(|sample| *sample == 0.0) && silent.soundings.is_empty());
}

#[test]
fn notes_begin_and_end_without_clicks() {
    // The samples begin and end at their peak, which makes a jump of more than 1 without fades.
    let samples = [sample("organ", 45, 0.7), sample("organ", 52, 0.7)];
    let notes: Vec<Note> = (0..12).map(|at| note(f64::from(at) * 0.4, [0.1, 0.39, 2.0][at as usize % 3], 45)).collect();
    let jump = |samples: &[f32]| samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0_f32, f32::max);
    let steady = jump(&samples[0].samples).max(jump(&samples[1].samples));
    for seed in 0..20 {
        let drawn = Performance::draw(&mut ChaCha12Rng::seed_from_u64(seed));
        for lets_ring in [false, true] {
            let performance = Performance { room: None, noise_db: None, lets_ring, ..drawn.clone() };
            for playing in [FLUTE, PIANO, Playing::Notes { is_monophonic: false, rings: true }] {
                let track = played(&notes, playing, &samples, &performance, 6.0);
                // At most six notes overlap, each at up to 1.5 times its level.
                let most = jump(&track.samples);
                assert!(most < 6.0 * 1.6 * steady, "seed {seed}: {most} for {steady}");
                let single = played(&notes[1..2], playing, &samples, &performance, 2.0);
                let most = jump(&single.samples);
                assert!(most < 1.6 * steady + 0.02, "seed {seed}: {most} for {steady}");
                assert!(single.samples.iter().any(|sample| sample.abs() > 0.3), "seed {seed}");
                assert_eq!(*single.samples.last().unwrap(), 0.0);
            }
        }
    }
}

#[test]
fn a_wind_plays_the_highest_note_of_a_chord_and_a_piano_all() {
    let samples: Vec<NoteSample> = (48..=72).step_by(3).map(|pitch| sample("it", pitch, 2.0)).collect();
    let chord = [note(0.0, 2.0, 60), note(0.01, 2.0, 64), note(0.0, 2.0, 57), note(1.0, 1.0, 62)];
    assert_eq!(highest_line(&chord), [note(0.0, 1.0, 64), note(1.0, 1.0, 62)]);
    let sounding = |playing| played(&chord, playing, &samples, &plain(), 2.0).soundings.len();
    assert_eq!((sounding(FLUTE), sounding(PIANO)), (2, 4));
}

#[test]
fn the_truth_has_exactly_what_sounds_when() {
    let samples = [sample("harp", 60, 3.0)];
    let track = played(&[note(1.0, 0.5, 60), note(3.0, 0.5, 62)], PIANO, &samples, &plain(), 3.2);
    let spans: Vec<(usize, usize)> = track.soundings.iter().map(|sounding| (sounding.from, sounding.to)).collect();
    let frames = |seconds: f64| (seconds * RATE) as usize;
    let close =
        |(from, to): (usize, usize), start, end| from.abs_diff(frames(start)) < 9 && to.abs_diff(frames(end)) < 9;
    assert!(close(spans[0], 1.0, 1.55) && close(spans[1], 3.0, 3.2), "{spans:?}");
    for (at, sample) in track.samples.iter().enumerate() {
        assert!(*sample == 0.0 || spans.iter().any(|(from, to)| (*from..*to).contains(&at)), "{at}: {sample}");
    }
    let truth = Truth { soundings: track.soundings, is_complete: true };
    assert_eq!(truth.instruments(), BTreeSet::from(["harp"]));
    assert_eq!(truth.instruments_within(0, frames(1.0), 1), BTreeSet::new());
}

#[test]
fn low_keys_play_dark_drums_and_phrases_are_played_one_after_the_other() {
    let drum = |name: &str, pitch| NoteSample { pitch: None, ..sample(name, pitch, 0.3) };
    let kit: Vec<NoteSample> =
        (0..9).map(|at| drum(["kick", "snare", "hat"][at as usize / 3], 36 + 6 * at)).rev().collect();
    let of = |key| {
        let notes = [note(0.0, 0.1, 36), note(0.5, 0.1, 38), note(1.0, 0.1, 42), note(1.5, 0.1, key)];
        let track = played(&notes, Playing::Hits, &kit, &plain(), 2.0);
        track.soundings.last().unwrap().instruments[0].clone()
    };
    assert_eq!([of(36), of(38), of(42)], ["kick", "snare", "hat"]);

    let phrases: Vec<NoteSample> = [60, 64, 67].iter().map(|pitch| drum("voice", *pitch)).collect();
    let track = played(&[], Playing::Whole, &phrases, &plain(), 10.0);
    assert!(track.soundings.len() > 9 && track.soundings.windows(2).all(|pair| pair[0].to <= pair[1].from));
}
