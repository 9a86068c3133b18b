//! Rendered pieces and voices: what they are said to hold is what the teachers hear in them.

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::path::PathBuf;
use tagvane_engine::resample::Resampler;
use tagvane_engine::{Inference, Model, SAMPLE_RATE};
use tagvane_trainer::data::vocabularies::MAGNATAGATUNE;
use tagvane_trainer::musicnn::{RATE, convert};
use tagvane_trainer::render::pieces::Pieces;
use tagvane_trainer::render::voices::Voices;

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run `cargo xtask test`")).into()
}

#[test]
fn teachers_hear_the_instruments_that_play() {
    let Some(font) = std::env::var_os("TAGVANE_SOUND_FONT") else {
        println!("no sound font: it is one of Debian's packages");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let teachers = convert(&from_environment("TAGVANE_MUSICNN"), folder.path()).unwrap();
    let teacher = Model::open(&teachers[1], Inference::FullWindows).unwrap();
    let pieces = Pieces::open(&[font.into()], &[], 60, 6.0, 1).unwrap();
    let tags: Vec<String> = MAGNATAGATUNE.map(String::from).to_vec();
    let mut heard = Vec::new();
    for source in pieces.sources() {
        let samples = pieces.samples(&source.name).unwrap();
        assert_eq!(samples.len(), 6 * SAMPLE_RATE as usize);
        let highest = samples.iter().fold(0.0_f32, |highest, sample| highest.max(sample.abs()));
        assert!((0.19..0.96).contains(&highest), "{}: its peak is {highest}", source.name);
        assert_eq!(samples, pieces.samples(&source.name).unwrap(), "{}", source.name);
        let to_teacher = Resampler::new(f64::from(SAMPLE_RATE), f64::from(RATE)).unwrap();
        let window = &to_teacher.resample_all(&samples)[16_000..16_000 + teacher.window()];
        heard.push((pieces.truth(&source.name, &tags), teacher.probabilities(window).unwrap()));
    }
    for tag in ["piano", "harpsichord", "guitar", "violin", "flute", "sitar", "choir", "drums"] {
        let place = MAGNATAGATUNE.iter().position(|other| *other == tag).unwrap();
        let mean = |truth: f32| {
            let of: Vec<f32> =
                heard.iter().filter(|(known, _)| known[place] == truth).map(|(_, said)| said[place]).collect();
            assert!(!of.is_empty(), "{tag} is {truth} of no piece");
            of.iter().sum::<f32>() / of.len() as f32
        };
        let (with, without) = (mean(1.0), mean(0.0));
        println!("{tag}: {with:.3} where it plays, {without:.3} where it does not");
        assert!(with > 1.3 * without, "{tag}: {with} where it plays, {without} where it does not");
    }
}

/// Tags that mean a voice, and such as do not.
const VOCAL: [&str; 8] = ["vocal", "vocals", "singing", "voice", "male", "female", "man", "woman"];
const NOT_VOCAL: [&str; 8] = ["classical", "strings", "drums", "rock", "piano", "violin", "harpsichord", "sitar"];

#[test]
fn teachers_hear_voices_as_voices() {
    let voices = match Voices::find() {
        Ok(voices) => voices,
        Err(error) => return println!("left out: {error}"),
    };
    let folder = tempfile::tempdir().unwrap();
    let teachers = convert(&from_environment("TAGVANE_MUSICNN"), folder.path()).unwrap();
    let teacher = Model::open(&teachers[1], Inference::FullWindows).unwrap();
    let mut means = [0.0_f32; 2];
    for seed in 0..10 {
        let voice = voices.draw(&mut StdRng::seed_from_u64(seed)).unwrap();
        assert_eq!(voice, voices.draw(&mut StdRng::seed_from_u64(seed)).unwrap(), "seed {seed}");
        assert!(voice.len() > 10 * SAMPLE_RATE as usize, "seed {seed}: {} samples", voice.len());
        let to_teacher = Resampler::new(f64::from(SAMPLE_RATE), f64::from(RATE)).unwrap();
        let window = &to_teacher.resample_all(&voice)[16_000..16_000 + teacher.window()];
        let said = teacher.probabilities(window).unwrap();
        for (mean, tags) in means.iter_mut().zip([VOCAL, NOT_VOCAL]) {
            let of = |tag: &str| said[MAGNATAGATUNE.iter().position(|other| *other == tag).unwrap()];
            *mean += tags.iter().map(|tag| of(tag)).sum::<f32>() / 80.0;
        }
    }
    let [vocal, other] = means;
    println!("tags of voices: {vocal:.3}, other tags: {other:.3}");
    assert!(vocal > 2.0 * other, "tags of voices: {vocal}, other tags: {other}");
}
