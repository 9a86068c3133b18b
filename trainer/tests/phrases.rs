//! Phrases of single notes that the tests make, as a data set and as a part of a corpus.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use support::tone;
use tagvane_trainer::render::backings::Backings;
use tagvane_trainer::render::notes::NoteFile;
use tagvane_trainer::render::phrases::Phrases;

/// Single notes of a flute, a harp and a drum as files; a tone stands for each.
fn notes(folder: &Path) -> Vec<NoteFile> {
    let mut notes = Vec::new();
    for (instrument, words, pitches) in [
        ("flute", &["flute"][..], &[Some(60), Some(67), Some(74)][..]),
        ("harp", &["harp", "celtic harp"], &[Some(48), Some(55), Some(62), Some(69), Some(76)]),
        ("kit", &["drums"], &[None, None, None]),
    ] {
        for (index, pitch) in pitches.iter().enumerate() {
            let path = folder.join(format!("{instrument}/{index}.wav"));
            let hertz = pitch.map_or(80.0 * (index + 1) as f32, |it| 440.0 * 2_f32.powf((f32::from(it) - 69.0) / 12.0));
            tone(&path, hertz, 1.5);
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            notes.push(NoteFile { instrument: instrument.into(), words, pitch: *pitch, path });
        }
    }
    notes
}

fn phrases(notes: Vec<NoteFile>, backings: Vec<PathBuf>, seed: u64) -> Phrases {
    Phrases::open(notes, &[], Backings::new(backings), 30, 8.0, seed).unwrap()
}

#[test]
fn phrases_are_reproducible_do_not_clip_and_their_truth_is_what_plays() {
    let folder = tempfile::tempdir().unwrap();
    let backing = folder.path().join("backing.wav");
    tone(&backing, 1_500.0, 20.0);
    let open = |seed| phrases(notes(folder.path()), vec![backing.clone()], seed);
    let (first, again, other) = (open(1), open(1), open(2));
    let leads = [
        ("flute", BTreeSet::from(["flute"])),
        ("harp", BTreeSet::from(["celtic harp", "harp"])),
        ("kit", BTreeSet::from(["drums"])),
    ];
    let (mut solos, mut groups) = (0, 0);
    for (number, source) in first.sources().iter().enumerate() {
        let (lead, words) = &leads[number % 3];
        assert_eq!(
            (source.name.as_str(), source.group.as_str()),
            (format!("phrases/{lead}/1/{number}").as_str(), "phrases")
        );
        let phrase = first.phrase(&source.name).unwrap();
        assert_eq!(phrase, again.phrase(&source.name).unwrap(), "{}", source.name);
        assert_eq!(phrase.samples.len(), 8 * 22_050);
        let peak = phrase.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.19..0.96).contains(&peak), "{}: {peak}", source.name);
        let instruments = phrase.truth.instruments();
        assert!(instruments.is_superset(words), "{}: {instruments:?}", source.name);
        let known: BTreeSet<&str> = leads.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        assert!(instruments.is_subset(&known), "{instruments:?}");
        if instruments == *words {
            solos += 1
        } else {
            groups += 1
        }
        // In the second round of three phrases there is a backing, which is in no truth.
        let has_backing = strength(&phrase.samples, 1_500.0) > 0.2;
        assert_eq!(has_backing, number / 3 % 2 == 1, "{}: {}", source.name, strength(&phrase.samples, 1_500.0));
    }
    assert!(solos > 10 && groups > 3, "{solos} solos, {groups} groups");
    let name = |seed: u64| format!("phrases/flute/{seed}/0");
    assert_ne!(first.phrase(&name(1)).unwrap().samples, other.phrase(&name(2)).unwrap().samples);
    for unknown in ["phrases/cello/1/0", "phrases/flute/1/x", "flute", ""] {
        assert!(first.phrase(unknown).unwrap_err().contains("no phrase"), "{unknown}");
    }
}

/// Amplitude of a tone relative to the whole signal; 1 for a pure tone.
fn strength(samples: &[f32], hertz: f64) -> f64 {
    let (mut sine, mut cosine, mut energy) = (0.0, 0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let turns = hertz * at as f64 / 22_050.0 * std::f64::consts::TAU;
        let sample = f64::from(*sample);
        (sine, cosine, energy) = (sine + sample * turns.sin(), cosine + sample * turns.cos(), energy + sample * sample);
    }
    sine.hypot(cosine) * (2.0 / (samples.len() as f64 * energy)).sqrt()
}

#[test]
fn excerpts_of_scores_are_played_too() {
    let folder = tempfile::tempdir().unwrap();
    let score = folder.path().join("score.mid");
    let mut track = Vec::new();
    for step in 0..40_u8 {
        let key = 60 + step % 5;
        track.extend([0, 0x90, key, 100, 48, 0x80, key, 0]);
    }
    track.extend([0, 0xff, 0x2f, 0]);
    let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk".to_vec();
    bytes.extend((track.len() as u32).to_be_bytes());
    bytes.extend(track);
    std::fs::write(&score, bytes).unwrap();
    let with = Phrases::open(notes(folder.path()), &[score], Backings::default(), 12, 8.0, 1).unwrap();
    let without = phrases(notes(folder.path()), Vec::new(), 1);
    let differs = |name: &str| with.phrase(name).unwrap() != without.phrase(name).unwrap();
    let count = with.sources().iter().filter(|source| differs(&source.name)).count();
    assert!(count >= 6, "{count}");
    assert!(with.sources().iter().all(|source| !with.phrase(&source.name).unwrap().truth.soundings.is_empty()));
}

#[test]
fn there_have_to_be_notes_and_a_possible_length() {
    let open =
        |notes, seconds| Phrases::open(notes, &[], Backings::default(), 10, seconds, 1).err().unwrap().to_string();
    assert!(open(Vec::new(), 20.0).contains("no single notes"));
    let folder = tempfile::tempdir().unwrap();
    assert!(open(notes(folder.path()), 2.0).contains("3 to 600"));
}
